/**
 * The processes that build, as they announce themselves.
 *
 * @packageDocumentation
 */

import { randomBytes } from 'node:crypto'
import type { JsonObject } from './builds.js'
import type { Clock } from './clock.js'
import type { Database } from './database.js'

/** A worker. */
export interface WorkerEntry {
  /** 16 random hex digits. */
  readonly id: string
  readonly name: string
  readonly host: string
  /** What its engine said of itself. */
  readonly engine: JsonObject
  readonly startedAt: Date
  readonly seenAt: Date
  /** It takes no more builds and ends with those it has. */
  readonly draining: boolean
  /** Ids of the builds it has. */
  readonly builds: readonly string[]
}

/** Keeps workers. */
export interface WorkerRecords {
  /** @returns the id of the new worker. */
  register(worker: Pick<WorkerEntry, 'name' | 'host' | 'engine'>): Promise<string>
  /** Says that a worker lives. */
  beat(id: string, now: Pick<WorkerEntry, 'draining' | 'builds'>): Promise<void>
  leave(id: string): Promise<void>
  /** Those that were seen within {@link WORKER_GONE_MS}, oldest first. */
  list(): Promise<readonly WorkerEntry[]>
  /** Forgets those that were not. */
  cleanUp(): Promise<void>
}

/** How long a worker is listed that says nothing, in milliseconds. */
export const WORKER_GONE_MS = 90_000

/** Makes the records of a store. */
export function workerRecords({ database, clock }: { database: Database; clock: Clock }): WorkerRecords {
  return {
    async register({ name, host, engine }) {
      const id = randomBytes(8).toString('hex')
      await database.writeRows(async (tx) => {
        const at = (await clock(tx)).toISOString()
        await tx
          .insertInto('worker')
          .values({
            id,
            name,
            host,
            engine_json: JSON.stringify(engine),
            started_at: at,
            seen_at: at,
            draining: 0,
            builds_json: '[]',
          })
          .execute()
      })
      return id
    },
    async beat(id, { draining, builds }) {
      await database.writeRows(async (tx) => {
        const seen_at = (await clock(tx)).toISOString()
        await tx
          .updateTable('worker')
          .set({ seen_at, draining: draining ? 1 : 0, builds_json: JSON.stringify(builds) })
          .where('id', '=', id)
          .execute()
      })
    },
    async leave(id) {
      await database.writeRows((tx) => tx.deleteFrom('worker').where('id', '=', id).execute())
    },
    async list() {
      const rows = await database.read(async (tx) =>
        tx
          .selectFrom('worker')
          .selectAll()
          .where('seen_at', '>', goneBefore(await clock(tx)))
          .orderBy('started_at')
          .orderBy('id')
          .execute(),
      )
      return rows.map((row) => ({
        id: row.id,
        name: row.name,
        host: row.host,
        engine: JSON.parse(row.engine_json) as JsonObject,
        startedAt: new Date(row.started_at),
        seenAt: new Date(row.seen_at),
        draining: row.draining === 1,
        builds: JSON.parse(row.builds_json) as string[],
      }))
    },
    async cleanUp() {
      await database.writeRows(async (tx) =>
        tx
          .deleteFrom('worker')
          .where('seen_at', '<=', goneBefore(await clock(tx)))
          .execute(),
      )
    },
  }
}

const goneBefore = (now: Date): string => new Date(now.getTime() - WORKER_GONE_MS).toISOString()
