/**
 * Server-sent events, as https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 * has them: bytes in any pieces become events.
 *
 * @packageDocumentation
 */

import { strangeAnswer } from './answer.js'

/** One event. */
export interface ServerEvent {
  /** `message` where the server gives none. */
  readonly event: string
  /** The last id that the stream gave; empty before the first. */
  readonly id: string
  readonly data: string
}

/** Longest event, in characters. A report of ten thousand findings takes a quarter of it. */
const MAX_EVENT = 16 << 20

/** Reads events until the stream ends; one that the end cut off is dropped. */
export async function* readEvents(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  let event = ''
  let id = ''
  let data: string[] = []
  let size = 0
  for await (const line of linesOf(bytes)) {
    if (line === '') {
      if (data.length > 0) yield { event: event === '' ? 'message' : event, id, data: data.join('\n') }
      event = ''
      data = []
      size = 0
      continue
    }
    const at = line.indexOf(':')
    const field = at === -1 ? line : line.slice(0, at)
    const value = at === -1 ? '' : line.slice(line[at + 1] === ' ' ? at + 2 : at + 1)
    size += value.length
    if (size > MAX_EVENT) throw strangeAnswer()
    if (field === 'event') event = value
    else if (field === 'data') data.push(value)
    else if (field === 'id' && !value.includes('\0')) id = value
  }
}

/** Lines that end in CR, LF or both, decoded as UTF-8. */
async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of bytes) {
    rest += decoder.decode(chunk, { stream: true })
    if (rest.length > MAX_EVENT) throw strangeAnswer()
    // A CR at the end may be half of a line break.
    const whole = rest.endsWith('\r') ? rest.slice(0, -1) : rest
    const lines = whole.split(/\r\n|\n|\r/)
    rest = (lines.pop() ?? '') + rest.slice(whole.length)
    yield* lines
  }
}
