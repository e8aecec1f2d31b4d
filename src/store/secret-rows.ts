/**
 * Finding and writing the rows of secrets: one place that knows what must be
 * checked before a row may be written again.
 *
 * @packageDocumentation
 */

import { Fault, faultOf } from '../errors.js'
import type { SecretName, SecretValue } from '../secret.js'
import { nearest } from '../suggest.js'
import type { SecretPlace } from './admin.js'
import type { Database, Statements } from './database.js'
import { environmentName, groupName } from './names.js'
import type { Pins } from './pins.js'
import { forged, type RecordSeal, type SecretKey } from './records.js'
import type { SealedTable, SecretTable, VersionTable } from './schema.js'

/** Rows of one statement at most: SQLite binds 32,766 values at most, https://www.sqlite.org/limits.html */
const ROWS_AT_ONCE = 500

/** What changing needs. */
export interface Writer {
  readonly database: Database
  readonly records: RecordSeal
  readonly digestKey: SecretValue
  readonly pins: () => Promise<Pins>
  readonly actor: string
  readonly now: () => Date
  /** {@link CHANGES_PER_HOUR}; a parameter for tests. */
  readonly changesPerHour: number
}

/** A checked place; the empty group is the environment itself. */
export interface Place {
  readonly environment: string
  readonly group: string
}

/** Checks the names of a place. */
export function checkPlace({ environment, group }: SecretPlace): Place {
  return { environment: environmentName(environment), group: group === undefined ? '' : groupName(group) }
}

/** @throws {@link Fault} `SECRET_UNKNOWN` when the group is not there. */
export async function requireGroup(tx: Statements, { environment, group }: Place): Promise<boolean> {
  if (group === '') return true
  const rows = await tx
    .selectFrom('secret_group')
    .select('name')
    .where('environment', '=', environment)
    .execute()
  if (rows.some(({ name }) => name === group)) return true
  throw unknownGroup(
    group,
    rows.map(({ name }) => name),
  )
}

/** The fault for a group that is not there. */
export function unknownGroup(group: string, known: readonly string[]): Fault {
  const near = nearest(group, known)
  return new Fault('SECRET_UNKNOWN', 'There is no group of that name in this environment.', {
    hint: near === undefined ? 'Groups are made with "traceless groups create".' : `Did you mean ${near}?`,
  })
}

/** The fault that lists every name that is not there, with the nearest one that is. */
export async function unknownSecrets(
  tx: Statements,
  { environment, group }: Place,
  missing: readonly SecretName[],
): Promise<Fault> {
  const rows = await tx
    .selectFrom('secret')
    .select('name')
    .where('environment', '=', environment)
    .where('group_name', '=', group)
    .where((is) => is.or([is('live', 'is not', null), is('staged', 'is not', null)]))
    .execute()
  const known = rows.map(({ name }) => name)
  return faultOf(
    missing.map((name) => {
      const near = nearest(name, known)
      return {
        code: 'SECRET_UNKNOWN',
        message: `There is no secret ${name} in ${group === '' ? environment : `group ${group} of ${environment}`}.`,
        ...(near === undefined ? {} : { hint: `Did you mean ${near}?` }),
      }
    }),
  )
}

/** The rows of some names. */
export async function findSecrets(
  tx: Statements,
  { environment, group }: Place,
  names: readonly SecretName[],
): Promise<ReadonlyMap<string, SecretTable>> {
  const found = new Map<string, SecretTable>()
  for (const some of chunks(names)) {
    const rows = await tx
      .selectFrom('secret')
      .selectAll()
      .where('environment', '=', environment)
      .where('group_name', '=', group)
      .where('name', 'in', some)
      .execute()
    for (const row of rows) found.set(row.name, row)
  }
  return found
}

