/** What was acknowledged stays: PostgreSQL, its server ended at once now and then as well. */

import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openStore } from '../../src/store/open.js'
import { KILL_ROUNDS, killRounds } from '../contract/durability.js'
import { startPostgres } from '../support/postgres.js'
import { changes, faultFrom, readAll, temporaryFolder } from '../support/store.js'
import { storeWorker } from '../support/worker.js'

it(
  `loses nothing that was acknowledged in ${KILL_ROUNDS} rounds of kill -9`,
  async () => {
    await using folder = await temporaryFolder()
    await using cluster = await startPostgres()
    await killRounds({
      rounds: KILL_ROUNDS,
      home: join(folder.path, 'home'),
      database: await cluster.createDatabase(),
      start: await storeWorker(folder.path),
    })
  },
  KILL_ROUNDS * 4_000,
)

it('goes on after the server was ended at once, with a fault in between and nothing lost', async () => {
  await using folder = await temporaryFolder()
  await using cluster = await startPostgres()
  const database = await cluster.createDatabase()
  await using store = await openStore({ home: folder.path, env: {}, database })
  await store.admin.set({ environment: 'main' }, changes({ A: '1' }))
  const writing = store.admin.set({ environment: 'main' }, changes({ A: '2' })).then(
    () => '2',
    () => 'either',
  )
  await cluster.crash()
  const written = await writing
  const read = await readAll(store).catch(() => readAll(store))
  expect(written === '2' ? ['2'] : ['1', '2']).toContain(read['A'])
  await store.admin.set({ environment: 'main' }, changes({ A: '3' }))
  expect(await readAll(store)).toEqual({ A: '3' })
})

it('says what is wrong with a server that is not there or refuses, without the URL', async () => {
  await using folder = await temporaryFolder()
  await using cluster = await startPostgres()
  const url = new URL(await cluster.createDatabase())
  const wrong = {
    port: Object.assign(new URL(url), { port: '1' }),
    database: Object.assign(new URL(url), { pathname: '/hunter2' }),
    user: Object.assign(new URL(url), { username: 'nobody', password: 'hunter2' }),
    host: Object.assign(new URL(url), { hostname: 'hunter2.invalid' }),
  }
  for (const [what, database] of Object.entries(wrong)) {
    const fault = await faultFrom(
      openStore({ home: folder.path, env: {}, database: database.href }),
      'STORE_UNAVAILABLE',
    )
    expect(JSON.stringify(fault), what).not.toContain('hunter2')
    expect(fault.message, what).not.toContain('code')
  }
})
