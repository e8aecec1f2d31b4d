/**
 * Keeps the opaque ids of mounts that no build may use again: a step with one
 * of them leaked, and an engine may still have it in its cache.
 *
 * @packageDocumentation
 */

import type { Database } from './database.js'
import { chunks } from './secret-rows.js'

/** The retired ids of a store. They tell nothing: each is a keyed digest. */
export interface RetiredMountStore {
  all(): Promise<ReadonlySet<string>>
  /** Adding one again changes nothing. */
  add(ids: readonly string[]): Promise<void>
}

/** Makes the keeper of a store. */
export function retiredMountStore({
  database,
  now,
}: {
  database: Database
  now: () => Date
}): RetiredMountStore {
  return {
    async all() {
      const rows = await database.read((tx) => tx.selectFrom('retired_mount').select('id').execute())
      return new Set(rows.map(({ id }) => id))
    },
    async add(ids) {
      if (ids.length === 0) return
      const at = now().toISOString()
      await database.write(async (tx) => {
        for (const some of chunks([...new Set(ids)])) {
          await tx
            .insertInto('retired_mount')
            .values(some.map((id) => ({ id, at })))
            .onConflict((conflict) => conflict.column('id').doNothing())
            .execute()
        }
      })
    },
  }
}
