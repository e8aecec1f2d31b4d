/**
 * The search of one stream: hands its pieces to the kernel together with what
 * came before, and follows what has begun until it is whole.
 *
 * @packageDocumentation
 */

import { Trail, type Known } from './broken.js'
import { HISTORY_BYTES } from './kernel.js'
import type { Program } from './program.js'
import { Pursuit } from './pursuit.js'

/** Receives an occurrence: the needle's number, and positions in the stream. */
export type Found = (needle: number, start: number, end: number) => void

/**
 * Broken occurrences that are followed at once. A text that begins more of them repeats itself (a value of equal
 * bytes), so the first ones tell as much.
 */
const MAX_TRAILS = 256

/** A pattern whose last bytes have not come yet. */
interface Begun {
  readonly pattern: number
  readonly start: number
}

/** One stream. Any number of them share a program. */
export class StreamSearch {
  readonly #program: Program
  readonly #found: Found
  /** The last bytes of the stream, at the end of the array. */
  readonly history: Uint8Array
  /** Bytes of the stream so far. */
  position = 0
  #nextLook = 0
  #begun: Begun[] = []
  #trails: Trail[] = []
  /** Where broken occurrences began lately: both pieces of one lead there. */
  #trodden = new Map<string, number>()
  readonly #pursuits = new Map<number, Pursuit>()

  constructor(program: Program, found: Found) {
    this.#program = program
    this.#found = found
    this.history = new Uint8Array(program.historyBytes)
  }

  /** Searches the next bytes. Each occurrence is told when its last byte comes, a broken one when its line is settled. */
  push(chunk: Uint8Array): void {
    const { roomBytes } = this.#program.kernel
    for (let at = 0; at < chunk.length; at += roomBytes) this.#piece(chunk.subarray(at, at + roomBytes))
  }

  /** Where the first needle begins that is longer than a pattern and may still become whole; infinite where there is none. */
  get from(): number {
    let from = Infinity
    for (const pursuit of this.#pursuits.values()) from = Math.min(from, pursuit.from)
    return from
  }

  /** Tells that nothing follows. */
  end(): void {
    if (this.#trails.length === 0) return
    const kept = Math.min(this.position, this.history.length)
    this.#follow({
      bytes: this.history.subarray(this.history.length - kept),
      base: this.position - kept,
      isLast: true,
    })
  }

  /** Forgets the stream. */
  reset(): void {
    this.position = 0
    this.#nextLook = 0
    this.#begun = []
    this.#trails = []
    this.#trodden.clear()
    this.#pursuits.clear()
    this.history.fill(0)
  }

  #piece(piece: Uint8Array): void {
    const { kernel, patterns } = this.#program
    const { text } = kernel
    const kept = Math.min(this.position, this.history.length)
    const begin = HISTORY_BYTES - kept
    text.set(this.history.subarray(this.history.length - kept), begin)
    if (piece.buffer !== text.buffer || piece.byteOffset !== text.byteOffset + HISTORY_BYTES)
      text.set(piece, HISTORY_BYTES)
    const base = this.position - HISTORY_BYTES
    const end = HISTORY_BYTES + piece.length
    const onPattern = (pattern: number, start: number): void => {
      const length = patterns[pattern]?.length ?? 0
      if (start + length > end) this.#begun.push({ pattern, start: base + start })
      else this.#patternAt(pattern, base + start, length)
    }
    for (const { pattern, start } of this.#begun.splice(0)) {
      if (this.#agrees(pattern, start - base, end)) onPattern(pattern, start - base)
    }
    kernel.scan({ begin, first: this.#nextLook - base, end }, onPattern)
    this.position += piece.length
    const looks = Math.floor((this.position - kernel.gramBytes) / kernel.stride) + 1
    this.#nextLook = Math.max(this.#nextLook, looks * kernel.stride)
    this.#follow({ bytes: text.subarray(begin, end), base: base + begin, isLast: false })
    this.history.set(text.subarray(end - this.history.length, end))
  }

  #agrees(pattern: number, start: number, end: number): boolean {
    const { patterns, kernel } = this.#program
    const bytes = patterns[pattern] ?? kernel.text
    const length = Math.min(bytes.length, end - start)
    for (let at = 0; at < length; at += 1) if (kernel.text[start + at] !== bytes[at]) return false
    return true
  }

  #patternAt(pattern: number, start: number, length: number): void {
    for (const { needle, offset } of this.#program.targets[pattern] ?? []) {
      const wanted = this.#program.needles[needle]
      if (wanted === undefined) continue
      if (offset !== undefined) {
        if (this.#trails.length < MAX_TRAILS)
          this.#trails.push(new Trail(needle, wanted, { at: start, offset }))
      } else if (wanted.bytes.length === length) {
        this.#found(needle, start, start + length)
      } else {
        const pursuit = this.#pursuits.get(needle) ?? new Pursuit(wanted.bytes, length)
        this.#pursuits.set(needle, pursuit)
        pursuit.add(start)
      }
    }
  }

  #follow(known: Known): void {
    for (const [needle, pursuit] of this.#pursuits) {
      const length = this.#program.needles[needle]?.bytes.length ?? 0
      pursuit.advance(known.bytes, known.base, (start) => this.#found(needle, start, start + length))
      if (pursuit.from === Infinity) this.#pursuits.delete(needle)
    }
    if (this.#trails.length === 0 && this.#trodden.size === 0) return
    this.#trails = this.#trails.filter((trail) => this.#advance(trail, known))
    for (const [key, start] of this.#trodden) if (start < known.base) this.#trodden.delete(key)
  }

  /** Whether the trail goes on. */
  #advance(trail: Trail, known: Known): boolean {
    const wasOpen = trail.start !== undefined
    const ended = trail.advance(known)
    if (!wasOpen && trail.start !== undefined) {
      const key = `${trail.needle} ${trail.start}`
      if (this.#trodden.has(key)) return false
      this.#trodden.set(key, trail.start)
    }
    if (typeof ended === 'number') this.#found(trail.needle, trail.start ?? 0, ended)
    return ended === 'wait'
  }
}
