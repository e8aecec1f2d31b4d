/**
 * The one clock that leases are measured by. Workers and servers on several
 * machines disagree about the time; the database they share does not.
 *
 * @packageDocumentation
 */

import { sql } from 'kysely'
import type { Database, Statements } from './database.js'

/** Tells the time within a transaction. */
export type Clock = (tx: Statements) => Promise<Date>

/**
 * The clock of a database: the server's own for PostgreSQL, this process's for SQLite, whose users share a machine.
 *
 * @param now - stands for either, in tests.
 */
export function clockOf(database: Pick<Database, 'kind'>, now: (() => Date) | undefined): Clock {
  if (now !== undefined) return () => Promise.resolve(now())
  if (database.kind === 'sqlite') return () => Promise.resolve(new Date())
  return async (tx) => {
    const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(tx)
    const [row] = rows
    if (row === undefined) throw new TypeError('the database did not tell the time')
    return new Date(row.now)
  }
}
