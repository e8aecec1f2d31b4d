/**
 * `traceless serve`: the HTTP API and the dashboard; with the embedded store
 * also what builds, so that one process is a whole server.
 *
 * @packageDocumentation
 */

import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SecretValue } from '../secret.js'
import type { BuildQueue } from '../queue/queue.js'
import type { ServerParts, TracelessServer } from '../server/server.js'
import type { Store } from '../store/open.js'
import type { App } from './app.js'
import type { AddCommand } from './command.js'
import { startKeyholder } from './embedded-keyholder.js'
import { addTlsOptions, readTls, type TlsFlags } from './listen-place.js'
import { CGROUP_PARENT, DISK_BUDGET, dayCount, placesCount, portNumber, sizeOf } from './serve-options.js'
import { VERSION } from './version.js'

interface ServeFlags extends TlsFlags {
  readonly host: string
  readonly port: number
  readonly builds?: number
  readonly database?: string
  readonly retention: number
  readonly budget: number
  readonly diskBudget?: number
  readonly cgroupParent?: string
  readonly webhook?: string
  readonly openMetrics?: boolean
  readonly behindTls?: boolean
}

/** Builds at once where this process builds and nothing is said. */
const DEFAULT_PLACES = 2

/** How long requests and builds under way may take once the server was asked to end, in milliseconds. */
const GRACE_MS = 10_000

/** Adds the command. */
export const addServe: AddCommand = (parent, app) => {
  const command = parent
    .command('serve')
    .summary('run the server: HTTP API, dashboard and builds')
    .description(
      'Answers the HTTP API under /v1 and the dashboard under /. With the store in a file it also builds, on the engine of\nthis machine; with PostgreSQL that is left to "traceless worker" and "traceless keyholder", unless --builds is given.\nThe key of the webhook\'s signatures is read from TRACELESS_WEBHOOK_KEY.',
    )
    .option('--host <address>', 'address to listen at', '127.0.0.1')
    .option('--port <number>', 'port to listen at', portNumber, 8787)
    .option('--builds <number>', 'builds at once in this process', placesCount)
    .option('--retention <days>', 'how long builds are kept after their end', dayCount, 30)
    .option('--budget <size>', 'bytes that kept builds may take, such as 20G', sizeOf, sizeOf('20G'))
    .option('--disk-budget <size>', `${DISK_BUDGET}, where this process builds`, sizeOf)
    .option('--cgroup-parent <cgroup>', `${CGROUP_PARENT}, where this process builds`)
    .option('--webhook <url>', 'where the end of each build is told')
    .option('--open-metrics', 'let everyone read /metrics, without a token')
    .option('--behind-tls', 'a proxy before the server speaks TLS: cookies are for TLS only')
    .action(async (flags: ServeFlags) => {
      await serve(app, flags)
    })
  addTlsOptions(command)
}

async function serve(app: App, flags: ServeFlags): Promise<void> {
  const { io } = app
  const url = flags.database ?? io.env['TRACELESS_DATABASE'] ?? ''
  const places = flags.builds ?? (url === '' ? DEFAULT_PLACES : 0)
  const tls = await readTls(flags)
  const [{ openStore }, { listen }, { createServer }, { serverLog }, { checkWebhook }] = await Promise.all([
    import('../store/open.js'),
    import('../server/listen.js'),
    import('../server/server.js'),
    import('../server/log.js'),
    import('../server/webhook.js'),
  ])
  // First, because it makes the store where there is none; this process could not.
  await using keyholder = places === 0 ? null : await startKeyholder(io, ownWords(), flags.database)
  await using store = await openStore({ env: io.env, database: flags.database, withoutIdentity: true })
  await using queue = await queueOf(url, store)
  const log = serverLog((line) => io.err(line))
  const ending = new AbortController()
  const server = createServer({
    store,
    queue,
    log,
    version: VERSION,
    keepsImages: url === '',
    isSecure: tls !== undefined || flags.behindTls === true,
    openMetrics: flags.openMetrics,
    retention: { retentionMs: flags.retention * 24 * 3_600_000, budgetBytes: flags.budget },
    webhook: flags.webhook === undefined ? undefined : webhookOf(checkWebhook(flags.webhook), io.env),
    dashboard: dashboardFolder(),
    signal: ending.signal,
  })
  const worker =
    keyholder === null
      ? null
      : await startWorker(app, {
          store,
          queue,
          keyholder,
          places,
          budgetBytes: flags.diskBudget,
          cgroupParent: flags.cgroupParent,
          server,
        })
  const listening = await listen(server.handler, flags, { tls })
  const upkeep = server.run()
  io.out(`The server of store ${store.id} listens at ${listening.address}`)
  if ((await store.tokens.list()).length === 0) {
    io.err('There is no token yet. Make the first with: traceless token create admin --scope admin')
  }
  await Promise.race([aborted(io.signal), worker?.done ?? aborted(io.signal)])
  log.event('ending')
  ending.abort()
  await Promise.all([listening.close(GRACE_MS), worker?.end(GRACE_MS), upkeep])
  await worker?.done
}

