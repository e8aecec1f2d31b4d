/**
 * Unpacks xz with xz-decompress, which is xz-embedded in WebAssembly.
 *
 * It reads on by itself, so this file keeps hold of each read it makes of the
 * source: when the step ends, however it ends, none is under way any more. And
 * it unpacks one stream at a time in the whole process, so xz inside xz must
 * not be opened: see {@link At.inXz}.
 *
 * @packageDocumentation
 */

import xz from 'xz-decompress'
import { requirePadding } from './padding.js'
import { Unreadable } from './unreadable.js'

/**
 * The content of one or more xz streams.
 *
 * @throws {@link Unreadable} `damaged`, also for what xz-embedded lacks: filters for machine code, SHA-256, dictionaries
 * over 64 MiB. Its errors do not tell these apart.
 */
export async function* unxz(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = new Input(source)
  const reader = new xz.XzReadableStream(input.stream()).getReader()
  let isOver = false
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      if (value.length > 0) yield value
    }
    isOver = true
  } catch {
    isOver = true
    await input.settled()
    throw input.failure ?? new Unreadable('damaged')
  } finally {
    if (!isOver) await reader.cancel()
    await input.settled()
  }
  await requirePadding(input)
}

/** Packed bytes as a web stream, of which every read can be waited for; and what that leaves of them. */
class Input implements AsyncIterable<Uint8Array> {
  /** What the source threw. */
  failure: Error | undefined
  readonly #source: AsyncIterator<Uint8Array>
  #reading: Promise<unknown> = Promise.resolve()

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const step = await this.#next()
          if (step.done === true) controller.close()
          else controller.enqueue(step.value)
        },
      },
      { highWaterMark: 0 },
    )
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return { next: () => this.#next() }
  }

  /** Waits for the last read. Its failure has been told by then. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#reading])
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    const reading = this.#source.next()
    this.#reading = reading
    try {
      return await reading
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error('the source failed')
      throw this.failure
    }
  }
}
