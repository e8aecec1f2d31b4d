/**
 * Bodies of requests, read within bounds of size and time.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import { HttpFault } from './failures.js'

/** How long a JSON body may take to come, in milliseconds. */
export const BODY_MS = 30_000

/**
 * Reads a JSON body.
 *
 * @throws {@link Fault} `REQUEST_INVALID`: 415 for another kind of body, 413 for more than `limitBytes`, 408 for one that
 * comes too slowly, 400 for what is no JSON. Nothing of the body is repeated.
 */
export async function readJson(request: Request, limitBytes: number, limitMs = BODY_MS): Promise<unknown> {
  requireType(request, 'application/json')
  const text = Buffer.concat(await readAtMost(request, limitBytes, limitMs)).toString('utf8')
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    // The parser's words repeat what it read.
    throw new Fault('REQUEST_INVALID', 'The body is not JSON.')
  }
}

/** @throws {@link Fault} `REQUEST_INVALID` with 415 for a body of another type, or one that is compressed. */
export function requireType({ headers }: Request, type: string): void {
  const given = headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (given !== type) throw new HttpFault(415, 'REQUEST_INVALID', `The body must be of the type ${type}.`)
  const encoding = headers.get('content-encoding')?.toLowerCase() ?? 'identity'
  if (encoding !== 'identity') {
    throw new HttpFault(415, 'REQUEST_INVALID', 'The body must not be compressed.')
  }
}

/** The bytes of a body; none where there is none. */
export const bytesOf = ({ body }: Request): AsyncIterable<Uint8Array> => body ?? nothing()

async function readAtMost(
  request: Request,
  limitBytes: number,
  limitMs: number,
): Promise<readonly Uint8Array[]> {
  if (Number(request.headers.get('content-length') ?? '0') > limitBytes) throw tooLarge(limitBytes)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of withDeadline(bytesOf(request), limitMs)) {
    size += chunk.length
    if (size > limitBytes) throw tooLarge(limitBytes)
    chunks.push(chunk)
  }
  return chunks
}

async function* withDeadline(source: AsyncIterable<Uint8Array>, limitMs: number): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new HttpFault(408, 'REQUEST_INVALID', 'The body came too slowly.')),
      limitMs,
    )
  })
  late.catch(() => undefined)
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), late])
      if (next.done === true) return
      yield next.value
    }
  } finally {
    clearTimeout(timer)
  }
}

const tooLarge = (limitBytes: number): Fault =>
  new HttpFault(413, 'REQUEST_INVALID', `The body is larger than ${Math.floor(limitBytes / 1024)} KiB.`)

async function* nothing(): AsyncGenerator<Uint8Array> {
  // A request may have no body.
}
