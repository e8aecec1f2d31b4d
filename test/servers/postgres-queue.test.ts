/** The queue of many machines: pg-boss on a real PostgreSQL. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { postgresQueue } from '../../src/queue/postgres-queue.js'
import type { BuildQueue } from '../../src/queue/queue.js'
import type { NewBuild } from '../../src/store/builds.js'
import { openRecords, type StoreRecords } from '../../src/store/open-records.js'
import { openPostgres } from '../../src/store/postgres.js'
import { startPostgres, type Cluster } from '../support/postgres.js'
import { testStore } from '../support/store.js'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startPostgres()
})
afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
})

interface Queues {
  readonly database: string
  readonly records: StoreRecords
  readonly server: BuildQueue
  /** Makes a build that waits. */
  readonly waits: () => Promise<string>
}

async function withQueues(work: (queues: Queues) => Promise<void>): Promise<void> {
  const database = await cluster.createDatabase()
  await using home = await testStore({ database, openTables: () => openPostgres(database) })
  await home.open()
  await using records = await openRecords({ database })
  await using server = await postgresQueue(database, records.builds, { owner: true })
  let count = 0
  await work({
    database,
    records,
    server,
    async waits() {
      count += 1
      const build: NewBuild = {
        environment: 'main',
        request: {},
        output: { type: 'engine' },
        submittedBy: 'tester',
        idempotencyKey: `key-of-a-test-${String(count).padStart(4, '0')}`,
        requestDigest: 'd',
        values: [],
        context: false,
      }
      return (await records.builds.submit(build)).build.id
    },
  })
}

const limit = (): AbortSignal => AbortSignal.timeout(60_000)

/** Takes builds and begins them, until there were `count`. */
async function take(
  queue: BuildQueue,
  records: StoreRecords,
  count: number,
  worker: string,
): Promise<string[]> {
  const begun: string[] = []
  for await (const id of queue.take(limit())) {
    if ((await records.builds.begin(id, worker)) !== null) begun.push(id)
    if (begun.length === count) break
  }
  return begun
}

describe('builds that wait in PostgreSQL', () => {
  it('B9: reach one of several workers each', async () => {
    await withQueues(async ({ database, records, server, waits }) => {
      await using first = await postgresQueue(database, records.builds)
      await using second = await postgresQueue(database, records.builds)
      const ids = await Promise.all(Array.from({ length: 10 }, waits))
      for (const id of ids) await server.announce(id)
      const taken = await Promise.all([take(first, records, 5, 'one'), take(second, records, 5, 'two')])
      expect(taken.flat().sort()).toEqual([...ids].sort())
    })
  })

  it('B9: reach a worker that waits at once, and once though they are announced twice', async () => {
    await withQueues(async ({ database, records, server, waits }) => {
      await using worker = await postgresQueue(database, records.builds)
      const taking = take(worker, records, 1, 'one')
      const id = await waits()
      await Promise.all([server.announce(id), server.announce(id)])
      expect(await taking).toEqual([id])
    })
  })

  it('B9: reach a worker though nobody announced them', async () => {
    await withQueues(async ({ database, records, waits }) => {
      const id = await waits()
      await using worker = await postgresQueue(database, records.builds)
      expect(await take(worker, records, 1, 'one')).toEqual([id])
    })
  })

  it('B9: go to another worker when the one that has them falls silent', async () => {
    await withQueues(async ({ database, records, server, waits }) => {
      const silent = await postgresQueue(database, records.builds)
      const id = await waits()
      await server.announce(id)
      const taken = silent.take(limit())[Symbol.asyncIterator]()
      expect(await taken.next()).toEqual({ done: false, value: id })
      // What a killed process does: nothing more.
      await silent.close()
      await using other = await postgresQueue(database, records.builds)
      expect(await take(other, records, 1, 'two')).toEqual([id])
    })
  })

  it('B9: are given back by a worker that leaves its loop', async () => {
    await withQueues(async ({ database, records, server, waits }) => {
      await using worker = await postgresQueue(database, records.builds)
      const id = await waits()
      await server.announce(id)
      for await (const taken of worker.take(limit())) {
        expect(taken).toBe(id)
        break
      }
      expect(await take(worker, records, 1, 'one')).toEqual([id])
    })
  })

  it('wait for a server to make the queue', async () => {
    const database = await cluster.createDatabase()
    await using home = await testStore({ database, openTables: () => openPostgres(database) })
    await home.open()
    await using records = await openRecords({ database })
    await expect(postgresQueue(database, records.builds)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })

  it('wake who looks at one of them, and nobody else', async () => {
    await withQueues(async ({ records, server, waits }) => {
      const [id, other] = [await waits(), await waits()]
      const news = server.changes(id, limit())[Symbol.asyncIterator]()
      await news.next()
      const woken = news.next()
      await records.builds.requestCancel(other)
      await records.builds.requestCancel(id)
      expect(await woken).toEqual({ done: false, value: undefined })
      await news.return?.()
    })
  })
})
