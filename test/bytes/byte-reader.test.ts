import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader } from '../../src/bytes/byte-reader.js'
import { inPieces } from '../support/pieces.js'

const bytes = Uint8Array.from({ length: 100 }, (_, index) => index)

describe('ByteReader', () => {
  it('equals plain slicing, whatever the chunks and the order of calls', async () => {
    const call = fc.record({
      what: fc.constantFrom('fill', 'skip', 'take', 'discard'),
      count: fc.nat(40),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(call, { maxLength: 20 }),
        fc.integer({ min: 1, max: 60 }),
        async (calls, size) => {
          const reader = new ByteReader(inPieces(bytes, size))
          let at = 0
          for (const { what, count } of calls) {
            if (what === 'fill') {
              expect(await reader.fill(count)).toBe(at + count <= bytes.length)
              expect(reader.buffered).toBeGreaterThanOrEqual(Math.min(count, bytes.length - at))
            } else if (what === 'skip') {
              const step = Math.min(count, reader.buffered)
              reader.skip(step)
              at += step
            } else if (what === 'take') {
              const taken: number[] = []
              for await (const piece of reader.take(count)) taken.push(...piece)
              expect(taken).toEqual([...bytes.subarray(at, at + count)])
              at += taken.length
            } else {
              await reader.discard(count)
              at = Math.min(bytes.length, at + count)
            }
            expect(reader.position).toBe(at)
            expect([...reader.peek()]).toEqual([...bytes.subarray(at, at + reader.buffered)])
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  it('leaves the rest where a loop over some bytes is left', async () => {
    const reader = new ByteReader(inPieces(bytes, 10))
    for await (const piece of reader.take(50)) {
      expect([...piece]).toEqual([...bytes.subarray(0, 10)])
      break
    }
    expect(reader.position).toBe(10)
    await reader.discard(Infinity)
    expect(reader.position).toBe(100)
  })

  it('refuses to skip what is not there', () => {
    expect(() => new ByteReader(inPieces(bytes)).skip(1)).toThrow(RangeError)
  })

  it('closes its source', async () => {
    let closed = false
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield bytes
        yield await Promise.resolve(bytes)
      } finally {
        closed = true
      }
    }
    const reader = new ByteReader(source())
    await reader.fill(1)
    await reader.close()
    expect(closed).toBe(true)
    expect(await reader.fill(101)).toBe(false)
  })
})
