/** Server-sent events, whole and in pieces. */

import { describe, expect, it } from 'vitest'
import { readEvents, type ServerEvent } from '../../src/remote/event-stream.js'

async function* pieces(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function read(text: string, size = 1 << 20): Promise<readonly ServerEvent[]> {
  const events: ServerEvent[] = []
  for await (const event of readEvents(pieces(text, size))) events.push(event)
  return events
}

const CASES: readonly (readonly [string, string, readonly ServerEvent[]])[] = [
  ['one event', 'data: a\n\n', [{ event: 'message', id: '', data: 'a' }]],
  ['several lines', 'data: a\ndata:b\ndata\n\n', [{ event: 'message', id: '', data: 'a\nb\n' }]],
  [
    'ids that stay',
    'id: 1\ndata: a\n\ndata: b\n\n',
    [
      { event: 'message', id: '1', data: 'a' },
      { event: 'message', id: '1', data: 'b' },
    ],
  ],
  ['a name', 'event: end\ndata: {"x":"ü€𝄞"}\n\n', [{ event: 'end', id: '', data: '{"x":"ü€𝄞"}' }]],
  [
    'comments and unknown fields',
    ': alive\nretry: 5\ndata: a\n\n',
    [{ event: 'message', id: '', data: 'a' }],
  ],
  [
    'CR and CRLF',
    'data: a\r\rdata: b\r\n\r\n',
    [
      { event: 'message', id: '', data: 'a' },
      { event: 'message', id: '', data: 'b' },
    ],
  ],
  ['an event without data', 'event: x\n\ndata: a\n\n', [{ event: 'message', id: '', data: 'a' }]],
  ['an end that cuts an event off', 'data: a\n\ndata: b\n', [{ event: 'message', id: '', data: 'a' }]],
]

describe('events of a server', () => {
  it.for(CASES)('reads %s', async ([, text, events]) => {
    for (const size of [1 << 20, 1, 2, 3]) expect(await read(text, size)).toEqual(events)
  })
})
