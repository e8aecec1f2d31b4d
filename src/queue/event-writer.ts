/**
 * Writes the events of a build into its records while it runs: in their order,
 * some at a time, and never in the builder's way.
 *
 * @packageDocumentation
 */

import type { BuilderEvent } from '../builder/events.js'
import { Fault } from '../errors.js'
import type { BuildRecords, JsonObject, LeaseRef } from '../store/builds.js'
import { encodeEvent } from '../store/event-json.js'
import type { HeldLease } from './held-lease.js'

/** How long an event may wait for others to go with it, in milliseconds. */
const WAIT_MS = 200

/** Bytes of output that are written at once, about. */
const BATCH_BYTES = 256 * 1024

/** Pause before the records are tried again, in milliseconds. */
const AGAIN_MS = 500

/** Takes the events of one build. */
export class EventWriter {
  readonly #records: Pick<BuildRecords, 'appendEvents'>
  readonly #lease: LeaseRef
  readonly #held: Pick<HeldLease, 'lose' | 'lost'>
  #waiting: JsonObject[] = []
  #bytes = 0
  #timer: NodeJS.Timeout | undefined
  #written: Promise<void> = Promise.resolve()

  constructor(
    records: Pick<BuildRecords, 'appendEvents'>,
    lease: LeaseRef,
    held: Pick<HeldLease, 'lose' | 'lost'>,
  ) {
    this.#records = records
    this.#lease = lease
    this.#held = held
  }

  take(event: BuilderEvent): void {
    this.#waiting.push(encodeEvent(event))
    if (event.type === 'log') this.#bytes += event.bytes.length
    if (this.#bytes >= BATCH_BYTES) this.#flush()
    else this.#timer ??= setTimeout(() => this.#flush(), WAIT_MS)
  }

  /** Waits until everything is written, or the lease is lost. */
  async end(): Promise<void> {
    this.#flush()
    await this.#written
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#waiting.length === 0) return
    const events = this.#waiting
    this.#waiting = []
    this.#bytes = 0
    this.#written = this.#written.then(() => this.#write(events))
  }

  /** A database that is away for a moment is waited for: a log with a hole would tell something that did not happen. */
  async #write(events: readonly JsonObject[]): Promise<void> {
    while (!this.#held.lost) {
      try {
        if (!(await this.#records.appendEvents(this.#lease, events))) this.#held.lose()
        return
      } catch (error) {
        if (!(error instanceof Fault) || error.code !== 'STORE_UNAVAILABLE') {
          this.#held.lose()
          return
        }
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
      }
    }
  }
}
