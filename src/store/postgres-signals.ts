/**
 * NOTIFY and LISTEN of PostgreSQL
 * (https://www.postgresql.org/docs/current/sql-notify.html): an id, sent when a
 * transaction is kept, to every process that listens.
 *
 * Listening takes a connection of its own. A pooler between us and the server
 * that lends connections for a transaction only does not let anything through;
 * then and while a connection is gone, looking from time to time is what is left.
 *
 * @packageDocumentation
 */

import { sql } from 'kysely'
import type { DatabaseSignals } from './database.js'

/** Name of the channel. */
export const BUILD_CHANNEL = 'traceless_build'

/** Pause before connecting again, in milliseconds. */
const PAUSE_MS = 500

/** The part of a client of `pg` that is used here. */
interface Client {
  connect(): Promise<unknown>
  query(text: string): Promise<unknown>
  end(): Promise<void>
  on(event: 'notification', heard: (message: { readonly payload?: string | undefined }) => void): unknown
  on(event: 'error' | 'end', ended: () => void): unknown
}

/** Signals over the connections that `open` makes. */
export function postgresSignals(open: () => Client): DatabaseSignals {
  return {
    async send(tx, id) {
      await sql`select pg_notify(${BUILD_CHANNEL}, ${id})`.execute(tx)
    },
    listen(onId) {
      const stop = new AbortController()
      void keepListening(open, onId, stop.signal)
      return { [Symbol.dispose]: () => stop.abort() }
    },
  }
}

async function keepListening(
  open: () => Client,
  onId: (id: string | null) => void,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await listenOnce(open(), onId, signal)
    await pause(signal)
    if (signal.aborted) return
  }
}

/** Listens until the connection or the listener ends. */
async function listenOnce(
  client: Client,
  onId: (id: string | null) => void,
  signal: AbortSignal,
): Promise<void> {
  const ended = new Promise<void>((resolve) => {
    client.on('error', () => resolve())
    client.on('end', () => resolve())
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  client.on('notification', ({ payload }) => onId(payload ?? null))
  try {
    await client.connect()
    await client.query(`listen ${BUILD_CHANNEL}`)
    // What was told before is in the tables.
    onId(null)
    await ended
  } catch {
    // Whatever it is, the next attempt meets it as well, and statements of the store say it aloud.
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function pause(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, PAUSE_MS)
    timer.unref()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
