/**
 * Setting secrets. Sealing happens before the transaction, so that other
 * writers do not wait for it; the transaction makes sure that nothing it
 * relied on has moved.
 *
 * @packageDocumentation
 */

import { randomBytes } from 'node:crypto'
import { Fault, faultOf } from '../errors.js'
import { isSecretName, MAX_VALUE_BYTES, type SecretName } from '../secret.js'
import type { ChangedSecret, ChangeReport, SecretChange, SecretPlace } from './admin.js'
import type { Statements } from './database.js'
import { recordEvents, type NewEvent } from './events.js'
import { shownDigest } from './keys.js'
import { checkPinned, findRecipients, isPinned, type Recipient } from './recipients.js'
import type { SecretKey } from './records.js'
import type { SealedTable, SecretTable, VersionTable } from './schema.js'
import { seal } from './seal.js'
import {
  boxRow,
  checkedVersion,
  checkPlace,
  checkSecret,
  chunks,
  discardStaged,
  eventPlace,
  findSecrets,
  findVersions,
  isThere,
  NOTHING_STAGED,
  orNull,
  requireGroup,
  saveSecrets,
  stageChange,
  type Place,
  type Writer,
} from './secret-rows.js'

/** Values of a secret that are kept besides the live and the staged one. */
export const KEPT_VERSIONS = 10

/**
 * How often one name may be set in an hour. Whoever may set and list, but not read, could try values until the digest
 * is the one that was shown before; this makes it slow, and the record shows it.
 */
export const CHANGES_PER_HOUR = 60

const HOUR_MS = 3_600_000

/** How often recipients and pins are compared before a difference counts. */
const LOOKS = 5

/** A value that is ready to be written. */
interface Prepared extends SecretChange {
  readonly id: string
  readonly digest: string
  readonly boxes: readonly SealedTable[]
}

/** How an attempt to set ended. `moved`: the recipients changed meanwhile, so that all must be sealed anew. */
type Attempt =
  | { readonly kind: 'done'; readonly report: ChangeReport }
  | { readonly kind: 'left' }
  | { readonly kind: 'moved' }
  | { readonly kind: 'refused'; readonly names: readonly SecretName[] }

/**
 * Sets secrets, see `SecretAdmin.set`.
 *
 * @param options - `before` runs first in the transaction; when it says false, everything stays as it is.
 * @returns `null` where `before` said false.
 */
export async function setSecrets(
  writer: Writer,
  where: SecretPlace,
  changes: readonly SecretChange[],
  {
    stage = false,
    how = 'set',
    before = requireGroup,
  }: {
    stage?: boolean | undefined
    how?: string | undefined
    before?: (tx: Statements, place: Place) => Promise<boolean>
  } = {},
): Promise<ChangeReport | null> {
  const place = checkPlace(where)
  checkChanges(changes)
  for (;;) {
    const recipients = await pinnedRecipients(writer)
    const prepared = await Promise.all(
      changes.map((change) => prepare(writer, { place, change, recipients })),
    )
    const attempt = await writer.database.write(async (tx): Promise<Attempt> => {
      if (!sameRecipients(await findRecipients(tx), recipients)) return { kind: 'moved' }
      const names = await tooOften(tx, { writer, place, names: changes.map(({ name }) => name) })
      if (names.length > 0) return { kind: 'refused', names }
      if (!(await before(tx, place))) return { kind: 'left' }
      return { kind: 'done', report: await setAll(tx, { writer, place, prepared, stage, how }) }
    })
    switch (attempt.kind) {
      case 'done':
        return attempt.report
      case 'left':
        return null
      case 'moved':
        continue
      case 'refused':
        await writer.database.write((tx) =>
          recordEvents(
            tx,
            writer,
            attempt.names.map((name) => ({ action: 'refused', ...eventPlace({ ...keyOf(place), name }) })),
          ),
        )
        throw new Fault('RATE_LIMITED', `Set too often within an hour: ${attempt.names.join(', ')}.`, {
          hint: `A name can be set ${CHANGES_PER_HOUR} times an hour, because each time shows its digest. Nothing was changed.`,
        })
    }
  }
}

/**
 * The recipients, all of them pinned. A rotation that runs at this moment changes both, one after the other: what does
 * not fit at the first look may fit at the next.
 */
async function pinnedRecipients(writer: Writer): Promise<readonly Recipient[]> {
  for (let looks = 1; ; looks += 1) {
    const recipients = await writer.database.read(findRecipients)
    const pins = await writer.pins()
    if (looks === LOOKS || isPinned(recipients, pins)) {
      checkPinned(recipients, pins)
      return recipients
    }
  }
}

function checkChanges(changes: readonly SecretChange[]): void {
  const names = changes.map(({ name }) => name)
  const problems = changes.flatMap(({ name, value }, at) => {
    if (!isSecretName(name)) return ['The name of a secret is not valid.']
    if (names.indexOf(name) !== at) return [`${name} is given more than once.`]
    return value.size > MAX_VALUE_BYTES
      ? [`The value of ${name} is larger than ${MAX_VALUE_BYTES} bytes.`]
      : []
  })
  if (problems.length > 0) throw faultOf(problems.map((message) => ({ code: 'REQUEST_INVALID', message })))
}

async function prepare(
  writer: Writer,
  { place, change, recipients }: { place: Place; change: SecretChange; recipients: readonly Recipient[] },
): Promise<Prepared> {
  const id = randomBytes(12).toString('hex')
  const { name, value } = change
  const bound = { store: writer.records.storeId, ...place, name, version: id }
  const boxes = await Promise.all(
    recipients.map(async ({ keyId, publicKey }) =>
      boxRow(writer.records, { version: id, key_id: keyId, box: await seal(publicKey, bound, value) }),
    ),
  )
  const digest = shownDigest(writer.digestKey, { environment: place.environment, name, value })
  return { ...change, id, digest, boxes }
}

