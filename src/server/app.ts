/**
 * The server as a function from request to response: finds the endpoint, checks
 * who calls and what is sent, lets the endpoint answer, and makes a fault of
 * whatever goes wrong.
 *
 * @packageDocumentation
 */

import { randomBytes } from 'node:crypto'
import { Hono } from 'hono'
import { Fault } from '../errors.js'
import { readJson } from './bodies.js'
import { findCaller, type Caller } from './caller.js'
import { BODY_BYTES, checked, type Endpoint } from './endpoint.js'
import { failureResponse, faultFrom, HttpFault, notFound } from './failures.js'
import type { Handler, Peer } from './listen.js'
import type { ServerLog } from './log.js'
import type { ServerMetrics } from './metrics.js'
import { RateLimit, type Rate } from './rate-limit.js'
import type { Tokens } from '../store/tokens.js'

/** What the app is made of. */
export interface AppParts {
  readonly endpoints: readonly Endpoint[]
  /** What is answered without a token. */
  readonly open: readonly OpenRoute[]
  /** Answers a GET of a path that is no endpoint and not open; `null` for one it does not know. */
  readonly files: (path: string) => Promise<Response | null>
  readonly tokens: Pick<Tokens, 'find'>
  readonly log: ServerLog
  readonly metrics: ServerMetrics
  readonly isSecure: boolean
  /** Counts requests of an address whose token is not good. */
  readonly strangers: RateLimit
  /** How often one token may ask. */
  readonly tokenRate: Rate
}

/** A route that looks for no token: health, documents, signing in. */
export interface OpenRoute {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly respond: Handler
}

/** Requests of one address with a token that is not good. */
export const STRANGER_RATE = { burst: 20, perSecond: 0.5 } as const

/** What asks for a file. */
const SAFE_METHODS = new Set(['GET', 'HEAD'])

/** Longest URL, in characters. */
const MAX_URL_LENGTH = 8192

/** Headers of every answer. */
const HEADERS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'x-frame-options': 'DENY',
} as const

const API_POLICY = "default-src 'none'; frame-ancestors 'none'"

/** How long browsers are to use TLS only, in seconds: a year. */
const STRICT_TRANSPORT = 'max-age=31536000'

/** What is known of a request when it has been answered. */
interface Trace {
  /** The endpoint's path as it is written, never what was asked for. */
  route: string
  token: string | null
  fault: Fault | null
}

interface Context {
  Bindings: { readonly peer: Peer; readonly trace: Trace }
}

/** Makes the handler. */
export function createHandler(parts: AppParts): Handler {
  const app = routesOf(parts)
  return async (request, peer) => {
    const began = performance.now()
    const trace: Trace = { route: 'none', token: null, fault: null }
    const response =
      request.url.length > MAX_URL_LENGTH
        ? failureResponse(new HttpFault(414, 'REQUEST_INVALID', 'The address is too long.'))
        : await app.fetch(request, { peer, trace })
    const id = randomBytes(8).toString('hex')
    setHeaders(response, parts, id)
    const { route, token, fault } = trace
    const done = { method: request.method, route, status: response.status, ms: performance.now() - began }
    parts.metrics.request(done)
    parts.log.request({ id, token, ...done }, fault)
    return response
  }
}

function routesOf(parts: AppParts): Hono<Context> {
  const app = new Hono<Context>()
  const limits: Limits = { token: new RateLimit(parts.tokenRate), stranger: parts.strangers }
  for (const each of parts.endpoints) {
    app.on(each.method.toUpperCase(), honoPath(each.path), async ({ env, req }) => {
      env.trace.route = each.path
      const caller = await callerOf(parts, limits, req.raw, env.peer)
      env.trace.token = caller.token.id
      return await answer(each, { caller, peer: env.peer, request: req.raw, params: req.param() })
    })
  }
  for (const { method, path, respond } of parts.open) {
    app.on(method, path, ({ env, req }) => {
      env.trace.route = path
      return respond(req.raw, env.peer)
    })
  }
  app.notFound(async ({ env, req }) => {
    const file = SAFE_METHODS.has(req.method) ? await parts.files(req.path) : null
    if (file !== null) env.trace.route = 'file'
    return file ?? failureResponse(notFound('such address'))
  })
  app.onError((error, { env }) => {
    const fault = faultFrom(error)
    env.trace.fault = fault
    return failureResponse(fault)
  })
  return app
}

interface Limits {
  readonly token: RateLimit
  readonly stranger: RateLimit
}

/** @throws {@link Fault} `RATE_LIMITED`, before anything is looked up for an address that guesses. */
async function callerOf(parts: AppParts, limits: Limits, request: Request, peer: Peer): Promise<Caller> {
  if (!limits.stranger.has(peer.address)) throw tooOften()
  try {
    const caller = await findCaller(parts.tokens, request)
    if (!limits.token.take(caller.token.id)) throw tooOften()
    return caller
  } catch (error) {
    if (error instanceof Fault && error.code === 'UNAUTHORIZED') limits.stranger.take(peer.address)
    throw error
  }
}

async function answer(
  each: Endpoint,
  call: {
    readonly caller: Caller
    readonly peer: Peer
    readonly request: Request
    readonly params: Readonly<Record<string, string>>
  },
): Promise<Response> {
  const { caller, request } = call
  requireScope(each, caller)
  const params = checked(each.params, call.params, 'path')
  const { environment } = call.params
  if (environment !== undefined) caller.requireIn(environment)
  const query = checked(each.query, queryOf(request), 'query')
  const body =
    each.body === undefined || 'stream' in each.body
      ? undefined
      : checked(each.body.json, await readJson(request, each.body.limitBytes ?? BODY_BYTES), 'body')
  return await each.handle({ ...call, params, query, body })
}

/** @throws {@link Fault} `FORBIDDEN` */
function requireScope({ scopes, everywhere }: Endpoint, caller: Caller): void {
  if (scopes !== 'any' && !scopes.some((scope) => caller.may(scope))) {
    throw new Fault('FORBIDDEN', 'That token may not do this.', {
      hint: `It needs the scope ${scopes.join(' or ')}.`,
    })
  }
  if (everywhere === true && caller.token.environments !== null) {
    throw new Fault('FORBIDDEN', 'That token is limited to some environments, and this is not of one.')
  }
}

function queryOf({ url }: Request): Readonly<Record<string, string>> {
  const query = new URL(url).searchParams
  if (query.size === new Set(query.keys()).size) return Object.fromEntries(query)
  throw new Fault('REQUEST_INVALID', 'A parameter of the query is given twice.')
}

function setHeaders({ headers }: Response, { isSecure }: AppParts, id: string): void {
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value)
  headers.set('x-request-id', id)
  if (!headers.has('content-security-policy')) headers.set('content-security-policy', API_POLICY)
  if (isSecure) headers.set('strict-transport-security', STRICT_TRANSPORT)
}

const honoPath = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1')

const tooOften = (): Fault =>
  new Fault('RATE_LIMITED', 'The server was asked too often.', { hint: 'Try again in a few seconds.' })
