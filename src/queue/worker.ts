/**
 * A worker: takes builds that wait, carries each out under its lease, and
 * records how it ended. It holds no identity; the values of a build come from
 * the keyholder for as long as the lease is live.
 *
 * @packageDocumentation
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Builder, BuildResult } from '../builder/build.js'
import type { BuilderEvent } from '../builder/events.js'
import type { Report } from '../builder/report.js'
import type { BuildRequest } from '../builder/request.js'
import { unpackContext } from '../docker/context-archive.js'
import { Fault, type FaultCode } from '../errors.js'
import { leaseSecrets, type AskKeyholder, type LeaseSecrets } from '../keyholder/client.js'
import {
  MAX_ATTEMPTS,
  type BuildEntry,
  type BuildFailure,
  type BuildOutcome,
  type BuildRecords,
  type JsonObject,
  type Lease,
} from '../store/builds.js'
import { EventWriter } from './event-writer.js'
import { holdLease, type HeldLease } from './held-lease.js'
import { builderRequest, type QueuedRequest } from './queued-request.js'
import type { BuildQueue } from './queue.js'

/** What a worker works with. */
export interface WorkerParts {
  /** Id under which it is registered. */
  readonly id: string
  readonly records: BuildRecords
  readonly queue: Pick<BuildQueue, 'take' | 'announce'>
  readonly ask: AskKeyholder
  /** Makes the builder of one build, which reads these secrets, earlier versions too where it keeps steps, and sends the image where the output says. */
  readonly builder: (build: BuildEntry, secrets: Pick<LeaseSecrets, 'reader' | 'earlier'>) => Builder
  /** Longest time that a build may take, in milliseconds. Default: no limit but the request's own. */
  readonly timeoutMs?: number | undefined
  /** The cgroup below which steps run, see `BuildOptions.cgroupParent`. Default: the engine's own. */
  readonly cgroupParent?: string | undefined
  /** Awaited after each build, before the place takes another. */
  readonly afterBuild?: (() => Promise<void>) | undefined
  /** Told which builds it has, whenever that changes. */
  readonly onBuilds?: (builds: readonly string[]) => void
}

/** How a worker is run. */
export interface WorkerControls {
  /** Builds at once. */
  readonly places: number
  /** Aborted: no more builds are taken; those that run go on. */
  readonly drain: AbortSignal
  /** Aborted: what runs is stopped and given back. */
  readonly stop: AbortSignal
}

/** A failure that is not the build's own: another worker, or the same one later, may have more luck. */
const MAY_BE_TRIED_AGAIN: ReadonlySet<FaultCode> = new Set([
  'ENGINE_UNREACHABLE',
  'SERVER_UNREACHABLE',
  'STORE_UNAVAILABLE',
])

/** Pause before a database that is away is tried again, in milliseconds. */
const AGAIN_MS = 1_000

/** Pause of a place whose build met such a failure, in milliseconds: another worker's turn. */
const OTHERS_FIRST_MS = 3_000

/** Runs until it is drained and its builds have ended. */
export async function runWorker(parts: WorkerParts, { places, drain, stop }: WorkerControls): Promise<void> {
  const builds = new Set<string>()
  const tell = (): void => parts.onBuilds?.([...builds])
  const until = AbortSignal.any([drain, stop])
  /** How often a build met a failure here that was not its own. */
  const failures = new Map<string, number>()
  const place = async (): Promise<void> => {
    while (!until.aborted) {
      try {
        for await (const id of parts.queue.take(until)) {
          builds.add(id)
          tell()
          try {
            await carryOut(parts, { id, stop, failures })
          } finally {
            builds.delete(id)
            tell()
          }
          await parts.afterBuild?.()
          if (failures.has(id)) await pause(OTHERS_FIRST_MS, until)
        }
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        await pause(AGAIN_MS, until)
      }
    }
  }
  await Promise.all(Array.from({ length: places }, place))
}

/** Begins one build and sees it to an end. Whatever happens to it, the worker goes on. */
async function carryOut(
  parts: WorkerParts,
  {
    id,
    stop,
    failures,
  }: { readonly id: string; readonly stop: AbortSignal; readonly failures: Map<string, number> },
): Promise<void> {
  const { records } = parts
  const lease = await records.begin(id, parts.id)
  const build = lease === null ? null : await records.get(id)
  // Without its record it is left to whoever finds its lease to be over.
  if (lease === null || build === null) return
  using held = holdLease(records, lease, { stop })
  const events = new EventWriter(records, lease, held)
  const { outcome, again } = await attempt(parts, { build, lease, held, events })
  await events.end()
  const failed = again === 'others' ? (failures.get(id) ?? 0) + 1 : 0
  const back = again !== undefined && failed < MAX_ATTEMPTS
  if (back && failed > 0) failures.set(id, failed)
  else failures.delete(id)
  await settled(held, async () => {
    if (back && (await records.giveBack(lease, outcome.failure?.message ?? 'The worker was stopped.')))
      await parts.queue.announce(id)
    else await records.finish(lease, outcome)
  })
}

