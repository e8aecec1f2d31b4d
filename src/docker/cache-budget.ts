/**
 * Which build-cache records go when ours take more than they may.
 *
 * @packageDocumentation
 */

import type { CacheRecord } from './engine.js'

/** Bytes that dropping all records of ours could free. What an image holds too takes nothing of its own. */
export const bytesOf = (records: readonly CacheRecord[], ours: ReadonlySet<string>): number =>
  records.reduce((sum, record) => sum + (ours.has(record.id) ? freed(record) : 0), 0)

const freed = ({ isShared, sizeBytes }: CacheRecord): number => (isShared ? 0 : sizeBytes)

/**
 * Ids of the records to drop, in that order: ours, those that were used longest ago first, until the rest takes no more than
 * the budget. A record that is in use stays, and so does one that another stands on: of a step and what follows it the
 * step is never the first to go.
 */
export function recordsToPrune(
  records: readonly CacheRecord[],
  { ours, budgetBytes }: { readonly ours: ReadonlySet<string>; readonly budgetBytes: number },
): readonly string[] {
  const byId = new Map(records.map((record) => [record.id, record]))
  const above = new Map<string, number>()
  for (const { parents } of records) {
    for (const parent of parents) above.set(parent, (above.get(parent) ?? 0) + 1)
  }
  const mayGo = ({ id, isInUse }: CacheRecord): boolean =>
    ours.has(id) && !isInUse && (above.get(id) ?? 0) === 0
  const open = records.filter(mayGo)
  const chosen: string[] = []
  let left = bytesOf(records, ours)
  while (left > budgetBytes && open.length > 0) {
    const [next] = open.splice(oldest(open), 1)
    if (next === undefined) break
    chosen.push(next.id)
    left -= freed(next)
    for (const parent of next.parents) {
      above.set(parent, (above.get(parent) ?? 0) - 1)
      const below = byId.get(parent)
      if (below !== undefined && mayGo(below)) open.push(below)
    }
  }
  return chosen
}

/** Where the one stands that was used longest ago. */
const oldest = (records: readonly CacheRecord[]): number =>
  records.reduce(
    (best, record, index) => (usedAt(record) < usedAt(records[best] ?? record) ? index : best),
    0,
  )

const usedAt = ({ lastUsedAt, createdAt }: CacheRecord): number => lastUsedAt ?? createdAt ?? 0
