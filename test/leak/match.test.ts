import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Matcher, type Hit } from '../../src/leak/match.js'
import { NeedleSet, needlesFor } from '../../src/leak/needles.js'
import { byteByByte, cutAt, cuts, KERNELS, literalNeedles, runs, words } from './support/streams.js'

const inOrder = (hits: readonly Hit[]): readonly string[] =>
  hits.map(({ needle, start, end }) => `${needle} ${start}-${end}`).sort()

/** Every occurrence, by the slow and obvious way. */
function reference(text: Uint8Array, needles: NeedleSet): readonly string[] {
  const bytes = Buffer.from(text)
  const hits: Hit[] = []
  for (const [needle, { bytes: wanted }] of needles.needles.entries()) {
    for (let start = bytes.indexOf(wanted); start !== -1; start = bytes.indexOf(wanted, start + 1)) {
      hits.push({ needle, start, end: start + wanted.length })
    }
  }
  return inOrder(hits)
}

function found(pieces: readonly Uint8Array[], matcher: Matcher): readonly string[] {
  return inOrder([...pieces.flatMap((piece) => matcher.push(piece)), ...matcher.end()])
}

const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1')

describe.for(KERNELS)('Matcher (%s)', (kernel) => {
  it('equals the slow reference, however the text is cut', () => {
    const lengths = fc.constantFrom(4, 5, 6, 7, 12, 15, 20, 23, 39, 130, 300)
    const input = lengths.chain((least) =>
      fc.record({
        texts: fc.array(words(least, least + 30), { minLength: 1, maxLength: 8 }),
        filler: fc.array(words(0, 40), { maxLength: 6 }),
        cuts,
      }),
    )
    fc.assert(
      fc.property(input, ({ texts, filler, cuts }) => {
        using needles = literalNeedles([...new Set(texts)])
        const text = latin1([...filler, ...texts, ...filler].join(''))
        const expected = reference(text, needles)
        expect(found(cutAt(text, cuts), new Matcher(needles, { kernel }))).toEqual(expected)
        expect(found([text], new Matcher(needles, { kernel }))).toEqual(expected)
        expect(found(byteByByte(text), new Matcher(needles, { kernel }))).toEqual(expected)
      }),
      runs(120),
    )
  })

  it('finds needles at every offset to every stride, at the first byte and at the last', () => {
    for (const length of [4, 5, 6, 7, 8, 11, 12, 14, 15, 19, 20, 22, 23, 38, 39, 64, 127, 128, 129, 256]) {
      const wanted = Uint8Array.from({ length }, (_, at) => 33 + ((at * 7 + length) % 90))
      using needles = literalNeedles([wanted])
      const matcher = new Matcher(needles, { kernel })
      for (let before = 0; before <= 70; before += 1) {
        const text = Buffer.concat([Buffer.alloc(before, 1), wanted, Buffer.alloc(before % 3, 2)])
        matcher.reset()
        expect(found([text], matcher)).toEqual([`0 ${before}-${before + length}`])
        for (const cut of [
          before,
          before + 1,
          before + (length >> 1),
          before + length - 1,
          before + length,
        ]) {
          matcher.reset()
          expect(found(cutAt(text, [cut]), matcher)).toEqual([`0 ${before}-${before + length}`])
        }
      }
    }
  })

  it('finds nothing where one byte is another', () => {
    for (const length of [4, 6, 7, 12, 15, 20, 23, 39, 130, 300]) {
      const wanted = Uint8Array.from({ length }, (_, at) => 33 + ((at * 11 + length) % 90))
      using needles = literalNeedles([wanted])
      for (let at = 0; at < length; at += 1) {
        const text = Buffer.concat([Buffer.alloc(13), wanted, Buffer.alloc(13)])
        text[13 + at] = 0x7f
        expect(found([text], new Matcher(needles, { kernel }))).toEqual([])
      }
    }
  })

  it('tells an occurrence with its last byte', () => {
    using needles = literalNeedles(['token-0123456789', 'n'.repeat(200)])
    const text = latin1(`..token-0123456789..${'n'.repeat(200)}.`)
    const matcher = new Matcher(needles, { kernel })
    const ends: number[] = []
    for (const [at, byte] of text.entries()) {
      if (matcher.push(Uint8Array.of(byte)).length > 0) ends.push(at + 1)
    }
    expect(ends).toEqual([18, 220])
  })

  it('finds a value of half a megabyte that repeats itself, in time', () => {
    const size = 500 * 1024
    using needles = literalNeedles([
      Buffer.alloc(size, 'a'),
      Buffer.concat([Buffer.alloc(size, 'ab'), latin1('!')]),
    ])
    const text = Buffer.concat([
      Buffer.alloc(size + 1000, 'a'),
      latin1('x'),
      Buffer.alloc(size + 500, 'ab'),
      latin1('!'),
    ])
    const matcher = new Matcher(needles, { kernel })
    let count = 0
    for (let at = 0; at < text.length; at += 65_536)
      count += matcher.push(text.subarray(at, at + 65_536)).length
    expect(count).toBe(1001 + 1)
  })

  it('goes on after a piece larger than its room', () => {
    using needles = literalNeedles(['across-the-seam-of-the-room'])
    const text = Buffer.alloc(3 << 20, '.')
    for (const at of [0, (1 << 20) - 5, (2 << 20) - 26, (3 << 20) - 27])
      text.write('across-the-seam-of-the-room', at)
    expect(found([text], new Matcher(needles, { kernel }))).toEqual(reference(text, needles))
  })

  it('takes a chunk that was read into its room', () => {
    using needles = literalNeedles(['across-the-seam-of-the-room'])
    const matcher = new Matcher(needles, { kernel })
    const pieces = cutAt(latin1(`${'.'.repeat(5000)}across-the-seam-of-the-room..`), [5010])
    const hits = pieces.flatMap((piece) => {
      matcher.room.set(piece)
      return matcher.push(matcher.room.subarray(0, piece.length))
    })
    expect(inOrder(hits)).toEqual(['0 5000-5027'])
  })

  it('keeps streams of one set apart', () => {
    using needles = literalNeedles(['first-half|second-half'])
    const [one, other] = [new Matcher(needles, { kernel }), new Matcher(needles, { kernel })]
    const hits = [
      ...one.push(latin1('xx first-half')),
      ...other.push(latin1('second-half')),
      ...one.push(latin1('|second-')),
      ...other.push(latin1('first-half|')),
      ...one.push(latin1('half')),
    ]
    expect(inOrder(hits)).toEqual(['0 3-25'])
  })

  it('begins with a new stream after a reset', () => {
    using needles = literalNeedles(['first-half|second-half', 'b'.repeat(300)])
    const matcher = new Matcher(needles, { kernel })
    matcher.push(latin1(`${'b'.repeat(299)}first-half|`))
    matcher.reset()
    expect(matcher.push(latin1('second-half b'))).toEqual([])
    expect(inOrder(matcher.push(latin1(' first-half|second-half')))).toEqual(['0 14-36'])
  })

  it('finds nothing without needles', () => {
    using needles = needlesFor([])
    expect(found([latin1('anything')], new Matcher(needles, { kernel }))).toEqual([])
  })

  it('finds what two secrets share for both', () => {
    const value = latin1('the-same-value-twice')
    using needles = needlesFor([
      { name: 'ONE', value },
      { name: 'TWO', value },
    ])
    const hits = new Matcher(needles, { kernel }).push(value)
    expect(hits.map(({ needle }) => needles.needles[needle]?.secret).sort()).toEqual(['ONE', 'TWO'])
  })
})
