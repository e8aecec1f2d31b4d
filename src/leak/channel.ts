/**
 * What one set of needles masks in one stream: needles that stand in one piece,
 * pieces of values in complaints, and needles in the {@link View} of the
 * stream, where line breaks, escape sequences and dumps are looked through.
 *
 * @packageDocumentation
 */

import { Beginnings } from './beginnings.js'
import type { KernelName } from './kernel.js'
import { MASKED_BYTES, type Needle, type NeedleSet } from './needles.js'
import { piecesOf } from './pieces.js'
import { Program } from './program.js'
import { Runs, type Part } from './runs.js'
import { StreamSearch } from './stream-search.js'
import { MODE, View, type Viewer } from './view.js'

/** A stretch of a stream that is masked, or that stays though a value goes on behind it. */
export interface Stretch {
  readonly secret: string
  readonly start: number
  readonly end: number
  /** `secret`: masked. `between`: a line break, an indent or an escape sequence inside a value. `aside`: masked up to the end of its line, which is still to come. */
  readonly kind: 'secret' | 'between' | 'aside'
}

/** Shortest needle that is looked for through breaks, in bytes: a shorter one comes about by chance where two lines meet. */
const VIEWED_BYTES = 8

/** Fewer bytes than this of a needle before its first break are no beginning that is held back. */
export const OPEN_BYTES = 4

/** The beginnings of needles are looked for in so many of the last bytes; what has begun before is followed by the search. */
const TAIL_BYTES = 127

/** Bytes that are searched at once: a log comes in smaller pieces than a layer, and each step has redactors. */
const ROOM_BYTES = 64 * 1024

/** A set made ready for channels. */
class ChannelProgram implements Disposable {
  readonly whole: Program
  readonly viewed: Program
  readonly wholeBeginnings: Beginnings
  readonly viewedBeginnings: Beginnings
  /** For each needle of {@link ChannelProgram.whole}, how many bytes at its beginning stay. */
  readonly skips: readonly number[]

  constructor({ masked }: NeedleSet, kernel?: KernelName) {
    const printed = distinct(masked.filter(({ breaks }) => breaks !== 'dump').map(withoutIndent))
    const pieces = masked.flatMap((needle) =>
      needle.form === 'raw'
        ? piecesOf(needle.bytes).map(({ bytes, skip }) => ({ needle: { ...needle, bytes }, skip }))
        : [],
    )
    const viewed = distinct(printed.map(asViewed).filter(({ bytes }) => bytes.length >= VIEWED_BYTES))
    const options = { broken: false, kernel, roomBytes: ROOM_BYTES }
    this.whole = new Program([...printed, ...pieces.map(({ needle }) => needle)], options)
    this.viewed = new Program(viewed, options)
    this.skips = [...printed.map(() => 0), ...pieces.map(({ skip }) => skip)]
    this.wholeBeginnings = new Beginnings(
      new Set([...this.whole.needles, ...viewed].map(({ bytes }) => bytes)),
    )
    this.viewedBeginnings = new Beginnings(new Set(viewed.map(({ bytes }) => bytes)))
  }

  [Symbol.dispose](): void {
    for (const { bytes } of [...this.whole.needles, ...this.viewed.needles]) bytes.fill(0)
    this.whole[Symbol.dispose]()
    this.viewed[Symbol.dispose]()
  }
}

const PROGRAMS = {
  best: (set: NeedleSet) => new ChannelProgram(set),
  wasm: (set: NeedleSet) => new ChannelProgram(set, 'wasm'),
  plain: (set: NeedleSet) => new ChannelProgram(set, 'plain'),
} as const

/** White space at the beginning is nothing to hide, and to hold it back would hold back the end of every line. */
function withoutIndent(needle: Needle): Needle {
  const first = needle.bytes.findIndex((byte) => byte !== 0x20 && (byte < 0x09 || byte > 0x0d))
  return first <= 0 || needle.bytes.length - first < MASKED_BYTES
    ? needle
    : { ...needle, bytes: new Uint8Array(needle.bytes.subarray(first)) }
}

function asViewed(needle: Needle): Needle {
  const isPlain = !needle.bytes.some(
    (byte) => byte === 0x0a || byte === 0x0d || byte === 0x1b || byte === 0x5c,
  )
  return isPlain ? needle : { ...needle, bytes: new View(MODE.text).take(needle.bytes, true).bytes }
}

function distinct(needles: readonly Needle[]): readonly Needle[] {
  const seen = new Map(
    needles.map((needle) => [`${needle.secret}\0${Buffer.from(needle.bytes).toString('latin1')}`, needle]),
  )
  return [...seen.values()]
}

