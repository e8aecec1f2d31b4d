/** Where a value must not be: PostgreSQL, the files of its server among them. */

import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { openPostgres } from '../../src/store/postgres.js'
import { filesBelow, traceContract } from '../contract/traces.js'
import { startPostgres, type Cluster } from '../support/postgres.js'
import { temporaryFolder } from '../support/store.js'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startPostgres()
})
afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
})

traceContract('PostgreSQL', async () => {
  const database = await cluster.createDatabase()
  const folder = await temporaryFolder()
  return {
    home: join(folder.path, 'home'),
    database,
    tables: () => openPostgres(database),
    files: () => filesBelow(cluster.data),
    backup: () => cluster.dump(database),
    [Symbol.asyncDispose]: folder[Symbol.asyncDispose],
  }
})
