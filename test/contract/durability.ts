/** Rounds of `kill -9` while several processes set, deploy and rotate in one store. */

import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { openStore, type Store } from '../../src/store/open.js'
import { textOf } from '../support/store.js'
import type { Worker } from '../support/worker.js'

/** Rounds: a few, or as many as a release is tried with. */
export const KILL_ROUNDS = process.env['TRACELESS_SOAK'] === '1' ? 1000 : 50

/** A round waits up to this long before it kills, in milliseconds: about what ten changes take. */
const LONGEST_WAIT_MS = 60

const TASKS = ['set', 'deploy', 'rotate'] as const
type Task = (typeof TASKS)[number]

/** Runs the rounds. What is acknowledged must be there, two secrets set at once must agree, and the store must open. */
export async function killRounds({
  rounds,
  home,
  database,
  start,
  seed = Date.now() >>> 0,
  check,
}: {
  rounds: number
  home: string
  database?: string
  start: (args: readonly string[]) => Worker
  seed?: number
  /** Looks at the database itself, after every tenth round. */
  check?: () => Promise<void>
}): Promise<void> {
  const random = generator(seed)
  const open = (): Promise<Store> =>
    openStore({ home, env: {}, changesPerHour: 1_000_000, ...(database === undefined ? {} : { database }) })
  await (await open()).close()
  const begin = (task: Task, from: number): { worker: Worker; from: number } => ({
    worker: start([task, home, database ?? '', String(from)]),
    from,
  })
  const done = new Set<Task>()
  const running = new Map(TASKS.map((task) => [task, begin(task, 0)]))
  const acknowledged = (task: Task): number => {
    const { worker, from } = running.get(task) ?? begin(task, 0)
    const last = worker.lines.at(-1)
    if (last?.startsWith('fault') === true) throw new Error(`${task} ended with ${last} (seed ${seed})`)
    return last === undefined ? from : Number(last)
  }
  try {
    for (let round = 0; round < rounds; round += 1) {
      const task = TASKS[round % TASKS.length] ?? 'set'
      // Some are killed while they start, most while they work; the moment is what differs between rounds.
      if (random() % 4 !== 0) await running.get(task)?.worker.printed(1)
      await sleep(random() % LONGEST_WAIT_MS)
      await running.get(task)?.worker.kill()
      if (acknowledged(task) > 0) done.add(task)
      const before = { set: acknowledged('set'), deploy: acknowledged('deploy') }
      await using store = await open()
      const found = { set: await agreed(store, 'set'), deploy: await agreed(store, 'deploy') }
      for (const kind of ['set', 'deploy'] as const) {
        expect(found[kind], `${kind} after round ${round}, seed ${seed}`).toBeGreaterThanOrEqual(before[kind])
      }
      if (task !== 'rotate') expect(found[task]).toBeLessThanOrEqual(before[task] + 1)
      await store.admin.list()
      running.set(task, begin(task, task === 'rotate' ? acknowledged(task) : found[task]))
      if (round % 10 === 9) await check?.()
    }
  } finally {
    for (const { worker } of running.values()) await worker.kill()
  }
  for (const task of TASKS)
    expect(acknowledged(task), `${task} did something, seed ${seed}`).toBeGreaterThan(0)
  await using store = await open()
  const rotated = (await store.admin.history({ max: 100_000 })).filter(
    ({ action }) => action === 'remove-recipient',
  )
  expect(rotated.length, `rotations, seed ${seed}`).toBeGreaterThanOrEqual(acknowledged('rotate'))
  await store.identity.rotate()
  expect(await store.identity.recipients()).toMatchObject([{ ready: true, pinned: true }])
  await agreed(store, 'set')
  await check?.()
}

/** The number that both secrets of an environment hold; 0 before the first. */
async function agreed(store: Store, environment: string): Promise<number> {
  const held = await store.reader.read({ environment, purpose: 'run' }, 'all')
  const texts = held.map(({ value }) => textOf(value))
  expect([0, 2], environment).toContain(texts.length)
  expect(texts[0], environment).toBe(texts[1])
  return Number(texts[0] ?? 0)
}

/** xorshift, 32 bits: a seed that is printed gives the same rounds again. */
function generator(seed: number): () => number {
  let state = seed | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}
