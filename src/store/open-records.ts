/**
 * Opens what a worker may see of a store: builds, and what is recorded about
 * images. No identity, no key of the writers, no pins; the tables of secrets
 * are not looked at, so that its database user needs no right to.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import { buildRecords } from './build-records.js'
import type { BuildRecords } from './builds.js'
import { clockOf } from './clock.js'
import type { Database } from './database.js'
import { madeRecords, type MadeRecords } from './made-records.js'
import { requireNewest } from './migrations.js'
import { openPostgres } from './postgres.js'
import { retiredMountStore, type RetiredMountStore } from './retired.js'
import { openSqlite } from './sqlite.js'
import { stepMemory } from './steps.js'
import type { Keeping, UsageRecorder } from './store.js'
import { turnsOf } from './turns.js'
import { usageRecorder, verdictStore, type VerdictStore } from './usage.js'
import { workerRecords, type WorkerRecords } from './workers.js'

/** Records of a store. */
export interface StoreRecords extends AsyncDisposable {
  /** Id of the store. */
  readonly id: string
  readonly builds: BuildRecords
  readonly workers: WorkerRecords
  readonly usage: UsageRecorder
  readonly verdicts: VerdictStore
  readonly retired: RetiredMountStore
  readonly keeping: Pick<Keeping, 'steps' | 'turns'>
  readonly made: MadeRecords
  close(): Promise<void>
}

/**
 * Opens the records of a store that is there.
 *
 * @param place - a PostgreSQL URL, or the path of an embedded database.
 * @param now - the clock, in tests.
 * @throws {@link Fault} `STORE_UNAVAILABLE`; `STORE_INVALID` for a store of another version: whoever may change the tables
 * comes first.
 */
export async function openRecords(
  place: { readonly database: string } | { readonly file: string },
  now?: () => Date,
): Promise<StoreRecords> {
  const database = 'file' in place ? await openSqlite(place.file) : await openPostgres(place.database)
  try {
    await requireNewest(database)
    const id = await storeIdOf(database)
    const clock = clockOf(database, now)
    const builds = buildRecords({ database, clock })
    const recorded = { database, now: now ?? (() => new Date()) }
    const close = async (): Promise<void> => {
      builds[Symbol.dispose]()
      await database.close()
    }
    return {
      id,
      builds,
      workers: workerRecords({ database, clock }),
      usage: usageRecorder(recorded),
      verdicts: verdictStore(recorded),
      retired: retiredMountStore(recorded),
      keeping: { steps: stepMemory(recorded), turns: turnsOf(database) },
      made: madeRecords(recorded),
      close,
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await database.close()
    throw error
  }
}

async function storeIdOf(database: Database): Promise<string> {
  const row = await database.read((tx) => tx.selectFrom('store').select('id').executeTakeFirst())
  if (row !== undefined) return row.id
  throw new Fault('STORE_INVALID', 'There is no store in this database yet.', {
    hint: 'Start the server or the keyholder first.',
  })
}
