/** The second opinion must itself be right: every way of writing a token is found wherever it stands. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formsOf } from './search.js'

const WRITERS: Readonly<Record<string, (bytes: Buffer) => string>> = {
  raw: (bytes) => bytes.toString('utf8'),
  base64: (bytes) => bytes.toString('base64'),
  hex: (bytes) => bytes.toString('hex'),
  HEX: (bytes) => bytes.toString('hex').toUpperCase(),
  JSON: (bytes) => JSON.stringify(bytes.toString('utf8')),
  percent: (bytes) => encodeURIComponent(bytes.toString('utf8')),
}
const printable = (limits: { minLength?: number; maxLength: number }): fc.Arbitrary<string> =>
  fc.string({ unit: 'grapheme-ascii', ...limits })

describe('forms of a token', () => {
  it.for(Object.entries(WRITERS))('finds it written as %s with anything around it', ([, write]) => {
    fc.assert(
      fc.property(
        printable({ maxLength: 7 }),
        printable({ minLength: 6, maxLength: 40 }),
        printable({ maxLength: 7 }),
        (before, token, after) => {
          const written = Buffer.from(write(Buffer.from(before + token + after)))
          expect(formsOf(token).some(({ needle }) => written.includes(needle))).toBe(true)
        },
      ),
    )
  })

  it('does not find another one', () => {
    const written = Buffer.from(
      Object.values(WRITERS)
        .map((write) => write(Buffer.from('another token')))
        .join(),
    )
    expect(formsOf('tok0123456789').filter(({ needle }) => written.includes(needle))).toEqual([])
  })
})
