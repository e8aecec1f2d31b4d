/**
 * What workers do to a build. Every statement names the lease it is done under.
 *
 * @packageDocumentation
 */

import { createHash, randomBytes } from 'node:crypto'
import {
  LEASE_MS,
  MAX_ATTEMPTS,
  MAX_EVENT_BYTES,
  type BuildFailure,
  type BuildRecords,
  type JsonObject,
  type LeasedBuild,
  type LeaseRef,
} from './builds.js'
import { deleteGiven, endedAt, failureJson, later, type BuildParts } from './build-rows.js'
import type { Statements } from './database.js'

type Part = Pick<
  BuildRecords,
  'begin' | 'renew' | 'leased' | 'appendEvents' | 'eventsAfter' | 'finish' | 'giveBack'
>

/** The part of the records that workers use. */
export function buildLeases({ database, clock, changes }: BuildParts): Part {
  return {
    begin: (id, worker) =>
      changes.change(id, async (tx) => {
        const at = await clock(tx)
        const lease = randomBytes(16).toString('hex')
        const lease_until = later(at, LEASE_MS)
        const row = await tx
          .updateTable('build')
          .set((is) => ({
            state: 'running',
            lease: hashOf(lease),
            lease_until,
            worker,
            attempt: is('attempt', '+', 1),
            started_at: is.fn.coalesce('started_at', is.val(at.toISOString())),
          }))
          .where('id', '=', id)
          .where('state', '=', 'waiting')
          .where('attempt', '<', MAX_ATTEMPTS)
          .returning('attempt')
          .executeTakeFirst()
        return row === undefined
          ? null
          : { build: id, lease, attempt: row.attempt, until: new Date(lease_until) }
      }),
    renew: (lease, { naming = false } = {}) =>
      database.writeRows(async (tx) => {
        const at = await clock(tx)
        const row = await held(tx, lease)
          .set({ lease_until: later(at, LEASE_MS) })
          // One that is over may be somebody else's the next moment.
          .where('lease_until', '>', at.toISOString())
          .returning('cancel_requested')
          .executeTakeFirst()
        if (row === undefined) return 'lost'
        if (row.cancel_requested === 1) return 'cancelled'
        if (naming) await held(tx, lease).set({ naming: 1 }).execute()
        return 'live'
      }),
    leased: (lease) => database.read(async (tx) => findLeased(tx, lease, await clock(tx))),
    appendEvents: (lease, events) =>
      changes.change(lease.build, async (tx) => {
        const at = (await clock(tx)).toISOString()
        const row = await held(tx, lease)
          .set((is) => ({ events: is('events', '+', 0) }))
          .returning(['events', 'event_bytes'])
          .executeTakeFirst()
        if (row === undefined) return false
        await insertEvents(tx, {
          id: lease.build,
          at,
          ...fitted(events, Number(row.event_bytes)),
          after: row.events,
        })
        return true
      }),
    async eventsAfter(id, seq, max) {
      const rows = await database.read((tx) =>
        tx
          .selectFrom('build_event')
          .select(['seq', 'at', 'event_json'])
          .where('build', '=', id)
          .where('seq', '>', seq)
          .orderBy('seq')
          .limit(max)
          .execute(),
      )
      return rows.map((row) => ({
        seq: row.seq,
        at: new Date(row.at),
        event: JSON.parse(row.event_json) as JsonObject,
      }))
    },
    finish: (lease, { state, image, failure, report, delivery }) =>
      changes.change(lease.build, async (tx) => {
        const at = (await clock(tx)).toISOString()
        const { numUpdatedRows } = await held(tx, lease)
          .set({
            state,
            image: image ?? null,
            failure_json: failure === undefined ? null : failureJson(knownFields(failure)),
            report_json: report === undefined ? null : JSON.stringify(report),
            verdict: verdictOf(report),
            delivery_json: delivery === undefined ? null : JSON.stringify(delivery),
            ...endedAt(at),
          })
          .executeTakeFirstOrThrow()
        if (numUpdatedRows === 0n) return false
        await deleteGiven(tx, lease.build)
        return true
      }),
    giveBack: (lease, reason) =>
      changes.change(lease.build, async (tx) => {
        const row = await held(tx, lease)
          // It does not count: nothing died.
          .set((is) => ({ state: 'waiting', lease: null, lease_until: null, attempt: is('attempt', '-', 1) }))
          .where('naming', '=', 0)
          .returning('events')
          .executeTakeFirst()
        if (row === undefined) return false
        const at = (await clock(tx)).toISOString()
        const note = JSON.stringify({ type: 'note', text: reason })
        await insertEvents(tx, {
          id: lease.build,
          at,
          texts: [note],
          bytes: note.length,
          after: row.events,
        })
        return true
      }),
  }
}

