/**
 * Build-cache records on an engine: listing them, finding those of a step,
 * dropping them.
 *
 * Records do not say which build made them, and two tenants' equal commands
 * look alike. Dropping all that look like a leaky step is safe: a record in use
 * survives, and one too many costs its owner a rebuild, never a wrong result.
 *
 * @packageDocumentation
 */

import { openControl, type ControlConnection } from './control.js'
import type { CacheRecord, DroppedRecords, RecordsToDrop } from './engine.js'
import { milliseconds, since1970 } from './progress.js'
import type { UsageRecord } from './proto/gen/control_pb.js'
import type { BuildKitTransport } from './transport.js'
import { unreachable } from './unreachable.js'

/** How often dropping is repeated while it makes progress: a record goes only after those below it. */
const ROUNDS = 20

/** All records. */
export async function cacheRecords(
  transport: BuildKitTransport,
  signal?: AbortSignal,
): Promise<readonly CacheRecord[]> {
  using control = await openControl(transport)
  try {
    const { record } = await control.client.diskUsage({}, signalled(signal))
    return record.map(ourWords)
  } catch (error) {
    throw noAnswer(error, signal)
  }
}

/** Drops these records and no others; gives those that went. */
export async function pruneRecords(
  transport: BuildKitTransport,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<readonly CacheRecord[]> {
  using control = await openControl(transport)
  const left = new Set(ids)
  const gone: CacheRecord[] = []
  for (let round = 0; round < ROUNDS && left.size > 0; round += 1) {
    const before = gone.length
    try {
      for await (const record of pruned(control, [...left], signal)) {
        if (left.delete(record.id)) gone.push(ourWords(record))
      }
    } catch (error) {
      throw noAnswer(error, signal)
    }
    if (gone.length === before) break
  }
  return gone
}

/** Those of these records that go at once: one that another stands on is not among them. */
const pruned = (
  { client }: ControlConnection,
  ids: readonly string[],
  signal: AbortSignal,
): AsyncIterable<UsageRecord> =>
  client.prune({ filter: ids.map((id) => `id==${id}`), all: true }, signalled(signal))

const noAnswer = (error: unknown, signal: AbortSignal | undefined): unknown =>
  signal?.aborted === true ? signal.reason : unreachable(error)

function ourWords(record: UsageRecord): CacheRecord {
  const { id, parent, parents, description, size, inUse, shared, createdAt, lastUsedAt } = record
  return {
    id,
    parents: parentsOf({ parent, parents }),
    description,
    sizeBytes: Number(size),
    isInUse: inUse,
    isShared: shared,
    createdAt: since1970(createdAt),
    lastUsedAt: since1970(lastUsedAt),
  }
}

/** Engines up to BuildKit 0.9 know of one parent. */
const parentsOf = ({ parent, parents }: Pick<UsageRecord, 'parent' | 'parents'>): readonly string[] =>
  (parents.length > 0 ? parents : [parent]).filter((above) => above !== '')

/** Drops the records of the given steps and all that hang below them; tells how many went and how many did not. */
export async function dropRecords(
  transport: BuildKitTransport,
  { commands, since }: RecordsToDrop,
  signal: AbortSignal,
): Promise<DroppedRecords> {
  using control = await openControl(transport)
  const wanted = commands.map(squeezed).filter((command) => command !== '')
  const isOurs = ({ description, createdAt }: UsageRecord): boolean =>
    wanted.some((command) => squeezed(description).includes(command)) ||
    (since !== undefined && createdAt !== undefined && milliseconds(createdAt) >= since)
  let dropped = 0
  let left = 0
  for (let round = 0; round < ROUNDS; round += 1) {
    const { record } = await control.client.diskUsage({}, signalled(signal))
    const ids = withDescendants(record, isOurs)
    left = ids.length
    if (left === 0) break
    let gone = 0
    for await (const _ of pruned(control, ids, signal)) gone += 1
    dropped += gone
    if (gone === 0) break
  }
  return { dropped, left }
}

/** White space is folded when a step becomes a record. */
export const squeezed = (text: string): string => text.replace(/\s+/g, ' ').trim()

const signalled = (signal: AbortSignal | undefined): { signal?: AbortSignal } =>
  signal === undefined ? {} : { signal }

/** Ids of the records that match and of every record below one. */
export function withDescendants<T extends Pick<UsageRecord, 'id' | 'parent' | 'parents'>>(
  records: readonly T[],
  matches: (record: T) => boolean,
): readonly string[] {
  const children = new Map<string, string[]>()
  for (const { id, parent, parents } of records) {
    for (const above of parentsOf({ parent, parents }))
      children.set(above, [...(children.get(above) ?? []), id])
  }
  const found = new Set<string>()
  const open = records.filter(matches).map(({ id }) => id)
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (found.has(id)) continue
    found.add(id)
    open.push(...(children.get(id) ?? []))
  }
  return [...found]
}
