/**
 * The queue of many machines: pg-boss on the PostgreSQL that keeps the records.
 * A job holds the id of a build and nothing else. A worker that has one says so
 * every few seconds; when it falls silent the job goes to another.
 *
 * @packageDocumentation
 */

import type { PgBoss } from 'pg-boss'
import { Fault } from '../errors.js'
import type { BuildRecords } from '../store/builds.js'
import { postgresFault } from '../store/postgres.js'
import { changesOf, LOOK_AGAIN_MS } from './changes.js'
import type { BuildQueue } from './queue.js'
import { Bell } from './wake.js'

/** Schema that holds the queue's tables. */
export const QUEUE_SCHEMA = 'traceless_queue'

/** Name of the one queue. */
const QUEUE = 'build'

/** Silence after which a job goes to another worker, in seconds: the least that pg-boss takes. */
const SILENCE_SECONDS = 10

/** Pause between two signs of life, in milliseconds. */
const TOUCH_MS = 3_000

/** Longest time that a job may be in hands, in seconds: pg-boss wants a limit, and a build has its own. */
const EXPIRE_SECONDS = 86_400

/** How often pg-boss looks for jobs of workers that fell silent, in seconds. */
const MONITOR_SECONDS = 5

/** Jobs that failed are tried as often: how often a build is begun is for its record to say. */
const RETRY_LIMIT = 1_000

/** How a queue is opened. */
export interface PostgresQueueOptions {
  /** Makes the queue's tables and looks after them, as a server does. A worker uses what is there. Default: false. */
  readonly owner?: boolean
}

/**
 * Opens the queue.
 *
 * @param url - `postgres://…`, of the database that the records are in.
 * @throws {@link Fault} `STORE_UNAVAILABLE` where the database does not answer or has no queue yet.
 */
export async function postgresQueue(
  url: string,
  records: Pick<BuildRecords, 'waiting' | 'watch'>,
  { owner = false }: PostgresQueueOptions = {},
): Promise<BuildQueue> {
  const boss = await startedBoss(url, owner)
  const stop = new AbortController()
  const announce = async (id: string): Promise<void> => {
    await asked(boss.send(QUEUE, { id }, { singletonKey: id }))
  }
  const next = async (): Promise<Job | undefined> => {
    const [job] = await asked(boss.fetch<JobData>(QUEUE))
    if (job !== undefined) return job
    // What waits without a job lost it with whoever was to announce it.
    const waiting = await records.waiting(1)
    for (const id of waiting) await announce(id)
    return waiting.length === 0 ? undefined : (await asked(boss.fetch<JobData>(QUEUE)))[0]
  }
  const close = async (): Promise<void> => {
    stop.abort()
    await boss.stop({ graceful: false })
  }
  return {
    announce,
    async *take(signal) {
      const until = AbortSignal.any([signal, stop.signal])
      const bell = new Bell()
      using _watch = records.watch(() => bell.ring())
      while (!until.aborted) {
        const job = await next()
        if (job === undefined) {
          await bell.wait(LOOK_AGAIN_MS, until)
          continue
        }
        yield* held(boss, job)
      }
    },
    changes: (buildId, signal) => changesOf(records, buildId, AbortSignal.any([signal, stop.signal])),
    close,
    [Symbol.asyncDispose]: close,
  }
}

interface JobData {
  readonly id: string
}

type Job = Awaited<ReturnType<PgBoss['fetch']>>[number] & { readonly data: JobData }

async function startedBoss(url: string, owner: boolean): Promise<PgBoss> {
  const { PgBoss } = await import('pg-boss')
  const boss = new PgBoss({
    connectionString: url,
    schema: QUEUE_SCHEMA,
    application_name: 'traceless queue',
    max: 2,
    migrate: owner,
    createSchema: owner,
    supervise: owner,
    schedule: false,
    monitorIntervalSeconds: MONITOR_SECONDS,
    superviseIntervalSeconds: MONITOR_SECONDS,
  })
  // An error of its connections is met again by the next call, which tells.
  boss.on('error', () => undefined)
  try {
    await boss.start()
    if (owner) {
      await boss.createQueue(QUEUE, {
        // One job of a build waits at most, while another may be in hands.
        policy: 'short',
        heartbeatSeconds: SILENCE_SECONDS,
        expireInSeconds: EXPIRE_SECONDS,
        retryLimit: RETRY_LIMIT,
      })
    } else if ((await boss.getQueue(QUEUE)) === null) throw noQueue()
    return boss
  } catch (error) {
    await boss.stop({ graceful: false }).catch(() => undefined)
    throw error instanceof Fault ? error : (postgresFault(error) ?? noQueue(error))
  }
}

/** Lends the build of a job and says that it is in hands; when the loop is left it is given back. */
async function* held(boss: PgBoss, job: Job): AsyncGenerator<string> {
  const attempt = { id: job.id, retryCount: job.retryCount }
  const timer = setInterval(() => void boss.touch(QUEUE, attempt).catch(() => undefined), TOUCH_MS)
  let done = false
  try {
    yield job.data.id
    done = true
  } finally {
    clearInterval(timer)
    // A job that was given to another meanwhile is left alone by its attempt.
    await asked(done ? boss.complete(QUEUE, attempt) : boss.fail(QUEUE, attempt))
  }
}

async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw postgresFault(error) ?? error
  }
}

const noQueue = (cause?: unknown): Fault =>
  new Fault('STORE_UNAVAILABLE', 'The database has no queue of builds that this version can use.', {
    hint: 'Start the server first: it makes the queue.',
    cause,
  })
