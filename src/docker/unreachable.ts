/**
 * Turns what a broken connection or an HTTP answer of the engine says into our
 * words, by code and status, never by text.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'

const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EACCES',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_HTTP2_STREAM_ERROR',
  'ERR_HTTP2_SESSION_ERROR',
])

/** The fault for an engine that does not answer. One that says more is passed on. */
export const unreachable = (cause: unknown): Fault =>
  isUnreachable(cause)
    ? cause
    : new Fault('ENGINE_UNREACHABLE', 'The Docker engine does not answer.', {
        hint: 'Start the engine, or point DOCKER_HOST at one that runs.',
        cause,
      })

const isUnreachable = (error: unknown): error is Fault =>
  error instanceof Fault && error.code === 'ENGINE_UNREACHABLE'

/** HTTP status of an error thrown by dockerode, if it has one. */
export function statusOf(error: unknown): number | undefined {
  const status: unknown = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  return typeof status === 'number' ? status : undefined
}

/** Whether an error says that the connection broke or never stood. */
export function isConnectionError(error: unknown): boolean {
  return (
    isUnreachable(error) ||
    (error instanceof Error &&
      'code' in error &&
      typeof error.code === 'string' &&
      CONNECTION_CODES.has(error.code))
  )
}

/**
 * Runs a call to the engine and gives our fault for a broken connection. Other
 * errors pass through for the caller to name.
 *
 * @throws {@link Fault} `ENGINE_UNREACHABLE` or `CANCELLED`.
 */
export async function call<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await work()
  } catch (error) {
    signal?.throwIfAborted()
    if (isConnectionError(error)) throw unreachable(error)
    throw error
  }
}
