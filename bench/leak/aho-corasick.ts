/**
 * The textbook search for many strings (Aho and Corasick, 1975), as plain as
 * it can be: what the product's hits are compared with. Nothing of the product
 * is in it.
 *
 * @packageDocumentation
 */

/** Receives the number of a pattern and the offset after its last byte. */
export type OnMatch = (pattern: number, end: number) => void

/** A machine for some byte strings. */
export class AhoCorasick {
  readonly #next: Int32Array
  readonly #fail: Int32Array
  /** Patterns that end in a state. */
  readonly #ends: (readonly number[])[] = [[]]
  /** The nearest state on the way of failures in which a pattern ends; 0 where there is none. */
  readonly #outer: Int32Array
  #state = 0
  #position = 0

  constructor(patterns: readonly Uint8Array[]) {
    const states = patterns.reduce((sum, { length }) => sum + length, 1)
    const next = new Int32Array(states * 256).fill(-1)
    let made = 1
    for (const [number, pattern] of patterns.entries()) {
      let state = 0
      for (const byte of pattern) {
        const to = next[state * 256 + byte] ?? -1
        if (to === -1) next[state * 256 + byte] = made++
        state = next[state * 256 + byte] ?? 0
      }
      this.#ends[state] = [...(this.#ends[state] ?? []), number]
    }
    this.#next = next
    this.#fail = new Int32Array(made)
    this.#outer = new Int32Array(made)
    this.#link()
  }

  /** Feeds the next bytes. */
  push(bytes: Uint8Array, onMatch: OnMatch): void {
    let state = this.#state
    for (let at = 0; at < bytes.length; at += 1) {
      state = this.#next[state * 256 + (bytes[at] ?? 0)] ?? 0
      for (
        let out = this.#ends[state] ? state : (this.#outer[state] ?? 0);
        out !== 0;
        out = this.#outer[out] ?? 0
      ) {
        for (const pattern of this.#ends[out] ?? []) onMatch(pattern, this.#position + at + 1)
      }
    }
    this.#state = state
    this.#position += bytes.length
  }

  /** Breadth first: where to go on when the next byte is none of a state's own. */
  #link(): void {
    const queue = [0]
    // The loop goes on over what it adds.
    for (const state of queue) {
      const fail = this.#fail[state] ?? 0
      for (let byte = 0; byte < 256; byte += 1) {
        const onFail = state === 0 ? 0 : (this.#next[fail * 256 + byte] ?? 0)
        const to = this.#next[state * 256 + byte] ?? -1
        if (to === -1) {
          this.#next[state * 256 + byte] = onFail
          continue
        }
        this.#fail[to] = onFail
        this.#outer[to] = this.#ends[onFail] ? onFail : (this.#outer[onFail] ?? 0)
        queue.push(to)
      }
    }
  }
}
