/**
 * Whether a scan uses threads, and for which layers.
 *
 * @packageDocumentation
 */

import type { Budget } from '../archive/limits.js'
import type { NeedleSet } from '../needles.js'
import { MOST_REST_BYTES, restBytes } from './cut.js'
import { canStart, LEAST_BYTES, Team, type TeamOptions } from './team.js'

/** The threads of one scan, started for the first layer that is worth it. */
export class Threads implements AsyncDisposable {
  readonly #needles: NeedleSet
  readonly #budget: Budget
  readonly #options: TeamOptions
  #team: Team | undefined

  constructor(needles: NeedleSet, budget: Budget, options: TeamOptions) {
    this.#needles = needles
    this.#budget = budget
    this.#options = options
  }

  /** The threads for a layer of that size; `undefined` where one thread is as good. */
  for(sizeBytes: number | undefined): Team | undefined {
    if ((sizeBytes ?? 0) < (this.#options.leastBytes ?? LEAST_BYTES)) return undefined
    if (!canStart(this.#options) || restBytes(this.#needles) > MOST_REST_BYTES) return undefined
    return (this.#team ??= new Team(this.#needles, this.#budget, this.#options))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#team?.close()
  }
}
