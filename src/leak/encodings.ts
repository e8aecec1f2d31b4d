/**
 * The encoders behind the table of forms: bytes in, the texts out that common
 * programs make of them. An encoder whose programs differ gives one text for
 * each way; equal texts are dropped later.
 *
 * @packageDocumentation
 */

/** Makes the texts of one form. */
export type Encoder = (value: Uint8Array) => readonly Uint8Array[]

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const BASE64URL = `${BASE64.slice(0, -2)}-_`
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/**
 * The characters of a base-2^bits text that are the same whatever stands before and after the value: one text for
 * each way in which it can fall on a group of the encoding. That finds a token inside `base64(user:token)`, where
 * the base64 of the token alone does not occur.
 */
function cores(value: Uint8Array, alphabet: string): readonly Uint8Array[] {
  const width = Math.log2(alphabet.length)
  const groupBytes = width === 6 ? 3 : 5
  return Array.from({ length: groupBytes }, (_, lead) => {
    const first = Math.ceil((lead * 8) / width)
    const last = Math.floor(((lead + value.length) * 8) / width)
    const text = new Uint8Array(Math.max(0, last - first))
    for (let at = 0; at < text.length; at += 1) {
      const bit = (first + at) * width - lead * 8
      const pair = ((value[bit >> 3] ?? 0) << 8) | (value[(bit >> 3) + 1] ?? 0)
      text[at] = alphabet.charCodeAt((pair >> (16 - width - (bit & 7))) & (alphabet.length - 1))
    }
    return text
  })
}

/** Base64 at the three alignments, without the characters that depend on the neighbours. */
export const base64: Encoder = (value) => cores(value, BASE64)
/** The same with `-` and `_`. */
export const base64url: Encoder = (value) => cores(value, BASE64URL)
/** Base32 at the five alignments. */
export const base32: Encoder = (value) => cores(value, BASE32)
/** Base64 of text that has the value's base64 in it, both at each alignment. */
export const base64Twice: Encoder = (value) => base64(value).flatMap(base64)

/** Every byte written alike: `before`, its digits in a base, `after`; `between` two bytes. */
function digits(shape: {
  base: 8 | 10 | 16
  upper?: boolean
  before?: string
  between?: string
  after?: string
}): Encoder {
  const { base, upper = false, before = '', between = '', after = '' } = shape
  const length = base === 8 ? 3 : base === 16 ? 2 : 0
  return (value) => {
    const parts = Array.from(value, (byte) => {
      const text = byte.toString(base).padStart(length, '0')
      return `${before}${upper ? text.toUpperCase() : text}${after}`
    })
    return [ascii(parts.join(between))]
  }
}

const inBothCases = (shape: { before?: string; between?: string; after?: string }): Encoder =>
  together(digits({ ...shape, base: 16 }), digits({ ...shape, base: 16, upper: true }))

/** The texts of several encoders. */
function together(...encoders: readonly Encoder[]): Encoder {
  return (value) => encoders.flatMap((encode) => encode(value))
}

/** `6768`, `6A6B`. */
export const hex = inBothCases({})
/** `67:68`, `67 68`, `67-68`, `0x67, 0x68`. */
export const hexSeparated = together(
  inBothCases({ between: ':' }),
  inBothCases({ between: ' ' }),
  inBothCases({ between: '-' }),
  inBothCases({ before: '0x', between: ', ' }),
  inBothCases({ before: '0x', between: ',' }),
)
/** `6768 6970`, as the columns of xxd: a group can begin at either half of a pair. */
export const hexColumns: Encoder = (value) => {
  const text = Buffer.from(value).toString('hex')
  return [0, 2].map((lead) => ascii(columns(text, lead)))
}

function columns(text: string, lead: number): string {
  const groups = lead === 0 ? [] : [text.slice(0, lead)]
  for (let at = lead; at < text.length; at += 4) groups.push(text.slice(at, at + 4))
  return groups.join(' ')
}

/** `\x67\x68`. */
export const hexEscapes = inBothCases({ before: '\\x' })
/** `\147\150`. */
export const octalEscapes = digits({ base: 8, before: '\\' })
/** `\u0067\u0068` of every UTF-16 unit. */
export const unicodeEscapes: Encoder = (value) =>
  inText(value, (text) => [escapeUnits(text, () => true, false), escapeUnits(text, () => true, true)])

/** `%67%68` of every byte. */
const percentEverything = inBothCases({ before: '%' })

