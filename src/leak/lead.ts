/**
 * What a search has read and its reader has not: the search runs ahead, so the
 * last bytes of every chunk wait here, because the chunk itself is its source's
 * again when the next one is asked for.
 *
 * @packageDocumentation
 */

/** The memory grows up to this many leads: each time it is full the bytes that wait move to its front. */
const MOST_LEADS = 4

/** The bytes of one stream that wait. */
export class Lead {
  readonly #leadBytes: number
  #memory = new Uint8Array(0)
  #from = 0
  #to = 0

  /** @param leadBytes - how far the search is ahead: so many bytes wait once there are as many. */
  constructor(leadBytes: number) {
    this.#leadBytes = leadBytes
  }

  /** Takes in the next chunk, and gives what need not wait any longer in order. What it gives is valid until the next is asked for. */
  *through(chunk: Uint8Array): Generator<Uint8Array> {
    const waiting = this.#to - this.#from
    const ready = Math.max(0, waiting + chunk.length - this.#leadBytes)
    const earlier = Math.min(ready, waiting)
    if (earlier > 0) {
      this.#from += earlier
      yield this.#memory.subarray(this.#from - earlier, this.#from)
    }
    if (ready > earlier) yield chunk.subarray(0, ready - earlier)
    this.#append(chunk.subarray(ready - earlier))
  }

  /** Gives what waits. */
  *rest(): Generator<Uint8Array> {
    const rest = this.#memory.subarray(this.#from, this.#to)
    this.reset()
    if (rest.length > 0) yield rest
  }

  /** Begins with a new stream. */
  reset(): void {
    this.#from = 0
    this.#to = 0
  }

  #append(bytes: Uint8Array): void {
    const waiting = this.#to - this.#from
    const needed = waiting + bytes.length
    if (this.#to + bytes.length > this.#memory.length) {
      if (needed > this.#memory.length / 2 && this.#memory.length < MOST_LEADS * this.#leadBytes) {
        const grown = new Uint8Array(Math.min(2 * needed, MOST_LEADS * this.#leadBytes))
        grown.set(this.#memory.subarray(this.#from, this.#to))
        this.#memory = grown
      } else this.#memory.copyWithin(0, this.#from, this.#to)
      this.#from = 0
      this.#to = waiting
    }
    this.#memory.set(bytes, this.#to)
    this.#to = this.#from + needed
  }
}
