import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Program } from '../../src/leak/program.js'
import { indexAt, MODE, positionOf, RUN_FIELDS, View, type Viewer } from '../../src/leak/view.js'
import { byteByByte, cutAt, cuts, KERNELS, runs } from './support/streams.js'

/** What is kept of a stream that comes in pieces, with the position of each byte and whether it is one of a dump. */
function kept(pieces: readonly Uint8Array[], viewer: Viewer): { text: string; places: string } {
  const [bytes, places] = [[] as number[], [] as string[]]
  let [untaken, position] = [Buffer.alloc(0), 0]
  for (const [number, piece] of [...pieces, new Uint8Array(0)].entries()) {
    let rest = Buffer.concat([untaken, piece])
    while (rest.length > 0) {
      const viewed = viewer.take(rest, number === pieces.length)
      if (viewed.taken === 0) break
      for (const [at, byte] of viewed.bytes.entries()) {
        bytes.push(byte)
        const place = positionOf(viewed, at)
        // Asked of millions of bytes: `expect` takes longer than the view.
        if (rest[place] !== byte || indexAt(viewed, place) !== at)
          expect.fail(`the byte at ${String(at)} is not there`)
        places.push(`${position + place}${isDump(viewed.runs, at) ? 'd' : ''}`)
      }
      rest = rest.subarray(viewed.taken)
      position += viewed.taken
    }
    untaken = Buffer.from(rest)
  }
  expect(untaken.length).toBe(0)
  return { text: Buffer.from(bytes).toString('latin1'), places: places.join(' ') }
}

function isDump(rows: Int32Array, at: number): boolean {
  let dump = false
  for (let row = 0; row < rows.length; row += RUN_FIELDS)
    if ((rows[row] ?? 0) <= at) dump = rows[row + 2] === 1
  return dump
}

const program = new Program([], { roomBytes: 512 })
const viewers = { wasm: () => program.kernel.viewer(MODE.start), plain: () => new View() }

// Pieces that the view treats in its own way, and those that are nearly one.
const part = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.string({ unit: fc.constantFrom('a', 'z', '0', 'x', ' ', '9', 'F'), maxLength: 40 }),
  },
  fc.constantFrom('\n', '\r\n', '\r', '\\n', '\\r', '\\', '\\\n', '\n  ', '\n\t', '  '),
  fc.constantFrom(
    '\x1b[',
    '31m',
    '\x1b[0;1m',
    '\x1b]8;;url\x07',
    '\x1b\\',
    '\x1b(B',
    '\x1bP',
    '\x1b',
    '\x07',
    '\x1b[?25',
  ),
  fc.constantFrom('#7 0.123 ', '#', '#12345678901 ', '#1 2.', '#1 .5 '),
  fc.constantFrom(
    '00000010: ',
    '00000010  ',
    '0000020 ',
    '67',
    '6768 ',
    '67 68 69 70',
    '67:68:69:70',
    '67-68 69',
    '0x67, 0x68',
    '0x67,',
    '0x',
    '  |',
    '>',
  ),
  fc.constantFrom('deadbeef', 'abcdef ', ': ', ', ', '|text|', '.'),
)
const text = fc.array(part, { maxLength: 14 }).map((parts) => Buffer.from(parts.join(''), 'latin1'))

