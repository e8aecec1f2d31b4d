/**
 * What the leak benchmark searches for: values of the usual shapes, the same
 * ones every time, in the forms of the product's own table.
 *
 * @packageDocumentation
 */

import { createCipheriv } from 'node:crypto'
import { NeedleSet, needlesFor } from '../../src/leak/needles.js'

/** Byte strings to search for. */
export interface PatternSet {
  readonly name: string
  readonly patterns: readonly Buffer[]
}

/** The same random bytes at every run. */
export class Chance {
  readonly #stream

  constructor(seed: number) {
    this.#stream = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16))
  }

  bytes(count: number): Buffer {
    return this.#stream.update(Buffer.alloc(count))
  }

  below(limit: number): number {
    return Number(this.bytes(8).readBigUInt64LE() % BigInt(limit))
  }

  letters(count: number): string {
    return this.bytes(count).toString('base64url').slice(0, count)
  }
}

const SHAPES: readonly ((chance: Chance) => string)[] = [
  (chance) => `ghp_${chance.letters(36)}`,
  (chance) => `npm_${chance.letters(36)}`,
  (chance) => chance.bytes(30).toString('base64'),
  (chance) => chance.bytes(16).toString('hex'),
  (chance) => `https://ci-bot:${chance.letters(24)}@git.example.com/acme`,
  (chance) => `postgres://app:${chance.letters(20)}@db.internal:5432/app`,
  (chance) => `xoxb-${chance.letters(12)}-${chance.letters(24)}`,
  (chance) => `eyJhbGciOiJIUzI1NiJ9.${chance.letters(60)}.${chance.letters(43)}`,
  (chance) => `${chance.letters(9)}!${chance.letters(4)}$${chance.letters(12)}`,
  (chance) => `hf_${chance.letters(34)}`,
  (chance) => chance.letters(20),
]

/** Forms that differ between values in every byte, as the tools of {@link PatternSet} can be given them. */
function formsOf(values: readonly string[], shortest: number): readonly Buffer[] {
  using needles = needlesFor(values.map((value, at) => ({ name: `S${at}`, value: Buffer.from(value) })))
  const texts = needles.needles.flatMap(({ bytes, breaks }) =>
    // grep and ripgrep take a list of lines, and lines of text.
    breaks === 'dump' || bytes.length < shortest || bytes.some((byte) => byte < 0x20 || byte > 0x7e)
      ? []
      : [Buffer.from(bytes).toString('latin1')],
  )
  return [...new Set(texts)].map((text) => Buffer.from(text, 'latin1'))
}

/** `count` patterns of at least 20 bytes. */
export function longSet(count: number): PatternSet {
  const chance = new Chance(20)
  const values = Array.from(
    { length: Math.ceil(count / 8) + 10 },
    (_, at) => SHAPES[at % SHAPES.length]?.(chance) ?? '',
  )
  return { name: `P=${count}`, patterns: spread(formsOf(values, 20), count) }
}

/** `count` patterns of which a good many come from passwords of 6 to 14 bytes. */
export function shortSet(count: number): PatternSet {
  const chance = new Chance(6)
  const values = Array.from({ length: Math.ceil(count / 5) + 10 }, (_, at) =>
    at % 4 === 0 ? chance.letters(6 + (at % 9)) : (SHAPES[at % SHAPES.length]?.(chance) ?? ''),
  )
  return { name: `P=${count}, from 6 bytes`, patterns: spread(formsOf(values, 6), count) }
}

/** `count` of some patterns, evenly from first to last, the shortest among them. */
function spread(all: readonly Buffer[], count: number): readonly Buffer[] {
  if (all.length < count) throw new RangeError(`only ${all.length} patterns of ${count}`)
  const shortest = all.reduce((least, pattern) => (pattern.length < least.length ? pattern : least))
  const others = all.filter((pattern) => pattern !== shortest)
  const step = others.length / count
  return [
    shortest,
    ...Array.from({ length: count - 1 }, (_, at) => others[Math.floor(at * step)] ?? shortest),
  ]
}

/** The patterns as the product takes them: found in one piece, like the peers do. */
export function needleSet({ patterns }: PatternSet): NeedleSet {
  const needles = patterns.map((bytes, at) => ({
    secret: `S${at}`,
    form: 'raw' as const,
    bytes: Uint8Array.from(bytes),
  }))
  return new NeedleSet(
    needles.map(({ secret }) => secret),
    needles,
  )
}

/** As grep and ripgrep take them. */
export const asLines = ({ patterns }: PatternSet): Buffer =>
  Buffer.concat(patterns.flatMap((pattern) => [pattern, Buffer.from('\n')]))

/** As bench/leak/hyperscan.c takes them. */
export const asRecords = ({ patterns }: PatternSet): Buffer =>
  Buffer.concat(
    patterns.flatMap((pattern) => {
      const length = Buffer.alloc(4)
      length.writeUInt32LE(pattern.length)
      return [length, pattern]
    }),
  )
