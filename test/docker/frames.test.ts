/** Frames of two outputs on one connection, whole and cut everywhere. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { OutputPiece } from '../../src/docker/containers.js'
import { FrameReader } from '../../src/docker/frames.js'

type Sent = readonly [stream: OutputPiece['stream'], bytes: Uint8Array]

const framed = (sent: readonly Sent[]): Buffer =>
  Buffer.concat(
    sent.flatMap(([stream, bytes]) => {
      const header = Buffer.of(stream === 'stdout' ? 1 : 2, 0, 0, 0, 0, 0, 0, 0)
      header.writeUInt32BE(bytes.length, 4)
      return [header, bytes]
    }),
  )

/** What came of each stream, and the order of the streams. */
function read(chunks: readonly Uint8Array[]): { stdout: string; stderr: string; order: string } {
  const reader = new FrameReader()
  const found = { stdout: '', stderr: '', order: '' }
  for (const { stream, bytes } of chunks.flatMap((chunk) => reader.push(chunk))) {
    found[stream] += Buffer.from(bytes).toString('latin1')
    if (bytes.length > 0 && !found.order.endsWith(stream.charAt(3))) found.order += stream.charAt(3)
  }
  return found
}

const SENT: readonly Sent[] = [
  ['stdout', Buffer.from('hello ')],
  ['stderr', Buffer.from('oh')],
  ['stdout', Buffer.alloc(0)],
  ['stdout', Buffer.from('world\x01\x00\x00\x00')],
  ['stderr', Buffer.alloc(300, 'e')],
]
const READ = {
  stdout: 'hello world\x01\x00\x00\x00',
  stderr: `oh${'e'.repeat(300)}`,
  order: 'oeoe',
}

describe('FrameReader', () => {
  const bytes = framed(SENT)

  it('takes frames apart', () => {
    expect(read([bytes])).toEqual(READ)
  })

  it('takes them apart wherever they are cut, and byte by byte', () => {
    for (let at = 0; at <= bytes.length; at += 1) {
      expect(read([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(READ)
    }
    expect(read([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(READ)
  })

  it('takes any frames apart in any chunks', () => {
    const piece = fc.tuple(
      fc.constantFrom('stdout' as const, 'stderr' as const),
      fc.uint8Array({ maxLength: 40 }),
    )
    fc.assert(
      fc.property(fc.array(piece), fc.array(fc.nat(60)), (sent, sizes) => {
        const chunks: Uint8Array[] = []
        let rest: Uint8Array = framed(sent)
        for (const size of sizes) {
          chunks.push(rest.subarray(0, size))
          rest = rest.subarray(size)
        }
        const found = read([...chunks, rest])
        for (const stream of ['stdout', 'stderr'] as const) {
          const wanted = sent
            .filter(([name]) => name === stream)
            .map(([, part]) => Buffer.from(part).toString('latin1'))
          expect(found[stream]).toBe(wanted.join(''))
        }
      }),
    )
  })
})
