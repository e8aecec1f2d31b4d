/**
 * Builds as a server keeps them: who asked for what, who works on it, what it
 * told, how it ended. Types only; `build-records.ts` makes the records of a
 * database.
 *
 * A build runs under a {@link Lease}. Every write of a worker carries it, and
 * one whose lease is over changes nothing: of two workers that believe to have
 * the same build, one is heard.
 *
 * @packageDocumentation
 */

import type { FaultCode, FaultDetail, Problem } from '../errors.js'
import type { GivenBox } from './given-value.js'

/**
 * `uploading`: its context is not here yet. `refused`: the image holds a value, or could not be proven clean. The last
 * four are ends.
 */
export type BuildState =
  'uploading' | 'waiting' | 'running' | 'succeeded' | 'refused' | 'failed' | 'cancelled'

/** A state that a build ends in. */
export type BuildEnd = Exclude<BuildState, 'uploading' | 'waiting' | 'running'>

/** An object as JSON has it. */
export type JsonObject = Readonly<Record<string, unknown>>

/** How long a lease is good for, in milliseconds. */
export const LEASE_MS = 30_000

/** How often a build is begun at most: a worker that dies gives it back, and it may be the build that kills it. */
export const MAX_ATTEMPTS = 3

/** How long a context may take to come, in milliseconds. */
export const UPLOAD_MS = 3_600_000

/** Bytes of the events of one build; output beyond is left out, and a note says so. */
export const MAX_EVENT_BYTES = 64 * 1024 * 1024

/** Bytes of one piece of a context or output in the database. */
export const CHUNK_BYTES = 1024 * 1024

/** Why a build has no image: a fault as it serialises. */
export interface BuildFailure {
  readonly code: FaultCode
  readonly message: string
  readonly hint?: string | undefined
  readonly detail?: FaultDetail | undefined
  readonly problems?: readonly Problem[] | undefined
}

/** A build as it stands. */
export interface BuildEntry {
  /** 32 random hex digits. */
  readonly id: string
  readonly environment: string
  readonly state: BuildState
  /** What was asked for: names, never a value. */
  readonly request: JsonObject
  /** Where the image goes. */
  readonly output: JsonObject
  readonly submittedAt: Date
  readonly submittedBy: string
  /** As it was given; values given at hand are sealed to it. */
  readonly idempotencyKey: string
  readonly startedAt: Date | null
  readonly endedAt: Date | null
  /** How often it was begun. */
  readonly attempt: number
  /** Id of the worker that has it or had it last. */
  readonly worker: string | null
  readonly cancelRequested: boolean
  readonly image: string | null
  /** Of the report; `null` where there is none. */
  readonly verdict: string | null
  readonly failure: BuildFailure | null
  /** How credentials reached pip, where that is known. */
  readonly delivery: JsonObject | null
  /** Number of its last event. */
  readonly events: number
  readonly contextBytes: number
  readonly outputBytes: number
}

/** A value given at hand, sealed by whoever gives it to each one who can open the store. */
export interface SealedValue {
  readonly name: string
  readonly boxes: readonly GivenBox[]
}

/** A build that is asked for. */
export interface NewBuild {
  readonly environment: string
  readonly request: JsonObject
  readonly output: JsonObject
  readonly submittedBy: string
  /** The same key with the same digest is the same build. */
  readonly idempotencyKey: string
  readonly requestDigest: string
  readonly values: readonly SealedValue[]
  /** Whether a context is to come before it can begin. */
  readonly context: boolean
}

/** Narrows a list of builds. */
export interface BuildQuery {
  /** Default: all. */
  readonly environments?: readonly string[] | undefined
  readonly state?: BuildState | undefined
  /** Builds at most, newest first. */
  readonly max: number
  /** Only what comes after the build of this id, the last one of the page before. */
  readonly before?: string | undefined
}

/** The right to work on a build. */
export interface Lease {
  readonly build: string
  /** 32 random hex digits. The database holds their hash: who can read it cannot work in a worker's place. */
  readonly lease: string
  readonly attempt: number
  /** By the database's clock. */
  readonly until: Date
}

/** What names a lease. */
export type LeaseRef = Pick<Lease, 'build' | 'lease' | 'attempt'>

/** What may be opened under a lease that is good. */
export interface LeasedBuild {
  readonly environment: string
  readonly groups: readonly string[]
  /** `plan`: the image is searched for the values of the build alone. */
  readonly guard: 'environment' | 'plan'
  /** Whether it reuses steps of earlier versions, and so searches for those. */
  readonly keeps: boolean
  /** The build's idempotency key, which the values are sealed for. */
  readonly submission: string
  readonly values: readonly SealedValue[]
  readonly worker: string | null
}

/** An event of a build: one of the builder's as JSON, its bytes as base64. */
export interface BuildEventEntry {
  readonly seq: number
  readonly at: Date
  readonly event: JsonObject
}

