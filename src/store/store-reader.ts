/**
 * A {@link SecretReader} over a database: finds what is live, checks each
 * record, opens it, and records that it was read before anyone gets it.
 *
 * @packageDocumentation
 */

import { Fault, faultOf, type Problem } from '../errors.js'
import type { SecretName, SecretValue } from '../secret.js'
import { nearest } from '../suggest.js'
import type { Database, Statements } from './database.js'
import { recordEvents, type NewEvent } from './events.js'
import { environmentName, groupName } from './names.js'
import { whileIdentityMoves, type Opened } from './opening.js'
import { forged, recordSeal, type RecordSeal, type SecretKey } from './records.js'
import type { SealedTable, SecretTable, VersionTable } from './schema.js'
import { open } from './seal.js'
import { checkedVersion, chunks, eventPlace, findVersions, orNull, unknownGroup } from './secret-rows.js'
import type { Exposure, HeldSecret, ReadScope, SecretReader } from './store.js'

/** What reading needs. */
export interface ReaderParts {
  readonly database: Database
  readonly storeId: string
  /** Opens the store's keys; called when the first value is read. */
  readonly opened: () => Promise<Opened>
  /** Looks for the identity anew: it may have been rotated since. */
  readonly reopened: () => Promise<Opened>
  readonly actor: string
  readonly now: () => Date
}

/** A live secret before it is opened. */
interface Found {
  readonly secret: SecretTable
  readonly version: VersionTable
}

/** Makes the reader of a store. */
export function secretReader(parts: ReaderParts): SecretReader {
  return {
    storeId: parts.storeId,
    async keys() {
      const { keys } = await parts.opened()
      return { mount: keys.mount, verdict: keys.verdict }
    },
    async names(scope) {
      return await parts.database.read(async (tx) => {
        const { environment, places } = await placesOf(tx, scope)
        const rows = await tx
          .selectFrom('secret')
          .innerJoin('version', 'version.id', 'secret.live')
          .select(['secret.name', 'exposure'])
          .where('secret.environment', '=', environment)
          .where('secret.group_name', 'in', places)
          .orderBy('secret.name')
          .execute()
        return [
          ...new Set(
            rows.flatMap(({ name, exposure }) => (isFor(scope, exposure) ? [name as SecretName] : [])),
          ),
        ]
      })
    },
    async read(scope, names) {
      let looks = 0
      return await whileIdentityMoves(async () => {
        const opened = looks === 0 ? await parts.opened() : await parts.reopened()
        looks += 1
        return { identity: opened.identity, work: () => readSecrets(parts, { opened, scope, names }) }
      })
    },
  }
}

async function readSecrets(
  parts: ReaderParts,
  {
    opened: { identity, keys },
    scope,
    names,
  }: { opened: Opened; scope: ReadScope; names: ReadonlySet<SecretName> | 'all' },
): Promise<readonly HeldSecret[]> {
  const records = recordSeal(parts.storeId, keys.record)
  const { found, boxes } = await parts.database.read(async (tx) => {
    const wanted = await findWanted(tx, { records, scope, names })
    return {
      found: wanted,
      boxes: await findBoxes(tx, { found: wanted, keyIds: identity.keys.map(({ id }) => id) }),
    }
  })
  const held: HeldSecret[] = []
  try {
    for (const one of found) {
      held.push(await openOne({ records, identity }, one, boxes.get(one.version.id) ?? []))
    }
    const { kept, spare } = withoutDoubles(held)
    for (const { value } of spare) value[Symbol.dispose]()
    await recordReads(parts, scope, kept)
    return kept
  } catch (error) {
    for (const { value } of held) value[Symbol.dispose]()
    throw error
  }
}

/** The environment of a scope and its groups as the tables have them, the environment's own secrets first. */
async function placesOf(
  tx: Statements,
  { environment, groups = [] }: ReadScope,
): Promise<{ environment: string; places: string[] }> {
  const name = environmentName(environment)
  const wanted = [...new Set(groups.map(groupName))]
  if (wanted.length > 0) {
    const rows = await tx.selectFrom('secret_group').select('name').where('environment', '=', name).execute()
    const known = rows.map((row) => row.name)
    const unknown = wanted.find((group) => !known.includes(group))
    if (unknown !== undefined) throw unknownGroup(unknown, known)
  }
  return { environment: name, places: ['', ...wanted] }
}

