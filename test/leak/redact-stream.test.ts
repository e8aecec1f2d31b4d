import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { SILENCE_MS } from '../../src/leak/redact.js'
import { createRedactStream, redact } from '../../src/leak/redact-stream.js'
import { literalNeedles } from './support/streams.js'

const needles = literalNeedles(['token-0123456789'])

/** A source that a test feeds by hand. */
class Source implements AsyncIterable<Uint8Array> {
  isClosed = false
  #waiting: ((step: IteratorResult<Uint8Array, undefined>) => void) | undefined

  give(text: string): void {
    this.#waiting?.({ done: false, value: Buffer.from(text) })
  }

  end(): void {
    this.#waiting?.({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return {
      next: () => new Promise((resolve) => (this.#waiting = resolve)),
      return: () => {
        this.isClosed = true
        return Promise.resolve({ done: true, value: undefined })
      },
    }
  }
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const text = (chunk: unknown): string => Buffer.from(chunk as Uint8Array).toString()

describe('redact', () => {
  it('gives what is settled, and the rest at the end', async () => {
    const source = Readable.from([
      Buffer.from('a token-'),
      Buffer.from('0123456789 b to'),
      Buffer.from('ken'),
    ])
    const out: string[] = []
    for await (const chunk of redact(source, needles)) out.push(text(chunk))
    expect(out).toEqual(['a ', '*** b ', 'token'])
  })

  it('shows what is held back when the source falls silent, but no four bytes of a value', async () => {
    const source = new Source()
    const chunks = redact(source, needles, { mark: 'named' })
    const first = chunks.next()
    source.give('Enter to')
    expect(text((await first).value)).toBe('Enter ')
    const second = chunks.next()
    await vi.advanceTimersByTimeAsync(SILENCE_MS - 1)
    let shown = ''
    void second.then(({ value }) => (shown = text(value)))
    await vi.advanceTimersByTimeAsync(0)
    expect(shown).toBe('')
    await vi.advanceTimersByTimeAsync(1)
    expect(shown).toBe('to')
    const third = chunks.next()
    source.give('ken-')
    await vi.advanceTimersByTimeAsync(10 * SILENCE_MS)
    source.give('0123456789.')
    expect(text((await third).value)).toBe('***(S0).')
    const last = chunks.next()
    source.end()
    expect((await last).done).toBe(true)
    expect(source.isClosed).toBe(false)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('closes its source when its reader stops', async () => {
    const source = new Source()
    const chunks = redact(source, needles)
    const first = chunks.next()
    source.give('text')
    await first
    await chunks.return(undefined)
    expect(source.isClosed).toBe(true)
  })

  it('fails as its source does', async () => {
    const failing = Readable.from(
      (function* () {
        yield Buffer.from('tok')
        throw new RangeError('the source failed')
      })(),
    )
    const read = async (): Promise<void> => {
      for await (const _ of redact(failing, needles));
    }
    await expect(read()).rejects.toThrow(RangeError)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('createRedactStream', () => {
  it('is a step in a pipeline', async () => {
    const out = new PassThrough()
    const collected: string[] = []
    out.on('data', (chunk) => collected.push(text(chunk)))
    await pipeline(
      Readable.from([Buffer.from('a token-01234'), Buffer.from('56789 to')]),
      createRedactStream(needles),
      out,
    )
    expect(collected.join('')).toBe('a *** to')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('shows what is held back when its source falls silent', () => {
    const stream = createRedactStream(needles)
    const collected: string[] = []
    stream.on('data', (chunk) => collected.push(text(chunk)))
    stream.write('Enter to')
    stream.read()
    vi.advanceTimersByTime(SILENCE_MS)
    stream.read()
    expect(collected.join('')).toBe('Enter to')
    stream.write('ken-012')
    vi.advanceTimersByTime(10 * SILENCE_MS)
    stream.read()
    expect(collected.join('')).toBe('Enter to')
    stream.destroy()
    expect(vi.getTimerCount()).toBe(0)
  })
})
