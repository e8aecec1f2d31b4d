/**
 * How the tables came to be, one step for each format. A released step never
 * changes; a store made by any earlier version opens with this one, and one
 * made by a later version is refused and left as it is.
 *
 * `fixtures/store/` keeps a store of each format, and a test opens them all.
 *
 * @packageDocumentation
 */

import { sql, type ColumnDataType, type Expression } from 'kysely'
import { Fault } from '../errors.js'
import { serverTables } from './build-tables.js'
import type { Database, Statements } from './database.js'

/** Column types of one kind of database. */
export interface Types {
  /** Text that compares byte by byte. */
  readonly text: Expression<unknown> | ColumnDataType
  readonly bytes: ColumnDataType
  /** A number the database counts up by itself. */
  readonly counter: 'integer' | 'serial'
}

/** Brings the tables from one format to the next. */
export type Step = (tx: Statements, types: Types) => Promise<void>

const TYPES: Readonly<Record<Database['kind'], Types>> = {
  sqlite: { text: 'text', bytes: 'blob', counter: 'integer' },
  // Without it the order of names would be that of the cluster's locale.
  postgres: { text: sql`text collate "C"`, bytes: 'bytea', counter: 'serial' },
}

/** The steps in their order: the first makes format 1. */
export const STEPS: readonly Step[] = [
  secretsAndHistory,
  usageAndVerdicts,
  retiredMounts,
  listOrder,
  stepsAndTurns,
  serverTables,
  madeRecords,
]

/**
 * Brings the tables to the format of the last step, in one transaction.
 *
 * @returns the format that was found, 0 in a database without our tables.
 * @throws {@link Fault} `STORE_INVALID` for a store of a later version.
 */
export async function migrate(database: Database, steps: readonly Step[] = STEPS): Promise<number> {
  const format = (tx: Statements): Promise<number> =>
    findFormat(tx, { kind: database.kind, newest: steps.length })
  const found = await database.read(format)
  if (found === steps.length) return found
  await database.write(async (tx) => {
    // Another process may have been first.
    const now = await format(tx)
    if (now === 0)
      await tx.schema.createTable('store_format').addColumn('format', 'integer', notNull).execute()
    for (const step of steps.slice(now)) await step(tx, TYPES[database.kind])
    await tx.deleteFrom('store_format').execute()
    await tx.insertInto('store_format').values({ format: steps.length }).execute()
  })
  return found
}

/**
 * Checks that the tables are of the newest format, for a process that may not change them.
 *
 * @throws {@link Fault} `STORE_INVALID`
 */
export async function requireNewest(database: Database): Promise<void> {
  const found = await database.read((tx) => findFormat(tx, { kind: database.kind, newest: STEPS.length }))
  if (found === STEPS.length) return
  if (found === 0) {
    throw new Fault('STORE_INVALID', 'The database holds no store that this user may see.', {
      hint: 'Start the keyholder or the server first, then give the user its rights with "traceless database grant-worker".',
      detail: { format: found, newest: STEPS.length },
    })
  }
  throw new Fault('STORE_INVALID', 'The store was made by an earlier version of Traceless.', {
    hint: 'Start the server or the keyholder of this version first: they bring the tables up to date.',
    detail: { format: found, newest: STEPS.length },
  })
}

async function findFormat(
  tx: Statements,
  { kind, newest }: { kind: Database['kind']; newest: number },
): Promise<number> {
  const exists =
    kind === 'sqlite'
      ? sql<{ found: string }>`select name as found from sqlite_master where name = 'store_format'`
      : sql<{
          found: string
        }>`select to_regclass('store_format')::text as found where to_regclass('store_format') is not null`
  if ((await exists.execute(tx)).rows.length === 0) return 0
  const { format } = await tx.selectFrom('store_format').select('format').executeTakeFirstOrThrow()
  if (format > newest) {
    throw new Fault('STORE_INVALID', 'The store was made by a later version of Traceless.', {
      hint: 'Use that version or a newer one. The store was left as it is.',
      detail: { format, newest },
    })
  }
  return format
}

