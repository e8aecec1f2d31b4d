import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SHORTEST_LINE } from '../../src/leak/broken.js'
import type { FormName } from '../../src/leak/forms.js'
import { Matcher } from '../../src/leak/match.js'
import { needlesFor, type NeedleSet } from '../../src/leak/needles.js'
import { byteByByte, cutAt, cuts, KERNELS, runs } from './support/streams.js'

function spans(
  pieces: readonly Uint8Array[],
  needles: NeedleSet,
  kernel: 'wasm' | 'plain',
): readonly string[] {
  const matcher = new Matcher(needles, { kernel })
  return [...pieces.flatMap((piece) => matcher.push(piece)), ...matcher.end()]
    .map(({ needle, start, end }) => `${needles.needles[needle]?.form ?? ''} ${start}-${end}`)
    .sort()
}

const formsIn = (text: Uint8Array, value: Uint8Array): readonly string[] => {
  using needles = needlesFor([{ name: 'V', value }])
  return spans([text], needles, 'wasm').map((span) => span.split(' ')[0] ?? '')
}

/** Lines of `width` characters. */
const wrapped = (text: string, { width, end }: { width: number; end: string }): string =>
  (text.match(new RegExp(`.{1,${width}}`, 'g')) ?? []).join(end)

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const base32 = (bytes: Uint8Array): string => {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('')
  return (bits.match(/.{1,5}/g) ?? []).map((five) => BASE32[parseInt(five.padEnd(5, '0'), 2)]).join('')
}
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

const ENCODERS: readonly (readonly [FormName, (bytes: Uint8Array) => string])[] = [
  ['base64', base64],
  ['base64url', (bytes) => Buffer.from(bytes).toString('base64url')],
  ['base64-twice', (bytes) => base64(Buffer.from(base64(bytes)))],
  ['base32', base32],
  ['hex', (bytes) => Buffer.from(bytes).toString('hex')],
  ['hex', (bytes) => Buffer.from(bytes).toString('hex').toUpperCase()],
]

const sample = fc.record({
  value: fc.uint8Array({ minLength: 12, maxLength: 80 }),
  before: fc.uint8Array({ maxLength: 60 }),
  after: fc.uint8Array({ maxLength: 60 }),
  encoder: fc.constantFrom(...ENCODERS),
  width: fc.integer({ min: SHORTEST_LINE, max: 120 }),
  end: fc.constantFrom(
    '\n',
    '\r\n',
    '\n  ',
    '\n\t',
    `\n${' '.repeat(60)}`,
    '\\n',
    '\\r\\n',
    '\\\n',
    '\n#7 0.123 ',
    '\n\x1b[0m',
  ),
  cuts,
})

describe.for(KERNELS)('needles broken over lines (%s)', (kernel) => {
  it('are found at any width from the shortest on, with any indent, whatever stands around', () => {
    fc.assert(
      fc.property(sample, ({ value, before, after, encoder: [form, encode], width, end, cuts }) => {
        using needles = needlesFor([{ name: 'V', value }])
        const text = Buffer.from(
          wrapped(encode(Buffer.concat([before, value, after])), { width, end }),
          'latin1',
        )
        const whole = spans([text], needles, kernel)
        // Where the value has neither `-` nor `_`, the two alphabets are one.
        const names = whole.map((span) => span.split(' ')[0]?.replace('base64url', 'base64'))
        expect(names).toContain(form.replace('base64url', 'base64'))
        expect(spans(cutAt(text, cuts), needles, kernel)).toEqual(whole)
        expect(spans(byteByByte(text), needles, kernel)).toEqual(whole)
      }),
      runs(60),
    )
  })

  it('begin and end where the value does', () => {
    using needles = needlesFor([{ name: 'V', value: TOKEN }])
    const text = `key: |\n  ${wrapped(base64(TOKEN), { width: 20, end: '\n  ' })}\nnext`
    // Three groups of four characters are told by the value alone, and the first of the last group's.
    const first = text.indexOf(base64(TOKEN).slice(0, 20))
    expect(spans([Buffer.from(text)], needles, kernel)).toEqual([`base64 ${first}-${first + 53 + 2 * 3}`])
  })

  it('are found by the end of the stream where only that ends their last line', () => {
    using needles = needlesFor([{ name: 'V', value: Buffer.from('0123456789abcdef0123') }])
    const text = Buffer.from(
      '00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n00000010  30 31 32 33',
    )
    expect(spans([text], needles, kernel)).toEqual(
      [`hex-dump 10-${text.length}`, `raw 61-${61 + 16}`].slice(0, 1),
    )
    expect(spans(byteByByte(text), needles, kernel)).toEqual([`hex-dump 10-${text.length}`])
  })
})

const TOKEN = Buffer.from('ghp_0123456789abcdefghijABCDEFGHIJ012345')

