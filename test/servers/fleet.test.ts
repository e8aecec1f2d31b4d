/**
 * A fleet as it is run: a keyholder and three workers, each a process of the
 * built program, on one PostgreSQL and one engine that are its own.
 */

import { rm } from 'node:fs/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { postgresQueue, QUEUE_SCHEMA } from '../../src/queue/postgres-queue.js'
import type { BuildQueue } from '../../src/queue/queue.js'
import type { BuildEntry, NewBuild } from '../../src/store/builds.js'
import type { Store } from '../../src/store/open.js'
import { openPostgres } from '../../src/store/postgres.js'
import { workerGrants } from '../../src/store/worker-role.js'
import { hasImage } from '../support/engine.js'
import { startProgram, type Running } from '../support/fleet.js'
import { startOwnEngine, type OwnEngine } from '../support/own-engine.js'
import { startPostgres, type Cluster } from '../support/postgres.js'
import { until } from '../support/processes.js'
import { changes, testStore, type TestStore } from '../support/store.js'
import { randomToken } from '../support/tokens.js'

const SOAK = process.env['TRACELESS_SOAK'] === '1'
const BUILDS = SOAK ? 200 : 20
const MIXED_BUILDS = SOAK ? 60 : 9
const END_MS = SOAK ? 3_000_000 : 150_000

let cluster: Cluster
let engine: OwnEngine
let home: TestStore
let store: Store
let queue: BuildQueue
/** URLs of the same database, for its owner and for a worker. */
let database: string
let workerDatabase: string
let keyholder: Running
const workers: Running[] = []
const token = randomToken()

beforeAll(async () => {
  engine = await startOwnEngine(['traceless-base:tiny'])
  // Where the programs and the questions of this file find it.
  process.env['DOCKER_HOST'] = engine.host
  cluster = await startPostgres()
  database = await cluster.createDatabase()
  home = await testStore({ database, openTables: () => openPostgres(database) })
  store = await home.open({ now: () => new Date() })
  await store.admin.set({ environment: 'main' }, changes({ TOKEN: token }))
  queue = await postgresQueue(database, store.builds, { owner: true })
  workerDatabase = await grantWorker()
  keyholder = await startProgram(['keyholder', '--listen', `unix:${home.home}/keyholder.sock`], {
    TRACELESS_HOME: home.home,
    TRACELESS_DATABASE: database,
  })
})

