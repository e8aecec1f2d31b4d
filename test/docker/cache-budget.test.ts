import { describe, expect, it } from 'vitest'
import { bytesOf, recordsToPrune } from '../../src/docker/cache-budget.js'
import type { CacheRecord } from '../../src/docker/engine.js'

/** A record of 10 bytes that nothing stands on and that was used at that time. */
const record = (id: string, lastUsedAt: number, more: Partial<CacheRecord> = {}): CacheRecord => ({
  id,
  parents: [],
  description: '',
  sizeBytes: 10,
  isInUse: false,
  isShared: false,
  createdAt: 0,
  lastUsedAt,
  ...more,
})

const choose = (records: readonly CacheRecord[], budgetBytes: number, ours = records.map(({ id }) => id)) =>
  recordsToPrune(records, { ours: new Set(ours), budgetBytes })

describe('V6: which records go', () => {
  it('takes those used longest ago, and no more than needed', () => {
    const records = [record('new', 30), record('old', 10), record('middle', 20)]
    expect(choose(records, 30)).toEqual([])
    expect(choose(records, 29)).toEqual(['old'])
    expect(choose(records, 20)).toEqual(['old'])
    expect(choose(records, 0)).toEqual(['old', 'middle', 'new'])
  })

  it('goes by the time of making where no use is told', () => {
    const made = (id: string, createdAt: number): CacheRecord =>
      record(id, 0, { createdAt, lastUsedAt: undefined })
    expect(choose([made('b', 2), made('a', 1)], 10)).toEqual(['a'])
  })

  it('takes no record that is not ours, however old, and does not count it', () => {
    const records = [record('foreign', 1, { sizeBytes: 1000 }), record('ours', 2)]
    expect(choose(records, 10, ['ours'])).toEqual([])
    expect(choose(records, 0, ['ours'])).toEqual(['ours'])
  })

  it('takes a step only after what follows it, and then with its turn', () => {
    const chain = [
      record('base', 1),
      record('step', 2, { parents: ['base'] }),
      record('last', 50, { parents: ['step'] }),
    ]
    expect(choose(chain, 29)).toEqual(['last'])
    expect(choose([...chain, record('other', 40)], 20)).toEqual(['other', 'last'])
    expect(choose(chain, 0)).toEqual(['last', 'step', 'base'])
  })

  it('leaves what is in use, and what something stands on that stays', () => {
    const records = [
      record('below a foreign one', 1),
      record('foreign', 9, { parents: ['below a foreign one'] }),
      record('below one in use', 2),
      record('in use', 3, { parents: ['below one in use'], isInUse: true }),
      record('free', 4),
    ]
    expect(choose(records, 0, ['below a foreign one', 'below one in use', 'in use', 'free'])).toEqual([
      'free',
    ])
  })

  it('counts nothing that an image holds too', () => {
    const records = [record('shared', 1, { isShared: true }), record('own', 2)]
    expect(bytesOf(records, new Set(['shared', 'own']))).toBe(10)
    expect(choose(records, 10)).toEqual([])
  })
})
