/**
 * A text as it was before it was shown: without line breaks and the indent
 * after them, without escape sequences of a terminal, without what a build log
 * puts before a line, and the digits alone of a hex dump. A value that is
 * wrapped, coloured or dumped stands in one piece in this view.
 *
 * The view of a line depends on nothing but the line, so that it can be taken
 * from the middle of a stream.
 *
 * @packageDocumentation
 */

/** Where in a line the view is. The numbers are the kernel's as well. */
export const MODE = {
  /** At the beginning of a line: nothing of it is kept yet. */
  start: 0,
  text: 1,
  /** In the digits of a dump that has `offset:` before and two spaces after them, as xxd writes it. */
  columns: 2,
  /** In the digits of any other dump: they end at the first byte that is none and separates none. */
  digits: 3,
  /** Behind the digits: the rest of the line shows the same bytes as text. */
  aside: 4,
  /** After ESC, in a control sequence, in a control string, after ESC in a control string. */
  escape: 5,
  sequence: 6,
  string: 7,
  stringEnd: 8,
} as const

/** What the view knows between two calls: the mode, the one to return to after an escape sequence, whether a space was last. */
export interface ViewState {
  mode: number
  outer: number
  spaced: boolean
}

/** Bytes that the view may need to see before it can decide about the first of them. */
export const LOOKAHEAD_BYTES = 32

/** The view of some bytes. */
export interface Viewed {
  /**
   * Bytes of the input that it covers. The others are to be given again with what follows them: up to
   * {@link LOOKAHEAD_BYTES} that cannot be told yet, and more where the input is large.
   */
  readonly taken: number
  /** The bytes kept. */
  readonly bytes: Uint8Array
  /** For each run of bytes that were together: where it begins in `bytes`, where in the input, and 1 in a line of a dump. */
  readonly runs: Int32Array
}

/** Takes the view of a stream piece by piece. */
export interface Viewer {
  /**
   * Views the next bytes.
   *
   * @param isLast - whether nothing follows, so that all of them are taken.
   */
  take(input: Uint8Array, isLast: boolean): Viewed
}

/** Numbers for each run. */
export const RUN_FIELDS = 3

/** Where the kept byte at `index` stands in the input. */
export function positionOf({ runs }: Viewed, index: number): number {
  let run = runs.length - RUN_FIELDS
  while (run > 0 && (runs[run] ?? 0) > index) run -= RUN_FIELDS
  return (runs[run + 1] ?? 0) + index - (runs[run] ?? 0)
}

/** Which kept byte stands at `position` in the input; -1 where that byte was not kept. */
export function indexAt({ runs, bytes }: Viewed, position: number): number {
  for (let run = runs.length - RUN_FIELDS; run >= 0; run -= RUN_FIELDS) {
    const begin = runs[run + 1] ?? 0
    if (begin > position) continue
    const length = (runs[run + RUN_FIELDS] ?? bytes.length) - (runs[run] ?? 0)
    return position < begin + length ? (runs[run] ?? 0) + position - begin : -1
  }
  return -1
}

const LF = 0x0a
const CR = 0x0d
const ESC = 0x1b
const SPACE = 0x20
const TAB = 0x09
const BACKSLASH = 0x5c
const BEL = 0x07

// What BuildKit's plain progress writes before a line: util/progress/progressui/printer.go in github.com/moby/buildkit.
const LOG_PREFIX = /^#\d{1,9} \d{1,9}\.\d{1,9} /
// `00000010: ` of xxd; `00000010  67 ` of hexdump -C and `0000020 67 ` of od.
const DUMP_OFFSET = /^[\dA-Fa-f]{6,16}(?:(:) | {1,3}(?=[\dA-Fa-f]{2}[ \r\n]))/
// Digits without an offset: od -An, openssl x509, xxd -i; and what is left for the last line of one.
const DUMP_DIGITS = joined(
  /[\dA-Fa-f]{2}([ :-])[\dA-Fa-f]{2}\1[\dA-Fa-f]{2}\1[\dA-Fa-f]{2}/,
  /[\dA-Fa-f]{2}(?:[ :-][\dA-Fa-f]{2}){0,2}[\r\n]/,
  /0x[\dA-Fa-f]{2}(?:, ?0x|[\r\n])/,
)
// What any of these begins with, where more must come to tell.
const UNDECIDED = joined(
  /#(?:\d{0,9}|\d{1,9} (?:\d{0,9}|\d{1,9}\.\d{0,9}))$/,
  /[\dA-Fa-f]{1,16}$/,
  /[\dA-Fa-f]{6,16}(?::| {1,3}[\dA-Fa-f]{0,2})$/,
  /[\dA-Fa-f]{2}(?:[ :-][\dA-Fa-f]{2}){0,2}(?:[ :-][\dA-Fa-f]?)?$/,
  /0x[\dA-Fa-f]{0,2}$/,
  /0x[\dA-Fa-f]{2}, ?0?$/,
)

function joined(...patterns: readonly RegExp[]): RegExp {
  return new RegExp(`^(?:${patterns.map(({ source }) => source).join('|')})`)
}

