/**
 * A {@link SecretAdmin} over a server. Values travel to the server, which seals
 * them on arrival and cannot open them afterwards; nothing that it answers
 * holds one.
 *
 * @packageDocumentation
 */

import { secretName, type SecretName } from '../secret.js'
import type {
  ChangeReport,
  EnvironmentEntry,
  GroupAdmin,
  GroupEntry,
  HistoryEntry,
  ListQuery,
  SecretAdmin,
  SecretChange,
  SecretEntry,
  SecretPlace,
  UsageEntry,
  VersionEntry,
} from '../store/admin.js'
import {
  dateOf,
  dateOrNull,
  listOf,
  numberOf,
  objectOf,
  textOf,
  textOrNull,
  textsOf,
  type Json,
} from './answer.js'
import { pathOf, type Connection } from './connection.js'

/**
 * Makes the admin of the store that a server keeps. Its calls fail as those of a local store do, and with
 * `SERVER_UNREACHABLE`, `UNAUTHORIZED` or `FORBIDDEN`.
 */
export function remoteAdmin(connection: Connection, storeId: string): SecretAdmin {
  const { json } = connection
  const at = (environment: string, ...parts: readonly string[]): string =>
    pathOf('environments', environment, ...parts)
  const change = async (path: string, body: unknown): Promise<ChangeReport> =>
    changeReport(await json({ method: 'POST', path, body }))
  return {
    storeId,
    groups: remoteGroups(connection),
    // Field by field: a caller's options may hold more than the server knows.
    set: ({ environment, group }, changes, { stage, how } = {}) =>
      change(at(environment, 'secrets'), { changes: changes.map(changeBody), group, stage, how }),
    unset: ({ environment, group }, names, { stage, allowMissing } = {}) =>
      change(at(environment, 'secrets', 'unset'), { names, group, stage, allowMissing }),
    deploy: (environment, { force } = {}) => change(at(environment, 'deploy'), { force }),
    rollback: ({ environment, group, name }, to) =>
      change(at(environment, 'secrets', name, 'rollback'), { to, group }),
    list: (query) => listSecrets(connection, query),
    async versions({ environment, group, name }: SecretPlace & { name: SecretName }) {
      const answer = await json({ path: at(environment, 'secrets', name, 'versions'), query: { group } })
      return listOf(answer['versions'], versionEntry)
    },
    async history({ environment, group, name, max } = {}) {
      const path = environment === undefined ? '/history' : at(environment, 'history')
      return listOf((await json({ path, query: { name, group, max } }))['history'], historyEntry)
    },
    async usage({ environment, name, max }) {
      const answer = await json({ path: at(environment, 'secrets', name, 'usage'), query: { max } })
      return listOf(answer['usage'], usageEntry)
    },
    environments: async () =>
      listOf((await json({ path: '/environments' }))['environments'], environmentEntry),
    async deleteEnvironment(name) {
      const answer = await json({ method: 'DELETE', path: at(name) })
      return { secrets: numberOf(answer['secrets']), groups: numberOf(answer['groups']) }
    },
  }
}

function remoteGroups({ json }: Connection): GroupAdmin {
  const at = (environment: string, ...parts: readonly string[]): string =>
    pathOf('environments', environment, 'groups', ...parts)
  return {
    async create({ environment, name }, secrets, { allowExisting, stage } = {}) {
      const body = { name, changes: secrets.map(changeBody), allowExisting, stage }
      const answer = await json({ method: 'POST', path: at(environment), body })
      return { created: answer['created'] === true }
    },
    async update({ environment, name }, secrets, { stage } = {}) {
      const body = { changes: secrets.map(changeBody), stage }
      return changeReport(await json({ method: 'PATCH', path: at(environment, name), body }))
    },
    async list({ environment, max, createdBefore }) {
      const answer = await json({ path: '/groups', query: { environment, max, createdBefore } })
      return listOf(answer['groups'], groupEntry)
    },
    async info({ environment, name }) {
      const answer = await json({ path: at(environment, name) })
      return groupEntry('group' in answer ? objectOf(answer['group']) : answer)
    },
    async delete({ environment, name }, { allowMissing } = {}) {
      const answer = await json({
        method: 'DELETE',
        path: at(environment, name),
        query: { allowMissing },
      })
      return { deleted: answer['deleted'] === true }
    },
  }
}

