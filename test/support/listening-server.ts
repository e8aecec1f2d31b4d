/**
 * A real server on a port of its own, over a store of its own, without anything
 * that builds: a test plays the builds, and says when each thing happens.
 *
 * @packageDocumentation
 */

import { embeddedQueue } from '../../src/queue/embedded-queue.js'
import type { BuildQueue } from '../../src/queue/queue.js'
import { listen } from '../../src/server/listen.js'
import { serverLog } from '../../src/server/log.js'
import { createServer } from '../../src/server/server.js'
import { openStore, type Store } from '../../src/store/open.js'
import type { Scope } from '../../src/store/tokens.js'
import { temporaryFolder, type Folder } from './folder.js'
import { textOf } from './store.js'

/** Such a server. */
export interface ListeningServer {
  readonly url: string
  readonly store: Store
  readonly queue: BuildQueue
  readonly folder: Folder
  /** Lines that the server logged. */
  readonly log: readonly string[]
  /** Aborted by {@link stop}: whoever plays builds ends with it. */
  readonly signal: AbortSignal
  /** The text of a new token. */
  token(...scopes: readonly Scope[]): Promise<string>
  stop(): void
  /** Closes everything, after {@link stop} and what ended with it. */
  close(): Promise<void>
}

/** Starts it. `dashboard` is the folder of the built dashboard; default: one that is not there. */
export async function startListening(dashboard?: string): Promise<ListeningServer> {
  const folder = await temporaryFolder()
  const store = await openStore({ home: folder.file('server'), env: {}, actor: 'host' })
  const queue = embeddedQueue(store.builds)
  const stop = new AbortController()
  const log: string[] = []
  const server = createServer({
    store,
    queue,
    log: serverLog((line) => log.push(line)),
    version: '0.1.0',
    keepsImages: false,
    isSecure: false,
    dashboard: dashboard ?? folder.file('none'),
    signal: stop.signal,
  })
  const listening = await listen(server.handler, { host: '127.0.0.1', port: 0 })
  return {
    url: listening.address,
    store,
    queue,
    folder,
    log,
    signal: stop.signal,
    async token(...scopes) {
      const made = await store.tokens.create({ name: 'client', scopes, createdBy: 'host' })
      return textOf(made.text)
    },
    stop: () => stop.abort(),
    async close() {
      await listening.close(0)
      await queue.close()
      await store.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}
