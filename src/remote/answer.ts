/**
 * What a server answers, read with suspicion: a proxy in between, another
 * program at that port or a newer server may answer anything.
 *
 * @packageDocumentation
 */

import { Fault, FAULTS, type FaultCode, type FaultDetail, type Problem } from '../errors.js'

/** A JSON object whose fields are not known yet. */
export type Json = Readonly<Record<string, unknown>>

/** Largest answer that is read as a whole, in bytes. A list of ten thousand secrets takes a third of it. */
const MAX_ANSWER_BYTES = 16 << 20

/** What could move a cursor or colour a line in a terminal. */
const CONTROLS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g

/** The fault for an answer that makes no sense. */
export const strangeAnswer = (cause?: unknown): Fault =>
  new Fault('SERVER_UNREACHABLE', 'What answers at that address is no Traceless server of this version.', {
    hint: 'Check the address, and what stands between here and the server.',
    cause,
  })

/** Reads an object. @throws {@link Fault} `SERVER_UNREACHABLE` for anything else. */
export function objectOf(value: unknown): Json {
  if (isObject(value)) return value
  throw strangeAnswer()
}

/** Reads a list. @throws {@link Fault} `SERVER_UNREACHABLE` for anything else. */
export function listOf<T>(value: unknown, item: (value: Json) => T): readonly T[] {
  if (!Array.isArray(value)) throw strangeAnswer()
  return value.map((each) => item(objectOf(each)))
}

/** Reads a text. @throws {@link Fault} `SERVER_UNREACHABLE` for anything else. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  throw strangeAnswer()
}

/** Reads a text that may be absent. */
export const textOrNull = (value: unknown): string | null =>
  value === null || value === undefined ? null : textOf(value)

/** Reads a number. @throws {@link Fault} `SERVER_UNREACHABLE` for anything else. */
export function numberOf(value: unknown): number {
  if (typeof value === 'number') return value
  throw strangeAnswer()
}

/** Reads a list of texts. */
export const textsOf = (value: unknown): readonly string[] => {
  if (!Array.isArray(value)) throw strangeAnswer()
  return value.map(textOf)
}

/** Reads a time. @throws {@link Fault} `SERVER_UNREACHABLE` for what is none. */
export function dateOf(value: unknown): Date {
  const date = new Date(textOf(value))
  if (Number.isNaN(date.getTime())) throw strangeAnswer()
  return date
}

/** Reads a time that may be absent. */
export const dateOrNull = (value: unknown): Date | null =>
  value === null || value === undefined ? null : dateOf(value)

/** Reads a response as JSON. @throws {@link Fault} `SERVER_UNREACHABLE` for what is none. */
export async function jsonOf(response: Response): Promise<Json> {
  const text = await bodyText(response)
  try {
    return objectOf(JSON.parse(text))
  } catch (error) {
    if (error instanceof SyntaxError) throw strangeAnswer(error)
    throw error
  }
}

/** The fault that a response other than a success stands for. */
export async function faultOfResponse(response: Response): Promise<Fault> {
  const text = await bodyText(response)
  try {
    const body: unknown = JSON.parse(text)
    const fault = isObject(body) ? faultFrom(body['error']) : null
    if (fault !== null) return fault
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  return faultOfStatus(response.status)
}

/** A fault as a server writes it; `null` for what is none. */
export function faultFrom(value: unknown): Fault | null {
  if (!isObject(value) || !isCode(value['code']) || typeof value['message'] !== 'string') return null
  return new Fault(value['code'], shown(value['message']), {
    hint: typeof value['hint'] === 'string' ? shown(value['hint']) : undefined,
    detail: detailOf(value['detail']),
    problems: problemsOf(value['problems']),
  })
}

/** A server, or what stands before it, that says no more than a status. */
function faultOfStatus(status: number): Fault {
  switch (status) {
    case 401:
      return new Fault('UNAUTHORIZED', 'The server does not know that token, or it has expired.', {
        hint: 'Get a token with "traceless token create" on the server, and use it with "traceless login".',
      })
    case 403:
      return new Fault('FORBIDDEN', 'That token may not do this.')
    case 413:
      return new Fault('REQUEST_INVALID', 'The server does not take that much at once.')
    case 429:
      return new Fault('RATE_LIMITED', 'The server was asked too often.', { hint: 'Try again in a minute.' })
    case 502:
    case 503:
    case 504:
      return new Fault('SERVER_UNREACHABLE', 'The server is not ready.', { hint: 'Try again later.' })
    default:
      return new Fault('SERVER_UNREACHABLE', `The server answered with status ${String(status)}.`)
  }
}

async function bodyText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of bodyOf(response)) {
    size += chunk.length
    if (size > MAX_ANSWER_BYTES) throw strangeAnswer()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The bytes of a response. */
export const bodyOf = ({ body }: Response): AsyncIterable<Uint8Array> => body ?? nothing()

async function* nothing(): AsyncGenerator<Uint8Array> {
  // A response may have no body.
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isCode = (value: unknown): value is FaultCode =>
  typeof value === 'string' && Object.hasOwn(FAULTS, value)

const shown = (text: string): string => text.replace(CONTROLS, '?')

function detailOf(value: unknown): FaultDetail {
  if (!isObject(value)) return {}
  const detail: Record<string, string | number | readonly string[]> = {}
  for (const [key, field] of Object.entries(value)) {
    if (typeof field === 'string') detail[key] = shown(field)
    else if (typeof field === 'number') detail[key] = field
    else if (Array.isArray(field)) {
      detail[key] = field.filter((text) => typeof text === 'string').map(shown)
    }
  }
  return detail
}

function problemsOf(value: unknown): readonly Problem[] {
  if (!Array.isArray(value)) return []
  return value.filter(isObject).flatMap((problem): Problem[] => {
    const { code, message, hint, file, line, column } = problem
    if (!isCode(code) || typeof message !== 'string') return []
    return [
      {
        code,
        message: shown(message),
        ...(typeof hint === 'string' ? { hint: shown(hint) } : {}),
        ...(typeof file === 'string' ? { file: shown(file) } : {}),
        ...(typeof line === 'number' ? { line } : {}),
        ...(typeof column === 'number' ? { column } : {}),
      },
    ]
  })
}
