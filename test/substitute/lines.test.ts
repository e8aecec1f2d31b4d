import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeList,
  isPythonSpace,
  lineStarts,
  logicalLines,
  positionOf,
} from '../../src/substitute/lines.js'
import { runs } from './support.js'

describe('decodeList', () => {
  const utf16le = (text: string): Buffer =>
    Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')])
  const utf16be = (text: string): Buffer =>
    Buffer.concat([Buffer.from([0xfe, 0xff]), Buffer.from(text, 'utf16le').swap16()])

  it.for<[bytes: Uint8Array, text: string, plain: boolean, why: string]>([
    [Buffer.from(''), '', true, 'empty'],
    [Buffer.from('é==1\n'), 'é==1\n', true, 'UTF-8'],
    [Buffer.from('\ufeffé\n'), 'é\n', false, 'UTF-8 with a mark'],
    [utf16le('é\n'), 'é\n', false, 'UTF-16, little end first'],
    [utf16be('é\n'), 'é\n', false, 'UTF-16, big end first'],
    [
      Buffer.from('# -*- coding: latin-1 -*-\n\xe9\x80', 'latin1'),
      '# -*- coding: latin-1 -*-\né\x80',
      false,
      'Latin-1 is not windows-1252',
    ],
    [Buffer.from('# coding=LATIN_1\n\xe9', 'latin1'), '# coding=LATIN_1\né', false, "Python's spellings"],
    [
      Buffer.from('\n#vim:fileencoding:latin1\n\xe9', 'latin1'),
      '\n#vim:fileencoding:latin1\né',
      false,
      'second line',
    ],
    [Buffer.from('# coding: iso-8859-15\n\xa4', 'latin1'), '# coding: iso-8859-15\n€', false, 'another one'],
    [Buffer.from('# coding: utf-8\né'), '# coding: utf-8\né', true, 'UTF-8, declared'],
    [Buffer.from('# coding: ascii\na'), '# coding: ascii\na', false, 'ASCII, declared'],
    [Buffer.from('\n\n# coding: latin-1\né'), '\n\n# coding: latin-1\né', true, 'the third line is too late'],
    [Buffer.from(' # coding: latin-1\né'), ' # coding: latin-1\né', true, 'the comment begins the line'],
    [Buffer.from('x # coding: latin-1\né'), 'x # coding: latin-1\né', true, 'a comment behind something'],
    [
      Buffer.from('\ufeff# coding: latin-1\né'),
      '# coding: latin-1\né',
      false,
      'a mark comes before a declaration',
    ],
  ])('%j -> %j (plain: %j, %s)', ([bytes, text, plain]) => {
    expect(decodeList(bytes)).toEqual({ text, plain })
  })

  it.for<[bytes: Uint8Array, unreadable: string, why: string]>([
    [Buffer.from('\xe9', 'latin1'), 'encoding-wrong', 'Latin-1 that does not say so'],
    [Buffer.from('# coding: ascii\né'), 'encoding-wrong', 'more than ASCII'],
    [Buffer.from([0xff, 0xfe, 0x00, 0xd8]), 'encoding-wrong', 'half a pair in UTF-16'],
    [Buffer.from('# coding: rot13\nn'), 'encoding-unknown', 'an encoding that is none'],
    [Buffer.from('# coding: cp1252\nn'), 'encoding-unknown', 'one that Node reads wrongly'],
    [Buffer.from('# coding: __proto__\nn'), 'encoding-unknown', 'a word that objects know'],
    [Buffer.from([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0]), 'encoding-unknown', 'UTF-32, little end first'],
    [Buffer.from([0, 0, 0xfe, 0xff, 0, 0, 0, 0x61]), 'encoding-unknown', 'UTF-32, big end first'],
  ])('%j: %s (%s)', ([bytes, unreadable]) => {
    expect(decodeList(bytes)).toEqual({ unreadable })
  })
})

