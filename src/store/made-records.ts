/**
 * Remembers which records of an engine's build cache builds of this store made,
 * so that a worker drops those and leaves what others keep there. Several
 * workers may share an engine, and a worker that was started anew knows what it
 * made before.
 *
 * @packageDocumentation
 */

import type { Database } from './database.js'
import { chunks } from './secret-rows.js'

/** The records that are ours, by the random id of their engine. */
export interface MadeRecords {
  of(engine: string): Promise<ReadonlySet<string>>
  /** Adding one again changes nothing. */
  add(engine: string, records: readonly string[]): Promise<void>
  /** Forgets records that the engine has no longer. */
  forget(engine: string, records: readonly string[]): Promise<void>
}

/** Makes the memory of a store. */
export function madeRecords({ database, now }: { database: Database; now: () => Date }): MadeRecords {
  return {
    async of(engine) {
      const rows = await database.read((tx) =>
        tx.selectFrom('made_record').select('record').where('engine', '=', engine).execute(),
      )
      return new Set(rows.map(({ record }) => record))
    },
    async add(engine, records) {
      if (records.length === 0) return
      const at = now().toISOString()
      await database.write(async (tx) => {
        for (const some of chunks([...new Set(records)])) {
          await tx
            .insertInto('made_record')
            .values(some.map((record) => ({ engine, record, at })))
            .onConflict((conflict) => conflict.columns(['engine', 'record']).doNothing())
            .execute()
        }
      })
    },
    async forget(engine, records) {
      if (records.length === 0) return
      await database.write(async (tx) => {
        for (const some of chunks(records)) {
          await tx
            .deleteFrom('made_record')
            .where('engine', '=', engine)
            .where('record', 'in', some)
            .execute()
        }
      })
    },
  }
}
