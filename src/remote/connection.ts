/**
 * One server and the token it is spoken to with. Every request goes through
 * here: it has a time limit, follows no redirect (which could carry a value to
 * another machine), and ends as an answer or a fault that repeats nothing of
 * what was sent.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import { SecretValue } from '../secret.js'
import { serverAddress } from './address.js'
import { faultOfResponse, jsonOf, type Json } from './answer.js'

/** How long a request and its answer may take, in milliseconds. Streams are watched by those who read them. */
export const REQUEST_MS = 30_000

/** What the text of a token is made of. */
const TOKEN = /^[A-Za-z0-9_-]{16,256}$/

/** Which server, and who speaks to it. */
export interface ServerOptions {
  /** `https://host[:port]`; `http:` for this machine alone. */
  readonly server: string
  /** As `traceless token create` printed it. */
  readonly token: string | SecretValue
  /** Lets `http:` go to another machine. Default: false. */
  readonly allowPlainHttp?: boolean | undefined
  /** What sends requests. Default: Node's own, which honours `NODE_EXTRA_CA_CERTS`. */
  readonly fetch?: typeof fetch | undefined
}

/** A request. */
export interface Asked {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Below `/v1`, each part of it encoded: see {@link pathOf}. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | Date | null | undefined>>
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
}

/** A request whose body or answer is a stream. */
export interface AskedStream extends Omit<Asked, 'body'> {
  readonly stream?: AsyncIterable<Uint8Array>
}

/** A server and a token. */
export interface Connection extends Disposable {
  /** The server's address as it was checked. */
  readonly server: string
  /** Asks and reads the answer as JSON. @throws {@link Fault} what the server answers, `SERVER_UNREACHABLE`. */
  readonly json: (asked: Asked) => Promise<Json>
  /** Asks, and leaves the answer's body to the caller. No time limit but the caller's `signal`. */
  readonly open: (asked: AskedStream) => Promise<Response>
}

/** Joins parts of a path, each encoded. */
export const pathOf = (...parts: readonly string[]): string =>
  parts.map((part) => `/${encodeURIComponent(part)}`).join('')

/**
 * Makes a connection. Nothing is sent before the first request.
 *
 * @throws {@link Fault} `REQUEST_INVALID` for an address that is none, `UNAUTHORIZED` for a text that can be no token.
 */
export function connectTo({ server, token, allowPlainHttp, fetch: send = fetch }: ServerOptions): Connection {
  const base = serverAddress(server, { allowPlainHttp: allowPlainHttp === true })
  const held = tokenValue(token)
  const request = async (
    { method = 'GET', path, query = {}, headers = {}, signal }: Asked,
    body?: RequestInit['body'],
  ) => {
    // Half duplex is what a streamed body needs: https://fetch.spec.whatwg.org/#dom-requestinit-duplex
    const init: RequestInit & { duplex: 'half' } = {
      method,
      headers: {
        ...headers,
        accept: headers['accept'] ?? 'application/json',
        authorization: held.use((bytes) => `Bearer ${Buffer.from(bytes).toString('latin1')}`),
      },
      redirect: 'manual',
      duplex: 'half',
      ...(signal === undefined ? {} : { signal }),
      ...(body === undefined ? {} : { body }),
    }
    const response = await answered(() => send(`${base}/v1${path}${queryOf(query)}`, init), signal)
    if (response.ok) return response
    if (response.status >= 300 && response.status < 400) throw redirected()
    throw await answered(() => faultOfResponse(response), signal)
  }
  return {
    server: base,
    async json({ body, ...asked }) {
      const limit = AbortSignal.timeout(REQUEST_MS)
      const signal = asked.signal === undefined ? limit : AbortSignal.any([asked.signal, limit])
      const headers = {
        ...asked.headers,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      }
      const response = await request(
        { ...asked, headers, signal },
        body === undefined ? undefined : JSON.stringify(body),
      )
      return await answered(() => jsonOf(response), signal)
    },
    open: ({ stream, ...asked }) => request(asked, stream),
    [Symbol.dispose]: () => held[Symbol.dispose](),
  }
}

