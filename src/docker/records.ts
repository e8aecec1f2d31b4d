/**
 * Build-cache records on an engine: finding those of a step, dropping them.
 *
 * Records do not say which build made them, and two tenants' equal commands
 * look alike. Dropping all that look like a leaky step is safe: a record in use
 * survives, and one too many costs its owner a rebuild, never a wrong result.
 *
 * @packageDocumentation
 */

import { openControl } from './control.js'
import type { DroppedRecords, RecordsToDrop } from './engine.js'
import { milliseconds } from './progress.js'
import type { UsageRecord } from './proto/gen/control_pb.js'
import type { BuildKitTransport } from './transport.js'

/** How often dropping is repeated while it makes progress: a record goes only after those below it. */
const ROUNDS = 20

/** Texts of all build records. */
export async function recordDescriptions(
  transport: BuildKitTransport,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  using control = await openControl(transport)
  const { record } = await control.client.diskUsage({}, signalled(signal))
  return record.map(({ description }) => description)
}

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
    const request = { filter: ids.map((id) => `id==${id}`), all: true }
    for await (const _ of control.client.prune(request, signalled(signal))) gone += 1
    dropped += gone
    if (gone === 0) break
  }
  return { dropped, left }
}

/** White space is folded when a step becomes a record. */
const squeezed = (text: string): string => text.replace(/\s+/g, ' ').trim()

const signalled = (signal: AbortSignal | undefined): { signal?: AbortSignal } =>
  signal === undefined ? {} : { signal }

/** Ids of the records that match and of every record below one. */
export function withDescendants<T extends Pick<UsageRecord, 'id' | 'parent' | 'parents'>>(
  records: readonly T[],
  matches: (record: T) => boolean,
): readonly string[] {
  const children = new Map<string, string[]>()
  for (const { id, parent, parents } of records) {
    for (const above of parents.length > 0 ? parents : [parent]) {
      if (above !== '') children.set(above, [...(children.get(above) ?? []), id])
    }
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