async function queueOf(url: string, { builds }: Store): Promise<BuildQueue> {
  if (url === '') {
    const { embeddedQueue } = await import('../queue/embedded-queue.js')
    return embeddedQueue(builds)
  }
  const { postgresQueue } = await import('../queue/postgres-queue.js')
  return await postgresQueue(url, builds, { owner: true })
}

/** The worker of this process. */
interface OwnWorker {
  readonly done: Promise<void>
  /** Takes no more builds, and gives back what has not ended after that time. */
  end(graceMs: number): Promise<void>
}

async function startWorker(
  app: App,
  {
    store,
    queue,
    keyholder,
    places,
    budgetBytes,
    cgroupParent,
    server,
  }: {
    readonly store: Store
    readonly queue: BuildQueue
    readonly keyholder: { readonly address: string }
    readonly places: number
    /** Default: the engine's own affair. */
    readonly budgetBytes: number | undefined
    readonly cgroupParent: string | undefined
    readonly server: Pick<TracelessServer, 'pruned'>
  },
): Promise<OwnWorker> {
  const { io } = app
  const [{ askAt }, { runFleetWorker }, { workerBuilder }, { diskBudget }, { dockerCredentials }] =
    await Promise.all([
      import('../keyholder/ask.js'),
      import('../queue/fleet.js'),
      import('../queue/worker-builder.js'),
      import('../queue/disk-budget.js'),
      import('../docker/credentials.js'),
    ])
  const engine = await app.engine()
  const budget =
    budgetBytes === undefined
      ? undefined
      : diskBudget(engine, { made: store.made, budgetBytes, onPruned: (pruned) => server.pruned(pruned) })
  const [drain, stop] = [new AbortController(), new AbortController()]
  const done = runFleetWorker(
    {
      records: store,
      queue,
      ask: askAt(keyholder.address),
      name: hostname(),
      engine: engine.info,
      afterBuild: budget?.keep,
      cgroupParent,
      builder: workerBuilder({
        records: store,
        engine: async () => budget?.engine ?? (await app.engine()),
        credentials: dockerCredentials(io.env),
      }),
    },
    { places, drain: drain.signal, stop: stop.signal },
  )
  return {
    done,
    async end(graceMs) {
      drain.abort()
      const timer = setTimeout(() => stop.abort(), graceMs)
      await done
      clearTimeout(timer)
    },
  }
}

function webhookOf(
  url: string,
  env: Readonly<Record<string, string | undefined>>,
): NonNullable<ServerParts['webhook']> {
  const key = env['TRACELESS_WEBHOOK_KEY'] ?? ''
  return { url, key: key === '' ? undefined : SecretValue.fromText(key) }
}

/** How this program was started, for a child that is the same program. */
const ownWords = (): readonly string[] => [process.execPath, ...process.execArgv, process.argv[1] ?? '']

/** Where the build put the dashboard: beside the folder of the command line, whose parts may lie one folder deeper. */
function dashboardFolder(): string {
  const here = dirname(fileURLToPath(import.meta.url))
  return join(basename(here) === 'chunks' ? dirname(here) : here, '..', 'server', 'dashboard')
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
