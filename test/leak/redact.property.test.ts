import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { needlesFor } from '../../src/leak/needles.js'
import { Redactor } from '../../src/leak/redact.js'
import { CASES, SECRETS } from './support/redact-cases.js'
import { byteByByte, cutAt, cuts, KERNELS, literalNeedles, runs, words } from './support/streams.js'

function given(pieces: readonly Uint8Array[], redactor: Redactor): string {
  return Buffer.concat([...pieces.map((piece) => redactor.push(piece)), redactor.end()]).toString('latin1')
}

/** The slow and obvious version for text of one line: mark every byte of every occurrence, then write. */
function marked(text: string, values: readonly string[]): string {
  const isSecret = Array.from(text, () => false)
  for (const value of values) {
    for (let at = text.indexOf(value); at !== -1; at = text.indexOf(value, at + 1))
      isSecret.fill(true, at, at + value.length)
  }
  return Array.from(text, (letter, at) =>
    isSecret[at] !== true ? letter : isSecret[at - 1] === true ? '' : '***',
  ).join('')
}

const GAP = /\x1b\[[0-9;]*m|\r?\n *|\r/y

/** The same for text with colours and line breaks, which a value of eight letters may have inside. */
function markedThrough(text: string, values: readonly string[]): string {
  const places: number[] = []
  for (let at = 0; at < text.length;) {
    GAP.lastIndex = at
    const gap = GAP.exec(text)?.[0].length ?? 0
    if (gap === 0) places.push(at)
    at += Math.max(1, gap)
  }
  const seen = places.map((place) => text[place]).join('')
  const kinds = Array.from(text, () => ' ')
  const paint = (from: number, to: number, kind: string): void => {
    for (let at = from; at < to; at += 1) if (kind === '#' || kinds[at] === ' ') kinds[at] = kind
  }
  for (const value of values) {
    for (let at = text.indexOf(value); at !== -1; at = text.indexOf(value, at + 1))
      paint(at, at + value.length, '#')
    for (let at = seen.indexOf(value); at !== -1 && value.length >= 8; at = seen.indexOf(value, at + 1)) {
      const own = places.slice(at, at + value.length)
      const isEarly = own
        .slice(0, 4)
        .some((place, letter) => letter > 0 && place !== (own[letter - 1] ?? 0) + 1)
      for (const [letter, place] of own.entries()) {
        if (isEarly && letter < 3) continue
        paint(place, place + 1, '#')
        paint(place + 1, own[letter + 1] ?? place + 1, '-')
      }
    }
  }
  let out = ''
  let isOpen = false
  for (const [at, kind] of kinds.entries()) {
    if (kind === '#') {
      if (!isOpen) out += '***'
      isOpen = true
    } else {
      out += text[at] ?? ''
      if (kind === ' ' || text[at] === '\n') isOpen = false
    }
  }
  return out
}

// None of these letters is a digit of a dump.
const letters = (minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom('m', 'n', 'o'), minLength, maxLength })

describe.for(KERNELS)('Redactor (%s)', (kernel) => {
  it('equals the slow reference, however the text is cut', () => {
    const input = fc.record({
      values: fc.array(words(4, 9), { minLength: 1, maxLength: 5 }),
      filler: fc.array(words(0, 20), { maxLength: 5 }),
      cuts,
    })
    fc.assert(
      fc.property(input, ({ values, filler, cuts }) => {
        using needles = literalNeedles(values)
        const text = [...filler, ...values, ...filler].join('')
        const bytes = Buffer.from(text, 'latin1')
        const expected = marked(text, values)
        expect(given([bytes], new Redactor(needles, { kernel }))).toBe(expected)
        expect(given(cutAt(bytes, cuts), new Redactor(needles, { kernel }))).toBe(expected)
        expect(given(byteByByte(bytes), new Redactor(needles, { kernel }))).toBe(expected)
      }),
      runs(100),
    )
  })

  it('equals it through colours and line breaks', () => {
    const gap = fc.constantFrom('\n', '\r\n', '\n  ', '\x1b[31m', '\x1b[0m', '', '', '')
    const input = fc.record({
      values: fc.array(letters(4, 12), { minLength: 1, maxLength: 4 }),
      filler: fc.array(letters(0, 10), { maxLength: 4 }),
      gaps: fc.array(gap, { minLength: 1, maxLength: 20 }),
      steps: fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 20 }),
      cuts,
    })
    fc.assert(
      fc.property(input, ({ values, filler, gaps, steps, cuts }) => {
        using needles = literalNeedles(values)
        const plain = [...filler, ...values, ...filler].join('')
        let text = ''
        for (let at = 0, step = 0; at < plain.length; step += 1) {
          const next = at + (steps[step % steps.length] ?? 1)
          text += plain.slice(at, next) + (gaps[step % gaps.length] ?? '')
          at = next
        }
        const bytes = Buffer.from(text, 'latin1')
        const expected = markedThrough(text, values)
        expect(given([bytes], new Redactor(needles, { kernel }))).toBe(expected)
        expect(given(cutAt(bytes, cuts), new Redactor(needles, { kernel }))).toBe(expected)
        expect(given(byteByByte(bytes), new Redactor(needles, { kernel }))).toBe(expected)
      }),
      runs(150),
    )
  })
})

describe('a log with every form of every value', () => {
  const needles = needlesFor(
    Object.entries(SECRETS).map(([name, value]) => ({ name, value: Buffer.from(value, 'utf8') })),
  )
  const rows = CASES.filter(({ secrets, named }) => secrets === undefined && named !== true)
  const lines = rows.map(({ text }) => Buffer.concat([Buffer.from(text), Buffer.from('\n\n')]))
  const CUTS = 200

  // 500 runs of 200 cuts: a hundred thousand, and ten million in the long form.
  it('is the same whatever way it is cut, and whenever it is flushed', () => {
    const input = fc.record({
      order: fc.shuffledSubarray(lines, { minLength: 1, maxLength: 12 }),
      seed: fc.nat(),
      flushes: fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }),
    })
    fc.assert(
      fc.property(input, ({ order, seed, flushes }) => {
        const text = Buffer.concat(order)
        const cuts = Array.from({ length: CUTS }, (_, number) => Math.imul(seed + number, 0x9e3779b1) >>> 8)
        const expected = given([text], new Redactor(needles))
        expect(given(cutAt(text, cuts), new Redactor(needles))).toBe(expected)
        const redactor = new Redactor(needles)
        const out = cutAt(text, cuts).flatMap((piece, number) =>
          flushes[number % flushes.length] === true
            ? [redactor.push(piece), redactor.flush()]
            : [redactor.push(piece)],
        )
        const flushed = Buffer.concat([...out, redactor.end()]).toString('latin1')
        // A flush lets three bytes of a value out at most. So no four bytes of one come out, but those that stay in any case.
        for (const value of Object.values(SECRETS)) {
          for (let at = 0; at + 4 <= value.length; at += 1) {
            const part = Buffer.from(value.slice(at, at + 4)).toString('latin1')
            if (!/\s/.test(part) && !expected.includes(part)) expect(flushed).not.toContain(part)
          }
        }
      }),
      { numRuns: Math.min(runs(500).numRuns, 50_000) },
    )
  })
})