/** An update of the build, if the lease still is the one under which it runs. */
const held = (
  tx: Statements,
  { build, lease, attempt }: LeaseRef,
): ReturnType<typeof tx.updateTable<'build'>> =>
  tx
    .updateTable('build')
    .where('id', '=', build)
    .where('state', '=', 'running')
    .where('lease', '=', hashOf(lease))
    .where('attempt', '=', attempt)

async function findLeased(
  tx: Statements,
  { build, lease, attempt }: LeaseRef,
  at: Date,
): Promise<LeasedBuild | null> {
  const row = await tx
    .selectFrom('build')
    .select(['environment', 'request_json', 'idempotency_key', 'worker'])
    .where('id', '=', build)
    .where('state', '=', 'running')
    .where('lease', '=', hashOf(lease))
    .where('attempt', '=', attempt)
    .where('lease_until', '>', at.toISOString())
    .executeTakeFirst()
  if (row === undefined) return null
  const { groups, guard, onRotate } = JSON.parse(row.request_json) as JsonObject
  const boxes = await tx
    .selectFrom('build_value')
    .select(['name', 'key_id', 'box'])
    .where('build', '=', build)
    .execute()
  return {
    environment: row.environment,
    groups: Array.isArray(groups) ? groups.filter((group) => typeof group === 'string') : [],
    guard: guard === 'plan' ? 'plan' : 'environment',
    keeps: onRotate === 'keep',
    submission: row.idempotency_key,
    values: [...new Set(boxes.map(({ name }) => name))].map((name) => ({
      name,
      boxes: boxes
        .filter((each) => each.name === name)
        .map(({ key_id, box }) => ({ keyId: key_id, box: new Uint8Array(box) })),
    })),
    worker: row.worker,
  }
}

/** What stands in the database for the random text of a lease. Plain SHA-256 is enough for 128 random bits. */
export const hashOf = (lease: string): string => createHash('sha256').update(lease).digest('hex')

/** Writes events behind the last one and counts them. */
export async function insertEvents(
  tx: Statements,
  {
    id,
    at,
    texts,
    bytes,
    after,
  }: {
    readonly id: string
    readonly at: string
    readonly texts: readonly string[]
    readonly bytes: number
    readonly after: number
  },
): Promise<void> {
  if (texts.length === 0) return
  await tx
    .insertInto('build_event')
    .values(texts.map((event_json, index) => ({ build: id, seq: after + index + 1, at, event_json })))
    .execute()
  await tx
    .updateTable('build')
    .set((is) => ({ events: after + texts.length, event_bytes: is('event_bytes', '+', bytes) }))
    .where('id', '=', id)
    .execute()
}

/** The texts of events that have room. Output beyond {@link MAX_EVENT_BYTES} is left out; what else is told is short. */
function fitted(
  events: readonly JsonObject[],
  used: number,
): { readonly texts: readonly string[]; readonly bytes: number } {
  const texts: string[] = []
  let size = used
  const add = (event: JsonObject): void => {
    const text = JSON.stringify(event)
    size += text.length
    texts.push(text)
  }
  for (const event of events) {
    if (size >= MAX_EVENT_BYTES && event['type'] === 'log') continue
    const had = size < MAX_EVENT_BYTES
    add(event)
    if (had && size >= MAX_EVENT_BYTES) {
      add({ type: 'note', text: 'The build has told too much: the rest of its output is not kept.' })
    }
  }
  return { texts, bytes: size - used }
}

const verdictOf = (report: JsonObject | undefined): string | null => {
  const verdict = report?.['verdict']
  return typeof verdict === 'string' ? verdict : null
}

/** A failure may be a fault itself, whose cause must not come along. */
const knownFields = ({ code, message, hint, detail, problems }: BuildFailure): BuildFailure => ({
  code,
  message,
  ...(hint === undefined ? {} : { hint }),
  ...(detail === undefined ? {} : { detail }),
  ...(problems === undefined || problems.length === 0 ? {} : { problems }),
})
