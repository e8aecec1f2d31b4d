/**
 * What went wrong in a build, in our words.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import type { EventRedactor } from './events.js'
import { isolatedFailure } from './isolated-failure.js'
import type { AssembledBuild } from './prepared.js'

/** What programs print when it is the credentials that are wrong, and what to tell then. */
const CREDENTIAL_SIGNS: readonly (readonly [sign: RegExp, hint: string])[] = [
  [
    /No matching distribution found/,
    'pip says so too when an index refuses its credentials: check that the secret is right.',
  ],
  [
    /Authentication failed for|could not read (?:Username|Password)|HTTP (?:Basic: )?Access denied|401 (?:Client Error|Unauthorized)/,
    'The server refused the credentials: check that the secret is right.',
  ],
]

/** 128 and the number of SIGKILL, which nothing but the system sends where nobody cancels: signal(7). */
const KILLED = '137'
const KILLED_HINT =
  'It was killed, most often for want of memory: on the machine, or in its cgroup (--cgroup-parent).'

/**
 * Makes a fault that is safe to show of one that carries the engine's words. Anything that is no fault of a build passes
 * through.
 */
export function buildFailure(error: unknown, events: EventRedactor, { delivery }: AssembledBuild): unknown {
  if (!(error instanceof Fault) || error.code !== 'BUILD_FAILED') return error
  if (delivery?.isolated !== undefined) {
    const fault = isolatedFailure(events.tail, error)
    if (fault !== undefined) return fault
  }
  const text = events.text(error.message)
  const status = /exit code: (\d+)/.exec(text)?.[1]
  const step = events.failedStep
  const message =
    status === undefined || step === undefined
      ? text
      : `The step "${step}" failed with exit status ${status}.`
  const sign =
    delivery === undefined ? undefined : CREDENTIAL_SIGNS.find(([pattern]) => pattern.test(events.tail))
  const hint = sign?.[1] ?? (status === KILLED ? KILLED_HINT : undefined)
  return new Fault('BUILD_FAILED', message, { hint, cause: error })
}
