/**
 * The search in plain JavaScript, for engines without WebAssembly SIMD and as
 * the check on it. Any occurrence of a pattern holds exactly one of some
 * consecutive 4-byte grams at a position that the stride divides, so the text
 * is looked at once a stride: https://en.wikipedia.org/wiki/N-gram with fixed
 * sampling.
 *
 * @packageDocumentation
 */

import { HISTORY_BYTES, type FoundPattern, type Kernel, type ScanRange } from './kernel.js'
import { rarestWindows } from './rarity.js'
import { View, type Viewer } from './view.js'

const GRAM_BYTES = 4
const MAX_STRIDE = 16
const TABLE_BITS = 16

/** A {@link Kernel} without WebAssembly. */
export class PlainKernel implements Kernel {
  readonly text: Uint8Array
  readonly roomBytes: number
  readonly gramBytes = GRAM_BYTES
  readonly stride: number
  readonly #patterns: readonly Uint8Array[]
  // Grams by hash: the first entry of each hash, and for each entry the next one, its pattern and the gram's offset in it.
  readonly #first = new Int32Array(1 << TABLE_BITS).fill(-1)
  readonly #next: Int32Array
  readonly #pattern: Int32Array
  readonly #offset: Int32Array

  constructor(patterns: readonly Uint8Array[], roomBytes: number) {
    this.text = new Uint8Array(HISTORY_BYTES + roomBytes)
    this.roomBytes = roomBytes
    this.#patterns = patterns
    const shortest = patterns.reduce((least, { length }) => Math.min(least, length), Infinity)
    this.stride = Math.min(MAX_STRIDE, shortest - GRAM_BYTES + 1)
    const entries = patterns.length * this.stride
    this.#next = new Int32Array(entries)
    this.#pattern = new Int32Array(entries)
    this.#offset = new Int32Array(entries)
    this.#index()
  }

  scan({ begin, first, end }: ScanRange, found: FoundPattern): void {
    const text = this.text
    const heads = this.#first
    const stride = this.stride
    for (let at = first; at + GRAM_BYTES <= end; at += stride) {
      let entry = heads[hashAt(text, at)] ?? -1
      while (entry !== -1) {
        const pattern = this.#pattern[entry] ?? 0
        const start = at - (this.#offset[entry] ?? 0)
        if (start >= begin && this.#agrees(pattern, start, end)) found(pattern, start)
        entry = this.#next[entry] ?? -1
      }
    }
  }

  viewer(mode: number): Viewer {
    return new View(mode)
  }

  /** Overwrites the text. The patterns are the caller's. */
  [Symbol.dispose](): void {
    this.text.fill(0)
  }

  #index(): void {
    const windows = rarestWindows(this.#patterns, { stride: this.stride, gramBytes: GRAM_BYTES })
    let entry = 0
    for (const [number, pattern] of this.#patterns.entries()) {
      for (
        let offset = windows[number] ?? 0, left = this.stride;
        left > 0;
        left -= 1, offset += 1, entry += 1
      ) {
        const hash = hashAt(pattern, offset)
        this.#pattern[entry] = number
        this.#offset[entry] = offset
        this.#next[entry] = this.#first[hash] ?? -1
        this.#first[hash] = entry
      }
    }
  }

  #agrees(number: number, start: number, end: number): boolean {
    const pattern = this.#patterns[number] ?? this.text
    const length = Math.min(pattern.length, end - start)
    for (let at = 0; at < length; at += 1) if (this.text[start + at] !== pattern[at]) return false
    return true
  }
}

/** Hash of the four bytes at `at`, by Knuth's multiplicative method. */
function hashAt(bytes: Uint8Array, at: number): number {
  const gram =
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  return Math.imul(gram, 0x9e3779b1) >>> (32 - TABLE_BITS)
}