// What stays as it is, apart from letters and digits, in each program's percent-encoding.
const KEPT = {
  // https://www.rfc-editor.org/rfc/rfc3986#section-2.3 and the rule for our own substitution.
  strict: '-._~',
  // Python's urllib.parse.quote keeps the slash: https://docs.python.org/3/library/urllib.parse.html#urllib.parse.quote
  quote: '-._~/',
  // https://tc39.es/ecma262/#sec-encodeuricomponent-uricomponent
  component: "-._~!'()*",
  // https://tc39.es/ecma262/#sec-encodeuri-uri
  uri: "-._~!'()*;/?:@&=+$,#",
  // The user-info, path and query percent-encode sets: https://url.spec.whatwg.org/#percent-encoded-bytes
  userinfo: "-._~!$%&'()*+,",
  path: "-._~!$%&'()*+,/:;=@[]\\|^",
  query: "-._~!$%&'()*+,/:;=?@[]\\|^`{}",
  // The same in an address of the web, where an apostrophe is encoded.
  webQuery: '-._~!$%&()*+,/:;=?@[]\\|^`{}',
  // https://url.spec.whatwg.org/#application-x-www-form-urlencoded-percent-encode-set
  form: '-._*',
  // Python's urllib.parse.quote_plus.
  formPython: '-._~',
} as const

function percentWith(kept: string, space: '%20' | '+'): Encoder {
  const keeps = new Set(Buffer.from(kept, 'latin1'))
  const write = (value: Uint8Array, upper: boolean): Uint8Array =>
    ascii(
      Array.from(value, (byte) => {
        if (byte === 0x20) return space
        if (isAlphanumeric(byte) || keeps.has(byte)) return String.fromCharCode(byte)
        const digits = byte.toString(16).padStart(2, '0')
        return `%${upper ? digits.toUpperCase() : digits}`
      }).join(''),
    )
  return (value) => [write(value, true), write(value, false)]
}

const isAlphanumeric = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a)

const percentStrict = percentWith(KEPT.strict, '%20')

/** Percent-encoding by the sets in use, in both cases, of every byte, and a second time over. */
export const percent = together(
  percentStrict,
  percentWith(KEPT.quote, '%20'),
  percentWith(KEPT.component, '%20'),
  percentWith(KEPT.uri, '%20'),
  percentWith(KEPT.userinfo, '%20'),
  percentWith(KEPT.path, '%20'),
  percentWith(KEPT.query, '%20'),
  percentWith(KEPT.webQuery, '%20'),
  percentEverything,
  (value) => percentStrict(value).flatMap(percentStrict),
)

/** The encoding of forms, with `+` for a space. */
export const form = together(percentWith(KEPT.form, '+'), percentWith(KEPT.formPython, '+'))

/** The inside of a JSON string: as JavaScript and Python write it, with `\/`, with Go's `\u003c`, all in ASCII, and inside another string. */
export const json: Encoder = (value) =>
  inText(value, (text) => {
    const plain = JSON.stringify(text).slice(1, -1)
    return [
      plain,
      plain.replaceAll('/', '\\/'),
      escapeUnits(plain, (unit) => '<>&\u2028\u2029'.includes(unit), false),
      escapeUnits(plain, (unit) => unit > '~', false),
      escapeUnits(plain, (unit) => unit > '~', true),
      escapeUnits(plain.replaceAll('/', '\\/'), (unit) => unit > '~', false),
      JSON.stringify(plain).slice(1, -1),
    ]
  })

/** The inside of Python's `repr` of a text and of bytes, with and without `\'`. */
export const pythonRepr: Encoder = (value) => {
  const bytes = Array.from(value, (byte) => pythonByte(byte)).join('')
  const texts = inText(value, (text) =>
    Array.from(text, (character) => (character > '~' ? character : pythonByte(character.charCodeAt(0)))).join(
      '',
    ),
  )
  return [ascii(bytes), ...texts].flatMap((text) => [text, replaced(text, "'", "\\'")])
}

// https://docs.python.org/3/library/functions.html#repr, with the escapes of unicode_repr in CPython's unicodeobject.c.
function pythonByte(byte: number): string {
  if (byte === 0x5c) return '\\\\'
  if (byte === 0x0a) return '\\n'
  if (byte === 0x0d) return '\\r'
  if (byte === 0x09) return '\\t'
  return byte < 0x20 || byte > 0x7e ? `\\x${byte.toString(16).padStart(2, '0')}` : String.fromCharCode(byte)
}

/**
 * Inside quotes of a shell: `'\''`, `'"'"'`, double quotes with their four escapes, and what bash's `printf %q` and
 * `set -x` write. https://www.gnu.org/software/bash/manual/html_node/Quoting.html
 */
