/**
 * What every benchmark gives, and how time is taken: seconds of this process's
 * own CPU, because the machines are shared and the wall clock is theirs.
 *
 * @packageDocumentation
 */

/** One measured thing. */
export type Row = Readonly<Record<string, string | number>>

/** A bar: a figure, and the least or the most it may be. */
export interface Bar {
  readonly name: string
  readonly value: number
  readonly bar: number
  readonly holds: boolean
}

/** The outcome of a benchmark. */
export interface Bench {
  readonly rows: readonly Row[]
  readonly bars: readonly Bar[]
}

/** A bar that holds from `bar` upwards. */
export const atLeast = (name: string, value: number, bar: number): Bar => ({
  name,
  value,
  bar,
  holds: value >= bar,
})

/** A bar that holds up to `bar`. */
export const atMost = (name: string, value: number, bar: number): Bar => ({
  name,
  value,
  bar,
  holds: value <= bar,
})

/** CPU-seconds that a piece of work takes. */
export function cpuSeconds(work: () => void): number {
  const begun = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(begun)
  return (user + system) / 1e6
}

/** The middle one of some figures. */
export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
