/**
 * What is answered without a token: whether the server lives and is ready, the
 * OpenAPI document, and the sessions of browsers.
 *
 * @packageDocumentation
 */

import { z } from '@hono/zod-openapi'
import { Fault } from '../errors.js'
import { SecretValue } from '../secret.js'
import type { Tokens } from '../store/tokens.js'
import type { OpenRoute } from './app.js'
import { readJson } from './bodies.js'
import { checked } from './endpoint.js'
import { endedSessionCookie, requireOwnPage, sessionCookie } from './session.js'
import type { RateLimit } from './rate-limit.js'
import { jsonResponse } from './wire.js'

/** Bytes of the body that begins a session. */
const SESSION_BYTES = 1024

const signIn = z.strictObject({ token: z.string().max(200) })

/**
 * Health: `/healthz` while the process answers, `/readyz` while it can reach its database.
 *
 * @param ready - throws where it is not.
 */
export const healthRoutes = (ready: () => Promise<unknown>): readonly OpenRoute[] => [
  { method: 'GET', path: '/healthz', respond: () => jsonResponse(200, { ok: true }) },
  {
    method: 'GET',
    path: '/readyz',
    async respond() {
      await ready()
      return jsonResponse(200, { ok: true })
    },
  },
]

/** The document that describes the API. */
export const documentRoute = (document: unknown): OpenRoute => ({
  method: 'GET',
  path: '/openapi.json',
  respond: () => jsonResponse(200, document),
})

/** Beginning and ending the session of a browser. */
export const sessionRoutes = ({
  tokens,
  isSecure,
  strangers,
}: {
  readonly tokens: Pick<Tokens, 'find'>
  readonly isSecure: boolean
  readonly strangers: RateLimit
}): readonly OpenRoute[] => [
  {
    method: 'POST',
    path: '/v1/session',
    async respond(request, { address }) {
      requireOwnPage(request)
      if (!strangers.has(address)) throw new Fault('RATE_LIMITED', 'That was tried too often.')
      const body = checked(signIn, await readJson(request, SESSION_BYTES), 'body') as z.output<typeof signIn>
      using token = SecretValue.fromText(body.token)
      if ((await tokens.find(token)) === null) {
        strangers.take(address)
        throw new Fault('UNAUTHORIZED', 'The server does not know that token, or it has expired.')
      }
      return jsonResponse(200, { ok: true }, { 'set-cookie': sessionCookie(token, isSecure) })
    },
  },
  {
    method: 'DELETE',
    path: '/v1/session',
    respond(request) {
      requireOwnPage(request)
      return jsonResponse(200, { ok: true }, { 'set-cookie': endedSessionCookie(isSecure) })
    },
  },
]
