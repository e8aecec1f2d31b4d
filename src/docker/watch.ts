/**
 * Watches that an engine is there while something is made on it. One connection
 * is held open: when it ends, the engine went away, or another one stands in
 * its place, and nothing that was learned before counts any more. An engine
 * that is frozen, or cut off by its network, keeps connections open and says
 * nothing: it is asked every few seconds, and one that stays silent counts as
 * gone.
 *
 * @packageDocumentation
 */

import { Code, ConnectError } from '@connectrpc/connect'
import { Fault } from '../errors.js'
import { openControl, type ControlConnection } from './control.js'
import type { EngineWatch } from './engine.js'
import type { BuildKitTransport } from './transport.js'
import { unreachable } from './unreachable.js'

/** How long an engine may be silent, in milliseconds. */
export const SILENT_MS = 60_000

/** How many questions there are in that time. */
const QUESTIONS = 12

/**
 * Begins to watch.
 *
 * @param signal - ends the watch's own signal too.
 * @param silentMs - how long the engine may be silent: {@link SILENT_MS}; a parameter for tests.
 * @throws {@link Fault} `ENGINE_UNREACHABLE`; what `signal` is aborted with.
 */
export async function watchEngine(
  transport: BuildKitTransport,
  signal: AbortSignal,
  silentMs = SILENT_MS,
): Promise<EngineWatch> {
  const gone = new AbortController()
  const both = AbortSignal.any([signal, gone.signal])
  const control = await inTime(openControl(transport), silentMs, signal)
  const ask = async (): Promise<void> => {
    both.throwIfAborted()
    try {
      await question(control, { timeoutMs: silentMs, signal: both })
    } catch (error) {
      both.throwIfAborted()
      gone.abort(error)
      throw error
    }
  }
  void control.closed.then(() => gone.abort(unreachable(undefined)))
  // What a question finds out is told by the signal.
  const timer = setInterval(() => void ask().catch(() => undefined), silentMs / QUESTIONS)
  timer.unref()
  return {
    signal: both,
    ask,
    [Symbol.dispose]: () => {
      clearInterval(timer)
      control[Symbol.dispose]()
    },
  }
}

/** Whether an engine answers within that time, in milliseconds, on a connection of its own. */
export async function answers(transport: BuildKitTransport, withinMs: number): Promise<boolean> {
  const signal = AbortSignal.timeout(withinMs)
  try {
    using control = await inTime(openControl(transport), withinMs, signal)
    await question(control, { timeoutMs: withinMs, signal })
    return true
  } catch (error) {
    if (error instanceof Fault || signal.aborted) return false
    throw error
  }
}

/** @throws {@link Fault} `ENGINE_UNREACHABLE` where no answer came. */
async function question(
  { health }: ControlConnection,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<void> {
  try {
    await health.check({}, options)
  } catch (error) {
    // Docker engines do not have this service, and say so.
    if (error instanceof ConnectError && error.code === Code.Unimplemented) return
    throw unreachable(error)
  }
}

/** Waits for a connection only so long. One that comes too late is closed. */
async function inTime(
  opening: Promise<ControlConnection>,
  ms: number,
  signal: AbortSignal,
): Promise<ControlConnection> {
  const late = AbortSignal.any([signal, AbortSignal.timeout(ms)])
  return await new Promise((resolve, reject) => {
    const giveUp = (): void => {
      void opening.then((control) => control[Symbol.dispose]()).catch(() => undefined)
      reject(signal.aborted ? (signal.reason as Error) : unreachable(late.reason))
    }
    if (late.aborted) {
      giveUp()
      return
    }
    late.addEventListener('abort', giveUp, { once: true })
    opening.then(resolve, reject).finally(() => late.removeEventListener('abort', giveUp))
  })
}
