/** V6: what builds may take. A worker drops from its engine's build cache what its builds made, and nothing of anybody else's. */

import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createBuilder, type Builder } from '../../src/builder/build.js'
import { diskBudget, type DiskBudget, type Pruned } from '../../src/queue/disk-budget.js'
import { resultOf, startBuilds, type Builds } from '../support/builds.js'
import { temporaryFolder } from '../support/folder.js'
import { randomToken } from '../support/tokens.js'

const BASE = 'traceless-base:tiny'
const archive = async (bytes: AsyncIterable<Uint8Array>): Promise<void> => {
  for await (const _ of bytes);
}

let builds: Builds
beforeAll(async () => {
  builds = await startBuilds()
  await builds.set({ API_KEY: randomToken() })
})
afterAll(() => builds[Symbol.asyncDispose]())

interface Budgeted {
  readonly budget: DiskBudget
  readonly builder: Builder
  readonly pruned: Pruned[]
}

function budgeted(budgetBytes: number): Budgeted {
  const pruned: Pruned[] = []
  const { store, engine } = builds
  const budget = diskBudget(engine, {
    made: store.made,
    budgetBytes,
    onPruned: (what) => void pruned.push(what),
  })
  const builder = createBuilder({
    secrets: store.reader,
    usage: store.usage,
    verdicts: store.verdicts,
    retired: store.retired,
    keeping: store.keeping,
    engine: async () => Promise.resolve(budget.engine),
    credentials: async () => Promise.resolve(null),
  })
  return { budget, builder, pruned }
}

/** Which of the words stand in records of the engine. */
async function recorded(...words: readonly string[]): Promise<readonly string[]> {
  const records = await builds.engine.records()
  return words.filter((word) => records.some(({ description }) => description.includes(word)))
}

it('V6: over budget the oldest of our records go, contexts and copied files too; foreign ones stay', async () => {
  const [foreign, first, second] = [randomUUID(), randomUUID(), randomUUID()]
  await using folder = await temporaryFolder({ file: 'x'.repeat(100_000) })
  const text = (word: string): string =>
    [
      `FROM ${BASE}`,
      `RUN --mount=type=secret,id=API_KEY : ${word}; wc -c < /run/secrets/API_KEY > /length`,
      'COPY file /file',
      `RUN head -c 200000 /dev/zero > /zero; : ${word} after`,
    ].join('\n')
  const request = (word: string) => ({ dockerfile: { text: text(word) }, context: folder.path, archive })
  // Made past the budget, as by another program.
  resultOf(await builds.build(request(foreign)))
  const { budget, builder, pruned } = budgeted(450_000)
  resultOf(await builds.buildWith(builder, request(first)))
  await budget.keep()
  expect(pruned).toEqual([])
  resultOf(await builds.buildWith(builder, request(second)))
  await budget.keep()
  expect(pruned).toHaveLength(1)
  expect(pruned[0]?.leftBytes).toBeLessThanOrEqual(450_000)
  expect(await recorded(foreign, `${first} after`, second)).toEqual([foreign, second])

  // Another process with the same store knows what was made before it started.
  const mine = await builds.store.made.of(builds.engine.info.id)
  const none = budgeted(0)
  await none.budget.keep()
  expect(none.pruned).toMatchObject([{ leftBytes: 0 }])
  const left = (await builds.engine.records()).filter(({ id }) => mine.has(id))
  expect(left.map(({ description }) => description)).toEqual([])
  expect(await recorded(foreign, first, second)).toEqual([foreign])
  await builds.engine.dropRecords({ commands: [foreign], since: undefined }, AbortSignal.timeout(10_000))
})

it('V6: what a build works with stays, and that build ends well', async () => {
  const word = randomUUID()
  const { budget, builder, pruned } = budgeted(0)
  const text = (end: string): string =>
    `FROM ${BASE}\nRUN head -c 50000 /dev/zero > /zero; : ${word}\nRUN ${end}; wc -c < /zero`
  resultOf(await builds.buildWith(builder, { dockerfile: { text: text(`: ${word} one`) }, archive }))
  let kept: Promise<void> | undefined
  const running = await builds.buildWith(
    builder,
    { dockerfile: { text: text('sleep 2') }, archive },
    {
      onEvent: (event) => {
        if (event.type === 'step' && event.state === 'started' && event.name.includes('sleep 2'))
          kept = budget.keep()
      },
    },
  )
  await kept
  resultOf(running)
  expect(running.log).toContain('50000')
  // What followed it in the first build went at once, the step itself only now.
  expect(pruned).toHaveLength(1)
  expect(await recorded(`${word} one`)).toEqual([])
  expect(await recorded(word)).toEqual([word])
  await budget.keep()
  expect(await recorded(word)).toEqual([])
})
