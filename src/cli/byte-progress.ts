/**
 * The line that says how far reading has come: a bar where the end is known,
 * bytes, and the rate.
 *
 * @packageDocumentation
 */

import { bytesText } from './print.js'

/** Width of the bar in columns. */
const BAR_COLUMNS = 20

/** Least time between two lines, in milliseconds: a terminal shows no more, and writing costs more than searching. */
const INTERVAL_MS = 100

/** Time that the rate is taken over, in milliseconds. */
const RATE_MS = 3000

/** Follows one reading. */
export class ByteProgress {
  readonly #now: () => number
  #samples: { readonly at: number; readonly bytes: number }[] = []
  #shownAt = -Infinity

  /** @param now - milliseconds of a clock that does not jump. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** What to show after `bytes` of `of`; `undefined` where the last line is too young. A smaller number begins anew. */
  line(bytes: number, of: number | undefined): string | undefined {
    const at = this.#now()
    if (bytes < (this.#samples.at(-1)?.bytes ?? 0)) this.#samples = []
    const isLast = bytes === of
    if (this.#samples.length > 0 && !isLast && at - this.#shownAt < INTERVAL_MS) return undefined
    this.#shownAt = at
    this.#samples = [...this.#samples.filter((sample) => at - sample.at <= RATE_MS), { at, bytes }]
    const [first = { at, bytes }] = this.#samples
    const rate = at > first.at ? `, ${bytesText(((bytes - first.bytes) * 1000) / (at - first.at))}/s` : ''
    if (of === undefined || of === 0) return `${bytesText(bytes)}${rate}`
    const share = Math.min(1, bytes / of)
    const full = Math.floor(share * BAR_COLUMNS)
    const bar = '█'.repeat(full) + '░'.repeat(BAR_COLUMNS - full)
    return `${bar} ${String(Math.floor(share * 100)).padStart(3)} %  ${bytesText(bytes)} of ${bytesText(of)}${rate}`
  }
}
