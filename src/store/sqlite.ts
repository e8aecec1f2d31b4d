/**
 * The embedded database: one SQLite file, safe for several processes at once.
 *
 * Node's own `node:sqlite` where Node has it, else a prebuilt driver with the
 * same interface; {@link SqliteConnection} is all we need of either.
 *
 * @packageDocumentation
 */

import { open as openFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CompiledQuery,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type DatabaseConnection,
  type Driver,
  type QueryResult,
} from 'kysely'
import { Fault } from '../errors.js'
import { databaseOf, type Database } from './database.js'
import { codeOf, makeFolder } from './home.js'
import type { Tables } from './schema.js'

/** How long a writer waits for other writers, in milliseconds. */
export const BUSY_TIMEOUT_MS = 15_000

/** Longest pause between two attempts, in milliseconds. */
const LONGEST_PAUSE_MS = 15

/** What a driver must offer: the part of Node's `DatabaseSync` that is used here. */
export interface SqliteConnection {
  exec(sql: string): void
  prepare(sql: string): {
    columns(): readonly unknown[]
    all(...values: SqliteInput[]): unknown[]
    run(...values: SqliteInput[]): { changes: number | bigint }
  }
  close(): void
}

/** What can be bound to a statement. */
export type SqliteInput = null | number | bigint | string | Uint8Array

type OpenConnection = (path: string, options: { timeout: number }) => SqliteConnection

/** Primary result codes, https://www.sqlite.org/rescode.html */
const BUSY = 5
/** Stands for an error while rows are read: the prebuilt driver gives those no code. Every other cause shows before. */
const UNNUMBERED = 0
const FAULTS_BY_CODE: Readonly<
  Record<number, readonly [kind: 'STORE_UNAVAILABLE' | 'STORE_INVALID', words: string, hint?: string]>
> = {
  [UNNUMBERED]: [
    'STORE_INVALID',
    'The database file cannot be read: it is damaged, or the disk is.',
    'Put a backup in its place; the file was left as it is.',
  ],
  1: ['STORE_INVALID', 'The tables of the store are not as Traceless made them.'],
  [BUSY]: ['STORE_UNAVAILABLE', 'Another process has kept the store locked for too long.', 'Try again.'],
  8: ['STORE_UNAVAILABLE', 'The store cannot be written: its folder or file is read-only.'],
  10: [
    'STORE_UNAVAILABLE',
    'The disk failed while the store was read or written. Nothing of this change was kept.',
  ],
  11: [
    'STORE_INVALID',
    'The database file is damaged.',
    'Put a backup in its place; the file was left as it is.',
  ],
  13: ['STORE_UNAVAILABLE', 'The disk is full. Nothing of this change was kept.'],
  14: [
    'STORE_UNAVAILABLE',
    'The database file cannot be opened.',
    'Its folder must be writable: SQLite keeps two files beside it.',
  ],
  26: [
    'STORE_INVALID',
    'The database file is not a database.',
    'Put a backup in its place; the file was left as it is.',
  ],
}

/**
 * Opens the file, made for its owner alone where there is none.
 *
 * WAL and `synchronous=FULL`: what was acknowledged survives a crash and a power cut.
 *
 * @throws {@link Fault} `STORE_UNAVAILABLE`, `STORE_INVALID`
 */
export async function openSqlite(path: string): Promise<Database> {
  const openConnection = await loadDriver()
  await createFile(path)
  try {
    const connection = openConnection(path, { timeout: 0 })
    await prepareConnection(connection)
    return databaseOf({
      kind: 'sqlite',
      kysely: new Kysely<Tables>({
        dialect: {
          createDriver: () => driverOver(connection),
          createQueryCompiler: () => new SqliteQueryCompiler(),
          createAdapter: () => new SqliteAdapter(),
          createIntrospector: (db) => new SqliteIntrospector(db),
        },
      }),
      // The driver begins every transaction that writes with the lock in hand.
      lock: () => Promise.resolve(),
      faultFor: sqliteFault,
    })
  } catch (error) {
    throw sqliteFault(error) ?? error
  }
}

/**
 * Takes a lock that is a file, after whoever has it. It goes with the process that holds it, however that ends; Node has no
 * other lock of that kind.
 *
 * @returns what gives it back.
 * @throws {@link Fault} `STORE_UNAVAILABLE` when another one has it for longer than {@link BUSY_TIMEOUT_MS}.
 */
export async function lockFile(path: string): Promise<Disposable> {
  const openConnection = await loadDriver()
  await createFile(path)
  try {
    const connection = openConnection(path, { timeout: 0 })
    await whenFree(() => connection.exec('begin exclusive'))
    return {
      [Symbol.dispose]() {
        connection.exec('rollback')
        connection.close()
      },
    }
  } catch (error) {
    throw sqliteFault(error) ?? error
  }
}

