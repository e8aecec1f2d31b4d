/**
 * Sessions of browsers: the token in a cookie that no script can read and no
 * other site can have sent. The cookie holds the token itself, so that every
 * server of one store knows the session and revoking the token ends it.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import type { SecretValue } from '../secret.js'

/** Name of the cookie. */
export const SESSION_COOKIE = 'traceless_session'

/** The header that a change made with a session must bear: no form and no page of another origin can send it. */
export const CSRF_HEADER = 'x-traceless-csrf'

/** How long a browser keeps a session, in seconds. */
const SESSION_SECONDS = 12 * 3600

const SAFE_METHODS = new Set(['GET', 'HEAD'])

/** The cookie that begins a session. */
export const sessionCookie = (token: SecretValue, isSecure: boolean): string =>
  token.use((bytes) => cookie(Buffer.from(bytes).toString('latin1'), SESSION_SECONDS, isSecure))

/** The cookie that ends it. */
export const endedSessionCookie = (isSecure: boolean): string => cookie('', 0, isSecure)

/**
 * The token of a session.
 *
 * @returns `null` without one.
 * @throws {@link Fault} `FORBIDDEN` for a change that another site may have sent.
 */
export function sessionOf(request: Request): string | null {
  const token = cookieOf(request)
  if (token === null) return null
  if (!SAFE_METHODS.has(request.method)) requireOwnPage(request)
  return token
}

/**
 * Checks that a page of this server sent a request: the header that needs a script of the same origin, and what the
 * browser says of where it came from.
 *
 * @throws {@link Fault} `FORBIDDEN`
 */
export function requireOwnPage({ headers, url }: Request): void {
  const site = headers.get('sec-fetch-site')
  const origin = headers.get('origin')
  const isOwn =
    headers.get(CSRF_HEADER) === '1' &&
    (site === null || site === 'same-origin') &&
    (origin === null || hostOf(origin) === (headers.get('host') ?? new URL(url).host))
  if (!isOwn) {
    throw new Fault('FORBIDDEN', 'A change made with a session must come from a page of this server.', {
      hint: `Send the header ${CSRF_HEADER}: 1, or use a bearer token.`,
    })
  }
}

function cookieOf({ headers }: Request): string | null {
  for (const part of headers.get('cookie')?.split(';') ?? []) {
    const [name, value] = part.trim().split('=', 2)
    if (name === SESSION_COOKIE && value !== undefined && /^[A-Za-z0-9_-]+$/.test(value)) return value
  }
  return null
}

const cookie = (value: string, seconds: number, isSecure: boolean): string =>
  `${SESSION_COOKIE}=${value}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${seconds}${isSecure ? '; Secure' : ''}`

const hostOf = (origin: string): string | null => (URL.canParse(origin) ? new URL(origin).host : null)
