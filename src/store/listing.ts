/**
 * What a store shows without opening anything: secrets, versions,
 * environments, groups, and which builds used what.
 *
 * @packageDocumentation
 */

import type { SecretName } from '../secret.js'
import type {
  EnvironmentEntry,
  GroupEntry,
  ListQuery,
  SecretAdmin,
  SecretEntry,
  SecretRef,
  UsageEntry,
  VersionEntry,
} from './admin.js'
import type { Database, Statements } from './database.js'
import { environmentName } from './names.js'
import { checkMax, findPage, timeText } from './page.js'
import type { RecordSeal } from './records.js'
import type { GroupTable, SecretTable, UsageTable, VersionTable } from './schema.js'
import {
  checkedVersion,
  checkPlace,
  checkSecret,
  findVersions,
  orNull,
  unknownGroup,
  unknownSecrets,
  type Place,
} from './secret-rows.js'
import { DEFAULT_ENVIRONMENT } from './store.js'

/** What looking needs. */
export interface Viewer {
  readonly database: Database
  readonly records: RecordSeal
}

/** Uses that are listed when no number is asked for. */
export const USES_LISTED = 100

/** Lists secrets, see `SecretAdmin.list`. Every record is checked as it is listed. */
export async function listSecrets(
  { database, records }: Viewer,
  query: ListQuery = {},
): Promise<readonly SecretEntry[]> {
  checkMax(query.max)
  return await database.read(async (tx) => {
    const rows = await findPage(tx, query)
    const versions = await findVersions(
      tx,
      rows.flatMap((row) => [row.live, row.staged_version, row.staged === 'unset' ? row.staged_base : null]),
    )
    return rows.flatMap((row) => {
      checkSecret({ records }, row)
      const version = (id: string | null): VersionTable | null =>
        checkedVersion({ records }, row, { id, among: versions }) ?? null
      const live = version(row.live)
      const staged = version(row.staged_version)
      const shown = staged ?? version(row.staged === null ? null : row.staged_base)
      return [
        ...(live === null ? [] : [entryOf(row, { status: 'live', version: live, shown: live })]),
        ...(row.staged === null || shown === null
          ? []
          : [entryOf(row, { status: 'staged', version: staged, shown })]),
      ]
    })
  })
}

/** Versions of a secret, see `SecretAdmin.versions`. */
export async function listVersions(
  { database, records }: Viewer,
  { name, ...where }: SecretRef,
): Promise<readonly VersionEntry[]> {
  const place = checkPlace(where)
  return await database.read(async (tx) => {
    const secret = await tx
      .selectFrom('secret')
      .selectAll()
      .where('environment', '=', place.environment)
      .where('group_name', '=', place.group)
      .where('name', '=', name)
      .executeTakeFirst()
    if (secret === undefined) throw await unknownSecrets(tx, place, [name])
    records.checkLive(secret)
    const rows = await tx
      .selectFrom('version')
      .selectAll()
      .select((is) =>
        is
          .exists(is.selectFrom('sealed').select('key_id').whereRef('sealed.version', '=', 'version.id'))
          .as('kept'),
      )
      .where('environment', '=', place.environment)
      .where('group_name', '=', place.group)
      .where('name', '=', name)
      .orderBy('ordinal', 'desc')
      .execute()
    return rows.map((row) => {
      records.checkVersion(row, secret)
      return {
        version: row.id,
        digest: row.digest,
        exposure: row.exposure,
        guarded: row.guarded === 1,
        createdAt: new Date(row.created_at),
        createdBy: row.created_by,
        live: row.id === secret.live,
        staged: row.id === secret.staged_version,
        kept: Boolean(row.kept),
      }
    })
  })
}

/** Environments by name, the default one always among them. */
export async function listEnvironments({ database }: Viewer): Promise<readonly EnvironmentEntry[]> {
  return await database.read(async (tx) => {
    const rows = await tx.selectFrom('environment').selectAll().orderBy('name').execute()
    const secrets = await tx
      .selectFrom('secret')
      .select((is) => ['environment', is.fn.countAll().as('count')])
      .where('live', 'is not', null)
      .groupBy('environment')
      .execute()
    const groups = await tx
      .selectFrom('secret_group')
      .select((is) => ['environment', is.fn.countAll().as('count')])
      .groupBy('environment')
      .execute()
    const count = (all: readonly { environment: string; count: unknown }[], name: string): number =>
      Number(all.find(({ environment }) => environment === name)?.count ?? 0)
    const entries = rows.map((row) => ({
      name: row.name,
      secrets: count(secrets, row.name),
      groups: count(groups, row.name),
      createdAt: new Date(row.created_at),
      createdBy: row.created_by,
    }))
    return entries.some(({ name }) => name === DEFAULT_ENVIRONMENT)
      ? entries
      : [{ name: DEFAULT_ENVIRONMENT, secrets: 0, groups: 0, createdAt: null, createdBy: null }, ...entries]
  })
}