/** Versions by id. */
export async function findVersions(
  tx: Statements,
  ids: readonly (string | null)[],
): Promise<ReadonlyMap<string, VersionTable>> {
  const found = new Map<string, VersionTable>()
  for (const some of chunks(ids.filter((id) => id !== null))) {
    for (const row of await tx.selectFrom('version').selectAll().where('id', 'in', some).execute()) {
      found.set(row.id, row)
    }
  }
  return found
}

/**
 * Checks which version is live and what is staged. A row that is written again gets new codes: it must be right before.
 *
 * @throws {@link Fault} `STORE_INVALID`
 */
export function checkSecret({ records }: Pick<Writer, 'records'>, row: SecretTable): void {
  records.checkLive(row)
  if (!records.isStagedRight(row)) throw forged(row)
}

/**
 * A version of this secret that must be there, checked; `undefined` for no id.
 *
 * @throws {@link Fault} `STORE_INVALID`
 */
export function checkedVersion(
  { records }: Pick<Writer, 'records'>,
  row: SecretTable,
  { id, among }: { id: string | null; among: ReadonlyMap<string, VersionTable> },
): VersionTable | undefined {
  if (id === null) return undefined
  const version = among.get(id)
  if (version === undefined) throw forged(row)
  records.checkVersion(version, row)
  return version
}

/** The columns of a row without a staged change. */
export const NOTHING_STAGED = {
  staged: null,
  staged_version: null,
  staged_base: null,
  staged_at: null,
  staged_by: null,
  staged_code: null,
} as const

/** The row without its staged change. */
export const discardStaged = (row: SecretTable): SecretTable => ({ ...row, ...NOTHING_STAGED })

/** The row with a change staged: to a version, or `null` for removal. */
export function stageChange(row: SecretTable, writer: Writer, version: string | null): SecretTable {
  return {
    ...row,
    staged: version === null ? 'unset' : 'set',
    staged_version: version,
    staged_base: row.live,
    staged_at: writer.now().toISOString(),
    staged_by: writer.actor,
  }
}

/** Writes rows with new codes. What they say must have been checked. */
export async function saveSecrets(
  tx: Statements,
  { records }: Writer,
  rows: readonly SecretTable[],
): Promise<void> {
  const coded = rows.map((row) => ({
    ...row,
    live_code: records.liveCode(row),
    staged_code: row.staged === null ? null : records.stagedCode(row),
  }))
  for (const some of chunks(coded)) {
    await tx
      .insertInto('secret')
      .values(some)
      .onConflict((conflict) =>
        conflict
          .columns(['environment', 'group_name', 'name'])
          .doUpdateSet((is) =>
            Object.fromEntries(CHANGING.map((column) => [column, is.ref(`excluded.${column}`)])),
          ),
      )
      .execute()
  }
}

/** Columns of a secret that are not its key. */
const CHANGING = [
  'live',
  'live_code',
  'staged',
  'staged_version',
  'staged_base',
  'staged_at',
  'staged_by',
  'staged_code',
  'versions',
  'created_at',
  'created_by',
  'updated_at',
  'last_used_at',
] as const satisfies readonly Exclude<keyof SecretTable, keyof SecretKey>[]

/** A row of sealed bytes with its code. */
export function boxRow(records: RecordSeal, row: Omit<SealedTable, 'code'>): SealedTable {
  return { ...row, code: records.boxCode(row) }
}

/** Whether the secret is live or about to be. */
export const isThere = (row: SecretTable | undefined): row is SecretTable =>
  row !== undefined && (row.live !== null || row.staged !== null)

/** The columns that tell where something happened. */
export const eventPlace = ({ environment, group_name, name }: SecretKey): SecretKey => ({
  environment,
  group_name,
  name,
})

/** The group as the interface has it. */
export const orNull = (group: string): string | null => (group === '' ? null : group)

/** Parts small enough for one statement each. */
export function chunks<T>(all: readonly T[]): T[][] {
  const parts: T[][] = []
  for (let at = 0; at < all.length; at += ROWS_AT_ONCE) parts.push(all.slice(at, at + ROWS_AT_ONCE))
  return parts
}