/** A fault for an error of SQLite; `null` for any other error. Recognised by result code, which is the same in both drivers. */
export function sqliteFault(error: unknown): Fault | null {
  const code = resultCode(error)
  if (code === null) return null
  const [kind, words, hint] = FAULTS_BY_CODE[code & 0xff] ?? [
    'STORE_UNAVAILABLE',
    `SQLite answers with code ${code}.`,
  ]
  return new Fault(kind, words, { hint, cause: error })
}

/** What opens connections: Node's own module where there is one, else the package of the same interface. */
export async function loadDriver(): Promise<OpenConnection> {
  // Node 20 has getBuiltinModule but no node:sqlite; its types know neither.
  const builtin: unknown = process.getBuiltinModule('node:sqlite')
  const module = (builtin ?? (await import('@photostructure/sqlite'))) as {
    DatabaseSync: new (path: string, options: { timeout: number }) => SqliteConnection
  }
  return (path, options) => new module.DatabaseSync(path, options)
}

/** SQLite itself would make the file readable as the umask allows; its two companions take the file's mode. */
async function createFile(path: string): Promise<void> {
  await makeFolder(dirname(path))
  try {
    await (await openFile(path, 'ax', 0o600)).close()
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EEXIST') return
    throw new Fault('STORE_UNAVAILABLE', `${path} cannot be made: the system answers ${String(code)}.`, {
      cause: error,
    })
  }
}

async function prepareConnection(connection: SqliteConnection): Promise<void> {
  connection.exec('pragma trusted_schema = off')
  connection.exec('pragma cell_size_check = on')
  // These two read the file, which another connection has for itself while it makes good what a killed process left.
  await whenFree(() => connection.exec('pragma synchronous = full'))
  await whenFree(() => connection.exec('pragma journal_mode = wal'))
}

/**
 * Tries again while another connection has what it takes, until {@link BUSY_TIMEOUT_MS} are over.
 *
 * SQLite's own time-out would block this thread, and with it another store of this process that may hold the lock.
 */
async function whenFree(attempt: () => void): Promise<void> {
  const end = Date.now() + BUSY_TIMEOUT_MS
  for (;;) {
    try {
      attempt()
      return
    } catch (error) {
      if (((resultCode(error) ?? 0) & 0xff) !== BUSY || Date.now() > end) throw error
      // Not in step with the others that wait.
      await sleep(1 + Math.random() * LONGEST_PAUSE_MS)
    }
  }
}

/** kysely's driver over the one connection: transactions that may write take SQLite's write lock at once. */
function driverOver(connection: SqliteConnection): Driver {
  let last: Promise<void> = Promise.resolve()
  const releases = new WeakMap<DatabaseConnection, () => void>()
  const run = (sql: string): Promise<void> => {
    connection.exec(sql)
    return Promise.resolve()
  }
  return {
    init: () => Promise.resolve(),
    async acquireConnection() {
      const before = last
      const { promise, resolve } = withResolver()
      last = promise
      await before
      const acquired = connectionOver(connection)
      releases.set(acquired, resolve)
      return acquired
    },
    releaseConnection(acquired) {
      releases.get(acquired)?.()
      return Promise.resolve()
    },
    beginTransaction: (_acquired, { accessMode }) =>
      whenFree(() => {
        if (accessMode !== 'read only') connection.exec('begin immediate')
        else beginReading(connection)
      }),
    commitTransaction: () => run('commit'),
    // A statement that failed for want of space or by damage has ended the transaction already.
    rollbackTransaction: async () => {
      try {
        await run('rollback')
      } catch (error) {
        if (resultCode(error) === null) throw error
      }
    },
    destroy: async () => {
      await last
      // The prebuilt driver closes the file only when its last statement is collected. The file alone is whole at once.
      connection.exec('pragma wal_checkpoint(truncate)')
      connection.close()
    },
  }
}

/** A transaction that reads sees one moment from its first look on, so the look belongs to its beginning. */
function beginReading(connection: SqliteConnection): void {
  connection.exec('begin')
  try {
    connection.exec('select 1 from sqlite_master limit 1')
  } catch (error) {
    connection.exec('rollback')
    throw error
  }
}

function connectionOver(connection: SqliteConnection): DatabaseConnection {
  return {
    executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
      const statement = connection.prepare(sql)
      const values = parameters as SqliteInput[]
      if (statement.columns().length > 0) return Promise.resolve({ rows: statement.all(...values) as R[] })
      return Promise.resolve({ rows: [], numAffectedRows: BigInt(statement.run(...values).changes) })
    },
    streamQuery() {
      throw new TypeError('the store reads whole results')
    },
  }
}

/** The result code of an error of SQLite, {@link UNNUMBERED} where the driver lost it, `null` for any other error. */
function resultCode(error: unknown): number | null {
  if (codeOf(error) !== 'ERR_SQLITE_ERROR') return null
  const { errcode } = error as { errcode?: unknown }
  return typeof errcode === 'number' ? errcode : UNNUMBERED
}

function withResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
