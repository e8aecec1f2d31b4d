/**
 * Rows of builds and what they say.
 *
 * @packageDocumentation
 */

import type { Selectable } from 'kysely'
import { Fault } from '../errors.js'
import type { BuildEntry, BuildFailure, JsonObject } from './builds.js'
import type { Changes } from './build-watch.js'
import type { Clock } from './clock.js'
import type { Database, Statements } from './database.js'
import type { BuildTable } from './schema.js'

/** What the records of builds are made of. */
export interface BuildParts {
  readonly database: Database
  readonly clock: Clock
  readonly changes: Changes
}

/** The columns of an entry: all but the report, which can be long. */
export const ENTRY_COLUMNS = [
  'id',
  'environment',
  'state',
  'request_json',
  'output_json',
  'submitted_at',
  'submitted_by',
  'idempotency_key',
  'started_at',
  'ended_at',
  'attempt',
  'worker',
  'cancel_requested',
  'image',
  'verdict',
  'failure_json',
  'delivery_json',
  'events',
  'context_bytes',
  'output_bytes',
] as const satisfies readonly (keyof BuildTable)[]

type EntryRow = Pick<Selectable<BuildTable>, (typeof ENTRY_COLUMNS)[number]>

/** The entry of a row. */
export const entryOf = (row: EntryRow): BuildEntry => ({
  id: row.id,
  environment: row.environment,
  state: row.state,
  request: JSON.parse(row.request_json) as JsonObject,
  output: JSON.parse(row.output_json) as JsonObject,
  submittedAt: new Date(row.submitted_at),
  submittedBy: row.submitted_by,
  idempotencyKey: row.idempotency_key,
  startedAt: dateOrNull(row.started_at),
  endedAt: dateOrNull(row.ended_at),
  attempt: row.attempt,
  worker: row.worker,
  cancelRequested: row.cancel_requested === 1,
  image: row.image,
  verdict: row.verdict,
  failure: jsonOrNull(row.failure_json) as BuildFailure | null,
  delivery: jsonOrNull(row.delivery_json),
  events: row.events,
  contextBytes: Number(row.context_bytes),
  outputBytes: Number(row.output_bytes),
})

/** The build of an id, `null` where there is none. */
export async function findBuild(tx: Statements, id: string): Promise<BuildEntry | null> {
  const row = await tx.selectFrom('build').select(ENTRY_COLUMNS).where('id', '=', id).executeTakeFirst()
  return row === undefined ? null : entryOf(row)
}

/** Deletes what a build was given, which nobody needs after its end. */
export async function deleteGiven(tx: Statements, id: string): Promise<void> {
  await tx.deleteFrom('build_value').where('build', '=', id).execute()
  await tx.deleteFrom('build_blob').where('build', '=', id).where('kind', '=', 'context').execute()
}

/** The columns of a build that ended. */
export const endedAt = (
  at: string,
): Pick<BuildTable, 'ended_at' | 'webhook_due' | 'lease' | 'lease_until'> => ({
  ended_at: at,
  webhook_due: at,
  lease: null,
  lease_until: null,
})

/** A failure as its column keeps it: what a fault serialises to, and nothing of its cause. */
export const failureJson = (failure: BuildFailure): string => JSON.stringify(failure)

/** The failure of a fault of ours. */
export const failureOf = (...[code, message, more]: ConstructorParameters<typeof Fault>): string =>
  JSON.stringify(new Fault(code, message, more))

/** A time later than another, as the tables have times. */
export const later = (at: Date, ms: number): string => new Date(at.getTime() + ms).toISOString()

const dateOrNull = (text: string | null): Date | null => (text === null ? null : new Date(text))

const jsonOrNull = (text: string | null): JsonObject | null =>
  text === null ? null : (JSON.parse(text) as JsonObject)
