/**
 * Needles that are broken up: base64 over lines of any indent, the digits of a
 * hex dump. Two short pieces near the beginning of a needle are searched for;
 * whatever way its lines are cut, one of the two is in one piece. What stands
 * around that piece is then compared in the {@link View} of the text.
 *
 * @packageDocumentation
 */

import type { Needle } from './needles.js'
import { indexAt, MODE, positionOf, View, type Viewed } from './view.js'

/** A byte string whose occurrence may be part of a broken needle. */
export interface Anchor {
  readonly bytes: Uint8Array
  /** Where it stands in the needle's text. */
  readonly offset: number
}

/**
 * Length of a piece. Two of them side by side hold one in one piece where the lines have at least
 * {@link SHORTEST_LINE} characters.
 */
const PIECE_BYTES = 8

/** Lines of a broken needle may be this short, the first and the last one shorter. */
export const SHORTEST_LINE = 2 * PIECE_BYTES - 1

/** Shortest piece: what the leak check searches for at all. */
const SHORTEST_PIECE_BYTES = 6

/** Bytes of the value in a piece of a dump. */
const DUMP_PIECE_BYTES = 4

/** How far back a line that holds a piece, and the line before it, may begin. */
export const LOOK_BACK_BYTES = 2048

/** An occurrence is at most twice as long as its needle and this much longer. */
const EXTRA_BYTES = 4096

/** Bytes that are viewed at once. */
const SLICE_BYTES = 1024

/** The longest stretch of a stream that an occurrence of a needle covers, in bytes. */
export const spanOf = ({ bytes, breaks }: Needle): number =>
  breaks === undefined ? bytes.length : 2 * bytes.length + EXTRA_BYTES

/** The pieces of a needle. Empty where it is too short to be found in pieces, and is looked for in one piece only. */
export function anchorsOf({ bytes, breaks }: Needle): readonly Anchor[] {
  return breaks === 'dump'
    ? dumpAnchors(bytes)
    : pieces(bytes.length, PIECE_BYTES, SHORTEST_PIECE_BYTES).map(({ from, to }) => ({
        bytes: new Uint8Array(bytes.subarray(from, to)),
        offset: from,
      }))
}

/** Two stretches of which one is whole if everything is cut once. */
function pieces(length: number, most: number, least: number): readonly { from: number; to: number }[] {
  const size = Math.min(most, Math.ceil(length / 2))
  if (size < least) return []
  const second = Math.min(size, length - size)
  return [
    { from: 0, to: size },
    { from: second, to: second + size },
  ]
}

/** The ways in which od, hexdump, xxd and openssl write some bytes of a line. */
function dumpAnchors(digits: Uint8Array): readonly Anchor[] {
  const text = Buffer.from(digits).toString('latin1')
  return pieces(text.length / 2, DUMP_PIECE_BYTES, DUMP_PIECE_BYTES).flatMap(({ from, to }) => {
    const pairs = text.slice(from * 2, to * 2).match(/../g) ?? []
    const [a = '', b = '', c = '', d = ''] = pairs
    return [
      pairs.join(' '),
      pairs.join(':'),
      pairs.join(', 0x'),
      `${a}${b} ${c}${d}`,
      `${a} ${b}${c} ${d}`,
    ].map((written) => ({
      bytes: Buffer.from(written, 'latin1'),
      offset: from * 2,
    }))
  })
}

/** The part of a stream that can be looked at. */
export interface Known {
  readonly bytes: Uint8Array
  /** Position of the first of them in the stream. */
  readonly base: number
  /** Whether the stream ends with them. */
  readonly isLast: boolean
}

/** One occurrence that may be there, because one of its pieces is. */
export class Trail {
  /** Where it begins in the stream; `undefined` until the view of its line is settled. */
  start: number | undefined
  readonly needle: number
  readonly #text: Uint8Array
  readonly #breaks: Needle['breaks']
  readonly #anchor: { readonly at: number; readonly offset: number }
  #view = new View()
  /** Position of the first byte that was not viewed. */
  #viewed = 0
  #matched = 0
  #crossesLine = false

