/**
 * What a build needs before it may keep steps or tell them to run again.
 *
 * @packageDocumentation
 */

import type { Problem } from '../errors.js'
import { isSecretName } from '../secret.js'
import type { Keeping } from '../store/store.js'
import { nearest } from '../suggest.js'
import type { Listener } from './events.js'
import type { PreparedBuild } from './prepared.js'
import type { CheckedOptions } from './request.js'
import { REFRESH_ALL } from './step-choice.js'

type Rotating = Pick<CheckedOptions, 'onRotate' | 'refresh' | 'environment'>

/** What is wrong with `onRotate` and `refresh`. */
export function keepingProblems(
  { storedNames, given }: Pick<PreparedBuild, 'storedNames' | 'given'>,
  { onRotate, refresh }: Rotating,
  keeping: Keeping | undefined,
): readonly Problem[] {
  const problems: Problem[] = []
  if (keeping === undefined && (onRotate === 'keep' || refresh.length > 0)) {
    problems.push({
      code: 'REQUEST_INVALID',
      message: 'This builder remembers no steps, so it can neither keep nor refresh them.',
    })
  }
  const mounted = new Set<string>([...storedNames, ...given.keys()])
  for (const name of refresh) {
    if (name === REFRESH_ALL || mounted.has(name)) continue
    const near = nearest(name, mounted)
    problems.push({
      code: 'REQUEST_INVALID',
      // What is no name may be a value that was typed in the wrong place.
      message: `No step mounts ${isSecretName(name) ? `the secret ${name}, which` : 'a secret that'} is to be refreshed.`,
      hint: near === undefined ? undefined : `Did you mean ${near}?`,
    })
  }
  return problems
}

/**
 * Waits until no other build that keeps steps works with the same secrets: its fresh steps would make the engine run
 * again what is to be kept.
 */
export async function takeTurn(
  { storedNames }: Pick<PreparedBuild, 'storedNames'>,
  { onRotate, environment }: Rotating,
  {
    keeping,
    onEvent,
    signal,
  }: {
    readonly keeping: Keeping | undefined
    readonly onEvent: Listener
    readonly signal: AbortSignal
  },
): Promise<AsyncDisposable> {
  if (onRotate !== 'keep' || keeping === undefined) return { [Symbol.asyncDispose]: () => Promise.resolve() }
  return await keeping.turns.take(
    [...storedNames].map((name) => `${environment}/${name}`),
    {
      signal,
      onWait: () =>
        onEvent({
          type: 'note',
          text: 'Waiting for another build that keeps steps with the same secrets.',
        }),
    },
  )
}
