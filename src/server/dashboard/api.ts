/**
 * Speaks to the server that this page came from, and to no other. The session
 * is a cookie that scripts cannot read; what changes something carries a header
 * that a page of another origin cannot send.
 *
 * @packageDocumentation
 */

import type { FaultBody } from './wire.js'

/** A failure that a person is told. */
export class ApiFault extends Error {
  override readonly name = 'ApiFault'
  readonly code: string
  readonly hint: string | undefined
  /** Further lines: problems, places. */
  readonly lines: readonly string[]

  constructor({ code, message, hint, detail = {}, problems = [] }: FaultBody) {
    super(message)
    this.code = code
    this.hint = hint
    this.lines = [
      ...(problems.length > 1 ? problems.map(problemText) : []),
      ...Object.values(detail).flatMap((value) =>
        Array.isArray(value) ? value.filter((text): text is string => typeof text === 'string') : [],
      ),
    ]
  }
}

/** Asks the server. */
export interface Api {
  get<T>(path: string, signal?: AbortSignal): Promise<T>
  send<T>(method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown, headers?: Headers): Promise<T>
}

type Headers = Readonly<Record<string, string>>

/** Joins parts of a path, each encoded, below `/v1`. */
export const pathOf = (...parts: readonly string[]): string =>
  parts.map((part) => `/${encodeURIComponent(part)}`).join('')

/** A query from the fields that are there. */
export function queryOf(fields: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) query.set(name, String(value))
  const text = query.toString()
  return text === '' ? '' : `?${text}`
}

/** @param onSignedOut - called when the session is over. */
export function createApi(onSignedOut: () => void): Api {
  const ask = async <T>(path: string, init: RequestInit): Promise<T> => {
    const response = await answered(() =>
      fetch(`/v1${path}`, { ...init, credentials: 'same-origin', redirect: 'error' }),
    )
    const body = await jsonOf(response)
    if (response.ok) return body as T
    const fault = faultOf(body, response.status)
    if (fault.code === 'UNAUTHORIZED') onSignedOut()
    throw fault
  }
  return {
    get: (path, signal) => ask(path, { headers: { accept: 'application/json' }, signal: signal ?? null }),
    send: (method, path, body, headers = {}) =>
      ask(path, {
        method,
        headers: {
          accept: 'application/json',
          'x-traceless-csrf': '1',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        body: body === undefined ? null : JSON.stringify(body),
      }),
  }
}

async function answered(ask: () => Promise<Response>): Promise<Response> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new ApiFault({
      code: 'SERVER_UNREACHABLE',
      message: 'The server does not answer.',
      hint: 'Check that it runs, and try again.',
    })
  }
}

async function jsonOf(response: Response): Promise<unknown> {
  if (response.status === 204) return {}
  try {
    return await response.json()
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

function faultOf(body: unknown, status: number): ApiFault {
  const error = isRecord(body) ? body['error'] : undefined
  if (isRecord(error) && typeof error['code'] === 'string' && typeof error['message'] === 'string') {
    return new ApiFault(error as unknown as FaultBody)
  }
  return new ApiFault(
    status === 401
      ? { code: 'UNAUTHORIZED', message: 'The session is over.' }
      : { code: 'SERVER_UNREACHABLE', message: `The server answered with status ${String(status)}.` },
  )
}

const problemText = ({ message, file, line }: NonNullable<FaultBody['problems']>[number]): string =>
  `${[file, line].filter((part) => part !== undefined).join(':')}${file === undefined ? '' : ': '}${message}`

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null