  /**
   * @param needle - its number.
   * @param anchor - where the piece stands in the stream and in the needle.
   */
  constructor(needle: number, { bytes, breaks }: Needle, anchor: { at: number; offset: number }) {
    this.needle = needle
    this.#text = bytes
    this.#breaks = breaks
    this.#anchor = anchor
  }

  /** Compares what has come: the position after the occurrence, `wait` where more must come, `lost` where it is none. */
  advance(known: Known): number | 'wait' | 'lost' {
    if (this.start === undefined) {
      const begun = this.#open(known)
      if (begun !== undefined) return begun
    }
    const end = known.base + known.bytes.length
    while (this.#viewed < end) {
      const slice = this.#take(known, this.#viewed, Math.min(end, this.#viewed + SLICE_BYTES))
      if (slice.taken === 0) return 'wait'
      const ended = this.#compare(known, slice, 0)
      if (ended !== undefined) return ended
    }
    return known.isLast || this.#viewed > this.#farthest ? 'lost' : 'wait'
  }

  /** Where it ends at the latest. */
  get #farthest(): number {
    return (this.start ?? 0) + 2 * this.#text.length + EXTRA_BYTES
  }

  /** Views the lines around the piece and finds the beginning. `undefined` where it is found and all that was viewed agrees. */
  #open(known: Known): number | 'wait' | 'lost' | undefined {
    const { at, offset } = this.#anchor
    const from = this.#lineBefore(known, at)
    const isLineStart = from === 0 || (from > known.base && known.bytes[from - known.base - 1] === LF)
    this.#view = new View(isLineStart ? MODE.start : MODE.text)
    const end = Math.min(known.base + known.bytes.length, at + SLICE_BYTES)
    const slice = this.#take(known, from, end)
    if (slice.from + slice.taken <= at) return known.isLast ? 'lost' : 'wait'
    const index = indexAt(slice, at - from) - offset
    if (index < 0) return 'lost'
    this.start = from + positionOf(slice, index)
    return this.#compare(known, slice, index)
  }

  /** Beginning of the line before the one that `at` lies in, or as far back as is looked. */
  #lineBefore({ bytes, base }: Known, at: number): number {
    const least = Math.max(base, at - LOOK_BACK_BYTES)
    let from = at
    for (let lines = 0; lines < 2 && from > least; lines += 1) {
      from -= 1
      while (from > least && bytes[from - base - 1] !== LF) from -= 1
    }
    return from
  }

  #take({ bytes, base, isLast }: Known, from: number, to: number): Viewed & { readonly from: number } {
    const viewed = this.#view.take(
      bytes.subarray(from - base, to - base),
      isLast && to === base + bytes.length,
    )
    this.#viewed = from + viewed.taken
    return { ...viewed, from }
  }

  /** Compares what was kept of a slice, from `index` on, with the rest of the needle. */
  #compare(
    known: Known,
    slice: Viewed & { readonly from: number },
    index: number,
  ): number | 'lost' | undefined {
    const count = Math.min(slice.bytes.length - index, this.#text.length - this.#matched)
    for (let at = 0; at < count; at += 1) {
      if (slice.bytes[index + at] !== this.#text[this.#matched + at]) return 'lost'
    }
    this.#matched += count
    const isWhole = this.#matched === this.#text.length
    const end = isWhole ? slice.from + positionOf(slice, index + count - 1) + 1 : this.#viewed
    const begin = Math.max(slice.from, this.start ?? 0)
    this.#crossesLine ||= known.bytes.subarray(begin - known.base, end - known.base).includes(LF)
    if (!isWhole) return undefined
    // On one line a dump is a text of its own form, which is found in one piece.
    return end > this.#farthest || (this.#breaks === 'dump' && !this.#crossesLine) ? 'lost' : end
  }
}

const LF = 0x0a
