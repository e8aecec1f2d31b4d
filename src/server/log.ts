/**
 * What the server says of itself: a line of JSON for each request and event.
 * A line holds what the server made itself (routes as they are written, ids,
 * numbers) and nothing that a client sent, and passes a mask on its way out all
 * the same.
 *
 * @packageDocumentation
 */

import { pino, type DestinationStream } from 'pino'
import type { Fault } from '../errors.js'
import { needlesFor } from '../leak/needles.js'
import { redactText } from '../leak/redact.js'

/** One request that was answered. */
export interface RequestLine {
  readonly id: string
  readonly method: string
  readonly route: string
  /** Id of the token. */
  readonly token: string | null
  readonly status: number
  readonly ms: number
}

/** Writes the log. */
export interface ServerLog {
  request(line: RequestLine, fault: Fault | null): void
  /** Something that happened outside of a request. */
  event(name: string, facts?: Readonly<Record<string, string | number | readonly string[]>>): void
  /** A failure outside of a request. */
  failure(where: string, error: unknown): void
}

/** Tokens, wherever they stand. */
const TOKENS = /tls_[A-Za-z0-9_-]{16,}/g

/** Methods that are written; any other is a client's own text. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/**
 * Makes the log.
 *
 * @param write - takes one line, without its end.
 */
export function serverLog(write: (line: string) => void): ServerLog {
  const nothing = needlesFor([])
  const stream: DestinationStream = {
    write: (line) => write(redactText(line.trimEnd(), nothing).replaceAll(TOKENS, 'tls_***')),
  }
  const log = pino(
    { base: null, timestamp: () => `,"time":"${new Date().toISOString()}"`, formatters: { level } },
    stream,
  )
  return {
    request({ method, ms, ...line }, fault) {
      const text = { ...line, method: METHODS.has(method) ? method : 'other', ms: Math.round(ms * 10) / 10 }
      if (fault === null) log.info(text, 'request')
      else if (line.status < 500) log.info({ ...text, code: fault.code }, 'request')
      else log.error({ ...text, code: fault.code, ...causeOf(fault) }, 'request')
    },
    event: (name, facts = {}) => log.info(facts, name),
    failure: (where, error) => log.error({ where, ...causeOf(error) }, 'failure'),
  }
}

const level = (label: string): { level: string } => ({ level: label })

/** Where a failure comes from: names and places in our code. The words of others stay behind. */
function causeOf(error: unknown): Record<string, unknown> {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  if (!(cause instanceof Error)) return { error: typeof cause }
  const frames = (cause.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  return { error: cause.name, at: frames.slice(0, 6).map((frame) => frame.trim()) }
}