/** How a build ended, as its worker tells it. */
export interface BuildOutcome {
  readonly state: BuildEnd
  readonly image?: string | undefined
  readonly failure?: BuildFailure | undefined
  readonly report?: JsonObject | undefined
  readonly delivery?: JsonObject | undefined
}

/** What {@link BuildRecords.cleanUp} keeps. */
export interface Retention {
  /** How long a build is kept after its end, in milliseconds. */
  readonly retentionMs: number
  /** Bytes of events and outputs that ended builds may take together; the oldest go first. */
  readonly budgetBytes: number
}

/** Keeps builds. */
export interface BuildRecords {
  /**
   * Takes a build, or finds the one that was submitted with the same key by the same one.
   *
   * @throws {@link Fault} `STORE_CONFLICT` when that one was another request.
   */
  submit(build: NewBuild): Promise<{ readonly build: BuildEntry; readonly made: boolean }>
  get(id: string): Promise<BuildEntry | null>
  /** Newest first. */
  list(query: BuildQuery): Promise<readonly BuildEntry[]>
  /** How many builds are in each state that is no end, and since when the oldest waits. */
  open(): Promise<{
    readonly counts: Readonly<Record<'uploading' | 'waiting' | 'running', number>>
    readonly oldestWaiting: Date | null
  }>
  /** Ids of builds that wait, oldest first. */
  waiting(max: number): Promise<readonly string[]>
  /** The report as it was recorded; `null` where there is none. */
  report(id: string): Promise<JsonObject | null>

  /**
   * Keeps a context and lets the build wait for a worker. What an upload that broke off had left is replaced.
   *
   * @throws {@link Fault} `STORE_CONFLICT` for a build that waits for no context, or when another upload took over; what
   * the source throws.
   */
  putContext(id: string, source: AsyncIterable<Uint8Array>): Promise<void>
  /** The bytes of a context; empty where there is none. */
  openContext(id: string): AsyncIterable<Uint8Array>
  /**
   * Asks for a build to end: one that runs is stopped by its worker, one that does not is cancelled at once.
   *
   * @returns the build as it is then; `null` where there is none.
   */
  requestCancel(id: string): Promise<BuildEntry | null>

  /** Begins a build that waits; `null` for one that does not. */
  begin(id: string, worker: string): Promise<Lease | null>
  /**
   * Makes a lease good for another {@link LEASE_MS}. `cancelled`: it is, too, and somebody asked for the build to end.
   * `lost`: the build is somebody else's.
   *
   * @param options - `naming`: the image gets its names next; from here on the build is not begun again.
   */
  renew(lease: LeaseRef, options?: { readonly naming?: boolean }): Promise<'live' | 'cancelled' | 'lost'>
  /** What may be opened under a lease; `null` for one that is not good now. */
  leased(lease: LeaseRef): Promise<LeasedBuild | null>
  /** Records events in their order. @returns false when the lease is lost. */
  appendEvents(lease: LeaseRef, events: readonly JsonObject[]): Promise<boolean>
  /** Events behind a number, in their order. */
  eventsAfter(id: string, seq: number, max: number): Promise<readonly BuildEventEntry[]>
  /** Keeps what a build made, for download. @returns false when the lease is lost. */
  putOutput(lease: LeaseRef, source: AsyncIterable<Uint8Array>): Promise<boolean>
  openOutput(id: string): AsyncIterable<Uint8Array>
  /** Records how a build ended; its context and the values given for it are deleted. @returns false when the lease is lost. */
  finish(lease: LeaseRef, outcome: BuildOutcome): Promise<boolean>
  /**
   * Gives a build back that was not ended, so that another worker begins it. It does not count as an attempt.
   *
   * @param reason - a sentence for who watches the build.
   * @returns false when the lease is lost, or the image may have a name already.
   */
  giveBack(lease: LeaseRef, reason: string): Promise<boolean>
  /**
   * Takes builds from workers that are gone: they wait again, or end where they must not be begun again. Ends builds
   * whose context never came.
   *
   * @returns ids of those that wait again, and of those that ended.
   */
  expire(): Promise<{ readonly waiting: readonly string[]; readonly ended: readonly string[] }>
  /** Deletes what is kept no longer. @returns ids of the builds that are gone. */
  cleanUp(retention: Retention): Promise<readonly string[]>
  /**
   * Builds that ended and that somebody is to be told of, for one teller at a time: whoever gets one tells of it within
   * `holdMs`, or another gets it.
   */
  toTell(options: { readonly max: number; readonly holdMs: number }): Promise<readonly BuildEntry[]>
  /** Somebody was told. */
  told(id: string): Promise<void>
  /**
   * Tells the ids of builds that change: of this process at once, with PostgreSQL those of every process. `null`: any
   * may have changed, because nobody could listen for a while.
   */
  watch(onChange: (id: string | null) => void): Disposable
}
