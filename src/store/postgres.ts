/**
 * A PostgreSQL database as the store. The tables stand in a schema of their
 * own, so that the database may be shared with something else.
 *
 * @packageDocumentation
 */

import { Kysely, PostgresDialect, sql } from 'kysely'
import { Fault } from '../errors.js'
import { databaseOf, type Database } from './database.js'
import { codeOf } from './home.js'
import { postgresSignals } from './postgres-signals.js'
import type { Tables } from './schema.js'

/** The schema that holds our tables. */
export const POSTGRES_SCHEMA = 'traceless'

/** How long connecting may take, and how long a writer waits for another one, in milliseconds. */
export const POSTGRES_TIMEOUT_MS = 15_000

/** Connections one process uses at most. */
const MAX_CONNECTIONS = 4

/** Any number that is ours: the advisory lock all writers of a database take in turn. */
const WRITER_LOCK = 0x7261_6365

/**
 * Connects to a database by its URL, `postgres://user@host:port/name`. What the URL leaves out comes from the
 * variables libpq knows (https://www.postgresql.org/docs/current/libpq-envars.html), `PGPASSWORD` among them.
 *
 * @throws {@link Fault} `REQUEST_INVALID` for text that is no such URL, `STORE_UNAVAILABLE`. The URL is never
 * repeated: it may hold a password.
 */
export async function openPostgres(url: string): Promise<Database> {
  const { protocol } = parseUrl(url)
  if (protocol !== 'postgres:' && protocol !== 'postgresql:') throw notPostgres()
  const { default: pg } = await import('pg')
  const pool = new pg.Pool({
    connectionString: url,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: POSTGRES_TIMEOUT_MS,
    allowExitOnIdle: true,
    options: `-c search_path=${POSTGRES_SCHEMA} -c lock_timeout=${POSTGRES_TIMEOUT_MS} -c synchronous_commit=on`,
  })
  // A connection that ends between two statements tells so by an event, and unheard that would end the process. The
  // next statement fails, or an idle connection is replaced: nothing is lost by not listening more closely.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  const kysely = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
  try {
    const { rows } = await sql`select 1 from pg_namespace where nspname = ${POSTGRES_SCHEMA}`.execute(kysely)
    if (rows.length === 0) await sql`create schema if not exists ${sql.id(POSTGRES_SCHEMA)}`.execute(kysely)
  } catch (error) {
    await kysely.destroy()
    throw postgresFault(error) ?? error
  }
  return databaseOf({
    kind: 'postgres',
    kysely,
    lock: async (tx) => {
      await sql`select pg_advisory_xact_lock(${WRITER_LOCK})`.execute(tx)
    },
    faultFor: postgresFault,
    signals: postgresSignals(() => new pg.Client({ connectionString: url, keepAlive: true })),
  })
}

/** A fault for an error of PostgreSQL or of the way there; `null` for any other error. */
export function postgresFault(error: unknown): Fault | null {
  const code = codeOf(error)
  if (code === undefined || error instanceof Fault) return unnamed(error)
  const words = WORDS[code] ?? WORDS[code.slice(0, 2)]
  if (words !== undefined) return new Fault('STORE_UNAVAILABLE', words, { cause: error })
  if (code.startsWith('42')) {
    return new Fault('STORE_INVALID', 'The tables of the store are not as Traceless made them.', {
      cause: error,
    })
  }
  return SQLSTATE.test(code) || SYSTEM_CODE.test(code)
    ? new Fault('STORE_UNAVAILABLE', `The database answers with code ${code}.`, { cause: error })
    : null
}

const SQLSTATE = /^[0-9A-Z]{5}$/
const SYSTEM_CODE = /^E[A-Z]+$/

/** By SQLSTATE or its class (https://www.postgresql.org/docs/current/errcodes-appendix.html), or system error. */
const WORDS: Readonly<Record<string, string>> = {
  '08': 'The connection to the database was lost. If a change was under way, look whether it was kept.',
  '28': 'The database refuses this user or password.',
  '3D': 'The database server has no database of that name.',
  '42501': 'The database does not let this user do that.',
  '25006': 'The database is read-only.',
  '53100': 'The disk of the database is full. Nothing of this change was kept.',
  '53': 'The database server has no room left. Nothing of this change was kept.',
  '55P03': 'Another process has kept the store locked for too long.',
  '57': 'The database server is stopping or starting.',
  ECONNREFUSED: 'No database server answers there.',
  ENOENT: 'No database server answers there.',
  ENOTFOUND: 'The host of the database is not known.',
  ECONNRESET: 'The connection to the database was lost. If a change was under way, look whether it was kept.',
  EPIPE: 'The connection to the database was lost. If a change was under way, look whether it was kept.',
  ETIMEDOUT: 'The database server does not answer.',
}

/** The client throws plain errors without a code when a connection ends or takes too long; its class tells nothing. */
function unnamed(error: unknown): Fault | null {
  if (!(error instanceof Error) || error instanceof Fault || error.name !== 'Error') return null
  return new Fault('STORE_UNAVAILABLE', 'The connection to the database was lost or could not be made.', {
    cause: error,
  })
}

function parseUrl(url: string): URL {
  try {
    return new URL(url)
  } catch (error) {
    if (error instanceof TypeError) throw notPostgres()
    throw error
  }
}

const notPostgres = (): Fault =>
  new Fault('REQUEST_INVALID', 'The database is not named by a PostgreSQL URL.', {
    hint: 'Such a URL looks like postgres://user@host:5432/name.',
  })