export const shell: Encoder = (value) => {
  const text = Buffer.from(value).toString('latin1')
  return [
    text.replaceAll("'", `'\\''`),
    text.replaceAll("'", `'"'"'`),
    text.replace(/["$`\\]/g, '\\$&'),
    text.replace(/["$`\\!]/g, '\\$&'),
    text.replace(/[\s!"$&'()*,;<>?[\\\]^`{|}]|^[~#]/g, '\\$&'),
    text.replace(/[\s!"$&'()*;<>?[\\\]^`{|}]|^[~#]/g, '\\$&'),
    text.replace(/[^A-Za-z0-9_.,:=@%/+\-\x80-\xff]/g, '\\$&'),
    ansiC(text, (code) => code > 0x7e),
    ansiC(text, () => false),
  ].map(latin1)
}

/** The inside of bash's `$'…'`: https://www.gnu.org/software/bash/manual/html_node/ANSI_002dC-Quoting.html */
function ansiC(text: string, octal: (code: number) => boolean): string {
  const named: Readonly<Record<string, string>> = {
    '\x07': '\\a',
    '\b': '\\b',
    '\x1b': '\\E',
    '\f': '\\f',
    '\n': '\\n',
    '\r': '\\r',
    '\t': '\\t',
    '\v': '\\v',
    '\\': '\\\\',
    "'": "\\'",
  }
  return Array.from(text, (character) => {
    const code = character.charCodeAt(0)
    const plain = code >= 0x20 && code !== 0x7f && !octal(code)
    return named[character] ?? (plain ? character : `\\${code.toString(8).padStart(3, '0')}`)
  }).join('')
}

/**
 * As text or an attribute of XML and HTML, by the references that writers use: five named ones
 * (https://www.w3.org/TR/xml/#sec-predefined-ent), numbers for the quotes (Python, Go, PHP and JavaScript differ),
 * and every character as a number.
 */
export const markup: Encoder = (value) => {
  const text = Buffer.from(value).toString('latin1')
  const basic = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  const named = basic.replaceAll('"', '&quot;')
  const numbered = basic.replaceAll('"', '&#34;').replaceAll("'", '&#39;')
  return [
    ...[
      basic,
      named,
      named.replaceAll("'", '&apos;'),
      named.replaceAll("'", '&#39;'),
      named.replaceAll("'", '&#039;'),
      named.replaceAll("'", '&#x27;'),
      named.replaceAll("'", '&#x27;').replaceAll('/', '&#x2F;'),
      numbered,
      numbered.replaceAll('\n', '&#xA;').replaceAll('\r', '&#xD;').replaceAll('\t', '&#x9;'),
    ].map(latin1),
    ...digits({ base: 10, before: '&#', after: ';' })(value),
    ...inBothCases({ before: '&#x', after: ';' })(value),
  ]
}

/** UTF-16, low byte first. */
export const utf16le: Encoder = (value) => inText(value, (text) => text, 'utf16le')

/** UTF-16, high byte first. */
export const utf16be: Encoder = (value) => utf16le(value).map((bytes) => Buffer.from(bytes).swap16())

/** The bytes from the last to the first. */
export const reversed: Encoder = (value) => [Uint8Array.from(value).reverse()]

/** Line ends as CRLF, as LF, and as a space. */
export const lineEnds: Encoder = (value) => {
  const text = Buffer.from(value).toString('latin1').replaceAll('\r\n', '\n')
  const trimmed = text.replace(/\n+$/, '')
  return [text, text.replaceAll('\n', '\r\n'), trimmed.replaceAll('\n', ' '), text.replaceAll('\n', '')].map(
    latin1,
  )
}

/** Without the white space around it. */
export const trimmed: Encoder = (value) => {
  const isSpace = (byte: number | undefined): boolean =>
    byte !== undefined && ' \t\r\n\v\f'.includes(String.fromCharCode(byte))
  let first = 0
  let last = value.length
  while (first < last && isSpace(value[first])) first += 1
  while (last > first && isSpace(value[last - 1])) last -= 1
  return [new Uint8Array(value.subarray(first, last))]
}

const ascii = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const latin1 = ascii

function replaced(bytes: Uint8Array, search: string, replacement: string): Uint8Array {
  return latin1(Buffer.from(bytes).toString('latin1').replaceAll(search, replacement))
}

/** Works on the text that the value is in UTF-8. A value that is no text has no such forms. */
function inText(
  value: Uint8Array,
  write: (text: string) => string | readonly string[],
  encoding: 'utf8' | 'utf16le' = 'utf8',
): readonly Uint8Array[] {
  const text = Buffer.from(value).toString('utf8')
  if (!Buffer.from(text, 'utf8').equals(value)) return []
  return [write(text)].flat().map((made) => Buffer.from(made, encoding))
}

function escapeUnits(text: string, chosen: (unit: string) => boolean, upper: boolean): string {
  let made = ''
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charAt(at)
    const digits = text.charCodeAt(at).toString(16).padStart(4, '0')
    made += chosen(unit) ? `\\u${upper ? digits.toUpperCase() : digits}` : unit
  }
  return made
}