async function listSecrets(
  { json }: Connection,
  { environment, group, max, createdBefore, after }: ListQuery = {},
): Promise<readonly SecretEntry[]> {
  const answer = await json({
    path: '/secrets',
    query: { environment, group, createdBefore, max: after === undefined ? max : undefined },
  })
  const rows = listOf(answer['secrets'], secretEntry)
  if (after === undefined) return rows
  const last = rows.findLastIndex(
    (row) =>
      row.name === after.name &&
      row.environment === after.environment &&
      row.group === after.group &&
      row.createdAt.getTime() === after.createdAt.getTime(),
  )
  return rows.slice(last + 1, max === undefined ? undefined : last + 1 + max)
}

/** A value on its way to the server. The text that is made of it here cannot be wiped. */
const changeBody = ({ name, value, exposure, guarded }: SecretChange): Json => ({
  name,
  value: value.use((bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')),
  exposure,
  guarded,
})

const changeReport = ({ changed, missing }: Json): ChangeReport => ({
  changed: listOf(changed, (row) => ({
    name: secretName(textOf(row['name'])),
    group: textOrNull(row['group']),
    version: textOrNull(row['version']),
    digest: textOrNull(row['digest']),
    discardedStaged: row['discardedStaged'] === true,
  })),
  missing: textsOf(missing).map(secretName),
})

const secretEntry = (row: Json): SecretEntry => ({
  name: secretName(textOf(row['name'])),
  environment: textOf(row['environment']),
  group: textOrNull(row['group']),
  digest: textOrNull(row['digest']),
  status: row['status'] === 'staged' ? 'staged' : 'live',
  exposure: exposureOf(row['exposure']),
  guarded: row['guarded'] !== false,
  version: textOrNull(row['version']),
  createdAt: dateOf(row['createdAt']),
  createdBy: textOf(row['createdBy']),
  updatedAt: dateOf(row['updatedAt']),
  lastUsedAt: dateOrNull(row['lastUsedAt']),
})

const versionEntry = (row: Json): VersionEntry => ({
  version: textOf(row['version']),
  digest: textOf(row['digest']),
  exposure: exposureOf(row['exposure']),
  guarded: row['guarded'] !== false,
  createdAt: dateOf(row['createdAt']),
  createdBy: textOf(row['createdBy']),
  live: row['live'] === true,
  staged: row['staged'] === true,
  kept: row['kept'] === true,
})

const historyEntry = (row: Json): HistoryEntry => ({
  at: dateOf(row['at']),
  actor: textOf(row['actor']),
  // A newer server may record what this version has no word for; it is shown as it comes.
  action: textOf(row['action']) as HistoryEntry['action'],
  environment: textOrNull(row['environment']),
  group: textOrNull(row['group']),
  name: row['name'] === null ? null : secretName(textOf(row['name'])),
  version: textOrNull(row['version']),
  detail: textOrNull(row['detail']),
})

const usageEntry = (row: Json): UsageEntry => ({
  id: textOf(row['id']),
  kind: textOf(row['kind']) as UsageEntry['kind'],
  environment: textOf(row['environment']),
  image: textOrNull(row['image']),
  tags: textsOf(row['tags']),
  at: dateOf(row['at']),
  group: textOrNull(row['group']),
  version: textOf(row['version']),
  current: row['current'] === true,
})

const environmentEntry = (row: Json): EnvironmentEntry => ({
  name: textOf(row['name']),
  secrets: numberOf(row['secrets']),
  groups: numberOf(row['groups']),
  createdAt: dateOrNull(row['createdAt']),
  createdBy: textOrNull(row['createdBy']),
})

const groupEntry = (row: Json): GroupEntry => ({
  name: textOf(row['name']),
  environment: textOf(row['environment']),
  keys: textsOf(row['keys']).map(secretName),
  createdAt: dateOf(row['createdAt']),
  createdBy: textOf(row['createdBy']),
})

function exposureOf(value: unknown): SecretEntry['exposure'] {
  return value === 'build-only' || value === 'runtime-only' ? value : 'everywhere'
}
