/**
 * `traceless worker`: builds for others, on the engine of this machine.
 *
 * @packageDocumentation
 */

import { hostname } from 'node:os'
import { Fault } from '../errors.js'
import type { WorkerControls } from '../queue/worker.js'
import type { App } from './app.js'
import type { AddCommand } from './command.js'
import type { Io } from './io.js'
import { CGROUP_PARENT, DISK_BUDGET, prunedText, sizeOf } from './serve-options.js'

interface WorkerFlags {
  readonly keyholder?: string
  readonly database?: string
  readonly name?: string
  readonly builds: number
  readonly timeout?: number
  readonly diskBudget?: number
  readonly cgroupParent?: string
}

/** Adds the command. */
export const addWorker: AddCommand = (parent, app) => {
  parent
    .command('worker')
    .summary('carry out builds that wait on a server')
    .description(
      'Takes builds from the database of a server and carries them out on the engine of this machine. It holds no identity:\nthe values of a build come from the keyholder. The first SIGTERM lets it end with what it has, the second gives that\nback.',
    )
    .option('--keyholder <address>', 'https://HOST:PORT or unix:/PATH (default: TRACELESS_KEYHOLDER)')
    .option('--name <name>', 'how it is listed (default: the host)')
    .option('--builds <number>', 'builds at once', count, 1)
    .option('--timeout <seconds>', 'longest time of a build', count)
    .option('--disk-budget <size>', DISK_BUDGET, sizeOf)
    .option('--cgroup-parent <cgroup>', CGROUP_PARENT)
    .action(async (flags: WorkerFlags) => {
      const { io } = app
      const database = required(
        flags.database ?? io.env['TRACELESS_DATABASE'],
        '--database',
        'TRACELESS_DATABASE',
      )
      const keyholder = required(
        flags.keyholder ?? io.env['TRACELESS_KEYHOLDER'],
        '--keyholder',
        'TRACELESS_KEYHOLDER',
      )
      await work(app, { database, keyholder, flags })
    })
}

async function work(
  app: App,
  {
    database,
    keyholder,
    flags,
  }: { readonly database: string; readonly keyholder: string; readonly flags: WorkerFlags },
): Promise<void> {
  const { io } = app
  const [
    { askAt },
    { openRecords },
    { postgresQueue },
    { runFleetWorker },
    { workerBuilder },
    { diskBudget },
    { dockerCredentials },
  ] = await Promise.all([
    import('../keyholder/ask.js'),
    import('../store/open-records.js'),
    import('../queue/postgres-queue.js'),
    import('../queue/fleet.js'),
    import('../queue/worker-builder.js'),
    import('../queue/disk-budget.js'),
    import('../docker/credentials.js'),
  ])
  const ask = askAt(keyholder)
  const engine = await app.engine()
  await using records = await openRecords({ database })
  await using queue = await postgresQueue(database, records.builds)
  const budget =
    flags.diskBudget === undefined
      ? undefined
      : diskBudget(engine, {
          made: records.made,
          budgetBytes: flags.diskBudget,
          onPruned: (pruned) => io.err(prunedText(pruned)),
        })
  using controls = workerSignals(io)
  const name = flags.name ?? hostname()
  io.out(`The worker ${name} takes builds of store ${records.id}, on Docker ${engine.info.version}.`)
  await runFleetWorker(
    {
      records,
      queue,
      ask,
      name,
      engine: engine.info,
      afterBuild: budget?.keep,
      cgroupParent: flags.cgroupParent,
      timeoutMs: flags.timeout === undefined ? undefined : flags.timeout * 1000,
      builder: workerBuilder({
        records,
        engine: async () => budget?.engine ?? (await app.engine()),
        credentials: dockerCredentials(io.env),
      }),
    },
    { ...controls, places: flags.builds },
  )
}

/** The first signal drains, the next one stops. */
export function workerSignals({
  console,
  err,
}: Pick<Io, 'console' | 'err'>): Omit<WorkerControls, 'places'> & Disposable {
  const [drain, stop] = [new AbortController(), new AbortController()]
  const relayed = console().relaySignals(() => {
    if (drain.signal.aborted) {
      err('Giving back what is being built.')
      stop.abort()
    } else {
      err('Taking no more builds. A second signal gives back what is being built.')
      drain.abort()
    }
  })
  return { drain: drain.signal, stop: stop.signal, [Symbol.dispose]: () => relayed[Symbol.dispose]() }
}

function required(value: string | undefined, option: string, variable: string): string {
  if (value !== undefined && value !== '') return value
  throw new Fault('REQUEST_INVALID', `The worker needs ${option}.`, { hint: `Give it, or set ${variable}.` })
}

function count(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text)
  throw new Fault('REQUEST_INVALID', '--builds and --timeout take a whole number above 0.')
}
