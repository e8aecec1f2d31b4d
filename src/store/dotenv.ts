/**
 * Reads dotenv files: the part of the format that motdotla/dotenv (the README
 * of https://github.com/motdotla/dotenv), python-dotenv
 * (https://github.com/theskumar/python-dotenv) and Compose
 * (https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/)
 * read in the same way. Where they would give different values, the line is an
 * error that says what to write instead: a secret must not depend on the tool.
 *
 * | written | read as |
 * |---|---|
 * | `A=b c` | `b c`; blanks around it go |
 * | `A=b # text` | `b` |
 * | `A=b#c`, `A=#c` | error |
 * | `A='b $c "d" #'` | as it stands, over several lines too |
 * | `A="b\nc"` | `\n` and `\r` become line breaks; any other backslash is an error |
 * | `A=$b`, `A="$b"`, `A='${b}'` | error |
 * | `export A=b` | like `A=b` |
 * | `A=` | the empty value |
 * | `A`, `A: b` | error |
 *
 * A name that comes twice has the last value. Values are bytes from the first
 * to the last; no text is made of them.
 *
 * @packageDocumentation
 */

import { faultOf, type Problem } from '../errors.js'
import { isSecretName, SecretValue, type SecretName } from '../secret.js'

/**
 * Reads a dotenv file.
 *
 * @param file - its name, for messages.
 * @returns the values; the caller disposes them.
 * @throws {@link Fault} `REQUEST_INVALID` with every problem and its line. Nothing of the file is repeated.
 */
export function parseDotenv(bytes: Uint8Array, file = 'standard input'): Map<SecretName, SecretValue> {
  const cursor = new Cursor(bytes)
  const values = new Map<SecretName, SecretValue>()
  const problems: Problem[] = []
  while (!cursor.atEnd) {
    const line = cursor.line
    const read = readLine(cursor)
    if (read === null) continue
    if ('trouble' in read) {
      problems.push({ code: 'REQUEST_INVALID', file, line, message: read.trouble, hint: read.hint })
      continue
    }
    values.get(read.name)?.[Symbol.dispose]()
    values.set(read.name, read.value)
  }
  if (problems.length === 0) return values
  for (const value of values.values()) value[Symbol.dispose]()
  throw faultOf(problems)
}

/** What one line says; `null` for an empty line or a comment. */
type Line =
  | { readonly name: SecretName; readonly value: SecretValue }
  | { readonly trouble: string; readonly hint?: string }
  | null

const TAB = 9
const LF = 10
const CR = 13
const BLANK = 32
const DOUBLE = 34
const HASH = 35
const DOLLAR = 36
const SINGLE = 39
const EQUALS = 61
const BACKSLASH = 92
const BACKTICK = 96
const BRACE = 123

const isBlank = (byte: number | undefined): boolean => byte === BLANK || byte === TAB

/** A place in the bytes that knows its line. CR LF is one line break. */
class Cursor {
  readonly #bytes: Uint8Array
  #at = 0
  #line = 1

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    // A byte order mark, as some editors on Windows write it.
    if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) this.#at = 3
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  /** Number of the current line, from 1. */
  get line(): number {
    return this.#line
  }

  /** The current byte; `undefined` at the end. A line break is LF, however it is written. */
  peek(): number | undefined {
    return this.#isCrLf() ? LF : this.#bytes[this.#at]
  }

  next(): void {
    if (this.peek() === LF) this.#line += 1
    this.#at += this.#isCrLf() ? 2 : 1
  }

  skipBlanks(): void {
    while (isBlank(this.peek())) this.next()
  }

  /** The bytes up to the end of the line; the line break is passed. */
  restOfLine(): Uint8Array {
    const from = this.#at
    while (!this.atEnd && this.peek() !== LF) this.next()
    const rest = this.#bytes.subarray(from, this.#at)
    if (!this.atEnd) this.next()
    return rest
  }

  /** Passes everything. */
  toEnd(): void {
    this.#at = this.#bytes.length
  }

  #isCrLf(): boolean {
    return this.#bytes[this.#at] === CR && this.#bytes[this.#at + 1] === LF
  }
}

function readLine(cursor: Cursor): Line {
  cursor.skipBlanks()
  if (cursor.peek() === LF || cursor.peek() === HASH || cursor.atEnd) {
    cursor.restOfLine()
    return null
  }
  const name = readName(cursor)
  if (name === null || !isSecretName(name)) {
    cursor.restOfLine()
    return name === null
      ? { trouble: 'This line is no NAME=value.', hint: 'Write "NAME=" for an empty value.' }
      : {
          trouble: 'The name before "=" is not valid.',
          hint: 'A name has letters, digits and underscores and does not start with a digit.',
        }
  }
  cursor.skipBlanks()
  const read = readValue(cursor)
  if ('trouble' in read) return read
  const value = new SecretValue(read.bytes)
  if (read.own) read.bytes.fill(0)
  return { name, value }
}

