/**
 * Knows how needles begin: whether the end of what came so far can still grow
 * into one.
 *
 * @packageDocumentation
 */

/** Bits of the filters: with ten thousand needles one position in a hundred passes by chance. */
const FILTER_BITS = 20

/** The beginnings of some byte strings. */
export class Beginnings {
  readonly #sorted: readonly Uint8Array[]
  // Filters: of the first one, two, four and eight bytes.
  readonly #ones = new Uint8Array(1 << 8)
  readonly #twos = new Uint8Array(1 << 16)
  readonly #fours = new Uint8Array(1 << (FILTER_BITS - 3))
  readonly #eights = new Uint8Array(1 << (FILTER_BITS - 3))

  /** @param whole - at least 4 bytes each. */
  constructor(whole: Iterable<Uint8Array>) {
    this.#sorted = [...whole].sort((a, b) => Buffer.compare(a, b))
    for (const bytes of this.#sorted) {
      this.#ones[bytes[0] ?? 0] = 1
      this.#twos[twoAt(bytes, 0)] = 1
      const four = slotOf(fourAt(bytes, 0))
      this.#fours[four >> 3] = (this.#fours[four >> 3] ?? 0) | (1 << (four & 7))
      if (bytes.length < 8) continue
      const eight = slotOf(eightAt(bytes, 0))
      this.#eights[eight >> 3] = (this.#eights[eight >> 3] ?? 0) | (1 << (eight & 7))
    }
  }

  /** The first position in `[from, to - least]` from which the bytes up to `to` begin a longer byte string; `to` where there is none. */
  earliest(bytes: Uint8Array, range: { from: number; to: number; least: number }): number {
    const { from, to, least } = range
    const fours = this.#fours
    let at = from
    let four = at + 4 <= to ? fourAt(bytes, at) : 0
    for (; at + 4 <= to; at += 1) {
      const slot = slotOf(four)
      const isBeginning = ((fours[slot >> 3] ?? 0) >> (slot & 7)) & 1
      if (isBeginning === 1 && to - at >= least && this.#begins(bytes, at, to)) return at
      four = (four >>> 8) | ((bytes[at + 4] ?? 0) << 24)
    }
    for (; at + least <= to; at += 1) {
      // One and two bytes are told by their filters alone: every byte string is longer.
      const may = to - at === 1 ? this.#ones[bytes[at] ?? 0] : this.#twos[twoAt(bytes, at)]
      if (may === 1 && (to - at < 3 || this.#begins(bytes, at, to))) return at
    }
    return to
  }

  #begins(bytes: Uint8Array, from: number, to: number): boolean {
    const length = to - from
    if (length >= 8) {
      const slot = slotOf(eightAt(bytes, from))
      if ((((this.#eights[slot >> 3] ?? 0) >> (slot & 7)) & 1) === 0) return false
    }
    const part = bytes.subarray(from, to)
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >> 1
      // A string that equals the part is not longer, so the search goes past it.
      if (Buffer.compare(this.#sorted[middle] ?? part, part) <= 0) low = middle + 1
      else high = middle
    }
    const next = this.#sorted[low]
    return next !== undefined && next.length > length && Buffer.compare(next.subarray(0, length), part) === 0
  }
}

const twoAt = (bytes: Uint8Array, at: number): number => (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8)

const fourAt = (bytes: Uint8Array, at: number): number => twoAt(bytes, at) | (twoAt(bytes, at + 2) << 16)

const eightAt = (bytes: Uint8Array, at: number): number =>
  fourAt(bytes, at) ^ Math.imul(fourAt(bytes, at + 4), 0x85ebca6b)

const slotOf = (four: number): number => Math.imul(four, 0x9e3779b1) >>> (32 - FILTER_BITS)
