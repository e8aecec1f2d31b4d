import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_AUTHORITY_BYTES, UserInfoSearch } from '../../src/leak/user-info.js'
import { byteByByte, cutAt, cuts, runs } from './support/streams.js'

function found(pieces: readonly Uint8Array[]): readonly string[] {
  const places: string[] = []
  const search = new UserInfoSearch()
  const add = (start: number, end: number): void => {
    places.push(`${start}-${end}`)
  }
  for (const piece of pieces) search.push(piece, add)
  search.end(add)
  return places
}

/** The rule as one expression over a text that is whole. */
function reference(text: string): readonly string[] {
  const places: string[] = []
  for (const match of text.matchAll(/https?:\/\//gi)) {
    const start = match.index + match[0].length
    const authority =
      /^[^\0- \x7f/?#"'<>`\\]*/.exec(text.slice(start, start + MAX_AUTHORITY_BYTES))?.[0] ?? ''
    const at = authority.lastIndexOf('@')
    const info = authority.slice(0, Math.max(0, at))
    if (info !== '' && info !== 'git' && !/^\*+(:\*+)?$/.test(info) && !/^\$(\{\w+\}|<\w+>)/.test(info)) {
      places.push(`${start}-${start + at}`)
    }
  }
  return places
}

describe('user-info', () => {
  it('is what the rule says, however the text is cut', () => {
    const part = fc.constantFrom(
      'http',
      's',
      ':',
      '//',
      '://',
      '@',
      'git',
      'user',
      ':pw',
      'host',
      '/',
      ' ',
      '"',
      '****',
      '?',
      'HTTPS://',
      'http://u:p@',
      '\n',
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 20 }), cuts, (parts, cuts) => {
        const text = parts.join('')
        const bytes = Buffer.from(text)
        expect(found([bytes])).toEqual(reference(text))
        expect(found(cutAt(bytes, cuts))).toEqual(reference(text))
        expect(found(byteByByte(bytes))).toEqual(reference(text))
      }),
      runs(500),
    )
  })

  it('is looked for in an authority of a certain length', () => {
    for (const length of [
      MAX_AUTHORITY_BYTES - 2,
      MAX_AUTHORITY_BYTES - 1,
      MAX_AUTHORITY_BYTES,
      3 * MAX_AUTHORITY_BYTES,
    ]) {
      const text = `http://${'u'.repeat(length)}@host/ http://u@h`
      const last = text.length - 3
      const long = length < MAX_AUTHORITY_BYTES ? [`7-${7 + length}`] : []
      expect(found([Buffer.from(text)])).toEqual([...long, `${last}-${last + 1}`])
      expect(found(byteByByte(Buffer.from(text)))).toEqual([...long, `${last}-${last + 1}`])
    }
  })

  it('is open from the beginning of the authority to its end', () => {
    const search = new UserInfoSearch()
    const froms = Array.from('x http://u@h/ y', (letter) => {
      search.push(Buffer.from(letter), () => undefined)
      return search.from
    })
    expect(froms).toEqual([
      ...Array<number>(8).fill(Infinity),
      ...Array<number>(4).fill(9),
      ...Array<number>(3).fill(Infinity),
    ])
  })
})
