/**
 * The builds that a server keeps: submit one, watch it, cancel it, fetch what
 * came of it.
 *
 * @packageDocumentation
 */

import { setTimeout as pause } from 'node:timers/promises'
import type { BuilderEvent } from '../builder/events.js'
import type { DeliveryNote } from '../builder/prepared.js'
import type { Report, Verdict } from '../builder/report.js'
import { Fault } from '../errors.js'
import {
  bodyOf,
  dateOf,
  dateOrNull,
  faultFrom,
  listOf,
  numberOf,
  objectOf,
  textOf,
  textOrNull,
  textsOf,
  type Json,
} from './answer.js'
import { builderEvent, reportOf } from './build-events.js'
import { lostConnection, pathOf, type Connection } from './connection.js'
import { readEvents, type ServerEvent } from './event-stream.js'
import type { SealedValue } from './server-keys.js'

/** How a build stands. `refused`: its image holds a secret, or could not be proven clean. */
export type BuildState =
  'uploading' | 'waiting' | 'running' | 'succeeded' | 'refused' | 'failed' | 'cancelled'

/** Where the image goes: to the registry its tags name, into an archive, or into the engine of the server itself. */
export type BuildOutput =
  | { readonly type: 'push'; readonly credentials?: string | undefined }
  | { readonly type: 'oci' }
  | { readonly type: 'engine' }

/** A build of a server. */
export interface RemoteBuild {
  readonly id: string
  readonly environment: string
  readonly state: BuildState
  readonly tags: readonly string[]
  readonly output: BuildOutput['type']
  readonly submittedAt: Date
  readonly submittedBy: string
  readonly startedAt: Date | null
  readonly endedAt: Date | null
  /** How often a worker began with it. */
  readonly attempt: number
  readonly worker: string | null
  /** `sha256:…` once it is built and proven. */
  readonly image: string | null
  readonly verdict: Verdict | null
  /** Why it did not succeed. */
  readonly outcome: Fault | null
  readonly delivery: DeliveryNote | null
}

/** What a build is submitted with. */
export interface Submission {
  readonly environment: string
  readonly request: Json
  readonly output: BuildOutput
  readonly values: readonly SealedValue[]
  /** Whether a context is going to be uploaded. */
  readonly context: boolean
}

/** Narrows a list of builds. */
export interface BuildQuery {
  readonly environment?: string | undefined
  readonly state?: BuildState | undefined
  readonly max?: number | undefined
  /** Only what comes after the build of this id, the last one of the page before. */
  readonly before?: string | undefined
}

/** The builds of a server. */
export interface RemoteBuilds {
  /**
   * Submits a build. With the same key and the same submission it is the same build, however often it is sent: a lost
   * answer is asked for again.
   *
   * @param key - 16 to 128 letters, digits, `-` and `_`.
   */
  submit(submission: Submission, key: string, signal?: AbortSignal): Promise<RemoteBuild>
  /** Sends the context of a build that waits for it, as a tar. */
  upload(id: string, tar: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void>
  /** Newest first. */
  list(query?: BuildQuery): Promise<readonly RemoteBuild[]>
  show(id: string): Promise<RemoteBuild>
  /** Asks for the end of a build. One that has ended stays as it is. */
  cancel(id: string): Promise<RemoteBuild>
  /**
   * Everything a build says, from its beginning, until it has ended; the last value is the build as it is then. A
   * connection that breaks or falls silent is made anew where it ended.
   */
  watch(id: string, options?: WatchOptions): AsyncGenerator<BuilderEvent, RemoteBuild>
  /** @throws {@link Fault} what the server answers for a build that has none. */
  report(id: string): Promise<Report>
  /** The image as an OCI archive. */
  output(id: string, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>>
}

/** How a build is watched. */
export interface WatchOptions {
  readonly signal?: AbortSignal | undefined
  /** Told when the connection was lost and is being made anew. */
  readonly onLost?: (() => void) | undefined
  /** How long a stream may be silent, in milliseconds. Default: 45 s, three of the server's signs of life. */
  readonly silenceMs?: number | undefined
  /** How long a connection is tried to be made anew, in milliseconds. Default: 5 minutes. */
  readonly patienceMs?: number | undefined
}

/** How often a submission is sent when answers get lost. */
const SUBMISSIONS = 4

/** First pause before something is tried again, in milliseconds; each later one is twice as long, up to the last. */
const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 5_000

/** How long an upload or download may stand still, in milliseconds. */
const STALLED_MS = 60_000

/** The builds of one server. */
export function remoteBuilds(connection: Connection): RemoteBuilds {
  const { json, open } = connection
  const at = (id: string, ...parts: readonly string[]): string => pathOf('builds', id, ...parts)
  return {
    async submit(submission, key, signal) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          const answer = await json({
            method: 'POST',
            path: '/builds',
            body: submission,
            headers: { 'idempotency-key': key },
            signal,
          })
          return buildOf(answer['build'])
        } catch (error) {
          if (!isLost(error) || attempt === SUBMISSIONS) throw error
          await pauseBefore(attempt, signal)
        }
      }
    },
    async upload(id, tar, signal) {
      using watchdog = stallWatch(STALLED_MS, signal)
      const response = await open({
        method: 'PUT',
        path: at(id, 'context'),
        headers: { 'content-type': 'application/x-tar' },
        stream: watchdog.over(tar),
        signal: watchdog.signal,
      })
      await response.body?.cancel()
    },
    list: async (query = {}) =>
      listOf((await json({ path: '/builds', query: { ...query } }))['builds'], buildOf),
    show: async (id) => buildOf((await json({ path: at(id) }))['build']),
    cancel: async (id) => buildOf((await json({ method: 'POST', path: at(id, 'cancel') }))['build']),
    watch: (id, options) => watch(connection, at(id, 'events'), options),
    report: async (id) => {
      const answer = await json({ path: at(id, 'report') })
      return reportOf('report' in answer ? answer['report'] : answer)
    },
    async output(id, signal) {
      const watchdog = stallWatch(STALLED_MS, signal)
      try {
        const response = await open({
          path: at(id, 'output'),
          headers: { accept: 'application/x-tar' },
          signal: watchdog.signal,
        })
        return download(response, watchdog)
      } catch (error) {
        watchdog[Symbol.dispose]()
        throw error
      }
    },
  }
}

