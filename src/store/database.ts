/**
 * A database as the rest of the store sees it: readers get one moment of it,
 * writers come one after another, and a failure is a fault that tells what to
 * do. SQLite and PostgreSQL are two makers of this one type.
 *
 * @packageDocumentation
 */

import type { Kysely, Transaction } from 'kysely'
import { Fault } from '../errors.js'
import type { Tables } from './schema.js'

/** Statements within one transaction. */
export type Statements = Transaction<Tables>

/** How processes that share a database wake each other. What is told is the id of a build, never more. */
export interface DatabaseSignals {
  /** Tells an id once the transaction is kept. */
  send(tx: Statements, id: string): Promise<void>
  /** Hears ids until disposed; `null` after a time in which some may have been missed. */
  listen(onId: (id: string | null) => void): Disposable
}

/** An open database. */
export interface Database {
  readonly kind: 'sqlite' | 'postgres'
  /** `null` where a database has no such thing: its processes look again from time to time. */
  readonly signals: DatabaseSignals | null
  /** Runs statements that see one moment of the database and change nothing. */
  read<T>(work: (tx: Statements) => Promise<T>): Promise<T>
  /**
   * Runs statements that happen together or not at all, and after every other writer's. When the promise is fulfilled
   * they are on disk.
   */
  write<T>(work: (tx: Statements) => Promise<T>): Promise<T>
  /**
   * As {@link Database.write}, without waiting for writers of other rows where the database locks rows. Only for
   * statements that carry in themselves what must hold, such as a lease.
   */
  writeRows<T>(work: (tx: Statements) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** What a maker of databases brings. */
export interface DatabaseParts {
  readonly kind: Database['kind']
  readonly kysely: Kysely<Tables>
  /** Makes every other writer wait until the transaction ends. */
  readonly lock: (tx: Statements) => Promise<void>
  /** A fault for an error of the driver; `null` for an error that is none of its. */
  readonly faultFor: (error: unknown) => Fault | null
  readonly signals?: DatabaseSignals
}

/** Makes a database of its parts. */
export function databaseOf({ kind, kysely, lock, faultFor, signals }: DatabaseParts): Database {
  const translated = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw faultFor(error) ?? error
    }
  }
  return {
    kind,
    signals: signals ?? null,
    read: (work) =>
      translated(() =>
        kysely.transaction().setAccessMode('read only').setIsolationLevel('repeatable read').execute(work),
      ),
    write: (work) =>
      translated(() =>
        kysely.transaction().execute(async (tx) => {
          await lock(tx)
          return await work(tx)
        }),
      ),
    writeRows: (work) => translated(() => kysely.transaction().execute(work)),
    close: () => kysely.destroy(),
  }
}
