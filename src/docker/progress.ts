/**
 * From BuildKit's progress records to our events, and the question whether the
 * traces of several targets tell one story.
 *
 * @packageDocumentation
 */

import type { Timestamp } from '@bufbuild/protobuf/wkt'
import type { BuildEvent, StepEvent } from './engine.js'
import type { StatusResponse, Vertex } from './proto/gen/control_pb.js'

/** What one trace says of one step. */
interface Seen {
  readonly name: string
  readonly cached: boolean
  readonly started: string | undefined
  readonly completed: boolean
}

/**
 * Merges the traces of targets that are solved at once. A step that several
 * targets share is told once, its output by the first trace that carried it.
 */
export class Traces {
  readonly #traces: Map<string, Seen>[]
  readonly #states = new Map<string, StepEvent['state']>()
  /** The trace that tells a step's output, by vertex digest. */
  readonly #tellers = new Map<string, number>()

  constructor(count: number) {
    this.#traces = Array.from({ length: count }, () => new Map<string, Seen>())
  }

  /** Takes a record of one trace and returns what is new in it. */
  take(trace: number, record: StatusResponse): readonly BuildEvent[] {
    const events: BuildEvent[] = []
    for (const vertex of record.vertexes) {
      const seen = this.#see(trace, vertex)
      const state = stateOf(vertex)
      if (state === undefined || !this.#isNews(vertex.digest, state)) continue
      this.#states.set(vertex.digest, state)
      events.push({
        type: 'step',
        id: vertex.digest,
        name: seen.name,
        state,
        error: vertex.error === '' ? undefined : vertex.error,
        startedAt: since1970(vertex.started),
        endedAt: since1970(vertex.completed),
      })
    }
    for (const log of record.logs) {
      const teller = this.#tellers.get(log.vertex) ?? trace
      this.#tellers.set(log.vertex, teller)
      if (teller !== trace) continue
      events.push({
        type: 'log',
        id: log.vertex,
        stream: log.stream === 2n ? 'stderr' : 'stdout',
        bytes: log.msg,
      })
    }
    if (trace === 0) {
      for (const warning of record.warnings) {
        events.push({
          type: 'warning',
          id: warning.vertex,
          text: Buffer.from(warning.short).toString('utf8'),
        })
      }
    }
    return events
  }

  /**
   * Names of steps that did not run once for all. A step which two traces share
   * must have started at one moment in both, or have come from the cache in
   * both: otherwise it ran again for one of them, and what was read may differ
   * from what was used.
   */
  divergent(): readonly string[] {
    const first = new Map<string, Seen>()
    const names = new Set<string>()
    for (const trace of this.#traces) {
      for (const [digest, seen] of trace) {
        if (!isRun(seen.name) || seen.started === undefined) continue
        const other = first.get(digest)
        if (other === undefined) first.set(digest, seen)
        else if (seen.cached !== other.cached || (!seen.cached && seen.started !== other.started))
          names.add(seen.name)
      }
    }
    return [...names]
  }

  #see(trace: number, vertex: Vertex): Seen {
    const steps = this.#traces[trace]
    if (steps === undefined) throw new TypeError('no such trace')
    const before = steps.get(vertex.digest)
    const seen = {
      name: vertex.name === '' ? (before?.name ?? '') : vertex.name,
      cached: vertex.cached || (before?.cached ?? false),
      started: vertex.started === undefined ? before?.started : exact(vertex.started),
      completed: vertex.completed !== undefined || (before?.completed ?? false),
    }
    steps.set(vertex.digest, seen)
    return seen
  }

  #isNews(digest: string, state: StepEvent['state']): boolean {
    const before = this.#states.get(digest)
    return before === undefined || (before === 'started' && state !== 'started')
  }
}

/** Only a RUN can give something else when it runs again; copies and the frontend's own steps repeat themselves. */
const isRun = (name: string): boolean => /^(?:\[[^\]]*\] )?RUN\s/.test(name)

function stateOf(vertex: Vertex): StepEvent['state'] | undefined {
  if (vertex.error !== '') return vertex.error.includes('context canceled') ? 'canceled' : 'failed'
  if (vertex.cached) return 'cached'
  if (vertex.completed !== undefined) return 'done'
  return vertex.started === undefined ? undefined : 'started'
}

const exact = ({ seconds, nanos }: Timestamp): string => `${String(seconds)}.${String(nanos)}`

/** Milliseconds since 1970, as the engine's clock has them. */
export const milliseconds = (time: Timestamp): number =>
  Number(time.seconds) * 1000 + Math.floor(time.nanos / 1e6)

/** The same of a time that may not be told. */
export const since1970 = (time: Timestamp | undefined): number | undefined =>
  time === undefined ? undefined : milliseconds(time)
