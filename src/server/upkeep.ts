/**
 * What a server does by the clock: takes builds from workers that are gone,
 * offers them again, tells of ends, deletes what is kept no longer. Several
 * servers may do it at once.
 *
 * @packageDocumentation
 */

import type { BuildQueue } from '../queue/queue.js'
import type { BuildRecords, Retention } from '../store/builds.js'
import type { WorkerRecords } from '../store/workers.js'
import type { ServerLog } from './log.js'
import type { ServerMetrics } from './metrics.js'
import { tellEnds, type WebhookOptions } from './webhook.js'

/** What is looked after. */
export interface UpkeepParts {
  readonly builds: BuildRecords
  readonly workers: WorkerRecords
  readonly queue: BuildQueue
  readonly log: ServerLog
  readonly metrics: ServerMetrics
  readonly retention: Retention
  readonly webhook: WebhookOptions | undefined
  readonly signal: AbortSignal
}

/** Time between two looks for workers that are gone, and for ends to tell, in milliseconds. */
const LOOK_MS = 2_000

/** Time between two looks for what is too old, in milliseconds. */
const CLEAN_MS = 60_000

/** Looks after builds until the signal is aborted. What fails is logged and done again. */
export async function keepUp(parts: UpkeepParts): Promise<void> {
  await Promise.all([
    every(LOOK_MS, parts, 'expire', () => releaseBuilds(parts)),
    every(CLEAN_MS, parts, 'clean up', () => cleanUp(parts)),
    every(LOOK_MS, parts, 'webhook', () => tellOfEnds(parts)),
  ])
}

async function releaseBuilds({ builds, queue, log }: UpkeepParts): Promise<void> {
  const { waiting, ended } = await builds.expire()
  for (const build of waiting) {
    log.event('build waits again', { build })
    await queue.announce(build)
  }
  for (const build of ended) log.event('build given up', { build })
}

async function cleanUp({ builds, workers, retention, log }: UpkeepParts): Promise<void> {
  await workers.cleanUp()
  const gone = await builds.cleanUp(retention)
  if (gone.length > 0) log.event('builds deleted', { count: gone.length })
}

async function tellOfEnds({ builds, webhook, metrics, signal }: UpkeepParts): Promise<void> {
  if (webhook === undefined) return
  const { sent, failed } = await tellEnds(builds, webhook, signal)
  for (let count = 0; count < sent; count += 1) metrics.webhook('sent')
  for (let count = 0; count < failed; count += 1) metrics.webhook('failed')
}

async function every(
  ms: number,
  { log, signal }: UpkeepParts,
  name: string,
  work: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await work()
    } catch (error) {
      log.failure(name, error)
    }
    await pause(ms, signal)
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done, { once: true })
  })
}
