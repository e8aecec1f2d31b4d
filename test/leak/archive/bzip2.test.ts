/** Blocks written bit by bit, as no program would write them. What `bzip2` itself writes is read in ../hostile.test.ts and ../corpus.test.ts. */

import { describe, expect, it } from 'vitest'
import { bunzip2 } from '../../../src/leak/archive/bzip2.js'
import { Unreadable } from '../../../src/leak/archive/unreadable.js'
import { inPieces } from '../../support/pieces.js'

const RUN_A = 0
const RUN_B = 1

interface BlockSpec {
  readonly magic?: string
  readonly check?: number
  readonly isRandomised?: boolean
  readonly origin?: number
  /** Bytes that occur, in order. */
  readonly used?: readonly number[]
  readonly tableCount?: number
  readonly selectors?: readonly number[]
  /** Lengths of the codes of every table; the symbols are written with them. */
  readonly lengths?: readonly number[]
  readonly symbols: readonly number[]
  /** Written after the symbols. */
  readonly more?: string
}

const binary = (value: number, count: number): string => value.toString(2).padStart(count, '0').slice(-count)
const fromHex = (digits: string): string => digits.replace(/./g, (digit) => binary(parseInt(digit, 16), 4))

/** The checksum, bit by bit. */
function checksum(bytes: Iterable<number>): number {
  let sum = 0xffffffff
  for (const byte of bytes) {
    sum ^= byte << 24
    for (let bit = 0; bit < 8; bit += 1) sum = (sum << 1) ^ (sum < 0 ? 0x04c11db7 : 0)
  }
  return ~sum >>> 0
}

/** Canonical codes for lengths: shorter ones first, then by symbol. */
function codes(lengths: readonly number[]): readonly string[] {
  const made: string[] = lengths.map(() => '')
  let next = 0
  for (let length = 1; length <= 20; length += 1) {
    lengths.forEach((own, symbol) => {
      if (own === length) made[symbol] = binary(next++, length)
    })
    next *= 2
  }
  return made
}

function block(spec: BlockSpec): string {
  const { used = [97], tableCount = 2, selectors = [0], lengths = [1, 2, 2], symbols } = spec
  const rows = Array.from({ length: 16 }, (_, row) =>
    Array.from({ length: 16 }, (__, column) => (used.includes(row * 16 + column) ? '1' : '0')).join(''),
  )
  const table = lengths
    .map((length, symbol) => {
      const before = symbol === 0 ? length : (lengths[symbol - 1] ?? 0)
      return `${length > before ? '10'.repeat(length - before) : '11'.repeat(before - length)}0`
    })
    .join('')
  return [
    fromHex(spec.magic ?? '314159265359'),
    binary(spec.check ?? 0, 32),
    spec.isRandomised === true ? '1' : '0',
    binary(spec.origin ?? 0, 24),
    rows.map((row) => (row.includes('1') ? '1' : '0')).join(''),
    ...rows.filter((row) => row.includes('1')),
    binary(tableCount, 3),
    binary(selectors.length, 15),
    ...selectors.map((distance) => `${'1'.repeat(distance)}0`),
    `${binary(lengths[0] ?? 0, 5)}${table}`.repeat(tableCount),
    ...symbols.map((symbol) => codes(lengths)[symbol] ?? ''),
    spec.more ?? '',
  ].join('')
}

const end = (check: number): string => fromHex('177245385090') + binary(check, 32)

function stream(bits: string, level = '1'): Buffer {
  const octets = bits.padEnd(Math.ceil(bits.length / 8) * 8, '0').match(/.{8}/g) ?? []
  return Buffer.concat([Buffer.from(`BZh${level}`), Buffer.from(octets.map((octet) => parseInt(octet, 2)))])
}

/** What comes out, or why it ends. */
async function unpacked(bytes: Uint8Array, size?: number): Promise<string> {
  const pieces: Uint8Array[] = []
  try {
    for await (const piece of bunzip2(inPieces(bytes, size))) pieces.push(piece)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return `! ${error.why}`
  }
  return Buffer.concat(pieces).toString('latin1')
}

/** Symbols of a run: its length in digits of 1 and 2, the lowest first. */
function run(length: number): readonly number[] {
  const digits: number[] = []
  for (let left = length; left > 0; left = (left - (left % 2 === 0 ? 2 : 1)) / 2)
    digits.push(left % 2 === 0 ? RUN_B : RUN_A)
  return digits
}

/** A stream of one block whose content is `text`, which is one byte over and over. */
const single = (spec: BlockSpec, text: string): Buffer => {
  const check = checksum(Buffer.from(text))
  return stream(block({ check, ...spec }) + end(check))
}

