/**
 * The server, put together: the API, the dashboard, and what is done by the
 * clock. It can set and list, and is given nothing that opens a value.
 *
 * @packageDocumentation
 */

import type { Store } from '../store/open.js'
import type { BuildQueue } from '../queue/queue.js'
import type { Retention } from '../store/builds.js'
import { accessEndpoints } from './api/access.js'
import { buildEndpoints } from './api/builds.js'
import { streamEndpoints } from './api/build-streams.js'
import { groupEndpoints } from './api/groups.js'
import type { ApiParts, ServerLimits } from './api/parts.js'
import { placeEndpoints } from './api/places.js'
import { secretEndpoints } from './api/secrets.js'
import { createHandler, STRANGER_RATE } from './app.js'
import { dashboardFiles } from './dashboard-files.js'
import type { Endpoint } from './endpoint.js'
import type { Handler } from './listen.js'
import type { ServerLog } from './log.js'
import { serverMetrics } from './metrics.js'
import { documentRoute, healthRoutes, sessionRoutes } from './open-routes.js'
import { openApiDocument } from './openapi.js'
import { RateLimit } from './rate-limit.js'
import { keepUp } from './upkeep.js'
import type { WebhookOptions } from './webhook.js'

/** What a server is made of. Of the store, it gets the parts that open nothing. */
export interface ServerParts {
  readonly store: Pick<Store, 'id' | 'adminAs' | 'recipients' | 'builds' | 'tokens' | 'workers'>
  readonly queue: BuildQueue
  readonly log: ServerLog
  readonly version: string
  readonly limits?: Partial<ServerLimits> | undefined
  readonly retention?: Partial<Retention> | undefined
  /** Whether an image may stay in the engine. */
  readonly keepsImages: boolean
  /** Whether it is reached by TLS: cookies are for TLS only then. */
  readonly isSecure: boolean
  /** Whether `/metrics` is for everyone; else for a token with `admin`. */
  readonly openMetrics?: boolean | undefined
  readonly webhook?: WebhookOptions | undefined
  /** Folder of the built dashboard. */
  readonly dashboard: string
  readonly signal: AbortSignal
}

/** A server. */
export interface TracelessServer {
  readonly handler: Handler
  readonly endpoints: readonly Endpoint[]
  /** To be told when a worker of this process dropped records of its engine's build cache. */
  pruned(what: { readonly records: number; readonly bytes: number; readonly leftBytes: number }): void
  /** What is done by the clock, until the signal is aborted. */
  run(): Promise<void>
}

/** Bounds where none are given. */
export const DEFAULT_LIMITS: ServerLimits = {
  contextBytes: 1024 * 1024 * 1024,
  openBuilds: 1_000,
  buildMs: 2 * 3_600_000,
  budgetBytes: 20 * 1024 * 1024 * 1024,
  tokenRate: { burst: 300, perSecond: 50 },
}

/** How long builds are kept where nothing is said, in milliseconds: 30 days. */
export const DEFAULT_RETENTION_MS = 30 * 24 * 3_600_000

/** Makes a server. */
export function createServer(parts: ServerParts): TracelessServer {
  const { store, queue, log, version, isSecure, signal, keepsImages } = parts
  const { builds, tokens, workers } = store
  const limits = { ...DEFAULT_LIMITS, ...parts.limits }
  const metrics = serverMetrics({ builds, workers })
  const api: ApiParts = {
    storeId: store.id,
    version,
    adminAs: (actor) => store.adminAs(actor),
    recipients: () => store.recipients(),
    builds,
    queue,
    tokens,
    workers,
    metrics,
    limits,
    keepsImages,
    signal,
  }
  const endpoints = [
    ...placeEndpoints(api),
    ...secretEndpoints(api.adminAs),
    ...groupEndpoints(api.adminAs),
    ...buildEndpoints(api),
    ...streamEndpoints(api),
    ...accessEndpoints(api),
  ]
  const strangers = new RateLimit(STRANGER_RATE)
  const numbers = async (): Promise<Response> =>
    new Response(await metrics.text(), { headers: { 'content-type': 'text/plain; version=0.0.4' } })
  const metricsEndpoint: Endpoint = {
    method: 'get',
    path: '/metrics',
    summary: 'Numbers for Prometheus.',
    scopes: ['admin'],
    everywhere: true,
    answers: { 200: 'text/plain' },
    handle: numbers,
  }
  const guarded = parts.openMetrics === true ? endpoints : [...endpoints, metricsEndpoint]
  const handler = createHandler({
    endpoints: guarded,
    open: [
      ...healthRoutes(() => builds.open()),
      documentRoute(openApiDocument(guarded, version)),
      ...sessionRoutes({ tokens, isSecure, strangers }),
      ...(parts.openMetrics === true ? [{ method: 'GET', path: '/metrics', respond: numbers } as const] : []),
    ],
    files: dashboardFiles(parts.dashboard),
    tokens,
    log,
    metrics,
    isSecure,
    strangers,
    tokenRate: limits.tokenRate,
  })
  const retention = {
    retentionMs: parts.retention?.retentionMs ?? DEFAULT_RETENTION_MS,
    budgetBytes: parts.retention?.budgetBytes ?? limits.budgetBytes,
  }
  return {
    handler,
    endpoints: guarded,
    pruned(what) {
      log.event('build cache pruned', { ...what })
      metrics.pruned(what)
    },
    run: () => keepUp({ builds, workers, queue, log, metrics, retention, webhook: parts.webhook, signal }),
  }
}
