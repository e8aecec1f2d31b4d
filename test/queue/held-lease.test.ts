import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Fault } from '../../src/errors.js'
import { EventWriter } from '../../src/queue/event-writer.js'
import { holdLease, RENEW_MS, type LeaseKeeper } from '../../src/queue/held-lease.js'
import { LEASE_MS, type BuildEntry, type JsonObject, type Lease } from '../../src/store/builds.js'

const LEASE: Lease = { build: 'b', lease: 'l', attempt: 1, until: new Date(0) }
const AWAY = new Fault('STORE_UNAVAILABLE', 'The database is away.')

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Records that answer as they are told. */
function recordsOf(answers: {
  state: 'live' | 'cancelled' | 'lost' | Fault
  cancelRequested: boolean
}): LeaseKeeper & {
  readonly renewals: boolean[]
  readonly listeners: Set<(id: string | null) => void>
} {
  const renewals: boolean[] = []
  const listeners = new Set<(id: string | null) => void>()
  return {
    renewals,
    listeners,
    async renew(_lease, { naming = false } = {}) {
      renewals.push(naming)
      if (answers.state instanceof Fault) throw answers.state
      return await Promise.resolve(answers.state)
    },
    get: async () => Promise.resolve({ cancelRequested: answers.cancelRequested } as BuildEntry),
    watch(listener) {
      listeners.add(listener)
      return { [Symbol.dispose]: () => void listeners.delete(listener) }
    },
  }
}

const never = new AbortController().signal
const clock = (): number => Date.now()