/** The text before `=`, without `export`; `null` where the line has no `=`. */
function readName(cursor: Cursor): string | null {
  const bytes: number[] = []
  while (cursor.peek() !== EQUALS) {
    if (cursor.atEnd || cursor.peek() === LF) return null
    bytes.push(cursor.peek() ?? 0)
    cursor.next()
  }
  cursor.next()
  return Buffer.from(bytes)
    .toString('latin1')
    .replace(/^export[ \t]+/, '')
    .replace(/[ \t]+$/, '')
}

/** Bytes of a value. `own`: they are a copy to be wiped, and no part of the file. */
type Read =
  { readonly bytes: Uint8Array; readonly own: boolean } | { readonly trouble: string; readonly hint?: string }

function readValue(cursor: Cursor): Read {
  switch (cursor.peek()) {
    case SINGLE:
      return readQuoted(cursor, SINGLE)
    case DOUBLE:
      return readQuoted(cursor, DOUBLE)
    case BACKTICK:
      cursor.restOfLine()
      return { trouble: 'Only some parsers know backticks as quotes.', hint: IN_SINGLE_QUOTES }
    case undefined:
    default:
      return readUnquoted(cursor.restOfLine())
  }
}

const IN_SINGLE_QUOTES = 'Put the value between single quotes.'
const IN_NO_DOTENV = 'Import this value from JSON, or set it with NAME=@file.'
const DOLLAR_TROUBLE = {
  trouble: 'Some parsers replace what follows "$", others do not.',
  hint: IN_SINGLE_QUOTES,
}

function readUnquoted(line: Uint8Array): Read {
  let end = line.length
  for (const [at, byte] of line.entries()) {
    if (byte === DOLLAR) {
      return DOLLAR_TROUBLE
    }
    if (byte === CR) return { trouble: 'There is a carriage return within the line.', hint: IN_SINGLE_QUOTES }
    if (byte !== HASH) continue
    if (!isBlank(line[at - 1])) {
      return { trouble: 'Some parsers end the value at "#", others do not.', hint: IN_SINGLE_QUOTES }
    }
    end = at
    break
  }
  while (end > 0 && isBlank(line[end - 1])) end -= 1
  return { bytes: line.subarray(0, end), own: false }
}

function readQuoted(cursor: Cursor, quote: typeof SINGLE | typeof DOUBLE): Read {
  cursor.next()
  const bytes: number[] = []
  let trouble: Exclude<Read, { bytes: Uint8Array }> | null = null
  while (cursor.peek() !== quote) {
    const byte = cursor.peek()
    if (byte === undefined) {
      cursor.toEnd()
      return { trouble: 'The quote that opens here does not end.' }
    }
    cursor.next()
    if (byte === BACKSLASH) {
      const escaped = readEscape(quote, cursor.peek())
      if (escaped === null) {
        trouble ??= backslashTrouble(quote)
        // The next byte is no end of the value, whatever it is: problems after this one must not be made up.
        if (!cursor.atEnd) cursor.next()
        continue
      }
      bytes.push(...escaped.bytes)
      if (escaped.passes) cursor.next()
      continue
    }
    if (byte === CR) trouble ??= { trouble: 'There is a carriage return that ends no line.' }
    if (byte === DOLLAR && quote === DOUBLE) trouble ??= DOLLAR_TROUBLE
    // python-dotenv replaces these between any quotes.
    if (byte === DOLLAR && cursor.peek() === BRACE) trouble ??= { ...DOLLAR_TROUBLE, hint: IN_NO_DOTENV }
    bytes.push(byte)
  }
  cursor.next()
  cursor.skipBlanks()
  const clean = cursor.atEnd || cursor.peek() === LF || cursor.peek() === HASH
  cursor.restOfLine()
  if (trouble !== null) return trouble
  if (!clean) return { trouble: 'There is text after the closing quote.' }
  const own = Uint8Array.from(bytes)
  bytes.fill(0)
  return { bytes: own, own: true }
}

/** What a backslash and the byte after it stand for; `null` where parsers differ. `passes`: the byte is part of it. */
function readEscape(
  quote: typeof SINGLE | typeof DOUBLE,
  next: number | undefined,
): { readonly bytes: readonly number[]; readonly passes: boolean } | null {
  if (quote === SINGLE) {
    return next === SINGLE || next === BACKSLASH ? null : { bytes: [BACKSLASH], passes: false }
  }
  if (next === 0x6e) return { bytes: [LF], passes: true }
  if (next === 0x72) return { bytes: [CR], passes: true }
  return null
}

const backslashTrouble = (quote: number): { trouble: string; hint: string } =>
  quote === SINGLE
    ? {
        trouble: String.raw`Parsers differ about "\'" and "\\" between single quotes.`,
        hint: IN_NO_DOTENV,
      }
    : {
        trouble: String.raw`Parsers differ about this backslash: only "\n" and "\r" are the same in all.`,
        hint: IN_SINGLE_QUOTES,
      }