/** Groups, newest first. */
export async function listGroups(
  { database }: Viewer,
  { environment, max, createdBefore }: Omit<ListQuery, 'group' | 'after'> = {},
): Promise<readonly GroupEntry[]> {
  checkMax(max)
  return await database.read(async (tx) => {
    const rows = await tx
      .selectFrom('secret_group')
      .selectAll()
      .$if(environment !== undefined, (query) =>
        query.where('environment', '=', environmentName(environment ?? '')),
      )
      .$if(createdBefore !== undefined, (query) => query.where('created_at', '<', timeText(createdBefore)))
      .orderBy('created_at', 'desc')
      .orderBy('environment')
      .orderBy('name')
      .$if(max !== undefined, (query) => query.limit(max ?? 0))
      .execute()
    const entries: GroupEntry[] = []
    for (const row of rows) entries.push(await groupEntry(tx, row))
    return entries
  })
}

/** One group, see `GroupAdmin.info`. */
export async function groupInfo({ database }: Viewer, { environment, group }: Place): Promise<GroupEntry> {
  return await database.read(async (tx) => {
    const rows = await tx
      .selectFrom('secret_group')
      .selectAll()
      .where('environment', '=', environment)
      .execute()
    const row = rows.find(({ name }) => name === group)
    if (row === undefined)
      throw unknownGroup(
        group,
        rows.map(({ name }) => name),
      )
    return await groupEntry(tx, row)
  })
}

/** Uses of a secret, see `SecretAdmin.usage`. */
export async function listUses(
  { database }: Viewer,
  { environment, name, max = USES_LISTED }: Parameters<SecretAdmin['usage']>[0],
): Promise<readonly UsageEntry[]> {
  checkMax(max)
  const rows = await database.read((tx) =>
    tx
      .selectFrom('usage_secret as used')
      .innerJoin('usage', 'usage.id', 'used.usage')
      .leftJoin('secret', (join) =>
        join
          .onRef('secret.environment', '=', 'used.environment')
          .onRef('secret.group_name', '=', 'used.group_name')
          .onRef('secret.name', '=', 'used.name'),
      )
      .select([
        'usage.id',
        'kind',
        'usage.environment',
        'image',
        'tags',
        'usage.at',
        'used.group_name',
        'used.version',
      ])
      .select('secret.live')
      .where('used.environment', '=', environmentName(environment))
      .where('used.name', '=', name)
      .orderBy('usage.at', 'desc')
      .orderBy('usage.id')
      .limit(max)
      .execute(),
  )
  return rows.map((row) => ({
    id: row.id,
    kind: row.kind,
    environment: row.environment,
    image: row.image,
    tags: tagsOf(row),
    at: new Date(row.at),
    group: orNull(row.group_name),
    version: row.version,
    current: row.version === row.live,
  }))
}

async function groupEntry(tx: Statements, row: GroupTable): Promise<GroupEntry> {
  const secrets = await tx
    .selectFrom('secret')
    .select('name')
    .where('environment', '=', row.environment)
    .where('group_name', '=', row.name)
    .where('live', 'is not', null)
    .orderBy('name')
    .execute()
  return {
    name: row.name,
    environment: row.environment,
    keys: secrets.map(({ name }) => name as SecretName),
    createdAt: new Date(row.created_at),
    createdBy: row.created_by,
  }
}

/** `shown` lends exposure and guard to an entry that has no version of its own. */
function entryOf(
  row: SecretTable,
  {
    status,
    version,
    shown,
  }: { status: SecretEntry['status']; version: VersionTable | null; shown: VersionTable },
): SecretEntry {
  return {
    name: row.name as SecretName,
    environment: row.environment,
    group: orNull(row.group_name),
    digest: version?.digest ?? null,
    status,
    exposure: shown.exposure,
    guarded: shown.guarded === 1,
    version: version?.id ?? null,
    createdAt: new Date(row.created_at),
    createdBy: row.created_by,
    updatedAt: new Date((status === 'staged' ? row.staged_at : null) ?? row.updated_at),
    lastUsedAt: row.last_used_at === null ? null : new Date(row.last_used_at),
  }
}

const tagsOf = ({ tags }: Pick<UsageTable, 'tags'>): readonly string[] =>
  JSON.parse(tags) as readonly string[]
