/**
 * Numbers of the server for Prometheus. Labels are routes, states and statuses;
 * nothing that a client names becomes one.
 *
 * @packageDocumentation
 */

import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { BuildRecords } from '../store/builds.js'
import type { WorkerRecords } from '../store/workers.js'

/** Counts what happens. */
export interface ServerMetrics {
  request(done: { method: string; route: string; status: number; ms: number }): void
  /** One more reader of events, until disposed. */
  stream(): Disposable
  uploaded(bytes: number): void
  webhook(outcome: 'sent' | 'failed'): void
  /** Records of a build cache were dropped to keep within a budget. */
  pruned(done: { readonly records: number; readonly bytes: number; readonly leftBytes: number }): void
  /** The numbers as Prometheus reads them. */
  text(): Promise<string>
}

/** What the numbers of this moment are asked of. */
export interface MetricsParts {
  readonly builds: Pick<BuildRecords, 'open'>
  readonly workers: Pick<WorkerRecords, 'list'>
}

/** Seconds. */
const BUCKETS = [0.005, 0.02, 0.1, 0.5, 2, 10, 60]

/** Makes the numbers. Each server has its own. */
export function serverMetrics({ builds, workers }: MetricsParts): ServerMetrics {
  const registers = [new Registry()]
  const labelNames = ['method', 'route', 'status'] as const
  const requests = new Counter({
    name: 'traceless_http_requests_total',
    help: 'Requests that were answered.',
    labelNames,
    registers,
  })
  const seconds = new Histogram({
    name: 'traceless_http_request_seconds',
    help: 'Time until the answer began.',
    labelNames: ['method', 'route'] as const,
    buckets: BUCKETS,
    registers,
  })
  const streams = new Gauge({ name: 'traceless_event_streams', help: 'Readers of events.', registers })
  const uploaded = new Counter({
    name: 'traceless_context_bytes_total',
    help: 'Bytes of contexts that were taken.',
    registers,
  })
  const webhooks = new Counter({
    name: 'traceless_webhooks_total',
    help: 'Ends of builds that were told.',
    labelNames: ['outcome'] as const,
    registers,
  })
  const prunedRecords = new Counter({
    name: 'traceless_cache_pruned_records_total',
    help: 'Records of the build cache that were dropped to keep within the disk budget.',
    registers,
  })
  const prunedBytes = new Counter({
    name: 'traceless_cache_pruned_bytes_total',
    help: 'Bytes that those records took.',
    registers,
  })
  const cached = new Gauge({
    name: 'traceless_cache_bytes',
    help: 'Bytes that builds kept in the build cache after the last pruning.',
    registers,
  })
  const open = new Gauge({
    name: 'traceless_builds_open',
    help: 'Builds that have not ended.',
    labelNames: ['state'] as const,
    registers,
  })
  const waiting = new Gauge({
    name: 'traceless_builds_oldest_waiting_seconds',
    help: 'How long the oldest build waits for a worker.',
    registers,
  })
  const living = new Gauge({ name: 'traceless_workers', help: 'Workers that live.', registers })
  return {
    request({ method, route, status, ms }) {
      // An unknown method is a client's own text.
      const known = route === 'none' ? 'any' : method
      requests.inc({ method: known, route, status: String(status) })
      seconds.observe({ method: known, route }, ms / 1000)
    },
    stream() {
      streams.inc()
      return { [Symbol.dispose]: () => streams.dec() }
    },
    uploaded: (bytes) => uploaded.inc(bytes),
    webhook: (outcome) => webhooks.inc({ outcome }),
    pruned({ records, bytes, leftBytes }) {
      prunedRecords.inc(records)
      prunedBytes.inc(bytes)
      cached.set(leftBytes)
    },
    async text() {
      const [now, list] = await Promise.all([builds.open(), workers.list()])
      for (const [state, count] of Object.entries(now.counts)) open.set({ state }, count)
      waiting.set(now.oldestWaiting === null ? 0 : (Date.now() - now.oldestWaiting.getTime()) / 1000)
      living.set(list.length)
      return await (registers[0]?.metrics() ?? '')
    },
  }
}
