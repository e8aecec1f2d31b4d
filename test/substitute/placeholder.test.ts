import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { splitPlaceholders, unescaped } from '../../src/substitute/placeholder.js'
import { runs } from './support.js'

/** A piece as one short word: text as it is, a placeholder by its name. */
const short = (text: string): readonly string[] =>
  splitPlaceholders(text).map((piece) => {
    switch (piece.kind) {
      case 'text':
        return piece.source
      case 'escape':
        return 'escape'
      case 'placeholder':
        return `<${piece.name}${piece.raw ? ' raw' : ''}>`
      case 'malformed':
        return 'malformed'
    }
  })

const LONGEST = 'A'.repeat(128)

describe('splitPlaceholders', () => {
  it.for<[text: string, pieces: readonly string[], why: string]>([
    ['', [], 'nothing'],
    ['requests==2.32.0', ['requests==2.32.0'], 'no placeholder'],
    ['git+https://${TOKEN}@h/r', ['git+https://', '<TOKEN>', '@h/r'], 'in braces'],
    ['git+https://$<TOKEN>@h/r', ['git+https://', '<TOKEN>', '@h/r'], 'in angle brackets'],
    ['${A|raw}$<B|raw>', ['<A raw>', '<B raw>'], 'with the modifier'],
    ['${A}${B}', ['<A>', '<B>'], 'side by side'],
    ['${lower_Case9}', ['<lower_Case9>'], 'names of any case'],
    ['${_}', ['<_>'], 'the shortest name'],
    [`\${${LONGEST}}`, [`<${LONGEST}>`], 'the longest name'],
    [`\${${LONGEST}A}`, ['malformed', `${LONGEST}A}`], 'a name too long'],
    ['${A', ['malformed', 'A'], 'not closed'],
    ['$<A', ['malformed', 'A'], 'not closed'],
    ['${A>', ['malformed', 'A>'], 'forms do not mix'],
    ['${}', ['malformed', '}'], 'no name'],
    ['${1A}', ['malformed', '1A}'], 'a digit first'],
    ['$<a b>', ['malformed', 'a b>'], 'a blank in the name'],
    ['${A|base64}', ['malformed', 'A|base64}'], 'another modifier'],
    ['${A|RAW}', ['malformed', 'A|RAW}'], 'the modifier has one spelling'],
    ['${É}', ['malformed', 'É}'], 'a letter that is not ASCII'],
    ['${${A}}', ['malformed', '<A>', '}'], 'the inner one counts'],
    ['$${A}', ['escape', '{A}'], 'the text itself'],
    ['$$<A>', ['escape', '<A>'], 'the text itself'],
    ['$${', ['escape', '{'], 'the text itself needs no end'],
    ['$$${A}', ['$', 'escape', '{A}'], 'the two dollars next to the bracket belong together'],
    ['$$$${A}', ['$$', 'escape', '{A}'], 'and so on'],
    ['%24${A}', ['%24', '<A>'], 'a dollar before a value, encoded'],
    ['$TOKEN $(x) $$ $', ['$TOKEN $(x) $$ $'], 'other dollars'],
  ])('%s (%s)', ([text, pieces]) => {
    expect(short(text)).toEqual(pieces)
  })

  const part = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('$', '{', '}', '<', '>', '${', '$<', '${A}', '$<b_1>', '|raw', '${A|raw}', '$$', '\n'),
  )
  const text = fc.array(part).map((parts) => parts.join(''))

  it('gives every text back, and tells where each piece is', () => {
    fc.assert(
      fc.property(text, (whole) => {
        const pieces = splitPlaceholders(whole)
        expect(pieces.map(({ source }) => source).join('')).toBe(whole)
        for (const { at, source } of pieces) expect(whole.slice(at, at + source.length)).toBe(source)
      }),
      runs(1000),
    )
  })

  it('finds nothing in what it takes for text', () => {
    fc.assert(
      fc.property(text, (whole) => {
        for (const { kind, source } of splitPlaceholders(whole)) {
          if (kind === 'text')
            expect(splitPlaceholders(source).filter((piece) => piece.kind !== 'text')).toEqual([])
        }
      }),
      runs(500),
    )
  })
})

describe('unescaped', () => {
  it.for([
    ['a$${B}c', 'a${B}c'],
    ['$$<B>', '$<B>'],
    ['$$ $${', '$$ ${'],
    ['${A}', '${A}'],
  ])('%s -> %s', ([text = '', expected]) => {
    expect(unescaped(text)).toBe(expected)
  })
})