/** Live rows of the scope, all or those of some names; the environment's own first, then each group's in the order of the scope. */
export async function findLive(
  tx: Statements,
  { scope, names }: { scope: ReadScope; names: ReadonlySet<SecretName> | 'all' },
): Promise<readonly SecretTable[]> {
  const { environment, places } = await placesOf(tx, scope)
  const rows: SecretTable[] = []
  for (const some of names === 'all' ? [null] : chunks([...names])) {
    const found = await tx
      .selectFrom('secret')
      .selectAll()
      .where('environment', '=', environment)
      .where('group_name', 'in', places)
      .where('live', 'is not', null)
      .$if(some !== null, (query) => query.where('name', 'in', some ?? []))
      .execute()
    rows.push(...found)
  }
  const order = (row: SecretTable): number => places.indexOf(row.group_name)
  return rows.toSorted((a, b) => order(a) - order(b) || (a.name < b.name ? -1 : 1))
}

/** The rows that are asked for, each checked. */
async function findWanted(
  tx: Statements,
  {
    records,
    scope,
    names,
  }: { records: RecordSeal; scope: ReadScope; names: ReadonlySet<SecretName> | 'all' },
): Promise<readonly Found[]> {
  const live = await findLive(tx, { scope, names })
  const versions = await findVersions(
    tx,
    live.map((row) => row.live),
  )
  const found: Found[] = []
  const excluded = new Map<string, Exposure>()
  for (const secret of live) {
    records.checkLive(secret)
    const version = checkedVersion({ records }, secret, { id: secret.live, among: versions })
    if (version === undefined) continue
    if (isFor(scope, version.exposure)) found.push({ secret, version })
    else excluded.set(secret.name, version.exposure)
  }
  if (names === 'all') return found
  const there = new Set(found.map(({ secret }) => secret.name))
  const missing = [...names].filter((name) => !there.has(name))
  if (missing.length > 0) {
    const known = (await findLive(tx, { scope, names: 'all' })).map(({ name }) => name)
    throw faultOf(missing.map((name) => unknown(name, { scope, known, excluded })))
  }
  return found
}

function unknown(
  name: SecretName,
  {
    scope,
    known,
    excluded,
  }: { scope: ReadScope; known: readonly string[]; excluded: ReadonlyMap<string, Exposure> },
): Problem {
  const exposure = excluded.get(name)
  const near = nearest(
    name,
    known.filter((other) => other !== name),
  )
  return {
    code: 'SECRET_UNKNOWN',
    message:
      exposure === undefined
        ? `There is no secret ${name} in ${scope.environment}.`
        : `The secret ${name} of ${scope.environment} is ${exposure} and not for a ${scope.purpose}.`,
    hint: exposure === undefined && near !== undefined ? `Did you mean ${near}?` : undefined,
  }
}

/** The boxes that this identity can open, by version. */
async function findBoxes(
  tx: Statements,
  { found, keyIds }: { found: readonly Found[]; keyIds: readonly string[] },
): Promise<ReadonlyMap<string, readonly SealedTable[]>> {
  const boxes = new Map<string, SealedTable[]>()
  for (const some of chunks(found.map(({ version }) => version.id))) {
    const rows = await tx
      .selectFrom('sealed')
      .selectAll()
      .where('version', 'in', some)
      .where('key_id', 'in', [...keyIds])
      .execute()
    for (const row of rows) boxes.set(row.version, [...(boxes.get(row.version) ?? []), row])
  }
  return boxes
}

