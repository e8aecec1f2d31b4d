/**
 * Reads a stream of chunks as bytes at a position. What is buffered can be
 * looked at without waiting, so a walk over many small records waits once a
 * chunk and not once a record.
 *
 * @packageDocumentation
 */

const NOTHING = new Uint8Array(0)

/** A position in a stream of chunks. One reader of it at a time. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>
  /** What is buffered: a chunk of the source until the next one is asked for, or memory of this reader. */
  #chunk: Uint8Array = NOTHING
  #rest: Uint8Array | undefined
  #at = 0
  #position = 0
  #ended = false

  /** @param source - chunks of any size. Each is valid until the next one is asked for. */
  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** Bytes consumed so far, which is the offset of the next one. */
  get position(): number {
    return this.#position
  }

  /** Bytes that can be had without waiting. */
  get buffered(): number {
    return this.#chunk.length - this.#at
  }

  /** The bytes that are buffered. A view: valid until the next {@link ByteReader.fill}. */
  peek(): Uint8Array {
    return this.#chunk.subarray(this.#at)
  }

  /** Consumes bytes that are buffered. */
  skip(count: number): void {
    if (count > this.buffered) throw new RangeError('skips more than is buffered')
    this.#at += count
    this.#position += count
  }

  /** Waits until `count` bytes are buffered in one piece. `false` where the stream ends before that; what there is stays buffered. */
  async fill(count: number): Promise<boolean> {
    if (this.buffered === 0) this.#show((await this.#next()) ?? NOTHING)
    if (this.buffered >= count) return true
    // Copies, as the next chunk may come in the memory of this one. Only what is asked for is joined.
    const pieces = [Uint8Array.from(this.peek())]
    let size = this.buffered
    while (size < count) {
      const chunk = await this.#next()
      if (chunk === undefined) break
      const piece = chunk.subarray(0, count - size)
      if (piece.length < chunk.length) this.#rest = chunk.subarray(piece.length)
      pieces.push(Uint8Array.from(piece))
      size += piece.length
    }
    this.#show(Buffer.concat(pieces, size))
    return size >= count
  }

  /**
   * The next `count` bytes as they come, fewer where the stream ends. A piece is valid until the next one is asked for.
   * Leaving the loop early leaves the rest unread.
   */
  async *take(count: number): AsyncGenerator<Uint8Array> {
    let left = count
    while (left > 0) {
      if (this.buffered === 0 && !(await this.fill(1))) return
      const piece = this.peek().subarray(0, left)
      left -= piece.length
      this.skip(piece.length)
      yield piece
    }
  }

  /** Consumes `count` bytes, fewer where the stream ends. */
  async discard(count: number): Promise<void> {
    let left = count
    while (left > 0 && (this.buffered > 0 || (await this.fill(1)))) {
      const step = Math.min(left, this.buffered)
      this.skip(step)
      left -= step
    }
  }

  #show(chunk: Uint8Array): void {
    this.#chunk = chunk
    this.#at = 0
  }

  async #next(): Promise<Uint8Array | undefined> {
    const rest = this.#rest
    this.#rest = undefined
    if (rest !== undefined) return rest
    while (!this.#ended) {
      const step = await this.#source.next()
      if (step.done === true) this.#ended = true
      else if (step.value.length > 0) return step.value
    }
    return undefined
  }

  /** Tells the source that no more is wanted. */
  async close(): Promise<void> {
    this.#ended = true
    await this.#source.return?.()
  }
}