describe('bunzip2', () => {
  it.for<[what: string, symbols: readonly number[], text: string]>([
    ['one byte', [...run(1), 2], 'a'],
    ['three bytes alike', [...run(3), 2], 'aaa'],
    ['nothing but a large run', [...run(3), 2], 'aaa'],
  ])('reads a block of %s', async ([, symbols, text]) => {
    for (const size of [1, 5, Infinity]) expect(await unpacked(single({ symbols }, text), size)).toBe(text)
  })

  it('reads the number after four bytes alike', async () => {
    // Sorted rotations of aaaa + 2: the last column is the number first, then the bytes.
    const bytes = single(
      { used: [2, 97], symbols: [2, ...run(0), 2, ...run(3), 3], lengths: [2, 2, 2, 2], origin: 1 },
      '',
    )
    expect(await unpacked(bytes)).toMatch(/^(?:a{6}|! damaged)$/)
  })

  const damaged: readonly (readonly [what: string, bytes: Buffer, why?: string])[] = [
    ['a run longer than any block', single({ symbols: [...Array<number>(21).fill(RUN_A), 2] }, '')],
    ['a run whose length overflows', single({ symbols: [...Array<number>(45).fill(RUN_A), 2] }, '')],
    ['a run of the largest digits', single({ symbols: [...Array<number>(22).fill(RUN_B), 2] }, '')],
    ['a run longer than this block', single({ symbols: [...run(100_001), 2] }, 'a'.repeat(100_001))],
    [
      'a byte more than fits',
      single({ used: [97, 98], lengths: [2, 2, 2, 2], symbols: [...run(100_000), 2, 3] }, ''),
    ],
    ['an origin outside of it', single({ symbols: [...run(3), 2], origin: 3 }, 'aaa')],
    ['a wrong checksum', single({ symbols: [...run(3), 2], check: 1 }, 'aaa')],
    ['no bytes that occur', single({ used: [], lengths: [1, 2], symbols: [] }, '')],
    ['one table', single({ symbols: [...run(3), 2], tableCount: 1 }, 'aaa')],
    ['seven tables', single({ symbols: [...run(3), 2], tableCount: 7 }, 'aaa')],
    ['no groups', single({ symbols: [...run(3), 2], selectors: [] }, 'aaa')],
    ['a group of a table that is not there', single({ symbols: [...run(3), 2], selectors: [2] }, 'aaa')],
    [
      'more symbols than groups',
      single({ symbols: [...Array<number>(51).fill(2)], used: [97, 98], lengths: [2, 2, 2, 2] }, ''),
    ],
    ['a code of no bits', single({ symbols: [], lengths: [0, 1, 2], more: '0'.repeat(99) }, '')],
    ['a code of 21 bits', single({ symbols: [], lengths: [21, 21, 21], more: '0'.repeat(99) }, '')],
    ['a code that means nothing', single({ symbols: [], lengths: [2, 2, 2], more: '1'.repeat(99) }, '')],
    ['another magic', single({ symbols: [...run(3), 2], magic: '314159265358' }, 'aaa')],
    [
      'a block of before 0.9.5',
      single({ symbols: [...run(3), 2], isRandomised: true }, 'aaa'),
      'unknown-method',
    ],
    [
      'a wrong checksum of the stream',
      stream(block({ symbols: [...run(3), 2], check: checksum(Buffer.from('aaa')) }) + end(7)),
    ],
    ['no level', Buffer.from('BZh0....')],
  ]

  it.for(damaged)('ends at %s', { timeout: 5000 }, async ([, bytes, why = 'damaged']) => {
    expect(await unpacked(bytes)).toBe(`! ${why}`)
  })

  it('tells a stream that is cut anywhere', async () => {
    const check = checksum(Buffer.from('aaa'))
    const both = ((check << 1) | (check >>> 31)) ^ check
    const whole = stream(block({ symbols: [...run(3), 2], check }).repeat(2) + end(both >>> 0))
    expect(await unpacked(whole)).toBe('aaaaaa')
    for (let length = 4; length < whole.length; length += 1) {
      expect(await unpacked(whole.subarray(0, length)), String(length)).toBe('! truncated')
    }
  })

  it('reads streams one after another, and padding', async () => {
    const one = single({ symbols: [...run(2), 2] }, 'aa')
    expect(await unpacked(Buffer.concat([one, one, Buffer.alloc(7)]), 3)).toBe('aaaa')
    expect(await unpacked(Buffer.concat([one, Buffer.from('BZ')]))).toBe('! trailing-data')
    expect(await unpacked(stream(end(0)))).toBe('')
  })
})
