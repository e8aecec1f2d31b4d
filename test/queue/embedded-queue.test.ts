/** The queue of one process. */

import { join } from 'node:path'
import { expect, it } from 'vitest'
import { embeddedQueue } from '../../src/queue/embedded-queue.js'
import type { BuildQueue } from '../../src/queue/queue.js'
import { openSqlite } from '../../src/store/sqlite.js'
import type { Store } from '../../src/store/open.js'
import { submitted, until } from '../support/server-store.js'
import { testStore, type TestStore } from '../support/store.js'

const make = (): Promise<TestStore> => testStore({ openTables: (home) => openSqlite(join(home, 'store.db')) })

/** Loops that begin and end every build they get; `done` has the ids in the order of their beginnings. */
function workers(
  queue: BuildQueue,
  { builds }: Store,
  count: number,
): { readonly done: string[]; stop(): Promise<void> } {
  const stop = new AbortController()
  const done: string[] = []
  const loops = Array.from({ length: count }, async () => {
    for await (const id of queue.take(stop.signal)) {
      const lease = await builds.begin(id, 'w')
      if (lease === null) continue
      done.push(id)
      await builds.finish(lease, { state: 'succeeded' })
    }
  })
  return {
    done,
    async stop() {
      stop.abort()
      await Promise.all(loops)
    },
  }
}

it.for([1, 4])('V5: %i places take every build once, oldest first', async (count) => {
  await using test = await make()
  const store = await test.open()
  await using queue = embeddedQueue(store.builds)
  const ids: string[] = []
  for (let at = 0; at < 10; at += 1) {
    ids.push(await submitted(store.builds))
    test.clock.pass(1)
  }
  const running = workers(queue, store, count)
  await until(() => running.done.length >= ids.length)
  await running.stop()
  expect(running.done.toSorted()).toEqual(ids.toSorted())
  if (count === 1) expect(running.done).toEqual(ids)
})

it('V5: a build that is submitted while all places wait is taken at once', async () => {
  await using test = await make()
  const store = await test.open()
  await using queue = embeddedQueue(store.builds)
  const running = workers(queue, store, 2)
  const before = performance.now()
  const id = await submitted(store.builds)
  await queue.announce(id)
  await until(() => running.done.includes(id))
  expect(performance.now() - before).toBeLessThan(1_000)
  await running.stop()
})

it('V5: a place that leaves its loop gives the build back to the others', async () => {
  await using test = await make()
  const store = await test.open()
  await using queue = embeddedQueue(store.builds)
  const id = await submitted(store.builds)
  for await (const taken of queue.take(new AbortController().signal)) {
    expect(taken).toBe(id)
    break
  }
  const running = workers(queue, store, 1)
  await until(() => running.done.includes(id))
  await running.stop()
})

it('V1: wakes for each change of a build, and for none of another', async () => {
  await using test = await make()
  const store = await test.open()
  await using queue = embeddedQueue(store.builds)
  const id = await submitted(store.builds)
  const stop = new AbortController()
  let woken = 0
  const watching = (async () => {
    for await (const _news of queue.changes(id, stop.signal)) woken += 1
  })()
  await until(() => woken === 1)
  await submitted(store.builds)
  await store.builds.requestCancel(id)
  await until(() => woken === 2)
  stop.abort()
  await watching
})