/** Does what ends a build, and again when the records are away, for as long as the lease is held. */
async function settled(held: HeldLease, end: () => Promise<void>): Promise<void> {
  while (!held.lost) {
    try {
      await end()
      return
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      await pause(AGAIN_MS)
    }
  }
}

async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined)
}

interface Attempt {
  readonly build: BuildEntry
  readonly lease: Lease
  readonly held: HeldLease
  readonly events: EventWriter
}

interface Ended {
  readonly outcome: BuildOutcome
  /** Why it may be begun once more: this worker was stopped, or others may have more luck. */
  readonly again?: 'stopped' | 'others'
}

async function attempt(parts: WorkerParts, { build, lease, held, events }: Attempt): Promise<Ended> {
  let report: Report | undefined
  const onEvent = (event: BuilderEvent): void => {
    if (event.type === 'report') report = event.report
    events.take(event)
  }
  const folder = await mkdtemp(join(tmpdir(), 'traceless-build-'))
  try {
    const result = await buildIn(folder, { parts, build, lease, held, onEvent })
    const outcome: BuildOutcome = {
      state: 'succeeded',
      ...(result === null ? {} : { image: result.image, report: toJson(result.report) }),
      ...(result?.delivery === undefined ? {} : { delivery: toJson(result.delivery) }),
    }
    return { outcome }
  } catch (error) {
    return endedBy(error, { held, report })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function buildIn(
  folder: string,
  {
    parts,
    build,
    lease,
    held,
    onEvent,
  }: Omit<Attempt, 'events'> & {
    readonly parts: WorkerParts
    readonly onEvent: (event: BuilderEvent) => void
  },
): Promise<BuildResult | null> {
  const { signal } = held
  if (build.contextBytes > 0) await unpackContext(parts.records.openContext(build.id), folder)
  using secrets = await leaseSecrets(parts.ask, lease, signal)
  const given = await secrets.given()
  try {
    const queued = build.request as unknown as QueuedRequest
    const request = await builderRequest(queued, { environment: build.environment, folder, given })
    signal.throwIfAborted()
    return await parts
      .builder(build, secrets)
      .build(
        { ...request, ...outputOf(parts, { build, lease, held }), ...limited(request, parts) },
        { onEvent, signal, beforeNaming: () => held.requireForNaming() },
      )
  } finally {
    for (const value of given.values()) value[Symbol.dispose]()
  }
}

/** What the builder is told of where the image goes. */
function outputOf(
  { records }: WorkerParts,
  { build, lease, held }: Pick<Attempt, 'build' | 'lease' | 'held'>,
): Pick<BuildRequest, 'push' | 'archive'> {
  switch (build.output['type']) {
    case 'push':
      return { push: true }
    case 'oci':
      return {
        async archive(bytes) {
          if (!(await records.putOutput(lease, bytes))) held.lose()
          held.signal.throwIfAborted()
        },
      }
    default:
      return {}
  }
}

function limited(
  { timeoutMs }: BuildRequest,
  { timeoutMs: limitMs, cgroupParent }: Pick<WorkerParts, 'timeoutMs' | 'cgroupParent'>,
): Pick<BuildRequest, 'timeoutMs' | 'cgroupParent'> {
  const least = Math.min(timeoutMs ?? Infinity, limitMs ?? Infinity)
  return {
    ...(least === Infinity ? {} : { timeoutMs: least }),
    ...(cgroupParent === undefined ? {} : { cgroupParent }),
  }
}

function endedBy(
  error: unknown,
  { held, report }: { readonly held: HeldLease; readonly report: Report | undefined },
): Ended {
  const failure = failureOf(error)
  const known = { failure, ...(report === undefined ? {} : { report: toJson(report) }) }
  if (held.ending === 'cancelled') return { outcome: { state: 'cancelled', ...known } }
  if (held.ending !== undefined) return { outcome: { state: 'failed', ...known }, again: 'stopped' }
  const outcome: BuildOutcome = { state: STATES.get(failure.code) ?? 'failed', ...known }
  return MAY_BE_TRIED_AGAIN.has(failure.code) ? { outcome, again: 'others' } : { outcome }
}

const STATES: ReadonlyMap<FaultCode, BuildOutcome['state']> = new Map([
  ['LEAK_FOUND', 'refused'],
  ['NOT_PROVEN', 'refused'],
  ['CANCELLED', 'cancelled'],
])

function failureOf(error: unknown): BuildFailure {
  if (!(error instanceof Fault)) return { code: 'INTERNAL', message: 'The worker met something unexpected.' }
  const { code, message, hint, detail, problems } = error
  return { code, message, hint, detail, problems }
}

const toJson = (value: object): JsonObject => value as JsonObject