describe('dumps', () => {
  // Each is the output of the named program for `some text before TOKEN and after it`, as it prints by default or with the options given.
  it.for<[program: string, dump: string]>([
    [
      'xxd',
      `00000000: 736f 6d65 2074 6578 7420 6265 666f 7265  some text before
00000010: 2067 6870 5f30 3132 3334 3536 3738 3961   ghp_0123456789a
00000020: 6263 6465 6667 6869 6a41 4243 4445 4647  bcdefghijABCDEFG
00000030: 4849 4a30 3132 3334 3520 616e 6420 6166  HIJ012345 and af
`,
    ],
    [
      'xxd -u -c 8',
      `00000010: 2067 6870 5F30 3132   ghp_012
00000018: 3334 3536 3738 3961  3456789a
00000020: 6263 6465 6667 6869  bcdefghi
00000028: 6A41 4243 4445 4647  jABCDEFG
00000030: 4849 4A30 3132 3334  HIJ01234
00000038: 3520 616E 6420 6166  5 and af
`,
    ],
    [
      'hexdump -C',
      `00000010  20 67 68 70 5f 30 31 32  33 34 35 36 37 38 39 61  | ghp_0123456789a|
00000020  62 63 64 65 66 67 68 69  6a 41 42 43 44 45 46 47  |bcdefghijABCDEFG|
00000030  48 49 4a 30 31 32 33 34  35 20 61 6e 64 20 61 66  |HIJ012345 and af|
`,
    ],
    [
      'od -tx1',
      `0000020 20 67 68 70 5f 30 31 32 33 34 35 36 37 38 39 61
0000040 62 63 64 65 66 67 68 69 6a 41 42 43 44 45 46 47
0000060 48 49 4a 30 31 32 33 34 35 20 61 6e 64 20 61 66
`,
    ],
    [
      'od -An -tx1',
      ` 20 67 68 70 5f 30 31 32 33 34 35 36 37 38 39 61
 62 63 64 65 66 67 68 69 6a 41 42 43 44 45 46 47
 48 49 4a 30 31 32 33 34 35
`,
    ],
    [
      'xxd -i',
      `  0x62, 0x65, 0x66, 0x6f, 0x72, 0x65, 0x20, 0x67, 0x68, 0x70, 0x5f, 0x30,
  0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x61, 0x62, 0x63,
  0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x41, 0x42, 0x43, 0x44, 0x45,
  0x46, 0x47, 0x48, 0x49, 0x4a, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35
`,
    ],
    [
      'openssl asn1parse -dump, openssl x509 -text',
      `        67:68:70:5f:30:31:32:33:34:35:36:37:38:39:61:
        62:63:64:65:66:67:68:69:6a:41:42:43:44:45:46:
        47:48:49:4a:30:31:32:33:34:35
`,
    ],
  ])('of %s are read over their lines', ([, dump]) => {
    expect(formsIn(Buffer.from(dump), TOKEN)).toEqual(['hex-dump'])
    // One digit changed, and it is another value.
    const at = dump.search(/4a(?=[ :,]*(?:0x)?30)/i)
    expect(formsIn(Buffer.from(`${dump.slice(0, at)}5${dump.slice(at + 1)}`), TOKEN)).toEqual([])
  })

  it('on one line are a text in one piece', () => {
    expect(
      formsIn(Buffer.from('00000000: 6768 705f 3031 3233 3435  ghp_012345\n'), Buffer.from('ghp_0123')),
    ).toEqual(['hex-columns', 'raw'])
  })
})

describe('what is no broken needle', () => {
  const text = base64(TOKEN).slice(0, 53)

  it.for<[why: string, text: string]>([
    ['another character', `${text.slice(0, 20)}\n${text.slice(20, 40)}\n!${text.slice(41)}`],
    ['a character too many', `${text.slice(0, 20)}\n${text.slice(20, 40)}A${text.slice(40)}`],
    ['a character too few', `${text.slice(0, 20)}\n${text.slice(21)}`],
    ['words between the lines', `${text.slice(0, 20)}\nand then\n${text.slice(20)}`],
    ['a space between', `${text.slice(0, 20)} ${text.slice(20)}`],
    ['the end of the stream', text.slice(0, 40)],
    ['an indent without end', `${text.slice(0, 20)}\n${' '.repeat(20_000)}${text.slice(20)}`],
  ])('%s', ([, broken]) => {
    expect(formsIn(Buffer.from(`${broken}\n`), TOKEN)).toEqual([])
  })

  it('but this one is', () => {
    expect(
      formsIn(Buffer.from(`${text.slice(0, 20)}\n${text.slice(20, 40)}\n${text.slice(40)}\n`), TOKEN),
    ).toEqual(['base64'])
  })

  it('does not take the piece of another line for its own', () => {
    const [head, rest] = [text.slice(0, 20), text.slice(20)]
    expect(formsIn(Buffer.from(`${head}\n${head}\n${rest}\n`), TOKEN)).toEqual(['base64'])
    expect(formsIn(Buffer.from(`${rest}\n${head}\n`), TOKEN)).toEqual([])
  })

  it('a text that repeats itself is told once for each place, in time', () => {
    const value = Buffer.alloc(3000, 'a')
    using needles = needlesFor([{ name: 'V', value }])
    const text = Buffer.from(wrapped(base64(Buffer.alloc(200_000, 'a')), { width: 76, end: '\n' }))
    const hits = spans([text], needles, 'wasm')
    expect(hits.length).toBeGreaterThan(0)
    expect(new Set(hits).size).toBe(hits.length)
  })
})
