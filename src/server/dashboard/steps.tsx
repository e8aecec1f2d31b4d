/**
 * Steps with their times, as a bar chart.
 *
 * @packageDocumentation
 */

import type { JSX } from 'preact'
import { spanText, stepText } from './text.js'
import type { Step } from './watch.js'

const WORDS: Readonly<Record<Step['state'], string>> = {
  started: 'running',
  done: 'done',
  cached: 'cached',
  failed: 'failed',
  canceled: 'cancelled',
}

/** Width of the shortest bar, in percent: a step that took no time is there all the same. */
const LEAST = 0.6

/** Each step as a row: what it is, a bar as long as it took, and the time in words. */
export function Steps({ steps }: { readonly steps: readonly Step[] }): JSX.Element {
  const longest = Math.max(1, ...steps.map(({ durationMs }) => durationMs ?? 0))
  return (
    <ol class="steps">
      {steps.map(({ id, number, name, state, durationMs }) => (
        <li key={id} class={state}>
          <span class="name">
            <span class="step">#{number}</span> <code>{stepText(name)}</code>
          </span>
          <svg class="bar" aria-hidden="true" preserveAspectRatio="none">
            <rect class="track" width="100%" height="100%" rx="3" />
            <rect
              class="length"
              width={
                state === 'started'
                  ? '100%'
                  : `${String(Math.max(LEAST, ((durationMs ?? 0) / longest) * 100))}%`
              }
              height="100%"
              rx="3"
            />
          </svg>
          <span class="time">
            {state === 'done' && durationMs !== undefined
              ? spanText(durationMs)
              : `${WORDS[state]}${durationMs === undefined || state === 'cached' ? '' : `, ${spanText(durationMs)}`}`}
          </span>
        </li>
      ))}
    </ol>
  )
}
