/**
 * What has to be done for builds that nobody works on: taking them from workers
 * that are gone, telling of their end, deleting what is kept no longer.
 *
 * @packageDocumentation
 */

import { LEASE_MS, MAX_ATTEMPTS, type BuildRecords, type Retention } from './builds.js'
import {
  deleteGiven,
  endedAt,
  ENTRY_COLUMNS,
  entryOf,
  failureOf,
  later,
  type BuildParts,
} from './build-rows.js'
import { insertEvents } from './build-leases.js'
import type { Statements } from './database.js'
import type { BuildTable } from './schema.js'
import { chunks } from './secret-rows.js'

type Part = Pick<BuildRecords, 'expire' | 'cleanUp' | 'toTell' | 'told'>

/** How long it is tried to tell of a build's end, in milliseconds. */
const TELL_MS = 24 * 3_600_000

/** The part of the records that looks after itself. */
export function buildUpkeep({ database, clock, changes }: BuildParts): Part {
  return {
    async expire() {
      const waiting: string[] = []
      const ended: string[] = []
      for (const row of await database.read(async (tx) => findExpired(tx, await clock(tx)))) {
        const next = await changes.change(row.id, async (tx) => release(tx, row, await clock(tx)))
        if (next === 'waiting') waiting.push(row.id)
        if (next === 'ended') ended.push(row.id)
      }
      return { waiting, ended }
    },
    async cleanUp(retention) {
      const ids = await database.read(async (tx) => findOld(tx, retention, await clock(tx)))
      for (const some of chunks(ids)) {
        await database.writeRows(async (tx) => {
          for (const table of ['build_event', 'build_blob', 'build_value'] as const) {
            await tx.deleteFrom(table).where('build', 'in', some).execute()
          }
          await tx.deleteFrom('build').where('id', 'in', some).execute()
        })
      }
      return ids
    },
    toTell: ({ max, holdMs }) =>
      database.writeRows(async (tx) => {
        const at = await clock(tx)
        const now = at.toISOString()
        await tx
          .updateTable('build')
          .set({ webhook_due: null })
          .where('webhook_due', 'is not', null)
          .where('ended_at', '<', later(at, -TELL_MS))
          .execute()
        const due = await tx
          .selectFrom('build')
          .select(['id', 'webhook_due'])
          .where('webhook_due', '<=', now)
          .orderBy('webhook_due')
          .limit(max)
          .execute()
        const mine = []
        for (const { id, webhook_due } of due) {
          const row = await tx
            .updateTable('build')
            .set({ webhook_due: later(at, holdMs) })
            .where('id', '=', id)
            // Another server may have been faster.
            .where('webhook_due', '=', webhook_due)
            .returning(ENTRY_COLUMNS)
            .executeTakeFirst()
          if (row !== undefined) mine.push(entryOf(row))
        }
        return mine
      }),
    async told(id) {
      await database.writeRows((tx) =>
        tx.updateTable('build').set({ webhook_due: null }).where('id', '=', id).execute(),
      )
    },
  }
}

type Expired = Pick<
  BuildTable,
  'id' | 'state' | 'lease' | 'attempt' | 'naming' | 'cancel_requested' | 'lease_until'
>

async function findExpired(tx: Statements, at: Date): Promise<readonly Expired[]> {
  return await tx
    .selectFrom('build')
    .select(['id', 'state', 'lease', 'attempt', 'naming', 'cancel_requested', 'lease_until'])
    .where('ended_at', 'is', null)
    .where('state', 'in', ['running', 'uploading'])
    .where('lease_until', '<', at.toISOString())
    .execute()
}

/** Takes a build from a worker that is gone. `lost`: it lives after all, or another server was faster. */
async function release(tx: Statements, row: Expired, at: Date): Promise<'waiting' | 'ended' | 'lost'> {
  const now = at.toISOString()
  const end = endOf(row)
  const { set, text } =
    end === null
      ? {
          set: { state: 'waiting', lease: null, lease_until: null } as const,
          text: 'The worker that had the build is gone. It waits for another one.',
        }
      : {
          set: { state: end.state, failure_json: end.failure, ...endedAt(now) },
          text: 'The worker that had the build is gone.',
        }
  const changed = await tx
    .updateTable('build')
    .set(set)
    .where('id', '=', row.id)
    .where('state', '=', row.state)
    .where('attempt', '=', row.attempt)
    .where('lease_until', '=', row.lease_until)
    .$if(row.lease !== null, (query) => query.where('lease', '=', row.lease))
    .returning(['events'])
    .executeTakeFirst()
  if (changed === undefined) return 'lost'
  if (row.state === 'running') {
    const note = JSON.stringify({ type: 'note', text })
    await insertEvents(tx, { id: row.id, at: now, texts: [note], bytes: note.length, after: changed.events })
  }
  if (end === null) return 'waiting'
  await deleteGiven(tx, row.id)
  return 'ended'
}

/** How a build ends that is not to be begun again; `null` for one that is. */
function endOf(row: Expired): { readonly state: 'failed' | 'cancelled'; readonly failure: string } | null {
  if (row.cancel_requested === 1) {
    return { state: 'cancelled', failure: failureOf('CANCELLED', 'The build was cancelled.') }
  }
  if (row.state === 'uploading') {
    return {
      state: 'failed',
      failure: failureOf('REQUEST_INVALID', 'The context of the build did not come in time.'),
    }
  }
  if (row.naming === 1) {
    return {
      state: 'failed',
      failure: failureOf('BUILD_FAILED', 'The worker was lost while the proven image got its names.', {
        hint: 'Some of the names may be given. Submit the build again.',
      }),
    }
  }
  if (row.attempt < MAX_ATTEMPTS) return null
  return {
    state: 'failed',
    failure: failureOf(
      'BUILD_FAILED',
      `The worker was lost ${row.attempt} times, and the build was given up.`,
      {
        hint: `A worker counts as lost when it says nothing for ${LEASE_MS / 1000} seconds. The build may take more memory than there is.`,
      },
    ),
  }
}

/** Ended builds that are too old, then the oldest that do not fit into the budget. */
async function findOld(
  tx: Statements,
  { retentionMs, budgetBytes }: Retention,
  at: Date,
): Promise<readonly string[]> {
  const limit = later(at, -retentionMs)
  const rows = await tx
    .selectFrom('build')
    .select(['id', 'ended_at', 'event_bytes', 'output_bytes'])
    .where('ended_at', 'is not', null)
    .orderBy('ended_at', 'desc')
    .orderBy('id')
    .execute()
  let used = 0
  return rows
    .filter(({ ended_at, event_bytes, output_bytes }) => {
      used += Number(event_bytes) + Number(output_bytes)
      return (ended_at ?? '') < limit || used > budgetBytes
    })
    .map(({ id }) => id)
}
