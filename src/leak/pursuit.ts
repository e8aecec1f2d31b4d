/**
 * Follows long needles to their end. The search finds the head of a needle;
 * what comes after it can be hundreds of kilobytes and arrive in as many
 * pieces, and one needle can have begun many times over (a value of equal
 * bytes begins at every byte). Each byte is compared once all the same.
 *
 * @packageDocumentation
 */

/** Occurrences of one needle that have begun. */
export class Pursuit {
  readonly #needle: Uint8Array
  readonly #headBytes: number
  /** Where they begin, the lowest first. Positions in the stream. */
  #starts: number[] = []
  /** Bytes of the first one that agree. */
  #matched = 0
  #overlaps: Int32Array | undefined

  /** @param headBytes - how far an occurrence agrees when it is added. */
  constructor(needle: Uint8Array, headBytes: number) {
    this.#needle = needle
    this.#headBytes = headBytes
  }

  /** Where the first occurrence that may still complete begins; infinite where there is none. */
  get from(): number {
    return this.#starts[0] ?? Infinity
  }

  /** An occurrence begins. */
  add(start: number): void {
    let at = this.#starts.length
    while (at > 0 && (this.#starts[at - 1] ?? 0) > start) at -= 1
    if (at === this.#starts.length) this.#starts.push(start)
    else this.#starts.splice(at, 0, start)
    if (at === 0) this.#matched = this.#headBytes
  }

  /**
   * Compares the next bytes.
   *
   * @param base - position of `bytes[0]` in the stream.
   */
  advance(bytes: Uint8Array, base: number, found: (start: number) => void): void {
    let begun = 0
    for (;;) {
      const start = this.#starts[begun]
      if (start === undefined) break
      this.#matched += agreement(this.#needle, this.#matched, bytes, start + this.#matched - base)
      const isWhole = this.#matched === this.#needle.length
      if (!isWhole && start + this.#matched >= base + bytes.length) break
      if (isWhole) found(start)
      begun = this.#drop(begun)
    }
    this.#starts = begun === 0 ? this.#starts : this.#starts.slice(begun)
  }

  /** Drops the first occurrence and those behind it that cannot agree with what it agreed with. Gives the next one's place. */
  #drop(first: number): number {
    const start = this.#starts[first] ?? 0
    for (let next = first + 1; ; next += 1) {
      const begin = this.#starts[next]
      if (begin === undefined) return next
      const known = start + this.#matched - begin
      if (known <= this.#headBytes) {
        this.#matched = this.#headBytes
        return next
      }
      this.#overlaps ??= overlapsOf(this.#needle)
      if ((this.#overlaps[begin - start] ?? 0) >= known) {
        this.#matched = known
        return next
      }
    }
  }
}

/** How many bytes of `needle` from `at` on agree with `bytes` from `from` on. */
function agreement(needle: Uint8Array, at: number, bytes: Uint8Array, from: number): number {
  const most = Math.min(needle.length - at, bytes.length - from)
  let count = 0
  while (count < most && needle[at + count] === bytes[from + count]) count += 1
  return Math.max(0, count)
}

/** For each offset, how far the needle from there on agrees with its beginning (Gusfield's Z values). */
function overlapsOf(needle: Uint8Array): Int32Array {
  const overlaps = new Int32Array(needle.length)
  let left = 0
  let right = 0
  for (let at = 1; at < needle.length; at += 1) {
    let length = at < right ? Math.min(right - at, overlaps[at - left] ?? 0) : 0
    while (at + length < needle.length && needle[length] === needle[at + length]) length += 1
    overlaps[at] = length
    if (at + length > right) {
      left = at
      right = at + length
    }
  }
  return overlaps
}
