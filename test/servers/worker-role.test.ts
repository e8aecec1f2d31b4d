/** V4: the database user of a worker does its work, and sees no secret. */

import { afterAll, beforeAll, expect, it } from 'vitest'
import pg from 'pg'
import { postgresQueue, QUEUE_SCHEMA } from '../../src/queue/postgres-queue.js'
import { openRecords } from '../../src/store/open-records.js'
import { openPostgres } from '../../src/store/postgres.js'
import { workerGrants } from '../../src/store/worker-role.js'
import { collected, newBuild, streamOf } from '../support/server-store.js'
import { startPostgres, type Cluster } from '../support/postgres.js'
import { changes, faultFrom, testStore } from '../support/store.js'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startPostgres()
})
afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
})

it('V4: a worker of its own database user carries out builds and can select no ciphertext', async () => {
  const database = await cluster.createDatabase()
  await using test = await testStore({ database, openTables: () => openPostgres(database) })
  const store = await test.open({ now: undefined })
  await store.admin.set({ environment: 'main' }, changes({ TOKEN: 'opensesame' }))
  await using owner = await postgresQueue(database, store.builds, { owner: true })
  const client = new pg.Client({ connectionString: database })
  await client.connect()
  await client.query('create role a_worker login')
  const withoutRights = openRecords({ database: database.replace('postgres@', 'a_worker@') })
  const fault = await faultFrom(withoutRights, 'STORE_INVALID')
  expect(fault.message).toContain('this user may see')
  expect(fault.hint).toContain('grant-worker')
  for (const grant of workerGrants('a_worker', QUEUE_SCHEMA)) await client.query(grant)
  const asWorker = database.replace('postgres@', 'a_worker@')
  await using records = await openRecords({ database: asWorker })
  await using queue = await postgresQueue(asWorker, records.builds)
  const box = new Uint8Array([1])
  const { build } = await store.builds.submit(
    newBuild({ context: true, values: [{ name: 'npm', boxes: [{ keyId: 'k', box }] }] }),
  )
  await store.builds.putContext(build.id, streamOf(Buffer.from('context')))
  await owner.announce(build.id)
  const worker = await records.workers.register({ name: 'w', host: 'h', engine: {} })
  const stop = new AbortController()
  for await (const id of queue.take(stop.signal)) {
    const lease = await records.builds.begin(id, worker)
    if (lease === null) throw new Error('not begun')
    expect((await collected(records.builds.openContext(id))).toString()).toBe('context')
    await records.builds.appendEvents(lease, [{ type: 'note', text: 'x' }])
    await records.builds.putOutput(lease, streamOf(Buffer.from('output')))
    expect(await records.builds.renew(lease, { naming: true })).toBe('live')
    await records.usage.record({ kind: 'build', id, environment: 'main', used: [] })
    await records.verdicts.add(['a'])
    await records.retired.add(['b'])
    await records.made.add('engine', ['c'])
    await records.made.forget('engine', ['c'])
    expect([...(await records.made.of('engine'))]).toEqual([])
    await (await records.keeping.turns.take(['n'], { signal: stop.signal }))[Symbol.asyncDispose]()
    await records.builds.finish(lease, { state: 'succeeded' })
    stop.abort()
  }
  await records.builds.expire()
  await records.workers.beat(worker, { draining: false, builds: [] })
  await records.workers.cleanUp()
  expect(await store.builds.get(build.id)).toMatchObject({ state: 'succeeded', outputBytes: 6 })
  const left = await client.query('select * from traceless.build_value')
  expect(left.rows).toEqual([])
  await client.end()

  const worker2 = new pg.Client({ connectionString: asWorker })
  await worker2.connect()
  for (const statement of [
    ...['secret', 'version', 'sealed', 'recipient', 'token', 'event', 'secret_group', 'environment'].map(
      (table) => `select * from traceless.${table}`,
    ),
    'select box from traceless.build_value',
    `update traceless.build set request_json = '{}'`,
    `update traceless.build set environment = 'main'`,
    `insert into traceless.build select * from traceless.build`,
    `insert into traceless.token select * from traceless.token`,
    'create table traceless.mine (a int)',
  ]) {
    await expect(worker2.query(statement), statement).rejects.toMatchObject({ code: '42501' })
  }
  await worker2.end()
  await faultFrom(
    Promise.resolve().then(() => workerGrants('a; drop', QUEUE_SCHEMA)),
    'REQUEST_INVALID',
  )
})
