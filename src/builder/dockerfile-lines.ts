/**
 * An instruction of a Dockerfile as BuildKit reads it: one logical line, made of
 * physical ones by leaving out continuations and the comments between them.
 * Each character remembers where it stands in the file, so that a flag can be
 * replaced in place whatever way it is broken, quoted or escaped.
 *
 * Rules: https://github.com/moby/buildkit/blob/master/frontend/dockerfile/parser/parser.go (lines) and
 * line_parsers.go, `extractBuilderFlags` (flags) in the same folder.
 *
 * @packageDocumentation
 */

/** Characters of a logical line with their offsets in the file. */
export interface LogicalLine {
  readonly text: string
  /** Offset in the file of each character of `text`. */
  readonly offsets: readonly number[]
}

/** A word of a logical line: quotes and escapes removed, with the range it takes in the file. */
export interface Word {
  readonly text: string
  readonly start: number
  /** Offset behind the last character. */
  readonly end: number
}

/** Reads the logical line that begins at `start`. */
export function logicalLine(file: string, start: number, escape: string): LogicalLine {
  const text: string[] = []
  const offsets: number[] = []
  let at = start
  for (let first = true; at < file.length; first = false) {
    const { end, next } = lineAt(file, at)
    const line = file.slice(at, end)
    if (!first && /^\s*(?:#.*)?$/.test(line)) {
      at = next
      continue
    }
    const continued = continuation(line, escape)
    const kept = continued ?? line.length
    for (let index = 0; index < kept; index += 1) {
      text.push(line[index] ?? '')
      offsets.push(at + index)
    }
    if (continued === undefined) break
    at = next
  }
  return { text: text.join(''), offsets }
}

/** Where the text of a continued line ends, `undefined` for a line that ends its instruction. */
function continuation(line: string, escape: string): number | undefined {
  const trimmed = line.replace(/[ \t]+$/, '')
  return trimmed.endsWith(escape) ? trimmed.length - 1 : undefined
}

function lineAt(file: string, at: number): { readonly end: number; readonly next: number } {
  const newline = file.indexOf('\n', at)
  if (newline === -1) return { end: file.length, next: file.length }
  return { end: file[newline - 1] === '\r' && newline > at ? newline - 1 : newline, next: newline + 1 }
}

/**
 * Splits a logical line into its keyword, its flags (words that begin with `--`) and the rest as plain words.
 * Within flags quotes are removed and a backslash takes the next character as it is, whatever the escape directive says.
 */
export function splitFlags(line: LogicalLine): {
  readonly flags: readonly Word[]
  readonly rest: readonly Word[]
} {
  const flags: Word[] = []
  let at = skip(line.text, skipWord(line.text, skip(line.text, 0)))
  while (line.text.startsWith('--', at)) {
    const flag = readFlag(line, at)
    if (flag.word.text === '--') {
      at = skip(line.text, flag.next)
      break
    }
    flags.push(flag.word)
    at = skip(line.text, flag.next)
  }
  return { flags, rest: words(line, at) }
}

function readFlag(line: LogicalLine, from: number): { readonly word: Word; readonly next: number } {
  let quote: string | undefined
  let text = ''
  let at = from
  for (; at < line.text.length; at += 1) {
    const char = line.text[at] ?? ''
    if (quote === undefined && /\s/.test(char)) break
    if (quote === undefined ? char === '"' || char === "'" : char === quote) {
      quote = quote === undefined ? char : undefined
    } else if (char === '\\') {
      at += 1
      text += line.text[at] ?? ''
    } else {
      text += char
    }
  }
  return { word: { text, ...range(line, from, at) }, next: at }
}

function words(line: LogicalLine, from: number): readonly Word[] {
  const found: Word[] = []
  for (let at = skip(line.text, from); at < line.text.length; at = skip(line.text, at)) {
    const end = skipWord(line.text, at)
    found.push({ text: line.text.slice(at, end), ...range(line, at, end) })
    at = end
  }
  return found
}

function range(
  line: LogicalLine,
  from: number,
  to: number,
): { readonly start: number; readonly end: number } {
  const start = line.offsets[from] ?? 0
  return { start, end: (line.offsets[Math.min(to, line.offsets.length) - 1] ?? start) + 1 }
}

const skip = (text: string, from: number): number => from + (/^\s*/.exec(text.slice(from))?.[0].length ?? 0)
const skipWord = (text: string, from: number): number =>
  from + (/^\S*/.exec(text.slice(from))?.[0].length ?? 0)

/** Line and column, both from 1, of an offset. */
export function placeOf(file: string, offset: number): { readonly line: number; readonly column: number } {
  const before = file.slice(0, offset)
  const lastBreak = before.lastIndexOf('\n')
  return { line: before.split('\n').length, column: offset - lastBreak }
}