function tokenValue(token: string | SecretValue): SecretValue {
  const held =
    typeof token === 'string' ? SecretValue.fromText(token) : token.use((bytes) => new SecretValue(bytes))
  // The library that sends it would repeat a header that it refuses.
  if (held.use((bytes) => TOKEN.test(Buffer.from(bytes).toString('latin1')))) return held
  held[Symbol.dispose]()
  throw new Fault('UNAUTHORIZED', 'That is not the text of a token.', {
    hint: 'Make one with "traceless token create" on the server.',
  })
}

/** Waits for an answer, and turns what Node's client throws into a fault. */
async function answered<T>(ask: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof Fault) throw error
    throw lostConnection(error, signal)
  }
}

/** The fault for a connection that failed, from what the transport threw. */
export function lostConnection(error: unknown, signal?: AbortSignal): Fault {
  const reason: unknown = signal?.aborted === true ? signal.reason : error
  if (reason instanceof Fault) return reason
  if (reason instanceof Error && reason.name === 'TimeoutError') {
    return new Fault('SERVER_UNREACHABLE', 'The server did not answer in time.', { cause: error })
  }
  if (reason instanceof Error && reason.name === 'AbortError') {
    return new Fault('CANCELLED', 'The request was cancelled.', { cause: error })
  }
  const inner = faultWithin(error)
  if (inner !== undefined) return inner
  const code = codeWithin(error)
  const known =
    code === undefined ? undefined : (REASONS[code] ?? (CERTIFICATE.test(code) ? UNTRUSTED : undefined))
  return new Fault('SERVER_UNREACHABLE', known ?? 'The server cannot be reached.', {
    hint:
      known === UNTRUSTED
        ? 'Name the file of your own authority in NODE_EXTRA_CA_CERTS.'
        : 'Check the address with --server or TRACELESS_SERVER.',
    cause: error,
  })
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Nothing answers at the address of the server.',
  ENOTFOUND: 'The name of the server is not known.',
  EAI_AGAIN: 'The name of the server cannot be looked up.',
  ECONNRESET: 'The connection to the server was lost.',
  EPIPE: 'The connection to the server was lost.',
  UND_ERR_SOCKET: 'The connection to the server was lost.',
  UND_ERR_CONNECT_TIMEOUT: 'The server did not answer in time.',
  UND_ERR_HEADERS_TIMEOUT: 'The server did not answer in time.',
  UND_ERR_BODY_TIMEOUT: 'The server did not answer in time.',
  ETIMEDOUT: 'The server did not answer in time.',
}

const UNTRUSTED = 'The certificate of the server is not one that is trusted here.'

/** Codes of https://nodejs.org/api/tls.html#x509-certificate-error-codes, and that of a name that does not match. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS_|HOSTNAME_MISMATCH/

function* causes(error: unknown): Generator<Error> {
  for (let at = error; at instanceof Error; at = at.cause) yield at
}

/** What made a streamed body end: a file that cannot be read is no fault of the server's. */
function faultWithin(error: unknown): Fault | undefined {
  for (const cause of causes(error)) if (cause instanceof Fault) return cause
  return undefined
}

function codeWithin(error: unknown): string | undefined {
  for (const cause of causes(error)) if ('code' in cause && typeof cause.code === 'string') return cause.code
  return undefined
}

const redirected = (): Fault =>
  new Fault('SERVER_UNREACHABLE', 'The server sends requests on to another address.', {
    hint: 'Give the address at which it answers itself.',
  })

function queryOf(query: NonNullable<Asked['query']>): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue
    // An empty group is the environment's own.
    parameters.set(name, value === null ? '' : value instanceof Date ? value.toISOString() : String(value))
  }
  const text = parameters.toString()
  return text === '' ? '' : `?${text}`
}
