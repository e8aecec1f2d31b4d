import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Unreadable } from '../../../src/leak/archive/unreadable.js'
import { unxz } from '../../../src/leak/archive/xz.js'
import { PACKERS } from '../support/packed.js'
import { inPieces } from '../../support/pieces.js'

const plain = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * at) % 251))
const packed = PACKERS['xz']?.(plain) ?? Buffer.alloc(0)

const sum = (bytes: Uint8Array): string =>
  `${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}`

/** What comes out, as its length and a digest, or why it ends. */
async function unpacked(source: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = []
  try {
    for await (const piece of unxz(source)) pieces.push(piece)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return `! ${error.why}`
  }
  return sum(Buffer.concat(pieces))
}

describe('unxz', () => {
  it('reads one stream and several, in any pieces', async () => {
    for (const size of [packed.length, 100, 4096]) {
      expect(await unpacked(inPieces(packed, size))).toBe(sum(plain))
      expect(await unpacked(inPieces(Buffer.concat([packed, packed]), size))).toBe(
        sum(Buffer.concat([plain, plain])),
      )
    }
  })

  it('tells what follows, also where it begins with a chunk of its own', async () => {
    for (const size of [packed.length, 100]) {
      expect(await unpacked(inPieces(Buffer.concat([packed, Buffer.alloc(64)]), size))).toBe(sum(plain))
      const followed = await unpacked(inPieces(Buffer.concat([packed, Buffer.from('followed')]), size))
      expect(followed).toMatch(/^! /)
    }
  })

  it('can be left, and leaves the next one free and the source at rest', async () => {
    let reads = 0
    let under = 0
    const source: AsyncIterableIterator<Uint8Array> = {
      [Symbol.asyncIterator]: () => source,
      next: async () => {
        under += 1
        await new Promise((resolve) => setImmediate(resolve))
        under -= 1
        reads += 1
        const value = packed.subarray((reads - 1) * 100, reads * 100)
        return value.length === 0 ? { done: true, value: undefined } : { done: false, value }
      },
    }
    for await (const _ of unxz(source)) break
    expect(under).toBe(0)
    const before = reads
    expect(await unpacked(inPieces(packed))).toBe(sum(plain))
    expect(reads).toBe(before)
  })

  it('passes an error of the source on, and leaves the next one free', async () => {
    const broken = new Error('disk')
    async function* source(): AsyncGenerator<Uint8Array> {
      yield packed.subarray(0, 200)
      await Promise.reject(broken)
    }
    await expect(unpacked(source())).rejects.toBe(broken)
    expect(await unpacked(inPieces(packed))).toBe(sum(plain))
  })
})
