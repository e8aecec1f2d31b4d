/**
 * A port or a socket that a handler answers at, with bounds on what a client
 * may cost: headers that come slowly, connections that stand still, too many of
 * them.
 *
 * @packageDocumentation
 */

import { chmod } from 'node:fs/promises'
import { createServer as createPlain, type Server } from 'node:http'
import { createServer as createSecure } from 'node:https'
import type { Socket } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { Fault } from '../errors.js'
import { codeOf } from '../store/home.js'

/** Who sends a request. */
export interface Peer {
  /** Address of the other side of the connection; empty for a socket of this machine. */
  readonly address: string
}

/** Answers requests. */
export type Handler = (request: Request, peer: Peer) => Response | Promise<Response>

/** Where it is listened. */
export type ListenPlace =
  | { readonly host: string; /** 0 for any that is free. */ readonly port: number }
  | { readonly socket: string }

/** How it is listened. */
export interface ListenOptions {
  /** PEM of a certificate (with its chain) and its key: HTTPS instead of HTTP. */
  readonly tls?: { readonly cert: Uint8Array; readonly key: Uint8Array } | undefined
  /** How long the headers of a request may take, in milliseconds. */
  readonly headersMs?: number
  /** How long a whole request may take to come, in milliseconds. Default: an hour, for a large context. */
  readonly requestMs?: number
  /** How long nothing may pass through a connection that is in use, in milliseconds. */
  readonly stalledMs?: number
  /** Connections at once. */
  readonly connections?: number
}

/** A handler that is listened for. */
export interface Listening extends AsyncDisposable {
  /** `http://127.0.0.1:8787`, or `unix:/PATH`. */
  readonly address: string
  /** Takes no more connections and waits for requests under way, `graceMs` at most; then their connections are cut. */
  close(graceMs?: number): Promise<void>
}

const DEFAULTS = {
  headersMs: 10_000,
  requestMs: 3_600_000,
  stalledMs: 30_000,
  connections: 2_000,
} as const

/** Bytes of the headers of one request. */
const MAX_HEADER_BYTES = 16 * 1024

/** How long an unused connection stays open, in milliseconds. */
const KEEP_ALIVE_MS = 5_000

/** How often the bounds are looked after, in milliseconds. */
const CHECK_MS = 2_000

/**
 * Listens.
 *
 * @throws {@link Fault} `REQUEST_INVALID` where it cannot be listened there, or for a certificate that is none.
 */
export async function listen(
  handler: Handler,
  place: ListenPlace,
  options: ListenOptions = {},
): Promise<Listening> {
  const { tls, ...bounds } = { ...DEFAULTS, ...options }
  const answer = getRequestListener(
    async (request, { incoming }) => await handler(request, { address: incoming.socket.remoteAddress ?? '' }),
    // The global classes stay what they are: other parts of the program use them, too.
    { overrideGlobalObjects: false },
  )
  const settings = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: bounds.headersMs,
    requestTimeout: bounds.requestMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: CHECK_MS,
  }
  const respond: Parameters<typeof createPlain>[1] = (incoming, outgoing) => void answer(incoming, outgoing)
  const server =
    tls === undefined
      ? createPlain(settings, respond)
      : secureServer({ ...settings, ...tls, cert: Buffer.from(tls.cert), key: Buffer.from(tls.key) }, respond)
  server.maxConnections = bounds.connections
  server.setTimeout(bounds.stalledMs, (socket: Socket) => void socket.destroy())
  await startListening(server, place)
  return {
    address: addressOf(server, place, tls !== undefined),
    close: (graceMs = 0) => closeServer(server, graceMs),
    [Symbol.asyncDispose]: () => closeServer(server, 0),
  }
}

function secureServer(...parts: Parameters<typeof createSecure>): ReturnType<typeof createSecure> {
  try {
    return createSecure(...parts)
  } catch (error) {
    throw new Fault('REQUEST_INVALID', 'The certificate or its key cannot be used.', {
      hint: 'Both are PEM files, and the key belongs to the first certificate.',
      cause: error,
    })
  }
}

async function startListening(server: Server, place: ListenPlace): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      const listening = (): void => {
        server.off('error', reject)
        resolve()
      }
      if ('socket' in place) server.listen(place.socket, listening)
      else server.listen(place.port, place.host, listening)
    })
  } catch (error) {
    throw new Fault(
      'REQUEST_INVALID',
      `It cannot be listened there: the system answers ${codeOf(error) ?? 'an error'}.`,
      { hint: 'Another program may use the port, or the address is none of this machine.', cause: error },
    )
  }
  if ('socket' in place) await chmod(place.socket, 0o600)
}

function addressOf(server: Server, place: ListenPlace, isSecure: boolean): string {
  const address = server.address()
  if ('socket' in place || address === null || typeof address === 'string')
    return `unix:${'socket' in place ? place.socket : ''}`
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `${isSecure ? 'https' : 'http'}://${host}:${address.port}`
}

async function closeServer(server: Server, graceMs: number): Promise<void> {
  if (!server.listening) return
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), graceMs)
  await closed
  clearTimeout(timer)
}
