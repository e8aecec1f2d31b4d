/** Streams in pieces, and needles for tests of searching. */

import fc from 'fast-check'
import { NeedleSet } from '../../../src/leak/needles.js'

/** How many times the short form of a test runs in the long one. */
const SOAK_FACTOR = 1000

/** Runs of a property: `short` of them, and with `TRACELESS_SOAK=1` a thousand times as many. */
export const runs = (short: number): { numRuns: number } => ({
  numRuns: process.env['TRACELESS_SOAK'] === '1' ? short * SOAK_FACTOR : short,
})

/** The two searches. Every property holds for both. */
export const KERNELS = ['wasm', 'plain'] as const

/** The pieces that a stream falls into when it is cut at these positions. */
export function cutAt(bytes: Uint8Array, cuts: readonly number[]): readonly Uint8Array[] {
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  return [...ends, bytes.length].map((end, number) => bytes.slice(number === 0 ? 0 : ends[number - 1], end))
}

/** The pieces of a stream that comes byte by byte. */
export const byteByByte = (bytes: Uint8Array): readonly Uint8Array[] =>
  Array.from(bytes, (byte) => Uint8Array.of(byte))

/** Needles that are just these texts, each of its own secret: `S0`, `S1` and so on. */
export function literalNeedles(texts: readonly (string | Uint8Array)[]): NeedleSet {
  const needles = texts.map((text, number) => ({
    secret: `S${number}`,
    form: 'raw' as const,
    bytes: typeof text === 'string' ? Buffer.from(text, 'latin1') : Uint8Array.from(text),
  }))
  return new NeedleSet(
    needles.map(({ secret }) => secret),
    needles,
    4,
  )
}

/** Positions to cut a stream at. */
export const cuts = fc.array(fc.nat(4000), { maxLength: 12 })

/** Words over few letters, so that they overlap themselves and each other. */
export const words = (minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.oneof(
    fc.string({ unit: fc.constantFrom('a', 'b'), minLength, maxLength }),
    fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'd', 'e'), minLength, maxLength }),
  )