async function tooOften(
  tx: Statements,
  { writer, place, names }: { writer: Writer; place: Place; names: readonly SecretName[] },
): Promise<readonly SecretName[]> {
  const since = new Date(writer.now().getTime() - HOUR_MS).toISOString()
  const refused: SecretName[] = []
  for (const some of chunks(names)) {
    const rows = await tx
      .selectFrom('event')
      .select('name')
      // Across groups: the digest does not depend on the group either.
      .where('environment', '=', place.environment)
      .where('name', 'in', some)
      .where('at', '>', since)
      .where('action', 'in', ['set', 'stage'])
      .groupBy('name')
      .having((is) => is.fn.countAll(), '>=', writer.changesPerHour)
      .execute()
    refused.push(...rows.map(({ name }) => name as SecretName))
  }
  return refused.sort()
}

async function setAll(
  tx: Statements,
  {
    writer,
    place,
    prepared,
    stage,
    how,
  }: { writer: Writer; place: Place; prepared: readonly Prepared[]; stage: boolean; how: string },
): Promise<ChangeReport> {
  await tx
    .insertInto('environment')
    .values({ name: place.environment, created_at: writer.now().toISOString(), created_by: writer.actor })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute()
  const there = await findSecrets(
    tx,
    place,
    prepared.map(({ name }) => name),
  )
  const before = await findVersions(
    tx,
    [...there.values()].flatMap((row) => [row.live, row.staged_version]),
  )
  const rows: SecretTable[] = []
  const versions: VersionTable[] = []
  const events: NewEvent[] = []
  const changed: ChangedSecret[] = []
  for (const change of prepared) {
    const found = there.get(change.name)
    if (isThere(found)) checkSecret(writer, found)
    const row = isThere(found)
      ? found
      : newSecret(writer, { key: { ...keyOf(place), name: change.name }, found })
    const version = newVersion({ writer, row, change, stage, before })
    const discardedStaged = !stage && row.staged !== null
    const counted = { ...row, versions: version.ordinal }
    rows.push(
      stage
        ? stageChange(counted, writer, change.id)
        : { ...discardStaged(counted), live: change.id, updated_at: version.created_at },
    )
    versions.push(version)
    if (discardedStaged) events.push({ action: 'discard', ...eventPlace(row), version: row.staged_version })
    events.push({ action: stage ? 'stage' : 'set', ...eventPlace(row), version: change.id, detail: how })
    changed.push({
      name: change.name,
      group: orNull(place.group),
      version: change.id,
      digest: change.digest,
      discardedStaged,
    })
  }
  for (const some of chunks(versions)) await tx.insertInto('version').values(some).execute()
  for (const some of chunks(prepared.flatMap(({ boxes }) => boxes))) {
    await tx.insertInto('sealed').values(some).execute()
  }
  await saveSecrets(tx, writer, rows)
  await dropOldValues(tx, rows)
  await recordEvents(tx, writer, events)
  return { changed, missing: [] }
}

/** Exposure and guard stay as they were when the change does not name them: a new value must not widen where it goes. */
function newVersion({
  writer,
  row,
  change,
  stage,
  before,
}: {
  writer: Writer
  row: SecretTable
  change: Prepared
  stage: boolean
  before: ReadonlyMap<string, VersionTable>
}): VersionTable {
  // A live change gives the staged one up, with what that would have allowed.
  const id = stage ? (row.staged_version ?? row.live) : (row.live ?? row.staged_version)
  const last = checkedVersion(writer, row, { id, among: before })
  const version = {
    ...keyOf({ environment: row.environment, group: row.group_name }),
    name: row.name,
    id: change.id,
    ordinal: row.versions + 1,
    exposure: change.exposure ?? last?.exposure ?? 'everywhere',
    guarded: change.guarded === undefined ? (last?.guarded ?? 1) : Number(change.guarded),
    digest: change.digest,
    created_at: writer.now().toISOString(),
    created_by: writer.actor,
  } as const
  return { ...version, code: writer.records.versionCode(version) }
}

/** A secret that is not there yet, or not any more: then its versions count on. */
function newSecret(
  writer: Writer,
  { key, found }: { key: SecretKey; found: SecretTable | undefined },
): SecretTable {
  const at = writer.now().toISOString()
  return {
    ...key,
    live: null,
    live_code: new Uint8Array(),
    ...NOTHING_STAGED,
    versions: found?.versions ?? 0,
    created_at: at,
    created_by: writer.actor,
    updated_at: at,
    last_used_at: null,
  }
}

async function dropOldValues(tx: Statements, rows: readonly SecretTable[]): Promise<void> {
  for (const { environment, group_name: group, name, versions, live, staged_version: staged } of rows) {
    if (versions <= KEPT_VERSIONS) continue
    const old = tx
      .selectFrom('version')
      .select('id')
      .where('environment', '=', environment)
      .where('group_name', '=', group)
      .where('name', '=', name)
      .where('ordinal', '<=', versions - KEPT_VERSIONS)
      .where('id', 'not in', [live ?? '', staged ?? ''])
    await tx.deleteFrom('sealed').where('version', 'in', old).execute()
  }
}

const keyOf = ({ environment, group }: Place): { environment: string; group_name: string } => ({
  environment,
  group_name: group,
})

function sameRecipients(a: readonly Recipient[], b: readonly Recipient[]): boolean {
  return a.map(({ keyId }) => keyId).join() === b.map(({ keyId }) => keyId).join()
}
