/** All commands over a store in PostgreSQL, and the library. */

import { afterAll, beforeAll } from 'vitest'
import { openShell } from '../cli/support.js'
import { clientContract } from '../contract/client.js'
import { secretCommands } from '../contract/secret-commands.js'
import { storeCommands } from '../contract/store-commands.js'
import { startPostgres, type Cluster } from '../support/postgres.js'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startPostgres()
})
afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
})

const openPostgresShell = async (): ReturnType<typeof openShell> => openShell(await cluster.createDatabase())

secretCommands('PostgreSQL', openPostgresShell)
storeCommands('PostgreSQL', openPostgresShell)
clientContract('PostgreSQL', () => cluster.createDatabase())
