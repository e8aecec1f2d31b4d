/** However a build is ended, it ends with a fault, and nothing is left that would end it later. */

import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { stopAt } from '../../src/builder/stop.js'
import { Fault } from '../../src/errors.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('the end of a build', () => {
  it.for([
    { name: 'nothing', reason: undefined },
    { name: 'a word', reason: 'enough' },
    { name: 'an error', reason: new Error('enough') },
  ])('is CANCELLED for a caller who aborts with $name', ({ reason }) => {
    const caller = new AbortController()
    using stop = stopAt(undefined, caller.signal)
    expect(stop.signal.aborted).toBe(false)
    caller.abort(reason)
    expect(stop.signal.reason).toMatchObject({ name: 'Fault', code: 'CANCELLED' })
  })

  it('is the fault that a caller aborts with', () => {
    const caller = new AbortController()
    const reason = new Fault('TIMED_OUT', 'The lease ended.')
    using stop = stopAt(undefined, caller.signal)
    caller.abort(reason)
    expect(stop.signal.reason).toBe(reason)
  })

  it('has come already where the caller aborted before', () => {
    using stop = stopAt(undefined, AbortSignal.abort())
    expect(stop.signal.reason).toMatchObject({ code: 'CANCELLED' })
  })

  it('comes at the time limit and not before', () => {
    using stop = stopAt(5000, undefined)
    vi.advanceTimersByTime(4999)
    expect(stop.signal.aborted).toBe(false)
    vi.advanceTimersByTime(1)
    expect(stop.signal.reason).toMatchObject({ code: 'TIMED_OUT' })
  })

  it('leaves no timer and no listener behind', () => {
    const caller = new AbortController()
    const stop = stopAt(5000, caller.signal)
    expect([vi.getTimerCount(), getEventListeners(caller.signal, 'abort').length]).toEqual([1, 1])
    stop[Symbol.dispose]()
    expect([vi.getTimerCount(), getEventListeners(caller.signal, 'abort').length]).toEqual([0, 0])
  })
})