const notNull = <C extends { notNull(): C }>(column: C): C => column.notNull()

/** Format 1: secrets, their versions and what happened to them. */
async function secretsAndHistory({ schema }: Statements, { text, bytes, counter }: Types): Promise<void> {
  await schema
    .createTable('store')
    .addColumn('singleton', 'integer', (column) => column.primaryKey().check(sql`singleton = 1`))
    .addColumn('id', text, notNull)
    .addColumn('created_at', text, notNull)
    .execute()
  await schema
    .createTable('recipient')
    .addColumn('key_id', text, (column) => column.primaryKey().notNull())
    .addColumn('public_key', bytes, notNull)
    .addColumn('state', text, notNull)
    .addColumn('root', bytes, notNull)
    .addColumn('created_at', text, notNull)
    .addColumn('created_by', text, notNull)
    .execute()
  await schema
    .createTable('environment')
    .addColumn('name', text, (column) => column.primaryKey().notNull())
    .addColumn('created_at', text, notNull)
    .addColumn('created_by', text, notNull)
    .execute()
  await schema
    .createTable('secret_group')
    .addColumn('environment', text, notNull)
    .addColumn('name', text, notNull)
    .addColumn('created_at', text, notNull)
    .addColumn('created_by', text, notNull)
    .addPrimaryKeyConstraint('secret_group_key', ['environment', 'name'])
    .execute()
  await schema
    .createTable('secret')
    .addColumn('environment', text, notNull)
    .addColumn('group_name', text, notNull)
    .addColumn('name', text, notNull)
    .addColumn('live', text)
    .addColumn('live_code', bytes, notNull)
    .addColumn('staged', text)
    .addColumn('staged_version', text)
    .addColumn('staged_base', text)
    .addColumn('staged_at', text)
    .addColumn('staged_by', text)
    .addColumn('staged_code', bytes)
    .addColumn('versions', 'integer', notNull)
    .addColumn('created_at', text, notNull)
    .addColumn('created_by', text, notNull)
    .addColumn('updated_at', text, notNull)
    .addColumn('last_used_at', text)
    .addPrimaryKeyConstraint('secret_key', ['environment', 'group_name', 'name'])
    .execute()
  await schema.createIndex('secret_by_age').on('secret').columns(['environment', 'created_at']).execute()
  await schema.createIndex('secret_by_age_anywhere').on('secret').column('created_at').execute()
  await schema
    .createIndex('secret_staged')
    .on('secret')
    .column('environment')
    .where(sql.ref('staged'), 'is not', null)
    .execute()
  await schema
    .createTable('version')
    .addColumn('id', text, (column) => column.primaryKey().notNull())
    .addColumn('environment', text, notNull)
    .addColumn('group_name', text, notNull)
    .addColumn('name', text, notNull)
    .addColumn('ordinal', 'integer', notNull)
    .addColumn('exposure', text, notNull)
    .addColumn('guarded', 'integer', notNull)
    .addColumn('digest', text, notNull)
    .addColumn('created_at', text, notNull)
    .addColumn('created_by', text, notNull)
    .addColumn('code', bytes, notNull)
    .addUniqueConstraint('version_ordinal', ['environment', 'group_name', 'name', 'ordinal'])
    .execute()
  await schema
    .createTable('sealed')
    .addColumn('version', text, notNull)
    .addColumn('key_id', text, notNull)
    .addColumn('box', bytes, notNull)
    .addColumn('code', bytes, notNull)
    .addPrimaryKeyConstraint('sealed_key', ['version', 'key_id'])
    .execute()
  await schema.createIndex('sealed_by_recipient').on('sealed').columns(['key_id', 'version']).execute()
  await schema
    .createTable('event')
    .addColumn('id', counter, (column) =>
      (counter === 'serial' ? column : column.autoIncrement()).primaryKey(),
    )
    .addColumn('at', text, notNull)
    .addColumn('actor', text, notNull)
    .addColumn('action', text, notNull)
    .addColumn('environment', text)
    .addColumn('group_name', text)
    .addColumn('name', text)
    .addColumn('version', text)
    .addColumn('detail', text)
    .execute()
  await schema.createIndex('event_by_secret').on('event').columns(['environment', 'name', 'at']).execute()
  await schema.createIndex('event_by_time').on('event').column('at').execute()
}

