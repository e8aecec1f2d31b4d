/**
 * How often one may ask: a bucket for each key that fills steadily and is
 * emptied by asking.
 *
 * @packageDocumentation
 */

/** How a bucket fills. */
export interface Rate {
  /** Requests at once. */
  readonly burst: number
  readonly perSecond: number
}

interface Bucket {
  left: number
  at: number
}

/** Buckets kept at most; the one that was used least lately goes first. */
const MAX_BUCKETS = 10_000

/** Counts requests by key, in this process. */
export class RateLimit {
  readonly #rate: Rate
  readonly #now: () => number
  readonly #buckets = new Map<string, Bucket>()

  /** @param now - milliseconds of a clock that does not go back. */
  constructor(rate: Rate, now: () => number = () => performance.now()) {
    this.#rate = rate
    this.#now = now
  }

  /** Takes one from the bucket of a key. @returns false when it is empty. */
  take(key: string): boolean {
    const bucket = this.#filled(key)
    if (bucket.left < 1) return false
    bucket.left -= 1
    return true
  }

  /** Whether there is one to take. */
  has(key: string): boolean {
    return this.#filled(key).left >= 1
  }

  #filled(key: string): Bucket {
    const now = this.#now()
    const { burst, perSecond } = this.#rate
    const bucket = this.#buckets.get(key) ?? { left: burst, at: now }
    bucket.left = Math.min(burst, bucket.left + ((now - bucket.at) / 1000) * perSecond)
    bucket.at = now
    // Put last: the map's order is the order of use.
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    if (this.#buckets.size > MAX_BUCKETS) {
      for (const [oldest] of this.#buckets) {
        this.#buckets.delete(oldest)
        break
      }
    }
    return bucket
  }
}
