/**
 * From the bytes of a requirement list to its logical lines, as pip reads
 * them: encoding, line ends, continuations, comments. Every character of a
 * logical line knows its offset in the file, so that a change can be made in
 * the file itself and pip's line numbers stay what they are.
 *
 * The rules are those of `auto_decode`, `join_lines` and `ignore_comments` in
 * https://github.com/pypa/pip/blob/23.2.1/src/pip/_internal/utils/encoding.py and
 * https://github.com/pypa/pip/blob/23.2.1/src/pip/_internal/req/req_file.py
 *
 * @packageDocumentation
 */

/** Text of which each UTF-16 unit knows its offset in the file. */
export interface Span {
  readonly text: string
  /** Offsets into the text of the file, one for each unit of `text`, ascending. */
  readonly at: readonly number[]
}

/** A part of a span, as `String.slice` counts. */
export const sliceSpan = ({ text, at }: Span, from: number, to?: number): Span => ({
  text: text.slice(from, to),
  at: at.slice(from, to),
})

/** Index in a span of the character at an offset of the file; -1 where the span does not have it. */
export function indexIn({ at }: Span, offset: number): number {
  const index = lastNotAbove(at, offset)
  return at[index] === offset ? index : -1
}

/** Index of the last of some ascending numbers that is not above a limit; 0 where all are. */
export function lastNotAbove(numbers: readonly number[], limit: number): number {
  let low = 0
  let high = numbers.length
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if ((numbers[middle] ?? 0) <= limit) low = middle
    else high = middle
  }
  return low
}

/** The text of a list, or why it cannot be read. `plain`: it was UTF-8 without a byte order mark. */
export type Decoded =
  | { readonly text: string; readonly plain: boolean }
  | { readonly unreadable: 'encoding-unknown' | 'encoding-wrong' }

/**
 * Python's names of the encodings that are read, in lower case and without `_`, with the decoder's own. windows-1252 is
 * not among them: Node 20 decodes it as Latin-1 (https://github.com/nodejs/node/issues/56542).
 */
const ENCODINGS: ReadonlyMap<string, string> = new Map([
  ['utf-8', 'utf-8'],
  ['utf8', 'utf-8'],
  ['utf-8-sig', 'utf-8'],
  ['ascii', 'ascii'],
  ['us-ascii', 'ascii'],
  ['latin-1', 'latin1'],
  ['latin1', 'latin1'],
  ['iso-8859-1', 'latin1'],
  ['iso8859-1', 'latin1'],
  ['iso-8859-15', 'iso-8859-15'],
  ['latin-9', 'iso-8859-15'],
])

/** UTF-32 comes first: its little-endian mark begins with that of UTF-16. */
const MARKS: readonly (readonly [mark: readonly number[], encoding: string | undefined])[] = [
  [[0xef, 0xbb, 0xbf], 'utf-8'],
  [[0xff, 0xfe, 0x00, 0x00], undefined],
  [[0x00, 0x00, 0xfe, 0xff], undefined],
  [[0xff, 0xfe], 'utf-16le'],
  [[0xfe, 0xff], 'utf-16be'],
]

/** PEP 263: a declaration counts in a comment on one of the first two lines, https://peps.python.org/pep-0263/ */
const DECLARATION = /^#[^\n]*?coding[:=][ \t\r\f\v]*([-\w.]+)/

/**
 * Decodes a list: a byte order mark decides, else a PEP 263 declaration, else
 * it is UTF-8 (pip asks the locale there, and that is UTF-8 in an image).
 */
export function decodeList(bytes: Uint8Array): Decoded {
  const marked = MARKS.find(([mark]) => mark.every((byte, index) => bytes[index] === byte))
  if (marked !== undefined) {
    const [mark, encoding] = marked
    return encoding === undefined
      ? { unreadable: 'encoding-unknown' }
      : decodeAs(encoding, bytes.subarray(mark.length), false)
  }
  const declared = declaredEncoding(bytes)
  if (declared === undefined) return decodeAs('utf-8', bytes, true)
  const encoding = ENCODINGS.get(declared)
  return encoding === undefined
    ? { unreadable: 'encoding-unknown' }
    : decodeAs(encoding, bytes, encoding === 'utf-8')
}

