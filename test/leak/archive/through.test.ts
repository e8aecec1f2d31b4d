/** What follows a compressed stream, wherever the chunks end. */

import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { held } from '../../../src/leak/archive/inside.js'
import { unpack } from '../../../src/leak/archive/unpack.js'
import { Unreadable } from '../../../src/leak/archive/unreadable.js'
import { inPieces } from '../../support/pieces.js'

const KINDS = {
  gzip: gzipSync,
  zlib: deflateSync,
  deflate: deflateRawSync,
  brotli: brotliCompressSync,
} as const
const CONTENT = 'some content'
const ZEROS = Buffer.alloc(40)

async function* inThree(bytes: Buffer, first: number, second: number): AsyncGenerator<Uint8Array> {
  yield* inPieces(bytes.subarray(0, first))
  yield* inPieces(bytes.subarray(first, second))
  yield* inPieces(bytes.subarray(second))
}

async function unpacked(
  kind: keyof typeof KINDS,
  chunks: AsyncIterable<Uint8Array>,
  whole?: Uint8Array,
): Promise<{ content: string; why: string | undefined }> {
  let content = ''
  try {
    for await (const chunk of unpack(kind, { whole, chunks }, () => undefined))
      content += Buffer.from(chunk).toString()
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return { content, why: error.why }
  }
  return { content, why: undefined }
}

describe('a file in memory', () => {
  it.for(Object.entries(KINDS))(
    'packed as %s is told to end too early, wherever it is cut',
    async ([name, pack]) => {
      const packed = pack(Buffer.from(CONTENT))
      for (let end = 0; end < packed.length; end += 1) {
        const { chunks, whole } = held(Uint8Array.from(packed.subarray(0, end)))
        expect((await unpacked(name as keyof typeof KINDS, chunks, whole)).why, `${end}`).toBe('truncated')
      }
    },
  )
})

describe.each(Object.entries(KINDS))('what follows a stream of %s', (name, pack) => {
  const kind = name as keyof typeof KINDS
  const packed = pack(Buffer.from(CONTENT))

  it('is told where it is not only zeros, wherever the chunks end', async () => {
    const bytes = Buffer.concat([packed, ZEROS, Buffer.from('hidden'), ZEROS])
    for (let first = 1; first < bytes.length; first += 1) {
      for (const second of [first, first + 1, first + 9, first + ZEROS.length, bytes.length]) {
        const { content, why } = await unpacked(kind, inThree(bytes, first, second))
        expect([content, why], `${first} ${second}`).toEqual([CONTENT, 'trailing-data'])
      }
    }
  })

  it('is told where nothing is between it and the end', async () => {
    const bytes = Buffer.concat([packed, Buffer.from('h'), ZEROS])
    for (let first = 1; first < bytes.length; first += 1) {
      const { why } = await unpacked(kind, inThree(bytes, first, first + 9))
      // After gzip another member may follow.
      expect(why, `${first}`).toBe(kind === 'gzip' ? 'damaged' : 'trailing-data')
    }
  })

  it('is not told where it is only zeros', async () => {
    const bytes = Buffer.concat([packed, ZEROS])
    for (let first = 1; first < bytes.length; first += 1)
      expect(await unpacked(kind, inThree(bytes, first, first + 9))).toEqual({
        content: CONTENT,
        why: undefined,
      })
  })
})
