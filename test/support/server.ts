/** A server without a port: its handler over a store of its own. */

import { join } from 'node:path'
import { embeddedQueue } from '../../src/queue/embedded-queue.js'
import { serverLog } from '../../src/server/log.js'
import { createServer, type ServerParts, type TracelessServer } from '../../src/server/server.js'
import type { Store } from '../../src/store/open.js'
import { openSqlite } from '../../src/store/sqlite.js'
import type { NewToken } from '../../src/store/tokens.js'
import { testStore, textOf, type TestStore } from './store.js'

/** What a call answered. */
export interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body as JSON; `null` for a body that is none. */
  readonly json: Readonly<Record<string, unknown>> | null
}

/** How a call is made. */
export interface CallOptions {
  readonly token?: string | undefined
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly address?: string
}

/** A server of a test. */
export interface TestServer extends AsyncDisposable {
  readonly store: Store
  readonly test: TestStore
  readonly server: TracelessServer
  /** Lines of the log so far. */
  readonly lines: string[]
  /** The text of a new token; `admin` where nothing is said. */
  token(token?: Partial<NewToken>): Promise<string>
  call(method: string, path: string, options?: CallOptions): Promise<Answered>
  /** The response itself, for one that streams. */
  fetch(method: string, path: string, options?: CallOptions): Promise<Response>
}

/** Makes a server. */
export async function testServer(parts: Partial<ServerParts> = {}): Promise<TestServer> {
  const test = await testStore({ openTables: (home) => openSqlite(join(home, 'store.db')) })
  const store = await test.open()
  const lines: string[] = []
  const stop = new AbortController()
  const queue = embeddedQueue(store.builds)
  const server = createServer({
    store,
    queue,
    log: serverLog((line) => lines.push(line)),
    version: '0.0.0',
    keepsImages: true,
    isSecure: false,
    dashboard: join(test.home, 'dashboard'),
    signal: stop.signal,
    ...parts,
  })
  const fetch: TestServer['fetch'] = async (
    method,
    path,
    { token, body, headers, address = '127.0.0.1' } = {},
  ) => {
    const request = new Request(`http://server.test${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined || body instanceof ReadableStream
          ? {}
          : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined
        ? {}
        : body instanceof ReadableStream
          ? { body: body as ReadableStream<Uint8Array>, duplex: 'half' as const }
          : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    return await server.handler(request, { address })
  }
  return {
    store,
    test,
    server,
    lines,
    fetch,
    async token(token = {}) {
      const made = await store.tokens.create({
        name: 'test',
        scopes: ['admin'],
        createdBy: 'tester',
        ...token,
      })
      return textOf(made.text)
    },
    async call(method, path, options) {
      const response = await fetch(method, path, options)
      const text = await response.text()
      return { status: response.status, headers: response.headers, text, json: jsonOf(text) }
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await queue.close()
      await test[Symbol.asyncDispose]()
    },
  }
}

function jsonOf(text: string): Answered['json'] {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return null
  }
}

/** Bytes as base64. */
export const base64 = (text: string): string => Buffer.from(text).toString('base64')