/** Stands for a position where more bytes must come first. */
const WAIT = -1

/** The view in plain JavaScript. */
export class View implements Viewer {
  readonly state: ViewState
  #out = new Uint8Array(0)
  #length = 0
  #runs: number[] = []
  #follows = -1

  /** @param mode - {@link MODE}`.text` for a text that does not begin with a line. */
  constructor(mode: number = MODE.start) {
    this.state = { mode, outer: mode, spaced: false }
  }

  take(input: Uint8Array, isLast: boolean): Viewed {
    this.#out = new Uint8Array(input.length)
    this.#length = 0
    this.#runs = []
    this.#follows = -1
    let at = 0
    while (at < input.length) {
      const next = this.#step(input, at, isLast)
      if (next === WAIT) break
      at = next
    }
    return { taken: at, bytes: this.#out.subarray(0, this.#length), runs: Int32Array.from(this.#runs) }
  }

  /** Takes the byte at `at`, others with it, or just the decision what kind of line begins here. */
  #step(input: Uint8Array, at: number, isLast: boolean): number {
    const { state } = this
    const byte = input[at] ?? 0
    if (byte === LF) {
      state.mode = MODE.start
      return at + 1
    }
    if (state.mode >= MODE.escape) return this.#escape(byte, at)
    if (byte === ESC) {
      state.outer = state.mode
      state.mode = MODE.escape
      return at + 1
    }
    if (byte === CR || state.mode === MODE.aside) return at + 1
    if (state.mode === MODE.start) return this.#start(input, at, isLast)
    return state.mode === MODE.text ? this.#text(input, at, isLast) : this.#digit(input, at, isLast)
  }

  #start(input: Uint8Array, at: number, isLast: boolean): number {
    const byte = input[at] ?? 0
    if (byte === SPACE || byte === TAB) return at + 1
    const { state } = this
    // The end of a stream ends its last line.
    const head =
      Buffer.from(input.subarray(at, at + LOOKAHEAD_BYTES)).toString('latin1') + (isLast ? '\n' : '')
    const prefix = LOG_PREFIX.exec(head)
    if (prefix !== null) return at + prefix[0].length
    state.spaced = false
    const offset = DUMP_OFFSET.exec(head)
    if (offset !== null) {
      state.mode = offset[1] === ':' ? MODE.columns : MODE.digits
      return at + offset[0].length
    }
    const isDigits = DUMP_DIGITS.test(head)
    if (!isDigits && UNDECIDED.test(head)) return WAIT
    state.mode = isDigits ? MODE.digits : MODE.text
    return at
  }

  #text(input: Uint8Array, at: number, isLast: boolean): number {
    const byte = input[at] ?? 0
    if (byte === BACKSLASH) {
      const next = input[at + 1]
      if (next === undefined && !isLast) return WAIT
      if (next === 0x6e || next === 0x72 || next === LF) {
        this.state.mode = MODE.start
        return at + 2
      }
    }
    this.#keep(byte, at, 0)
    return at + 1
  }

  #digit(input: Uint8Array, at: number, isLast: boolean): number {
    const { state } = this
    const byte = input[at] ?? 0
    if (byte === SPACE) {
      if (state.mode === MODE.columns && state.spaced) state.mode = MODE.aside
      state.spaced = true
      return at + 1
    }
    state.spaced = false
    if (byte === 0x30) {
      const next = input[at + 1]
      if (next === undefined && !isLast) return WAIT
      if (next === 0x78) return at + 2
    }
    if (isHexDigit(byte)) this.#keep(byte, at, 1)
    else if (byte !== 0x3a && byte !== 0x2d && byte !== 0x2c) state.mode = MODE.aside
    return at + 1
  }

  /** By the syntax of ECMA-48, sections 5.3 to 5.6: control sequences, control strings, other escapes. */
  #escape(byte: number, at: number): number {
    const { state } = this
    if (state.mode === MODE.string) {
      if (byte === ESC) state.mode = MODE.stringEnd
      else if (byte === BEL) state.mode = state.outer
      return at + 1
    }
    if (state.mode === MODE.sequence) {
      if (byte >= 0x20 && byte <= 0x3f) return at + 1
      state.mode = state.outer
      return byte >= 0x40 && byte <= 0x7e ? at + 1 : at
    }
    if (byte >= 0x20 && byte <= 0x2f) return at + 1
    if (byte === 0x5b) state.mode = MODE.sequence
    else if (byte === 0x5d || byte === 0x50 || byte === 0x58 || byte === 0x5e || byte === 0x5f)
      state.mode = MODE.string
    else state.mode = state.outer
    return byte >= 0x30 && byte <= 0x7e ? at + 1 : at
  }

  #keep(byte: number, at: number, isDump: 0 | 1): void {
    if (at !== this.#follows) this.#runs.push(this.#length, at, isDump)
    this.#follows = at + 1
    this.#out[this.#length] = byte
    this.#length += 1
  }
}

const isHexDigit = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66)
