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

/** How long a bar is, in percent: a step that runs is not known to be shorter than any other. */
function lengthOf({ state, durationMs = 0 }: Step, longest: number): number {
  if (state === 'started') return 100
  return state === 'cached' ? 0 : Math.max(LEAST, (durationMs / longest) * 100)
}

/** Each step as a row: what it is, a bar as long as it took, and the time in words. */
export function Steps({ steps }: { readonly steps: readonly Step[] }): JSX.Element {
  const longest = Math.max(1, ...steps.map(({ durationMs }) => durationMs ?? 0))
  return (
    <ol class="steps">
      {steps.map((step) => (
        <li key={step.id} class={step.state}>
          <span class="name">
            <span class="step">#{step.number}</span> <code>{stepText(step.name)}</code>
          </span>
          <svg class="bar" aria-hidden="true" preserveAspectRatio="none">
            <rect class="track" width="100%" height="100%" rx="3" />
            <rect class="length" width={`${String(lengthOf(step, longest))}%`} height="100%" rx="3" />
          </svg>
          <span class="time">{timeText(step)}</span>
        </li>
      ))}
    </ol>
  )
}

function timeText({ state, durationMs }: Step): string {
  if (durationMs === undefined || state === 'cached') return WORDS[state]
  return state === 'done' ? spanText(durationMs) : `${WORDS[state]}, ${spanText(durationMs)}`
}
