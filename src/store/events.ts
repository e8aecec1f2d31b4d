/**
 * The record of what happened: every change and every read, with who and when,
 * in the transaction of the thing itself.
 *
 * @packageDocumentation
 */

import type { Insertable } from 'kysely'
import type { SecretName } from '../secret.js'
import type { HistoryEntry, SecretAdmin } from './admin.js'
import type { Database, Statements } from './database.js'
import { environmentName, groupName } from './names.js'
import { checkMax } from './page.js'
import type { EventTable } from './schema.js'

/** Entries of a history when no number is asked for. */
export const HISTORY_LENGTH = 100

/** Rows of one statement at most. */
const ROWS_AT_ONCE = 500

/** An event before it gets its time and actor. */
export type NewEvent = Pick<EventTable, 'action'> &
  Partial<Pick<EventTable, 'environment' | 'group_name' | 'name' | 'version' | 'detail'>>

/** Records events in the order given. */
export async function recordEvents(
  tx: Statements,
  { actor, now }: { readonly actor: string; readonly now: () => Date },
  events: readonly NewEvent[],
): Promise<void> {
  const at = now().toISOString()
  const rows = events.map((event): Insertable<EventTable> => ({
    at,
    actor,
    action: event.action,
    environment: event.environment ?? null,
    group_name: event.group_name ?? null,
    name: event.name ?? null,
    version: event.version ?? null,
    detail: event.detail ?? null,
  }))
  for (let from = 0; from < rows.length; from += ROWS_AT_ONCE) {
    await tx
      .insertInto('event')
      .values(rows.slice(from, from + ROWS_AT_ONCE))
      .execute()
  }
}

/** Reads the record, see `SecretAdmin.history`. */
export async function readHistory(
  database: Database,
  { environment, group, name, max = HISTORY_LENGTH }: NonNullable<Parameters<SecretAdmin['history']>[0]> = {},
): Promise<readonly HistoryEntry[]> {
  checkMax(max)
  const inGroup = group === undefined || group === null ? '' : groupName(group)
  const rows = await database.read((tx) =>
    tx
      .selectFrom('event')
      .selectAll()
      .$if(environment !== undefined, (query) =>
        query.where('environment', '=', environmentName(environment ?? '')),
      )
      .$if(group !== undefined, (query) => query.where('group_name', '=', inGroup))
      .$if(name !== undefined, (query) => query.where('name', '=', name ?? ''))
      .orderBy('id', 'desc')
      .limit(max)
      .execute(),
  )
  return rows.map((row) => ({
    at: new Date(row.at),
    actor: row.actor,
    action: row.action,
    environment: row.environment,
    group: row.group_name === '' ? null : row.group_name,
    name: row.name as SecretName | null,
    version: row.version,
    detail: row.detail,
  }))
}
