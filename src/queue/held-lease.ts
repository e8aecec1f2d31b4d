/**
 * Holds the lease of a build: renews it in time, hears when somebody asks for
 * the build to end, and notices when it was lost. A worker that cannot reach
 * the records counts as having lost it before the records say so.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import { LEASE_MS, type BuildRecords, type Lease } from '../store/builds.js'

/** Pause between two renewals, in milliseconds. */
export const RENEW_MS = LEASE_MS / 3

/** What must be left of a lease when an image gets its name, in milliseconds. */
export const NAMING_MS = 10_000

/** Least pause between two looks for a wish to cancel, in milliseconds. */
const LOOK_MS = 500

/** Why a build ended before its time. */
export type Ending = 'cancelled' | 'lost' | 'stopped'

/** A lease that is held. Dispose it with the build. */
export interface HeldLease extends Disposable {
  /** Aborted with a {@link Fault} `CANCELLED` for every {@link Ending}. */
  readonly signal: AbortSignal
  /** What ended it first. */
  readonly ending: Ending | undefined
  /** Whether the build is somebody else's by now: nothing more is written about it. */
  readonly lost: boolean
  /** Says that the lease is lost. */
  lose(): void
  /**
   * Renews right before an image gets its name.
   *
   * @throws {@link Fault} `CANCELLED` unless more than {@link NAMING_MS} are left.
   */
  requireForNaming(): Promise<void>
}

/** What a lease is held with. */
export type LeaseKeeper = Pick<BuildRecords, 'renew' | 'get' | 'watch'>

/**
 * Begins to hold a lease.
 *
 * @param stop - aborted when the worker must end at once.
 * @param clock - monotonic, in milliseconds; a parameter for tests.
 */
export function holdLease(
  records: LeaseKeeper,
  lease: Lease,
  { stop, clock = () => performance.now() }: { readonly stop: AbortSignal; readonly clock?: () => number },
): HeldLease {
  const over = new AbortController()
  let ending: Ending | undefined
  let lost = false
  let goodUntil = clock() + LEASE_MS
  const end = (why: Ending): void => {
    if (why === 'lost') lost = true
    if (ending !== undefined) return
    ending = why
    over.abort(new Fault('CANCELLED', WORDS[why]))
  }
  const renew = async (naming: boolean): Promise<void> => {
    const asked = clock()
    const state = await records.renew(lease, { naming })
    if (state !== 'lost') goodUntil = asked + LEASE_MS
    if (state !== 'live') end(state)
  }
  const renewOrWait = async (): Promise<void> => {
    try {
      await renew(false)
    } catch (error) {
      // The database may be back in a moment. Until the lease is over nobody else has the build.
      if (!(error instanceof Fault) || clock() > goodUntil - NAMING_MS) end('lost')
    }
  }
  const look = async (): Promise<void> => {
    const build = await records.get(lease.build).catch(() => null)
    if (build?.cancelRequested === true) end('cancelled')
  }
  const stopped = (): void => end('stopped')
  stop.addEventListener('abort', stopped, { once: true })
  if (stop.aborted) stopped()
  const timer = setInterval(() => void renewOrWait(), RENEW_MS)
  let looking: NodeJS.Timeout | undefined
  const watch = records.watch((id) => {
    if (id === null || id === lease.build)
      looking ??= setTimeout(() => ((looking = undefined), void look()), LOOK_MS)
  })
  return {
    signal: over.signal,
    get ending() {
      return ending
    },
    get lost() {
      return lost
    },
    lose: () => end('lost'),
    async requireForNaming() {
      await renew(true)
      if (clock() > goodUntil - NAMING_MS) end('lost')
      over.signal.throwIfAborted()
    },
    [Symbol.dispose]() {
      clearInterval(timer)
      clearTimeout(looking)
      watch[Symbol.dispose]()
      stop.removeEventListener('abort', stopped)
    },
  }
}

const WORDS: Readonly<Record<Ending, string>> = {
  cancelled: 'The build was cancelled.',
  lost: 'The build was given to another worker.',
  stopped: 'The worker was stopped.',
}