describe('the view', () => {
  it.for<[what: string, text: string, kept: string]>([
    ['plain text', 'plain text', 'plain text'],
    ['lines', 'one\ntwo\r\nthree', 'onetwothree'],
    ['an indent', 'one\n    two\n\tthree', 'onetwothree'],
    ['a space at the end of a line stays', 'one \ntwo', 'one two'],
    ['escaped line breaks', 'one\\ntwo\\r\\nthree', 'onetwothree'],
    ['a line that goes on', 'one\\\n  two', 'onetwo'],
    ['a backslash that escapes nothing', 'a\\b\\', 'a\\b\\'],
    ['colours', 'a\x1b[1;31mb\x1b[0mc\x1b[Kd', 'abcd'],
    ['a link', 'a\x1b]8;;http://x\x1b\\b\x1b]8;;\x07c', 'abc'],
    ['a charset', 'a\x1b(Bb', 'ab'],
    ['a sequence with a byte that ends it', 'a\x1b[3\x01b', 'a\x01b'],
    ['a string that the line ends', 'a\x1b]0;title\nb', 'ab'],
    ['two escapes', 'a\x1b\x1b[0mb', 'ab'],
    ['a log prefix', '#7 0.123 one\n#12 34.5   two', 'onetwo'],
    [
      'what is no log prefix',
      '#7 one\n#7 0. x\n#1234567890 0.1 y\n# 1.2 z',
      '#7 one#7 0. x#1234567890 0.1 y# 1.2 z',
    ],
    ['a colour before a log prefix', '\x1b[34m#7 0.123 \x1b[0mone', 'one'],
    ['xxd', '00000010: 6768 705f 3a  ghp_:\n00000020: 61', '6768705f3a61'],
    ['xxd with ten digits of offset', '0000000010: 6768  gh', '6768'],
    ['hexdump -C', '00000010  67 68  70 5f  |ghp_|\n00000014\n', '6768705f00000014'],
    ['od', '0000020 67 68 >gh<', '6768'],
    ['od -An', ' 67 68 69 70\n 71 72\n', '676869707172'],
    ['openssl', '    67:68:69:70:\n    71:72', '676869707172'],
    ['xxd -i', '  0x67, 0x68,\n  0x69\n};', '676869};'],
    ['a time of day', '12:34:56 x', '12:34:56 x'],
    ['a date', '12-34-56\n', '123456'],
    ['pairs with other things between', '67 68:69 70', '67 68:69 70'],
    ['a commit', 'abcdef1 fix it', 'abcdef1 fix it'],
    ['a digest', 'deadbeefdeadbeef1: x', 'deadbeefdeadbeef1: x'],
    ['an offset too far from its bytes', '00000010    67 68', '00000010    67 68'],
    ['an offset with words', '00000010  words', '00000010  words'],
  ])('of %s', ([, text, expected]) => {
    expect(kept([Buffer.from(text, 'latin1')], viewers.plain()).text).toBe(expected)
    expect(kept([Buffer.from(text, 'latin1')], viewers.wasm()).text).toBe(expected)
  })

  it('is the same in both kernels, however the text is cut', () => {
    fc.assert(
      fc.property(text, cuts, (text, cuts) => {
        const expected = kept([text], viewers.plain())
        for (const kernel of KERNELS) {
          for (const pieces of [[text], cutAt(text, cuts), byteByByte(text)]) {
            expect(kept(pieces, viewers[kernel]())).toEqual(expected)
          }
        }
      }),
      runs(600),
    )
  })

  // A kernel passes over line breaks in blocks of bytes, where enough of the next line is there to tell what it is.
  it('is the same in both kernels whatever a line begins with', () => {
    const ends = ['\n', '\r\n', '\n \t', '\n\r', '\n\x1b[1m', '\n\x1b[3\xff', '\x1b[0m\n\n', '\x1b]0;t\x07\n']
    const rests = [
      '',
      '1234568: 6768 705f',
      '7 0.123 67 68 70',
      '1234567890 0.1 6',
      '1 1 67 68 70 6f',
      'x67, 0x68',
      '7:68:70',
    ]
    const bytes = Array.from('\0\x01\t\n\r\x1b !#-09:AFG\\afgx\x7f\x80\xff')
    for (const [before, end] of ends.flatMap((end) =>
      [4, 20].map((count) => ['q'.repeat(count), end] as const),
    )) {
      for (const [byte, rest, after] of bytes.flatMap((byte) =>
        rests.flatMap((rest) =>
          ['', ' 67 68 70 6f', `\n${'words '.repeat(8)}`].map((after) => [byte, rest, after] as const),
        ),
      )) {
        const text = Buffer.from(`${before}${end}${byte}${rest}${after}`, 'latin1')
        if (!isDeepStrictEqual(kept([text], viewers.wasm()), kept([text], viewers.plain())))
          expect.fail(JSON.stringify(text.toString('latin1')))
      }
    }
  })

  it('of a line does not depend on the lines before', () => {
    fc.assert(
      fc.property(text, text, (before, line) => {
        const whole = kept([Buffer.concat([before, Buffer.from('\n'), line])], viewers.plain()).text
        expect(whole.endsWith(kept([line], viewers.plain()).text)).toBe(true)
      }),
      runs(200),
    )
  })

  it('takes a text larger than its room in steps', () => {
    const large = Buffer.from(`${'0123456789'.repeat(300)}\n${'words and\n words\n'.repeat(300)}`)
    expect(kept([large], viewers.wasm())).toEqual(kept([large], viewers.plain()))
  })
})
