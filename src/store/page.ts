/**
 * Pages of a long list: what one costs is what is on it, however much there is.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import type { ListQuery } from './admin.js'
import type { Statements } from './database.js'
import { environmentName, groupName } from './names.js'
import type { SecretTable } from './schema.js'

/** What a page begins behind: nothing, entries of an earlier time, or later ones of the same time. */
type From =
  | { readonly kind: 'start' }
  | { readonly kind: 'older'; readonly than: string }
  | { readonly kind: 'same time'; readonly at: string; readonly last: readonly [string, string, string] }

/**
 * The rows of a page.
 *
 * Two looks where a page begins behind an entry: a database finds the beginning of each in an index, and of both at once in none.
 */
export async function findPage(tx: Statements, query: ListQuery): Promise<readonly SecretTable[]> {
  const { after, max } = query
  if (after === undefined) return await findFrom(tx, { ...query, from: { kind: 'start' } })
  const at = after.createdAt.toISOString()
  const last = [after.environment, after.group ?? '', String(after.name)] as const
  const same = await findFrom(tx, { ...query, from: { kind: 'same time', at, last } })
  const left = max === undefined ? undefined : max - same.length
  if (left === 0) return same
  return [...same, ...(await findFrom(tx, { ...query, max: left, from: { kind: 'older', than: at } }))]
}

async function findFrom(
  tx: Statements,
  { environment, group, max, createdBefore, from }: Omit<ListQuery, 'after'> & { readonly from: From },
): Promise<readonly SecretTable[]> {
  const inGroup = group === undefined || group === null ? '' : groupName(group)
  const all = tx
    .selectFrom('secret')
    .selectAll()
    .where((is) => is.or([is('live', 'is not', null), is('staged', 'is not', null)]))
    .$if(environment !== undefined, (query) =>
      query.where('environment', '=', environmentName(environment ?? '')),
    )
    .$if(group !== undefined, (query) => query.where('group_name', '=', inGroup))
    .$if(createdBefore !== undefined, (query) => query.where('created_at', '<', timeText(createdBefore)))
    .orderBy('created_at', 'desc')
    .orderBy('environment')
    .orderBy('group_name')
    .orderBy('name')
    .$if(max !== undefined, (query) => query.limit(max ?? 0))
  switch (from.kind) {
    case 'start':
      return await all.execute()
    case 'older':
      return await all.where('created_at', '<', from.than).execute()
    case 'same time':
      return await all
        .where('created_at', '=', from.at)
        .where((is) => is(is.refTuple('environment', 'group_name', 'name'), '>', is.tuple(...from.last)))
        .execute()
  }
}

/** A time as it stands in the tables. @throws {@link Fault} `REQUEST_INVALID` for a date that is none. */
export function timeText(date: Date | undefined): string {
  if (date === undefined || Number.isNaN(date.getTime())) {
    throw new Fault('REQUEST_INVALID', 'The time before which entries were created is no time.')
  }
  return date.toISOString()
}

/** Checks a length. @throws {@link Fault} `REQUEST_INVALID` for a number of entries that is none. */
export function checkMax(max: number | undefined): void {
  if (max !== undefined && (!Number.isInteger(max) || max < 1)) {
    throw new Fault('REQUEST_INVALID', 'The number of entries to list is not a whole number above 0.')
  }
}
