/**
 * One stream on its way past the matcher: every byte is searched as it comes,
 * and occurrences wait here until the reader of the stream's structure knows
 * which place they lie in.
 *
 * @packageDocumentation
 */

import type { Lead } from './lead.js'
import type { Hit, Matcher } from './match.js'
import type { NeedleSet } from './needles.js'

/**
 * How far the search of a stream runs ahead of whoever reads its structure, in bytes: as an occurrence is known only at
 * its end, this much lets the place of its beginning be told.
 */
export const leadBytes = ({ needles }: NeedleSet): number =>
  needles.reduce((most, { bytes }) => Math.max(most, bytes.length), 0) + 64 * 1024

/** What a pass works with, for one stream at a time. */
export interface Searcher {
  readonly matcher: Matcher
  readonly lead: Lead
}

/** The search of one stream. */
export class Pass {
  readonly #matcher: Matcher
  readonly #lead: Lead
  /** Waiting occurrences, the lowest start last. */
  #waiting: Hit[] = []
  /** Bytes searched so far. */
  bytes = 0
  readonly #floor: number
  #ceiling = Infinity

  /** @param floor - occurrences that start before it are another pass's. */
  constructor({ matcher, lead }: Searcher, floor = 0) {
    this.#matcher = matcher
    this.#lead = lead
    this.#floor = floor
  }

  /** Start of the first occurrence that waits; infinite where none does. */
  get next(): number {
    return this.#waiting.at(-1)?.start ?? Infinity
  }

  /**
   * Searches a stream and passes its bytes on, held back so that the search is ahead. The whole stream is searched when
   * the last ones come out.
   *
   * @param source - chunks that are valid until the next one is asked for; the same holds of what comes out.
   * @param beyond - where the stream goes on after `source`: an occurrence that starts in `source` may end in its `rest`,
   * and what starts there is another pass's. `isWhole` tells then whether the stream ends there. Without it nothing follows.
   */
  async *ahead(
    source: AsyncIterable<Uint8Array>,
    beyond?: { readonly rest: AsyncIterable<Uint8Array>; readonly isWhole: () => boolean },
  ): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      this.push(chunk)
      yield* this.#lead.through(chunk)
    }
    if (beyond !== undefined) {
      this.#ceiling = this.bytes
      for await (const chunk of beyond.rest) this.push(chunk)
    }
    if (beyond?.isWhole() !== false) this.end()
    yield* this.#lead.rest()
  }

  /** Searches the next bytes. */
  push(chunk: Uint8Array): void {
    this.bytes += chunk.length
    this.#wait(this.#matcher.push(chunk))
  }

  /** Tells that the stream ends here. */
  end(): void {
    this.#wait(this.#matcher.end())
  }

  /** Takes the waiting occurrences that start before `end`, the lowest first. */
  *before(end: number): Generator<Hit> {
    for (
      let last = this.#waiting.at(-1);
      last !== undefined && last.start < end;
      last = this.#waiting.at(-1)
    ) {
      this.#waiting.pop()
      yield last
    }
  }

  #wait(hits: readonly Hit[]): void {
    if (hits.length === 0) return
    for (const hit of hits) {
      if (hit.start >= this.#floor && hit.start < this.#ceiling) this.#waiting.push(hit)
    }
    this.#waiting.sort((a, b) => b.start - a.start)
  }
}
