/**
 * What ends a build before its time: the caller, or the time limit.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'

/** The end that is set to a build. Dispose it with the build. */
export interface Stop extends Disposable {
  /** Aborted with a {@link Fault}: `CANCELLED`, `TIMED_OUT`, or the caller's own. */
  readonly signal: AbortSignal
}

/** Joins a caller's signal and a time limit in milliseconds. Whatever the caller aborts with, the reason is a fault. */
export function stopAt(timeoutMs: number | undefined, signal: AbortSignal | undefined): Stop {
  const stop = new AbortController()
  const cancel = (): void =>
    stop.abort(
      signal?.reason instanceof Fault ? signal.reason : new Fault('CANCELLED', 'The build was cancelled.'),
    )
  const expire = (): void => stop.abort(new Fault('TIMED_OUT', 'The build took longer than its time limit.'))
  signal?.addEventListener('abort', cancel, { once: true })
  if (signal?.aborted === true) cancel()
  const timer = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs).unref()
  return {
    signal: stop.signal,
    [Symbol.dispose]: () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', cancel)
    },
  }
}
