/** What Python and `xz` write, which have to be installed, and what is no stream. */

import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { unlzma } from '../../../src/leak/archive/lzma.js'
import { Unreadable } from '../../../src/leak/archive/unreadable.js'
import { PACKERS } from '../support/packed.js'
import { layer, places, scanFor, VALUE } from '../support/scan.js'
import { inPieces } from '../../support/pieces.js'
import { tarOf } from '../support/tar.js'

async function unpacked(bytes: Uint8Array, size?: number): Promise<Buffer | string> {
  const pieces: Uint8Array[] = []
  try {
    for await (const piece of unlzma(inPieces(bytes, size))) pieces.push(piece)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return error.why
  }
  return Buffer.concat(pieces)
}

/** With the size in the header, which `xz` and Python leave out. */
function withSize(packed: Uint8Array, size: number): Buffer {
  const bytes = Buffer.from(packed)
  bytes.writeBigUInt64LE(BigInt(size), 5)
  return bytes
}

const python = (bytes: Uint8Array, filter: string): Buffer =>
  execFileSync(
    'python3',
    [
      '-c',
      `import lzma, sys
sys.stdout.buffer.write(lzma.compress(sys.stdin.buffer.read(), lzma.FORMAT_ALONE, filters=[{"id": lzma.FILTER_LZMA1, ${filter}}]))`,
    ],
    { input: bytes, maxBuffer: 1 << 26 },
  )

const noise = (length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, at) => Math.imul(at + 1, 0x9e3779b1) >>> 24))
const words = Buffer.from(
  Array.from({ length: 60_000 }, (_, at) => `word${String(Math.imul(at, at) % 977)} `).join(''),
)
const CONTENTS: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  'one byte': Buffer.from('a'),
  text: words,
  zeros: Buffer.alloc(300_000),
  noise: noise(70_000),
  'all of them': Buffer.concat([noise(3000), words, Buffer.alloc(200_000), words, noise(3000), words]),
}

describe('unlzma', () => {
  it.for(Object.entries(CONTENTS))('%s', async ([, content]) => {
    const packed = PACKERS['lzma']?.(content) ?? Buffer.alloc(0)
    for (const bytes of [packed, withSize(packed, content.length)]) {
      expect(content.equals(Buffer.from(await unpacked(bytes)))).toBe(true)
      for (const size of [1, 19, 20, 21, 4096])
        expect(content.equals(Buffer.from(await unpacked(bytes, size)))).toBe(true)
    }
  })

  it.for([
    '"preset": 0',
    '"preset": 9',
    '"dict_size": 4096',
    '"lc": 0, "lp": 4, "pb": 0',
    '"lc": 4, "lp": 0, "pb": 4',
    '"mode": lzma.MODE_FAST, "mf": lzma.MF_HC3',
  ])('what Python writes with %s', async (filter) => {
    const content = CONTENTS['all of them'] ?? words
    expect(content.equals(Buffer.from(await unpacked(python(content, filter))))).toBe(true)
  })

  it('says what is wrong, wherever it is', async () => {
    const packed = PACKERS['lzma']?.(words) ?? Buffer.alloc(0)
    for (const end of [0, 1, 12, 17, 18, 100, packed.length - 6, packed.length - 1]) {
      expect(await unpacked(packed.subarray(0, end)), `cut at ${String(end)}`).toBe('truncated')
    }
    expect(await unpacked(Buffer.concat([packed, Buffer.from('more')]))).toBe('trailing-data')
    expect(words.equals(Buffer.from(await unpacked(Buffer.concat([packed, Buffer.alloc(600)]))))).toBe(true)
    for (const size of [words.length - 1, 5, 0])
      expect(await unpacked(withSize(packed, size))).toBe('damaged')
    expect(await unpacked(withSize(packed, words.length + 1))).toBe('truncated')
    const changed = (at: number, byte: number): Buffer => {
      const bytes = Buffer.from(packed)
      bytes.writeUInt8(byte, at)
      return bytes
    }
    expect(await unpacked(changed(0, 225))).toBe('damaged')
    expect(await unpacked(changed(4, 0x10))).toBe('window-too-large')
    expect(await unpacked(changed(13, 1))).toBe('damaged')
    for (let at = 14; at < packed.length; at += 97) {
      const found = await unpacked(changed(at, (packed[at] ?? 0) ^ 0x55))
      expect(typeof found === 'string' || !words.equals(found)).toBe(true)
    }
  })

  it('is opened by a scan, and what only begins like it is content', async () => {
    const packed = PACKERS['lzma']?.(Buffer.from(`${'filler '.repeat(50)}${VALUE}`)) ?? Buffer.alloc(0)
    const found = await scanFor(layer(tarOf({ name: 'f', content: packed })))
    expect(places(found)).toEqual(['content f'])
    expect(found.unread).toEqual([])
    // Numbers of four bytes: 93, 5, 7, 9.
    const table = Buffer.from('5d000000050000000700000000010000', 'hex')
    const other = await scanFor(layer(tarOf({ name: 'f', content: Buffer.concat([table, words]) })))
    expect(other.unread).toEqual([])
  })
})
