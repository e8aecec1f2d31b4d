/**
 * Finds every occurrence of every needle in a stream, whatever way the stream
 * is cut into chunks.
 *
 * @packageDocumentation
 */

import type { NeedleSet } from './needles.js'
import { HISTORY_BYTES, type KernelName } from './kernel.js'
import { Program } from './program.js'
import { StreamSearch } from './stream-search.js'

/** One occurrence. */
export interface Hit {
  /** Its needle's place in {@link NeedleSet.needles}. */
  readonly needle: number
  /** Where it begins and ends in the stream, in bytes. */
  readonly start: number
  readonly end: number
}

/** The search of one stream. Each occurrence is reported exactly once, overlapping ones too. */
export class Matcher {
  /**
   * Where a chunk may be read to so that {@link Matcher.push} need not copy it: push a part of it that begins with it.
   * All matchers of a set share it, so fill it right before.
   */
  readonly room: Uint8Array
  readonly #search: StreamSearch
  #hits: Hit[] = []

  /** @param options - `kernel`: the fastest that there is unless given. */
  constructor(needles: NeedleSet, options: { kernel?: KernelName } = {}) {
    const program = needles.compiled(PROGRAMS[options.kernel ?? 'best'])
    this.room = program.kernel.text.subarray(HISTORY_BYTES)
    this.#search = new StreamSearch(program, (needle, start, end) => {
      this.#hits.push({ needle, start, end })
    })
  }

  /** Searches the next bytes. Gives the occurrences whose last byte is among them. */
  push(chunk: Uint8Array): readonly Hit[] {
    this.#search.push(chunk)
    return this.#take()
  }

  /** Tells that the stream ends here. Gives the occurrences that only its end could settle. */
  end(): readonly Hit[] {
    this.#search.end()
    return this.#take()
  }

  /** Begins with a new stream. */
  reset(): void {
    this.#search.reset()
    this.#hits = []
  }

  #take(): readonly Hit[] {
    const hits = this.#hits
    this.#hits = []
    return hits
  }
}

const PROGRAMS = {
  best: (set: NeedleSet) => new Program(set.needles),
  wasm: (set: NeedleSet) => new Program(set.needles, { kernel: 'wasm' }),
  plain: (set: NeedleSet) => new Program(set.needles, { kernel: 'plain' }),
} as const
