/** The contract of the tables of a server, in PostgreSQL. */

import { afterAll, beforeAll } from 'vitest'
import { openPostgres } from '../../src/store/postgres.js'
import { buildContract } from '../contract/builds.js'
import { startPostgres, type Cluster } from '../support/postgres.js'
import { testStore } from '../support/store.js'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startPostgres()
})
afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
})

buildContract('PostgreSQL', async () => {
  const database = await cluster.createDatabase()
  return await testStore({ database, openTables: () => openPostgres(database) })
})
