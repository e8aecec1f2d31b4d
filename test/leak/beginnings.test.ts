import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Beginnings } from '../../src/leak/beginnings.js'
import { runs, words } from './support/streams.js'

describe('Beginnings', () => {
  it('equal the slow reference', () => {
    const texts = fc.array(words(4, 12), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(texts, words(0, 16), fc.integer({ min: 1, max: 5 }), (texts, filler, least) => {
        const beginnings = new Beginnings(texts.map((text) => Buffer.from(text)))
        for (const tail of [filler, ...texts.map((text) => filler + text.slice(0, -1)), ...texts]) {
          const starts = Array.from(tail, (_, at) => at).filter((at) =>
            texts.some((text) => text.length > tail.length - at && text.startsWith(tail.slice(at))),
          )
          const expected = starts.find((at) => tail.length - at >= least) ?? tail.length
          expect(beginnings.earliest(Buffer.from(tail), { from: 0, to: tail.length, least })).toBe(expected)
        }
      }),
      runs(300),
    )
  })

  it('of nothing are none', () => {
    expect(new Beginnings([]).earliest(Buffer.from('abcd'), { from: 0, to: 4, least: 1 })).toBe(4)
  })
})
