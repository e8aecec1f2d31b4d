/**
 * Which part of a pattern to look for. A search that looks for `https://` in
 * a log, or for the beginning that two thousand tokens share, stops at every
 * line; the same needle is as well found by its rarest part.
 *
 * @packageDocumentation
 */

import { PAIR_COMMONNESS } from './kernel/pairs.js'

/** Classes of bytes in {@link PAIR_COMMONNESS}: the 95 printable ones, line feed, NUL, all others. */
export const BYTE_CLASSES = 98

/** The class of a byte. */
export function classOf(byte: number): number {
  if (byte >= 0x20 && byte <= 0x7e) return byte - 0x20
  if (byte === 0x0a) return 95
  return byte === 0 ? 96 : 97
}

/** What one step of the four bits of a pair is: so many powers of two, from this probability on. */
export const STEP_BITS = 1.4
/** See {@link STEP_BITS}. */
export const LEAST_BITS = -24

/** Cost of one more pattern that has the same four bytes, as that of a gram whose pairs are in the middle of the scale. */
const CROWD_STEPS = 24

const CROWD_BITS = 16

/** The part of a pattern that is chosen from, in bytes: there is something rare in any so many. */
const CHOICE_BYTES = 64

/**
 * For each pattern, the offset of the `stride` consecutive grams that are the least common: in ordinary files, by the
 * pairs of bytes in them, and among the patterns themselves.
 */
export function rarestWindows(
  patterns: readonly Uint8Array[],
  { stride, gramBytes }: { stride: number; gramBytes: number },
): readonly number[] {
  const classes = Uint8Array.from({ length: 256 }, (_, byte) => classOf(byte))
  const steps = pairSteps()
  const costs = Float64Array.from({ length: 16 * 8 }, (_, sum) => 2 ** (sum * STEP_BITS * 0.5))
  const crowd = crowdOf(patterns)
  const crowdCost = costs[CROWD_STEPS] ?? 0
  const own = new Float64Array(CHOICE_BYTES)
  return patterns.map((pattern) => {
    const grams = Math.min(pattern.length, CHOICE_BYTES) - gramBytes + 1
    if (grams <= stride) return 0
    for (let at = 0; at < grams; at += 1) {
      let sum = 0
      for (let next = at; next < at + gramBytes - 1; next += 1) {
        const pair =
          (classes[pattern[next] ?? 0] ?? 0) * BYTE_CLASSES + (classes[pattern[next + 1] ?? 0] ?? 0)
        sum += steps[pair] ?? 0
      }
      own[at] = (costs[sum] ?? 0) + crowdCost * Math.max(0, (crowd[slotAt(pattern, at)] ?? 1) - 1)
    }
    return cheapest(own.subarray(0, grams), stride)
  })
}

/** Where the sum of `width` consecutive costs is the least. */
function cheapest(costs: Float64Array, width: number): number {
  let best = 0
  let least = Infinity
  for (let from = 0; from + width <= costs.length; from += 1) {
    let sum = 0
    for (let at = from; at < from + width; at += 1) sum += costs[at] ?? 0
    if (sum < least) {
      best = from
      least = sum
    }
  }
  return best
}

/** How many patterns hold four bytes, by a hash of them. */
function crowdOf(patterns: readonly Uint8Array[]): Uint32Array {
  const crowd = new Uint32Array(1 << CROWD_BITS)
  const lastSeen = new Int32Array(1 << CROWD_BITS).fill(-1)
  for (const [number, pattern] of patterns.entries()) {
    for (let at = 0; at + 4 <= Math.min(pattern.length, CHOICE_BYTES); at += 1) {
      const slot = slotAt(pattern, at)
      if (lastSeen[slot] === number) continue
      lastSeen[slot] = number
      crowd[slot] = (crowd[slot] ?? 0) + 1
    }
  }
  return crowd
}

function slotAt(bytes: Uint8Array, at: number): number {
  const four =
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  return Math.imul(four, 0x9e3779b1) >>> (32 - CROWD_BITS)
}

/** How common each pair of classes is, from 0 to 15. */
function pairSteps(): Uint8Array {
  const table = Buffer.from(PAIR_COMMONNESS, 'base64')
  return Uint8Array.from(
    { length: BYTE_CLASSES ** 2 },
    (_, pair) => ((table[pair >> 1] ?? 0) >> (4 * (pair & 1))) & 15,
  )
}
