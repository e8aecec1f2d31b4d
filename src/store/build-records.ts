/**
 * The records of builds over a database, put together.
 *
 * @packageDocumentation
 */

import { buildBlobs } from './build-blobs.js'
import { buildLeases } from './build-leases.js'
import { buildSubmission } from './build-submission.js'
import { buildUpkeep } from './build-upkeep.js'
import { buildChanges } from './build-watch.js'
import type { BuildRecords } from './builds.js'
import type { Clock } from './clock.js'
import type { Database } from './database.js'

/** Makes the records. Dispose them before the database is closed: they may listen to it. */
export function buildRecords({
  database,
  clock,
}: {
  database: Database
  clock: Clock
}): BuildRecords & Disposable {
  const changes = buildChanges(database)
  const parts = { database, clock, changes }
  return {
    ...buildSubmission(parts),
    ...buildBlobs(parts),
    ...buildLeases(parts),
    ...buildUpkeep(parts),
    watch: (onChange) => changes.watch(onChange),
    [Symbol.dispose]: () => changes[Symbol.dispose](),
  }
}