/** One set of needles on one stream. */
export class Channel {
  readonly #program: ChannelProgram
  readonly #found: (stretch: Stretch) => void
  readonly #whole: StreamSearch
  readonly #viewed: StreamSearch
  readonly #view: Viewer
  /** Bytes that the view has not taken yet. */
  #untaken: Uint8Array = new Uint8Array(0)
  readonly #origin: number
  #position: number
  readonly #runs = new Runs()

  /**
   * @param from - `position` in the stream from which on the set counts; `kernel` to search with.
   * @param found - receives stretches; their positions are those of the stream.
   */
  constructor(
    set: NeedleSet,
    { position, kernel = 'best' }: { position: number; kernel?: KernelName | 'best' | undefined },
    found: (stretch: Stretch) => void,
  ) {
    this.#program = set.compiled(PROGRAMS[kernel])
    this.#found = found
    this.#origin = position
    this.#position = position
    const { whole, viewed, skips } = this.#program
    this.#whole = new StreamSearch(whole, (needle, start, end) => {
      const secret = whole.needles[needle]?.secret ?? ''
      found({ secret, start: position + start + (skips[needle] ?? 0), end: position + end, kind: 'secret' })
    })
    this.#viewed = new StreamSearch(viewed, (needle, start, end) =>
      this.#unview(viewed.needles[needle]?.secret ?? '', start, end),
    )
    this.#view = viewed.kernel.viewer(position === 0 ? MODE.start : MODE.text)
  }

  /**
   * Searches the next bytes.
   *
   * @param isLast - whether nothing follows.
   */
  push(chunk: Uint8Array, isLast: boolean): void {
    this.#whole.push(chunk)
    let rest = this.#untaken.length === 0 ? chunk : Buffer.concat([this.#untaken, chunk])
    this.#position += chunk.length
    while (rest.length > 0) {
      const viewed = this.#view.take(rest, isLast)
      if (viewed.taken === 0) break
      this.#runs.add(viewed, this.#position - rest.length)
      this.#viewed.push(viewed.bytes)
      rest = rest.subarray(viewed.taken)
    }
    this.#untaken = new Uint8Array(rest)
    this.#runs.forget(Math.min(this.#viewed.from, this.#runs.length - TAIL_BYTES))
  }

  /**
   * Where in the stream something begins that can still become a needle; infinite where nothing does. After a flush
   * that may be before the bytes that are held back.
   *
   * @param least - fewer bytes than this are no beginning.
   */
  openFrom(least: number): number {
    const { wholeBeginnings, viewedBeginnings } = this.#program
    const whole = Math.min(
      this.#whole.from,
      this.#whole.position - openBytes(this.#whole, wholeBeginnings, least),
    )
    const viewed = Math.min(
      this.#viewed.from,
      this.#viewed.position - openBytes(this.#viewed, viewedBeginnings, OPEN_BYTES),
    )
    return Math.min(
      whole === this.#whole.position ? Infinity : this.#origin + whole,
      viewed === this.#viewed.position ? Infinity : this.#runs.positionOf(viewed),
    )
  }

  /** Tells the stretches of a needle that stands in the view. */
  #unview(secret: string, start: number, end: number): void {
    const parts = this.#runs.parts(start, end)
    // Bytes before an early break may have gone out by now, so they stay whatever way the stream is cut.
    let shown = unbrokenBytes(parts) < OPEN_BYTES ? OPEN_BYTES - 1 : 0
    for (const [number, part] of parts.entries()) {
      const from = Math.min(part.end, part.start + shown)
      shown -= from - part.start
      if (from === part.end) continue
      const next = parts[number + 1]
      this.#found({ secret, start: from, end: part.end, kind: 'secret' })
      if (part.isDump) this.#found({ secret, start: part.end, end: next?.start ?? Infinity, kind: 'aside' })
      else if (next !== undefined) this.#found({ secret, start: part.end, end: next.start, kind: 'between' })
    }
  }
}

/** How many of the last bytes begin a needle. */
function openBytes(search: StreamSearch, beginnings: Beginnings, least: number): number {
  const { history } = search
  const to = history.length
  return to - beginnings.earliest(history, { from: to - Math.min(TAIL_BYTES, search.position), to, least })
}

// A space or a colon, `,0x`, `, 0x`: a dump on one line, which is a needle in one piece.
const SEPARATOR_LENGTHS = new Set([1, 3, 4])

/** Bytes before the first break that parts them; infinite where there is none. What separates the digits of a dump parts nothing. */
function unbrokenBytes(parts: readonly Part[]): number {
  let count = 0
  for (const [number, part] of parts.entries()) {
    count += part.end - part.start
    const next = parts[number + 1]
    if (next === undefined) return Infinity
    if (!part.isDump || !SEPARATOR_LENGTHS.has(next.start - part.end)) return count
  }
  return Infinity
}
