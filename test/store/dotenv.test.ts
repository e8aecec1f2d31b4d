/** S6: the dotenv dialect, line by line. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.js'
import { parseDotenv } from '../../src/store/dotenv.js'
import { textOf } from '../support/store.js'

const parse = (text: string | Uint8Array): Record<string, string> =>
  Object.fromEntries([...parseDotenv(Buffer.from(text))].map(([name, value]) => [name, textOf(value)]))

/** Line and message of every problem. */
function troubles(text: string): [line: number | undefined, message: string][] {
  try {
    parse(text)
  } catch (error) {
    if (error instanceof Fault) return error.problems.map(({ line, message }) => [line, message])
    throw error
  }
  return []
}

describe('S6: dotenv', () => {
  it.for<[text: string, expected: Record<string, string>, why: string]>([
    ['A=1', { A: '1' }, 'no line break at the end'],
    ['A=1\nB=2\n', { A: '1', B: '2' }, 'lines'],
    ['A=1\r\nB=2\r\n', { A: '1', B: '2' }, 'CR LF'],
    ['\uFEFFA=1', { A: '1' }, 'byte order mark'],
    ['\n\n  \t\n# comment\n  # A=2\nA=1', { A: '1' }, 'empty lines and comments'],
    ['export A=1\n  export\tB=2', { A: '1', B: '2' }, 'export'],
    ['export=1', { export: '1' }, 'a name like the word'],
    ['exported=1', { exported: '1' }, 'a name that begins like the word'],
    ['A = b c \t', { A: 'b c' }, 'blanks around'],
    ['A=', { A: '' }, 'empty'],
    ['A=  \nB=1', { A: '', B: '1' }, 'blank'],
    [`A=''\nB=""`, { A: '', B: '' }, 'empty quotes'],
    ['A=b # c', { A: 'b' }, 'comment'],
    ['A=b\t#c#d', { A: 'b' }, 'comment after a tab'],
    ['A=postgres://u:p@h/d?x=1&y=2', { A: 'postgres://u:p@h/d?x=1&y=2' }, 'equal signs'],
    [`A=it's "so"`, { A: `it's "so"` }, 'quotes within'],
    [String.raw`A=a\nb\t`, { A: String.raw`a\nb\t` }, 'backslashes without quotes'],
    [`A='p#s$s "x" ' # c`, { A: 'p#s$s "x" ' }, 'single quotes'],
    [`A='a\nb\r\nc'\nB=1`, { A: 'a\nb\nc', B: '1' }, 'several lines, one kind of break'],
    [String.raw`A='a\b\n'`, { A: String.raw`a\b\n` }, 'backslashes in single quotes'],
    ['A="a b#c \'x\'"', { A: "a b#c 'x'" }, 'double quotes'],
    [String.raw`A="a\nb\rc"`, { A: 'a\nb\rc' }, 'the two escapes'],
    [
      'A="-----BEGIN KEY-----\nMII=\n-----END KEY-----\n"',
      { A: '-----BEGIN KEY-----\nMII=\n-----END KEY-----\n' },
      'a key',
    ],
    [`A='x'#c`, { A: 'x' }, 'comment right after the quote'],
    ['A=1\nA=2', { A: '2' }, 'the last one counts'],
    ["A='$HOME'", { A: '$HOME' }, 'a dollar in single quotes'],
    ['A=ä€', { A: 'ä€' }, 'UTF-8'],
    ['', {}, 'nothing'],
  ])('%j -> %j (%s)', ([text, expected]) => {
    expect(parse(text)).toEqual(expected)
  })

  it.for<[text: string, line: number, words: string]>([
    ['A=p#ss', 1, 'end the value at "#"'],
    ['A=#x', 1, 'end the value at "#"'],
    ['A= # x', 1, 'end the value at "#"'],
    ['A=1\nB=$HOME', 2, 'replace what follows "$"'],
    ['A="$HOME"', 1, 'replace what follows "$"'],
    ["A='${HOME}'", 1, 'replace what follows "$"'],
    [String.raw`A="a\"b"`, 1, 'this backslash'],
    [String.raw`A="a\\b"`, 1, 'this backslash'],
    [String.raw`A="\t"`, 1, 'this backslash'],
    [String.raw`A='a\'b'`, 1, 'between single quotes'],
    [String.raw`A='a\\b'`, 1, 'between single quotes'],
    ['A=`b`', 1, 'backticks'],
    ['A', 1, 'no NAME=value'],
    ['A: b', 1, 'no NAME=value'],
    ['1A=b', 1, 'name before "="'],
    ['=b', 1, 'name before "="'],
    ['A B=b', 1, 'name before "="'],
    ['a.b=c', 1, 'name before "="'],
    [`'A'=b`, 1, 'name before "="'],
    ['export export A=b', 1, 'name before "="'],
    [`A='b' c`, 1, 'text after the closing quote'],
    [`A="b"c`, 1, 'text after the closing quote'],
    ['A=1\n\nB="x\ny\n', 3, 'does not end'],
    [`A='x`, 1, 'does not end'],
    ['A=a\rb', 1, 'carriage return'],
    [`A='a\rb'`, 1, 'carriage return'],
    [`X='a\nb'\nA`, 3, 'no NAME=value'],
  ])('%j: line %i, %s', ([text, line, words]) => {
    const found = troubles(text)
    expect(found).toHaveLength(1)
    expect(found[0]?.[0]).toBe(line)
    expect(found[0]?.[1]).toContain(words)
  })

  it('tells all problems at once and repeats nothing of the file', () => {
    const text = 'hunter2value\nGOOD=1\nA=secret#value\n9=hunter3\nB="no end\nof it'
    const fault = (() => {
      try {
        parseDotenv(Buffer.from(text), 'my.env')
      } catch (error) {
        return error
      }
      return null
    })()
    expect(fault).toBeInstanceOf(Fault)
    const shown = JSON.stringify(fault)
    expect((fault as Fault).problems.map(({ file, line }) => [file, line])).toEqual([
      ['my.env', 1],
      ['my.env', 3],
      ['my.env', 4],
      ['my.env', 5],
    ])
    for (const word of ['hunter', 'secret', 'value#', 'no end']) expect(shown).not.toContain(word)
  })

  it('keeps bytes that are no UTF-8, and lines of any length', () => {
    const long = Buffer.alloc(300_000, 'x')
    const values = [
      ...parseDotenv(
        Buffer.concat([Buffer.from("A='"), Buffer.from([0xff, 0, 0x80]), Buffer.from("'\nB="), long]),
      ),
    ]
    expect(
      values.map(([, value]) => value.use((bytes) => Buffer.from(bytes).toString('latin1').slice(0, 4))),
    ).toEqual(['\xff\0\x80', 'xxxx'])
    expect(values[1]?.[1].size).toBe(300_000)
  })

  it('reads back every value that is written between single quotes', () => {
    const value = fc.string({ unit: 'binary' }).filter((text) => !/['\r]|\$\{|\\\\|\\$/.test(text))
    fc.assert(
      fc.property(fc.array(value, { maxLength: 4 }), (texts) => {
        const file = texts.map((text, at) => `N${at}='${text}' # comment\n`).join('')
        expect(Object.values(parse(file))).toEqual(texts.map((text) => Buffer.from(text).toString()))
      }),
      { numRuns: 1000 },
    )
  })

  it('ends for every input, and a fault is the only other way out', () => {
    const piece = fc.constantFrom(
      'A',
      '=',
      "'",
      '"',
      '\\',
      '\n',
      '\r',
      '#',
      ' ',
      '$',
      '{',
      '`',
      'export ',
      '\uFEFF',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        expect(troubles(pieces.join('')).every(([line]) => line !== undefined && line > 0)).toBe(true)
      }),
      { numRuns: 3000 },
    )
  })
})