function declaredEncoding(bytes: Uint8Array): string | undefined {
  const second = bytes.indexOf(0x0a) + 1
  for (const from of [0, second]) {
    const end = bytes.indexOf(0x0a, from)
    const line = Buffer.from(bytes.subarray(from, end === -1 ? undefined : end)).toString('latin1')
    const name = DECLARATION.exec(line)?.[1]
    if (name !== undefined) return name.toLowerCase().replaceAll('_', '-')
  }
  return undefined
}

function decodeAs(encoding: string, bytes: Uint8Array, plain: boolean): Decoded {
  // The decoder takes both names for windows-1252, Python does not.
  if (encoding === 'latin1') return { text: Buffer.from(bytes).toString('latin1'), plain }
  if (encoding === 'ascii') {
    return bytes.every((byte) => byte < 0x80)
      ? { text: Buffer.from(bytes).toString('latin1'), plain }
      : { unreadable: 'encoding-wrong' }
  }
  try {
    return { text: new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes), plain }
  } catch (error) {
    if (error instanceof TypeError) return { unreadable: 'encoding-wrong' }
    throw error
  }
}

/** What Python's `str.isspace` and `\s` take for white space: https://docs.python.org/3/library/stdtypes.html#str.isspace */
const SPACE = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/

/** Whether Python takes a character for white space. It differs from JavaScript in `\x1c`-`\x1f`, `\x85` and `\ufeff`. */
export const isPythonSpace = (character: string): boolean => SPACE.test(character)

/** What ends a line for `str.splitlines`: https://docs.python.org/3/library/stdtypes.html#str.splitlines */
const LINE_END = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g

/** Offsets at which the lines of a text begin, the first being 0. */
export function lineStarts(text: string): readonly number[] {
  return [0, ...Array.from(text.matchAll(LINE_END), (end) => end.index + end[0].length)]
}

/** Line and column, from 1, of an offset. */
export function positionOf(starts: readonly number[], offset: number): { line: number; column: number } {
  const index = lastNotAbove(starts, offset)
  return { line: index + 1, column: offset - (starts[index] ?? 0) + 1 }
}

/** The lines that are left when continuations are joined and comments and empty lines are gone. */
export function logicalLines(text: string): readonly Span[] {
  const lines: Span[] = []
  let parts: Span[] = []
  for (const physical of physicalLines(text)) {
    const comment = physical.text.charAt(firstInk(physical.text)) === '#'
    if (physical.text.endsWith('\\') && !comment) {
      parts.push(withoutBackslashes(physical))
      continue
    }
    // pip puts white space before a comment that follows a continuation, so that it stays a comment.
    parts.push(comment ? { text: ` ${physical.text}`, at: [physical.at[0] ?? 0, ...physical.at] } : physical)
    lines.push(joined(parts))
    parts = []
  }
  if (parts.length > 0) lines.push(joined(parts))
  return lines.map(withoutComment).filter((line) => line.text !== '')
}

function physicalLines(text: string): readonly Span[] {
  const lines: Span[] = []
  let from = 0
  const push = (to: number): void => {
    const at = Array.from({ length: to - from }, (_, index) => from + index)
    lines.push({ text: text.slice(from, to), at })
  }
  for (const end of text.matchAll(LINE_END)) {
    push(end.index)
    from = end.index + end[0].length
  }
  if (from < text.length) push(text.length)
  return lines
}

/** Index of the first character that is not white space; the length of the text where there is none. */
function firstInk(text: string): number {
  let at = 0
  while (at < text.length && isPythonSpace(text.charAt(at))) at += 1
  return at
}

/** At both ends: pip strips a line that goes on with `strip("\\")`. */
function withoutBackslashes(line: Span): Span {
  let from = 0
  let to = line.text.length
  while (from < to && line.text[from] === '\\') from += 1
  while (to > from && line.text[to - 1] === '\\') to -= 1
  return sliceSpan(line, from, to)
}

function joined(parts: readonly Span[]): Span {
  const [only, ...others] = parts
  if (only !== undefined && others.length === 0) return only
  return { text: parts.map((part) => part.text).join(''), at: parts.flatMap((part) => part.at) }
}

function withoutComment(line: Span): Span {
  const { text } = line
  let to = text.length
  for (let hash = text.indexOf('#'); hash !== -1; hash = text.indexOf('#', hash + 1)) {
    if (hash === 0 || isPythonSpace(text.charAt(hash - 1))) {
      to = hash
      break
    }
  }
  const from = Math.min(firstInk(text), to)
  while (to > from && isPythonSpace(text.charAt(to - 1))) to -= 1
  return sliceSpan(line, from, to)
}
