/** What a writer of the test's own writes; that it is what `compress` would write is gzip's word, which has to be installed. */

import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { uncompress } from '../../../src/leak/archive/compress.js'
import { Unreadable } from '../../../src/leak/archive/unreadable.js'
import { layer, places, scanFor, VALUE } from '../support/scan.js'
import { inPieces } from '../../support/pieces.js'
import { tarOf } from '../support/tar.js'

/** @param clearAfter - codes after which the table is cleared. */
function compressed(content: Uint8Array, mostBits = 16, clearAfter = Infinity): Buffer {
  const out: number[] = [0x1f, 0x9d, 0x80 | mostBits]
  let group: number[] = []
  let bits = 9
  const flush = (isEnd: boolean): void => {
    const bytes = Array<number>(isEnd ? Math.ceil((group.length * bits) / 8) : bits).fill(0)
    group.forEach((code, index) => {
      for (let bit = 0; bit < bits; bit += 1) {
        const at = index * bits + bit
        bytes[at >> 3] = (bytes[at >> 3] ?? 0) | (((code >> bit) & 1) << (at & 7))
      }
    })
    out.push(...bytes)
    group = []
  }
  let strings = new Map<string, number>()
  let free = 257
  let since = 0
  const put = (code: number): void => {
    group.push(code)
    if (group.length === 8) flush(false)
    since += 1
    // The reader makes a string with each code but the first.
    const known = Math.min(257 + since - 1, 1 << mostBits)
    if (known > (1 << bits) - 1 && bits < mostBits) {
      if (group.length > 0) flush(false)
      bits += 1
    }
    if (since <= clearAfter) return
    group.push(256)
    flush(false)
    strings = new Map()
    bits = 9
    free = 257
    since = 0
  }
  const codeOf = (text: string): number => strings.get(text) ?? text.charCodeAt(0)
  let text = ''
  for (const byte of content) {
    const next = text + String.fromCharCode(byte)
    if (next.length === 1 || strings.has(next)) {
      text = next
      continue
    }
    const before = strings
    put(codeOf(text))
    if (before === strings && free < 1 << mostBits) {
      strings.set(next, free)
      free += 1
    }
    text = String.fromCharCode(byte)
  }
  if (text !== '') put(codeOf(text))
  flush(true)
  return Buffer.from(out)
}

async function unpacked(bytes: Uint8Array, size?: number): Promise<Buffer | string> {
  const pieces: Uint8Array[] = []
  try {
    for await (const piece of uncompress(inPieces(bytes, size))) pieces.push(piece)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return error.why
  }
  return Buffer.concat(pieces)
}

const noise = Buffer.from(Array.from({ length: 90_000 }, (_, at) => Math.imul(at + 1, 0x9e3779b1) >>> 24))
const words = Buffer.from(
  Array.from({ length: 30_000 }, (_, at) => `word${String(Math.imul(at, at) % 977)} `).join(''),
)
const CONTENTS: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  'one byte': Buffer.from('a'),
  zeros: Buffer.alloc(100_000),
  noise,
  words,
}

describe('uncompress', () => {
  it.for(Object.entries(CONTENTS))(
    '%s, with codes of every width and a table that is cleared',
    async ([, content]) => {
      for (const [mostBits, clearAfter] of [
        [16, undefined],
        [12, undefined],
        [10, undefined],
        [16, 700],
        [12, 5000],
      ] as const) {
        const packed = compressed(content, mostBits, clearAfter)
        expect(execFileSync('gzip', ['-dc'], { input: packed, maxBuffer: 1 << 26 }).equals(content)).toBe(
          true,
        )
        for (const size of [packed.length, 1, 8, 1000])
          expect(content.equals(Buffer.from(await unpacked(packed, size)))).toBe(true)
      }
    },
  )

  it('says what is wrong', async () => {
    const packed = compressed(words)
    expect(await unpacked(packed.subarray(0, 2))).toBe('truncated')
    expect(await unpacked(Buffer.from([0x1f, 0x9d, 0xf0, 0, 0]))).toBe('unknown-method')
    expect(await unpacked(Buffer.from([0x1f, 0x9d, 0x91, 0, 0]))).toBe('unknown-method')
    // Programs disagree about codes that stay at nine bits.
    expect(await unpacked(Buffer.from([0x1f, 0x9d, 0x89, 0, 0]))).toBe('unknown-method')
    // A first code that stands for no byte, and one that nothing made yet.
    expect(await unpacked(Buffer.from([0x1f, 0x9d, 0x90, 0x01, 0x01]))).toBe('damaged')
    expect(await unpacked(Buffer.from([0x1f, 0x9d, 0x90, 0x61, 0xfe, 0x03]))).toBe('damaged')
  })

  it('is opened by a scan', async () => {
    const packed = compressed(Buffer.from(`${'filler '.repeat(50)}${VALUE}`))
    const found = await scanFor(layer(tarOf({ name: 'f', content: packed })))
    expect(places(found)).toEqual(['content f'])
    expect(found.unread).toEqual([])
  })
})