/** Format 2: which image used what, and what the leak check may skip. */
async function usageAndVerdicts({ schema }: Statements, { text }: Types): Promise<void> {
  await schema
    .createTable('usage')
    .addColumn('id', text, (column) => column.primaryKey().notNull())
    .addColumn('kind', text, notNull)
    .addColumn('environment', text, notNull)
    .addColumn('image', text)
    .addColumn('tags', text, notNull)
    .addColumn('at', text, notNull)
    .execute()
  await schema
    .createTable('usage_secret')
    .addColumn('usage', text, notNull)
    .addColumn('environment', text, notNull)
    .addColumn('group_name', text, notNull)
    .addColumn('name', text, notNull)
    .addColumn('version', text, notNull)
    .addPrimaryKeyConstraint('usage_secret_key', ['usage', 'version'])
    .execute()
  await schema
    .createIndex('usage_secret_by_name')
    .on('usage_secret')
    .columns(['environment', 'name'])
    .execute()
  await schema
    .createTable('verdict')
    .addColumn('key', text, (column) => column.primaryKey().notNull())
    .addColumn('at', text, notNull)
    .execute()
  await schema.createIndex('verdict_by_age').on('verdict').column('at').execute()
}

/** Format 3: mounts that leaked. */
async function retiredMounts({ schema }: Statements, { text }: Types): Promise<void> {
  await schema
    .createTable('retired_mount')
    .addColumn('id', text, (column) => column.primaryKey().notNull())
    .addColumn('at', text, notNull)
    .execute()
}

/** Format 4: indexes in the order in which lists are shown, so that a page costs what is on it. */
async function listOrder({ schema }: Statements): Promise<void> {
  await schema.dropIndex('secret_by_age').execute()
  await schema.dropIndex('secret_by_age_anywhere').execute()
  await schema
    .createIndex('secret_by_age')
    .on('secret')
    .columns(['environment', 'created_at desc', 'group_name', 'name'])
    .execute()
  await schema
    .createIndex('secret_by_age_anywhere')
    .on('secret')
    .columns(['created_at desc', 'environment', 'group_name', 'name'])
    .execute()
  await schema
    .createIndex('secret_live')
    .on('secret')
    .column('environment')
    .where(sql.ref('live'), 'is not', null)
    .execute()
}

/** Format 5: which versions the steps of builds were made with, and who builds now. */
async function stepsAndTurns({ schema }: Statements, { text }: Types): Promise<void> {
  await schema
    .createTable('made_step')
    .addColumn('key', text, (column) => column.primaryKey().notNull())
    .addColumn('versions', text, notNull)
    .addColumn('salt', text, notNull)
    .addColumn('at', text, notNull)
    .execute()
  await schema.createIndex('made_step_by_age').on('made_step').column('at').execute()
  await schema
    .createTable('turn')
    .addColumn('name', text, (column) => column.primaryKey().notNull())
    .addColumn('holder', text, notNull)
    .addColumn('beats', 'integer', notNull)
    .execute()
}

/** Format 7: which records of an engine's build cache are ours to drop. */
async function madeRecords({ schema }: Statements, { text }: Types): Promise<void> {
  await schema
    .createTable('made_record')
    .addColumn('engine', text, notNull)
    .addColumn('record', text, notNull)
    .addColumn('at', text, notNull)
    .addPrimaryKeyConstraint('made_record_key', ['engine', 'record'])
    .execute()
}