describe('a lease that is held', () => {
  it('is renewed in time, until it is let go', async () => {
    const records = recordsOf({ state: 'live', cancelRequested: false })
    const held = holdLease(records, LEASE, { stop: never, clock })
    await vi.advanceTimersByTimeAsync(3 * RENEW_MS)
    expect(records.renewals).toEqual([false, false, false])
    expect(held.signal.aborted).toBe(false)
    held[Symbol.dispose]()
    await vi.advanceTimersByTimeAsync(10 * RENEW_MS)
    expect(records.renewals).toHaveLength(3)
    expect(records.listeners.size).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('ends the build when it was lost', async () => {
    const answers = { state: 'live' as 'live' | 'lost', cancelRequested: false }
    using held = holdLease(recordsOf(answers), LEASE, { stop: never, clock })
    answers.state = 'lost'
    await vi.advanceTimersByTimeAsync(RENEW_MS)
    expect(held.signal.reason).toMatchObject({ code: 'CANCELLED' })
    expect([held.ending, held.lost]).toEqual(['lost', true])
  })

  it('waits for records that are away, and counts as lost before somebody else can have the build', async () => {
    const answers: { state: 'live' | Fault; cancelRequested: boolean } = {
      state: AWAY,
      cancelRequested: false,
    }
    using held = holdLease(recordsOf(answers), LEASE, { stop: never, clock })
    await vi.advanceTimersByTimeAsync(RENEW_MS)
    expect(held.lost).toBe(false)
    answers.state = 'live'
    await vi.advanceTimersByTimeAsync(RENEW_MS)
    answers.state = AWAY
    await vi.advanceTimersByTimeAsync(2 * RENEW_MS)
    expect(held.lost).toBe(false)
    await vi.advanceTimersByTimeAsync(RENEW_MS)
    expect(held.lost).toBe(true)
  })

  it('ends the build soon after somebody asked for it, and is still held', async () => {
    const answers = { state: 'live' as const, cancelRequested: false }
    const records = recordsOf(answers)
    using held = holdLease(records, LEASE, { stop: never, clock })
    for (const tell of records.listeners) tell('another')
    answers.cancelRequested = true
    await vi.advanceTimersByTimeAsync(1_000)
    expect(held.signal.aborted).toBe(false)
    for (const tell of records.listeners) tell('b')
    await vi.advanceTimersByTimeAsync(1_000)
    expect([held.ending, held.lost]).toEqual(['cancelled', false])
  })

  it('ends the build when the worker is stopped', () => {
    const stop = new AbortController()
    using held = holdLease(recordsOf({ state: 'live', cancelRequested: false }), LEASE, {
      stop: stop.signal,
      clock,
    })
    stop.abort()
    expect([held.ending, held.lost]).toEqual(['stopped', false])
  })

  it.for(['cancelled', 'lost'] as const)('lets no image be named when it is %s', async (state) => {
    using held = holdLease(recordsOf({ state, cancelRequested: false }), LEASE, { stop: never, clock })
    await expect(held.requireForNaming()).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(held.ending).toBe(state)
  })

  it('lets an image be named when more than ten seconds are left of it, and says so to the records', async () => {
    const records = recordsOf({ state: 'live', cancelRequested: false })
    using held = holdLease(records, LEASE, { stop: never, clock })
    await held.requireForNaming()
    expect(records.renewals).toEqual([true])
  })

  it.for([
    [LEASE_MS - 10_001, true],
    [LEASE_MS - 9_999, false],
  ] as const)('lets an image be named when the answer took %d ms: %s', async ([ms, named]) => {
    const records = recordsOf({ state: 'live', cancelRequested: false })
    let now = 0
    const renew: LeaseKeeper['renew'] = async (lease, options) => {
      now += ms
      return await records.renew(lease, options)
    }
    using held = holdLease({ ...records, renew }, LEASE, { stop: never, clock: () => now })
    const was = await held.requireForNaming().then(
      () => true,
      () => false,
    )
    expect([was, held.lost]).toEqual([named, !named])
  })

  it('lets no image be named while the records are away', async () => {
    using held = holdLease(recordsOf({ state: AWAY, cancelRequested: false }), LEASE, { stop: never, clock })
    await expect(held.requireForNaming()).rejects.toBe(AWAY)
  })
})

describe('the events of a build', () => {
  const log = (text: string) =>
    ({ type: 'log', id: 's', stream: 'stdout', bytes: Buffer.from(text) }) as const

  it('are written in their order, some at a time, bytes as base64', async () => {
    const written: JsonObject[][] = []
    const lease = { lose: vi.fn(), lost: false }
    const records = {
      appendEvents: async (_: unknown, events: readonly JsonObject[]) => written.push([...events]) > 0,
    }
    const writer = new EventWriter(records, LEASE, lease)
    writer.take({ type: 'phase', phase: 'check' })
    writer.take(log('one'))
    await vi.advanceTimersByTimeAsync(200)
    writer.take(log('x'.repeat(300_000)))
    writer.take(log('last'))
    await writer.end()
    expect(written.map((events) => events.map(({ type }) => type))).toEqual([
      ['phase', 'log'],
      ['log'],
      ['log'],
    ])
    expect(written[0]?.[1]).toEqual({ type: 'log', id: 's', stream: 'stdout', bytes: 'b25l' })
    expect(lease.lose).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('wait for records that are away, and lose nothing', async () => {
    const written: JsonObject[] = []
    let away = 3
    const records = {
      async appendEvents(_: unknown, events: readonly JsonObject[]) {
        if (away-- > 0) throw AWAY
        return await Promise.resolve(written.push(...events) > 0)
      },
    }
    const writer = new EventWriter(records, LEASE, { lose: vi.fn(), lost: false })
    writer.take(log('one'))
    await vi.advanceTimersByTimeAsync(200)
    writer.take(log('two'))
    const ended = writer.end()
    await vi.advanceTimersByTimeAsync(5_000)
    await ended
    expect(written.map(({ bytes }) => bytes)).toEqual(['b25l', 'dHdv'])
  })

  it('end with the lease, whether the records say so or the worker knows', async () => {
    const lease = { lost: false, lose: () => void (lease.lost = true) }
    const writer = new EventWriter({ appendEvents: async () => Promise.resolve(false) }, LEASE, lease)
    writer.take(log('one'))
    await writer.end()
    expect(lease.lost).toBe(true)
    const unheard = vi.fn()
    const late = new EventWriter({ appendEvents: unheard }, LEASE, lease)
    late.take(log('two'))
    await late.end()
    expect(unheard).not.toHaveBeenCalled()
  })
})
