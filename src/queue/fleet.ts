/**
 * A worker that the others know of: it is listed from its start to its end, and
 * builds of workers that are gone are put back by whoever looks first.
 *
 * @packageDocumentation
 */

import { hostname } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import type { EngineInfo } from '../docker/engine.js'
import { Fault } from '../errors.js'
import type { StoreRecords } from '../store/open-records.js'
import { runWorker, type WorkerControls, type WorkerParts } from './worker.js'

/** How often a worker says that it lives, and looks after those that do not, in milliseconds. */
const BEAT_MS = 10_000

/** What a worker of a fleet is made of. */
export interface FleetWorker extends Omit<WorkerParts, 'id' | 'records' | 'onBuilds'> {
  readonly records: Pick<StoreRecords, 'builds' | 'workers'>
  readonly name: string
  readonly engine: EngineInfo
}

/** Runs a worker until it is drained and its builds have ended. */
export async function runFleetWorker(worker: FleetWorker, controls: WorkerControls): Promise<void> {
  const { records, queue, name, engine } = worker
  const { version, apiVersion, os, architecture, storage } = engine
  const id = await records.workers.register({
    name,
    host: hostname(),
    engine: { version, apiVersion, os, architecture, storage },
  })
  let builds: readonly string[] = []
  const done = new AbortController()
  const beat = async (): Promise<void> => {
    await records.workers.beat(id, { draining: controls.drain.aborted, builds })
    const { waiting } = await records.builds.expire()
    for (const build of waiting) await queue.announce(build)
  }
  const beating = (async () => {
    while (!done.signal.aborted) {
      await beat().catch(unlessAway)
      await setTimeout(BEAT_MS, undefined, { signal: done.signal }).catch(() => undefined)
    }
  })()
  const tellNow = (): void =>
    void records.workers.beat(id, { draining: controls.drain.aborted, builds }).catch(unlessAway)
  controls.drain.addEventListener('abort', tellNow, { once: true })
  try {
    await runWorker(
      {
        ...worker,
        id,
        records: records.builds,
        onBuilds: (now) => {
          builds = now
          tellNow()
        },
      },
      controls,
    )
  } finally {
    done.abort()
    controls.drain.removeEventListener('abort', tellNow)
    await beating
    await records.workers.leave(id).catch(unlessAway)
  }
}

/** A database that is away for a moment is no end of a worker. */
function unlessAway(error: unknown): void {
  if (!(error instanceof Fault)) throw error
}
