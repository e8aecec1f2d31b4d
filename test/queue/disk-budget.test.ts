import { expect, it } from 'vitest'
import type { CacheRecord, Engine } from '../../src/docker/engine.js'
import { Fault } from '../../src/errors.js'
import { diskBudget, type Pruned } from '../../src/queue/disk-budget.js'
import type { MadeRecords } from '../../src/store/made-records.js'

const record = (id: string, lastUsedAt: number): CacheRecord => ({
  id,
  parents: [],
  description: '',
  sizeBytes: 10,
  isInUse: false,
  isShared: false,
  createdAt: 0,
  lastUsedAt,
})

function parts(known: readonly string[]) {
  const here = new Set(known)
  const made: MadeRecords = {
    of: async () => Promise.resolve(new Set(here)),
    async add(_, ids) {
      for (const id of ids) here.add(id)
      await Promise.resolve()
    },
    async forget(_, ids) {
      for (const id of ids) here.delete(id)
      await Promise.resolve()
    },
  }
  const pruned: Pruned[] = []
  return { here, made, pruned, onPruned: (what: Pruned) => void pruned.push(what) }
}

/** An engine with these records, on which some of them turn out to be in use. */
const engineWith = (records: CacheRecord[], stays: readonly string[] = []): Engine =>
  ({
    info: { id: 'engine-1' },
    records: async () => Promise.resolve([...records]),
    async pruneRecords(ids: readonly string[]) {
      const gone = records.filter(({ id }) => ids.includes(id) && !stays.includes(id))
      for (const one of gone) records.splice(records.indexOf(one), 1)
      return Promise.resolve(gone)
    },
  }) as unknown as Engine

it('V6: keeps within the budget, tells what went, and forgets what the engine has no longer', async () => {
  const records = [record('a', 1), record('b', 2), record('c', 3), record('foreign', 0)]
  const { here, made, pruned, onPruned } = parts(['a', 'b', 'c', 'gone long ago'])
  const budget = diskBudget(engineWith(records), { made, budgetBytes: 15, onPruned })
  await Promise.all([budget.keep(), budget.keep()])
  expect(records.map(({ id }) => id)).toEqual(['c', 'foreign'])
  expect(pruned).toEqual([{ records: 2, bytes: 20, leftBytes: 10 }])
  expect([...here]).toEqual(['c'])
})

it('V6: a record that came into use meanwhile stays, is still ours, and is not told to be gone', async () => {
  const { here, made, pruned, onPruned } = parts(['a', 'b'])
  await diskBudget(engineWith([record('a', 1), record('b', 2)], ['a']), {
    made,
    budgetBytes: 0,
    onPruned,
  }).keep()
  expect(pruned).toEqual([{ records: 1, bytes: 10, leftBytes: 10 }])
  expect([...here]).toEqual(['a'])
})

it('V6: an engine that is away ends nothing, and is asked again', async () => {
  const { made, onPruned, pruned } = parts(['a'])
  let away = true
  const engine = engineWith([record('a', 1)])
  const list = engine.records.bind(engine)
  const budget = diskBudget(
    { ...engine, records: () => (away ? Promise.reject(new Fault('ENGINE_UNREACHABLE', 'x')) : list()) },
    { made, budgetBytes: 0, onPruned },
  )
  await budget.keep()
  away = false
  await budget.keep()
  expect(pruned).toHaveLength(1)
})