async function openOne(
  { records, identity }: { records: RecordSeal; identity: Opened['identity'] },
  { secret, version }: Found,
  boxes: readonly SealedTable[],
): Promise<HeldSecret> {
  const value = await openValue({ records, identity }, secret, { version: version.id, boxes })
  return {
    name: secret.name as SecretName,
    environment: secret.environment,
    group: orNull(secret.group_name),
    value,
    version: version.id,
    exposure: version.exposure,
    guarded: version.guarded === 1,
  }
}

/**
 * Opens a version's value with the first key of the identity that has a box.
 *
 * @throws {@link Fault} `STORE_INVALID` for a box that is not what was sealed; `IDENTITY_INVALID` where none is sealed
 * to this identity.
 */
export async function openValue(
  { records, identity }: { records: RecordSeal; identity: Opened['identity'] },
  secret: SecretKey,
  { version, boxes }: { version: string; boxes: readonly SealedTable[] },
): Promise<SecretValue> {
  for (const key of identity.keys) {
    const row = boxes.find(({ key_id }) => key_id === key.id)
    if (row === undefined) continue
    records.checkBox(row, secret)
    const { environment, group_name: group, name } = secret
    const value = await open(key, { store: records.storeId, environment, group, name, version }, row.box)
    if (value === null) throw forged(secret)
    return value
  }
  throw new Fault('IDENTITY_INVALID', `The value of ${secret.name} is not sealed to this identity.`, {
    hint: 'The identity was added a short while ago and not everything is sealed to it yet, or a part of the store is missing. Run the command that added it once more.',
  })
}

/** @throws {@link Fault} `REQUEST_INVALID` naming every name that has different values. */
function withoutDoubles(held: readonly HeldSecret[]): {
  kept: readonly HeldSecret[]
  spare: readonly HeldSecret[]
} {
  const kept = new Map<SecretName, HeldSecret>()
  const spare: HeldSecret[] = []
  const problems: Problem[] = []
  for (const secret of held) {
    const first = kept.get(secret.name)
    if (first === undefined) {
      kept.set(secret.name, secret)
      continue
    }
    spare.push(secret)
    if (!sameValue(first.value, secret.value)) {
      const from = (source: HeldSecret): string =>
        source.group === null ? 'the environment' : `group ${source.group}`
      problems.push({
        code: 'REQUEST_INVALID',
        message: `${secret.name} has one value in ${from(first)} and another in ${from(secret)}.`,
        hint: 'Leave one of the groups out, or rename one of the secrets.',
      })
    }
    // What one source wants searched for is searched for.
    kept.set(secret.name, { ...first, guarded: first.guarded || secret.guarded })
  }
  if (problems.length > 0) throw faultOf(problems)
  return { kept: [...kept.values()], spare }
}

const sameValue = (a: SecretValue, b: SecretValue): boolean =>
  a.use((x) => b.use((y) => Buffer.compare(x, y) === 0))

const isFor = ({ purpose }: ReadScope, exposure: Exposure | undefined): boolean =>
  purpose === 'scan' || exposure !== (purpose === 'build' ? 'runtime-only' : 'build-only')

/** A scan reads everything there is: it is one entry of the record, not one for each secret. */
async function recordReads(parts: ReaderParts, scope: ReadScope, held: readonly HeldSecret[]): Promise<void> {
  if (held.length === 0) return
  const events: readonly NewEvent[] =
    scope.purpose === 'scan'
      ? [{ action: 'read', environment: scope.environment, detail: `scan of ${held.length}` }]
      : held.map(({ environment, group, name, version }) => ({
          action: 'read',
          ...eventPlace({ environment, group_name: group ?? '', name }),
          version,
          detail: scope.purpose,
        }))
  await parts.database.write(async (tx) => {
    await recordEvents(tx, parts, events)
    if (scope.purpose === 'scan') return
    const at = parts.now().toISOString()
    for (const some of chunks(held)) {
      await tx
        .updateTable('secret')
        .set({ last_used_at: at })
        .where('environment', '=', scope.environment)
        .where((is) =>
          is.or(
            some.map(({ group, name }) =>
              is.and([is('group_name', '=', group ?? ''), is('name', '=', name)]),
            ),
          ),
        )
        .execute()
    }
  })
}