afterAll(async () => {
  for (const worker of workers) await worker[Symbol.asyncDispose]()
  await keyholder[Symbol.asyncDispose]()
  await queue.close()
  await home[Symbol.asyncDispose]()
  await cluster[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

/** Gives a role the rights of a worker, as the documentation says, and gives its URL. */
async function grantWorker(): Promise<string> {
  const client = new pg.Client({ connectionString: database })
  await client.connect()
  try {
    await client.query('create role traceless_worker login')
    for (const statement of workerGrants('traceless_worker', QUEUE_SCHEMA)) await client.query(statement)
  } finally {
    await client.end()
  }
  return database.replace('//postgres@', '//traceless_worker@')
}

/** Starts a worker, which has an empty home and no identity. */
async function startWorker(name: string): Promise<Running> {
  const worker = await startProgram(
    ['worker', '--name', name, '--builds', '2', '--keyholder', `unix:${home.home}/keyholder.sock`],
    { TRACELESS_HOME: `${home.home}/no-home`, TRACELESS_DATABASE: workerDatabase },
  )
  workers.push(worker)
  return worker
}

interface Submitted {
  readonly id: string
  readonly image: string
}

/** Submits a build that is different from every other. */
async function submit(step: string): Promise<Submitted> {
  const unique = randomToken()
  const image = `traceless-test/fleet:${unique.toLowerCase().slice(0, 12)}`
  const build: NewBuild = {
    environment: 'main',
    request: {
      dockerfile: {
        text: `FROM traceless-base:tiny\nRUN --mount=type=secret,id=TOKEN : ${unique}; ${step}\n`,
      },
      tags: [image],
    },
    output: { type: 'engine' },
    submittedBy: 'tester',
    idempotencyKey: `key-${unique}`,
    requestDigest: unique,
    values: [],
    context: false,
  }
  const { build: made } = await store.builds.submit(build)
  await queue.announce(made.id)
  return { id: made.id, image }
}

async function end({ id }: Submitted): Promise<BuildEntry> {
  const ended: BuildEntry[] = []
  await until(async () => {
    // The database may be away for a moment.
    const build = await store.builds.get(id).catch(() => null)
    if (build?.endedAt instanceof Date) ended.push(build)
    return ended.length > 0
  }, END_MS)
  const [build] = ended
  if (build === undefined) throw new Error('a build did not end')
  return build
}

const CLEAN = 'test -s /run/secrets/TOKEN'
const LEAKY = 'cat /run/secrets/TOKEN > /leak'

describe('a fleet', () => {
  it('B9: gives each of many builds one outcome, and every image that has a name is proven', async () => {
    for (const name of ['one', 'two', 'three']) await startWorker(name)
    const builds = await Promise.all(
      Array.from({ length: BUILDS }, async (_, at) => {
        const isLeaky = at % 5 === 4
        return { ...(await submit(isLeaky ? LEAKY : CLEAN)), isLeaky }
      }),
    )
    for (const build of builds) {
      const { state, verdict, attempt, failure } = await end(build)
      expect([state, verdict, attempt, failure?.code]).toEqual(
        build.isLeaky ? ['refused', 'leak', 1, 'LEAK_FOUND'] : ['succeeded', 'clean', 1, undefined],
      )
      expect(await hasImage(build.image)).toBe(!build.isLeaky)
    }
    const used = await store.builds.list({ max: BUILDS })
    expect(new Set(used.map(({ worker }) => worker)).size).toBe(3)
  })

  it('V4: lets a worker’s role read no sealed value, no token and no recipient', async () => {
    const client = new pg.Client({ connectionString: workerDatabase })
    await client.connect()
    try {
      for (const table of ['secret', 'version', 'sealed', 'recipient', 'build_value', 'token', 'event']) {
        const asked = client.query(`select * from traceless.${table}`)
        await expect(asked, table).rejects.toMatchObject({ code: '42501' })
      }
      const values = client.query('select box from traceless.build_value')
      await expect(values).rejects.toMatchObject({ code: '42501' })
    } finally {
      await client.end()
    }
  })

  it('V4: shows a value in no event, report or record, and in nothing that its processes print', async () => {
    const build = await submit('echo "it is $(cat /run/secrets/TOKEN)"; base64 /run/secrets/TOKEN')
    expect(await end(build)).toMatchObject({ state: 'succeeded' })
    const events = await store.builds.eventsAfter(build.id, 0, 10_000)
    const log = events
      .map(({ event: { bytes } }) =>
        typeof bytes === 'string' ? Buffer.from(bytes, 'base64').toString() : '',
      )
      .join('')
    expect(log).toContain('it is ***')
    const texts = [
      JSON.stringify(events),
      log,
      JSON.stringify(await store.builds.report(build.id)),
      JSON.stringify(await store.builds.get(build.id)),
      ...[keyholder, ...workers].map(({ printed }) => printed()),
    ]
    for (const text of texts) {
      expect(text).not.toContain(token)
      expect(text).not.toContain(Buffer.from(token).toString('base64').slice(0, 20))
    }
  })

  it('B9: loses no build and names nothing unproven when workers are killed and the database crashes', async () => {
    const builds = await Promise.all(
      Array.from({ length: MIXED_BUILDS }, async (_, at) => {
        const isLeaky = at % 3 === 2
        return { ...(await submit(`sleep 2; ${isLeaky ? LEAKY : CLEAN}`)), isLeaky }
      }),
    )
    await until(async () => (await store.builds.open()).counts.running > 2, 60_000)
    workers[0]?.kill('SIGKILL')
    workers[1]?.kill('SIGKILL')
    await startWorker('four')
    await cluster.crash()
    await startWorker('five')
    for (const build of builds) {
      const { state, attempt } = await end(build)
      expect(attempt).toBeLessThanOrEqual(3)
      // A worker that died between naming an image and saying so leaves a build that is not begun again.
      expect(build.isLeaky ? ['refused'] : ['succeeded', 'failed']).toContain(state)
      if (state === 'succeeded') expect(await hasImage(build.image)).toBe(true)
      if (state === 'refused') expect(await hasImage(build.image)).toBe(false)
    }
  })

  it('ends at the second signal and gives back what it builds, and at the first with what it has', async () => {
    for (const worker of workers) worker.kill('SIGKILL')
    const worker = await startWorker('six')
    const build = await submit(`sleep 3; ${CLEAN}`)
    await until(async () => (await store.builds.get(build.id))?.state === 'running', 60_000)
    worker.kill('SIGTERM')
    expect(await worker.ended).toBe(0)
    expect(await end(build)).toMatchObject({ state: 'succeeded' })
    const second = await startWorker('seven')
    const long = await submit(`sleep 300; ${CLEAN}`)
    await until(async () => (await store.builds.get(long.id))?.state === 'running', 60_000)
    second.kill('SIGTERM')
    await until(async () => second.printed().includes('second signal'), 10_000)
    second.kill('SIGTERM')
    expect(await second.ended).toBe(0)
    expect(await store.builds.get(long.id)).toMatchObject({ state: 'waiting' })
    await store.builds.requestCancel(long.id)
    expect(await end(long)).toMatchObject({ state: 'cancelled' })
  })

  it('V4: a worker that has no keyholder begins nothing that it cannot end', async () => {
    keyholder.kill('SIGTERM')
    expect(await keyholder.ended).toBe(0)
    await rm(`${home.home}/keyholder.sock`, { force: true })
    await startWorker('eight')
    const build = await submit(CLEAN)
    expect(await end(build)).toMatchObject({ state: 'failed', failure: { code: 'SERVER_UNREACHABLE' } })
    expect(await hasImage(build.image)).toBe(false)
  })
})
