import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Lead } from '../../src/leak/lead.js'

describe('Lead', () => {
  it('gives all bytes in order, and holds back as many as it should, whatever the chunks', () => {
    fc.assert(
      fc.property(
        fc.nat(50),
        fc.array(fc.array(fc.nat(120), { maxLength: 12 }), { minLength: 1, maxLength: 3 }),
        (leadBytes, streams) => {
          // Streams one after another: each begins with a lead that held another one.
          const lead = new Lead(leadBytes)
          let next = 0
          for (const sizes of streams) {
            const sent: number[] = []
            const given: number[] = []
            for (const size of sizes) {
              const chunk = Uint8Array.from({ length: size }, () => (next = (next + 1) % 251))
              sent.push(...chunk)
              for (const bytes of lead.through(chunk)) given.push(...bytes)
              chunk.fill(255)
              expect(sent.length - given.length).toBe(Math.min(leadBytes, sent.length))
            }
            for (const bytes of lead.rest()) given.push(...bytes)
            expect(given).toEqual(sent)
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  it('forgets what waits when it is reset', () => {
    const lead = new Lead(10)
    for (const _ of lead.through(new Uint8Array(5)));
    lead.reset()
    expect([...lead.rest()]).toEqual([])
  })
})