describe('logicalLines', () => {
  const texts = (text: string): readonly string[] => logicalLines(text).map((line) => line.text)

  it.for<[text: string, lines: readonly string[], why: string]>([
    ['', [], 'empty'],
    ['a\nb', ['a', 'b'], 'no line feed at the end'],
    ['a\r\nb\rc', ['a', 'b', 'c'], 'other line ends'],
    [
      'a\vb\fc\x1cd\x1de\x1ef\x85g\u2028h\u2029i',
      Array.from('abcdefghi'),
      "all that ends a line for Python's splitlines",
    ],
    ['a\x1fb', ['a\x1fb'], 'a unit separator does not'],
    ['  a  \n\t\n\x1f\ufeffb', ['a', '\ufeffb'], 'white space as Python has it'],
    ['a # b', ['a'], 'comment'],
    ['a#b', ['a#b'], 'a hash in a word'],
    ['a#b #c', ['a#b'], 'both'],
    ['# a', [], 'only a comment'],
    ['a\u00a0# b', ['a'], 'a comment behind a space that is not ASCII'],
    ['a \\\n b', ['a  b'], 'continuation'],
    ['a\\\nb\\\nc', ['abc'], 'two of them'],
    ['a\\\\\nb', ['ab'], 'two backslashes go as one'],
    ['\\a\\\nb', ['ab'], 'and those at the start'],
    ['a\\ \nb', ['a\\', 'b'], 'white space behind the backslash'],
    ['a \\\n# b\nc', ['a', 'c'], 'a comment ends a continuation'],
    ['a \\\n  # b \\\nc', ['a', 'c'], 'a comment does not go on'],
    ['a \\\n#b', ['a'], 'a comment stays one behind a continuation'],
    ['a\\\n#b', ['a'], 'even without white space before it'],
    ['a # b \\\nc', ['a'], 'a comment behind something does go on'],
    ['a\\', ['a'], 'the last line'],
    ['\\\n\\\n', [], 'nothing, continued'],
  ])('%j -> %j (%s)', ([text, lines]) => {
    expect(texts(text)).toEqual(lines)
  })

  const text = fc.string({
    unit: fc.constantFrom(...'ab #\\\n\r\t\f'.split(''), '\r\n', '\x85', '\u2028', '\u00a0', '${A}', '\\\n'),
    maxLength: 40,
  })

  it('knows where each character stands', () => {
    fc.assert(
      fc.property(text, (whole) => {
        for (const { text: line, at } of logicalLines(whole)) {
          expect(at.map((offset) => whole.charAt(offset)).join('')).toBe(line)
          expect([...at].sort((a, b) => a - b)).toEqual(at)
        }
      }),
      runs(1000),
    )
  })

  it('has no comment, no line end and no white space around it', () => {
    fc.assert(
      fc.property(text, (whole) => {
        for (const line of texts(whole)) {
          expect(line).not.toMatch(/[\n\r\f\x85\u2028]|^[\s\x1c-\x1f]|[\s\x1c-\x1f]$|(?:^|\s)#/)
        }
      }),
      runs(500),
    )
  })
})

describe('positionOf', () => {
  it('equals counting', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '\n', '\r\n', '\f', '😀'), maxLength: 30 })
    fc.assert(
      fc.property(text, (whole) => {
        const starts = lineStarts(whole)
        let [line, column] = [1, 1]
        for (let at = 0; at < whole.length; at += 1) {
          expect(positionOf(starts, at)).toEqual({ line, column })
          const ends = whole[at] === '\n' || whole[at] === '\f'
          line += ends ? 1 : 0
          column = ends ? 1 : column + 1
        }
      }),
      runs(500),
    )
  })
})

describe('isPythonSpace', () => {
  it('knows the 29 characters that Python knows', () => {
    const spaces = Array.from({ length: 0x10000 }, (_, code) => code).filter((code) =>
      isPythonSpace(String.fromCharCode(code)),
    )
    expect(spaces.map((code) => code.toString(16)).join(' ')).toBe(
      '9 a b c d 1c 1d 1e 1f 20 85 a0 1680 2000 2001 2002 2003 2004 2005 2006 2007 2008 2009 200a 2028 2029 202f 205f 3000',
    )
  })
})