async function* watch(
  { open }: Connection,
  path: string,
  { signal, onLost, silenceMs = 45_000, patienceMs = 300_000 }: WatchOptions = {},
): AsyncGenerator<BuilderEvent, RemoteBuild> {
  let last = ''
  let failures = 0
  let failingSince = 0
  for (;;) {
    using watchdog = stallWatch(silenceMs, signal)
    try {
      const headers = { accept: 'text/event-stream', ...(last === '' ? {} : { 'last-event-id': last }) }
      const response = await open({ path, headers, signal: watchdog.signal })
      for await (const event of readEvents(watchdog.over(bodyOf(response)))) {
        failures = 0
        if (event.event === 'end') return endOf(event)
        last = event.id
        const told = event.event === 'message' ? builderEvent(event.data) : null
        if (told !== null) yield told
      }
    } catch (error) {
      if (signal?.aborted === true) throw lostConnection(error, signal)
      const fault = error instanceof Fault ? error : lostConnection(error, watchdog.signal)
      if (!isLost(fault)) throw fault
      if (failures > 0 && performance.now() - failingSince > patienceMs) throw fault
    }
    if (failures === 0) {
      failingSince = performance.now()
      onLost?.()
    }
    failures += 1
    await pauseBefore(failures, signal)
  }
}

function endOf({ data }: ServerEvent): RemoteBuild {
  const end = objectOf(JSON.parse(data))
  return buildOf('build' in end ? end['build'] : end)
}

async function* download(
  response: Response,
  watchdog: ReturnType<typeof stallWatch>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* watchdog.over(bodyOf(response))
  } catch (error) {
    throw error instanceof Fault ? error : lostConnection(error, watchdog.signal)
  } finally {
    watchdog[Symbol.dispose]()
  }
}

/** Ends a stream through which nothing has passed for a while, in either direction. */
function stallWatch(
  limitMs: number,
  outer: AbortSignal | undefined,
): Disposable & {
  readonly signal: AbortSignal
  over(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>
} {
  const stop = new AbortController()
  const give = (): void =>
    stop.abort(new Fault('SERVER_UNREACHABLE', 'The connection to the server stands still.'))
  let timer = setTimeout(give, limitMs)
  const touch = (): void => {
    clearTimeout(timer)
    timer = setTimeout(give, limitMs)
  }
  return {
    signal: outer === undefined ? stop.signal : AbortSignal.any([outer, stop.signal]),
    async *over(bytes) {
      for await (const chunk of bytes) {
        touch()
        yield chunk
        touch()
      }
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  }
}

/** Whether asking again may help: the server was not there, or something before it said so. */
const isLost = (error: unknown): boolean => error instanceof Fault && error.code === 'SERVER_UNREACHABLE'

async function pauseBefore(attempt: number, signal: AbortSignal | undefined): Promise<void> {
  const ms = Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS)
  try {
    await pause(ms, undefined, signal === undefined ? {} : { signal })
  } catch (error) {
    throw lostConnection(error, signal)
  }
}

/** Reads a build. */
export function buildOf(value: unknown): RemoteBuild {
  const row = objectOf(value)
  const output = row['output']
  return {
    id: textOf(row['id']),
    environment: textOf(row['environment']),
    state: textOf(row['state']) as BuildState,
    tags: textsOf(row['tags']),
    output: textOf(typeof output === 'string' ? output : objectOf(output)['type']) as BuildOutput['type'],
    submittedAt: dateOf(row['submittedAt']),
    submittedBy: textOf(row['submittedBy']),
    startedAt: dateOrNull(row['startedAt']),
    endedAt: dateOrNull(row['endedAt']),
    attempt: numberOf(row['attempt']),
    worker: textOrNull(row['worker']),
    image: textOrNull(row['image']),
    verdict: textOrNull(row['verdict']) as Verdict | null,
    outcome: faultFrom(row['outcome']),
    delivery: deliveryOf(row['delivery']),
  }
}

function deliveryOf(value: unknown): DeliveryNote | null {
  if (value === null || value === undefined) return null
  const { mode, reasons } = objectOf(value)
  return { mode: mode === 'filled' ? 'filled' : 'lifted', reasons: textsOf(reasons) }
}
