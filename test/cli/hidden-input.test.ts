/** Values typed and pasted at a terminal, key by key. */

import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { askHidden, HiddenInput, type InputState } from '../../src/cli/hidden-input.js'
import { Fault } from '../../src/errors.js'
import { MAX_VALUE_BYTES } from '../../src/secret.js'
import { textOf } from '../support/store.js'

const pasted = (text: string): string => `\u001b[200~${text}\u001b[201~`

/** What is typed, how it ends, and the value. */
const TYPED: readonly (readonly [what: string, keys: string, state: InputState, value: string])[] = [
  ['a line', 'abc\r', 'done', 'abc'],
  ['a line that ends with LF', 'abc\n', 'done', 'abc'],
  ['nothing', '\r', 'done', ''],
  ['what has not ended', 'abc', 'open', 'abc'],
  ['more behind the end', 'abc\rdef\r', 'done', 'abc'],
  ['Ctrl-C', 'abc\u0003', 'cancelled', 'abc'],
  ['Ctrl-D behind a text', 'abc\u0004', 'done', 'abc'],
  ['Ctrl-D alone', '\u0004', 'cancelled', ''],
  ['backspace', 'abx\u007fc\r', 'done', 'abc'],
  ['backspace on nothing', '\u007f\babc\r', 'done', 'abc'],
  ['backspace over one character of several bytes', 'aé😀\u007fb\u007f\u007f\r', 'done', 'a'],
  ['Ctrl-U', 'wrong\u0015abc\r', 'done', 'abc'],
  ['a tab and other control characters', 'a\tb\u0001c\r', 'done', 'abc'],
  ['arrows and other keys', 'a\u001b[Ab\u001b[1;5C\u001bOPc\u001b[3~\u001bx\r', 'done', 'abc'],
  ['a paste', `${pasted('abc')}\r`, 'done', 'abc'],
  ['a paste within a text', `a${pasted('b')}c\r`, 'done', 'abc'],
  ['a paste of lines', `${pasted('-----BEGIN\rab\rcd\r')}\r`, 'done', '-----BEGIN\nab\ncd\n'],
  ['a paste of lines with CR LF', `${pasted('ab\r\n\r\ncd')}\r`, 'done', 'ab\n\ncd'],
  ['a paste of a line with its end', `${pasted('abc\r')}\r`, 'done', 'abc'],
  [
    'a paste with control characters',
    `${pasted('a\u0003\u0004\u007f\tb')}\r`,
    'done',
    'a\u0003\u0004\u007f\tb',
  ],
  ['a paste with escapes', `${pasted('a\u001b[2b\u001b[201c')}\r`, 'done', 'a\u001b[2b\u001b[201c'],
  ['a paste that has not ended', `\u001b[200~abc\r`, 'open', 'abc'],
]

describe('S1: hidden input', () => {
  describe.for(TYPED)('S1: takes %s', ([, keys, state, value]) => {
    const bytes = Buffer.from(keys)

    it('whole', () => {
      const input = new HiddenInput()
      expect(input.push(bytes)).toBe(state)
      expect(textOf(input.take())).toBe(value)
    })

    it('cut at every point', () => {
      for (let at = 0; at <= bytes.length; at += 1) {
        const input = new HiddenInput()
        input.push(bytes.subarray(0, at))
        expect(input.push(bytes.subarray(at)), `cut at ${at}`).toBe(state)
        expect(textOf(input.take())).toBe(value)
      }
    })

    it('byte by byte', () => {
      const input = new HiddenInput()
      for (const byte of bytes) input.push(Uint8Array.of(byte))
      expect(input.push(new Uint8Array(0))).toBe(state)
      expect(textOf(input.take())).toBe(value)
    })
  })

  it.for([
    [MAX_VALUE_BYTES, 'open'],
    [MAX_VALUE_BYTES + 1, 'too-large'],
  ] as const)('S1: takes %i bytes: %s', ([size, state]) => {
    expect(new HiddenInput().push(new Uint8Array(size).fill(65))).toBe(state)
  })

  it('S1: keeps nothing when it is disposed', () => {
    const input = new HiddenInput()
    input.push(Buffer.from('abc'))
    input[Symbol.dispose]()
    expect(textOf(input.take())).toBe('')
  })
})

/** A terminal that is typed at. */
function terminal(): {
  terminal: Parameters<typeof askHidden>[0]
  keys: (text: string) => Uint8Array
  shown: () => string
  modes: readonly boolean[]
  /** The mode in which each piece was shown. */
  modesWhenShown: readonly (boolean | undefined)[]
  listeners: () => number
} {
  const events = new EventEmitter()
  const modes: boolean[] = []
  const modesWhenShown: (boolean | undefined)[] = []
  let shown = ''
  const write = (text: string): void => {
    shown += text
    modesWhenShown.push(modes.at(-1))
  }
  const stdin = Object.assign(events, {
    pause: () => undefined,
    resume: () => undefined,
    setRawMode: (mode: boolean) => void modes.push(mode),
  }) as unknown as Parameters<typeof askHidden>[0]['stdin']
  return {
    terminal: { stdin, stderr: { write } },
    keys: (text) => {
      const bytes = Buffer.from(text)
      events.emit('data', bytes)
      return bytes
    },
    shown: () => shown,
    modes,
    modesWhenShown,
    listeners: () => events.listenerCount('data'),
  }
}

describe('S1: asking', () => {
  const signal = new AbortController().signal

  it('S1: shows the question and nothing of the answer, and wipes the keys', async () => {
    const at = terminal()
    const asked = askHidden(at.terminal, 'Value of A', signal)
    const keys = at.keys('canary\r')
    expect(textOf(await asked)).toBe('canary')
    expect(at.shown()).toBe('Value of A (not shown): \u001b[?2004h\u001b[?2004l\n')
    expect([...keys]).toEqual(new Array(7).fill(0))
    expect(at.modes).toEqual([true, false])
    // Who answers at once is not echoed.
    expect(at.modesWhenShown).toEqual([true, false])
    expect(at.listeners()).toBe(0)
  })

  it.for([
    ['Ctrl-C', 'abc\u0003', 'CANCELLED'],
    ['too much', 'x'.repeat(MAX_VALUE_BYTES + 1), 'REQUEST_INVALID'],
  ] as const)('S1: leaves the terminal as it was after %s', async ([, keys, code]) => {
    const at = terminal()
    const asked = askHidden(at.terminal, 'Value of A', signal)
    at.keys(keys)
    await expect(asked).rejects.toMatchObject({ code })
    expect(at.modes).toEqual([true, false])
    expect(at.listeners()).toBe(0)
  })

  it('S1: ends with the reason of the signal', async () => {
    const at = terminal()
    const stop = new AbortController()
    const asked = askHidden(at.terminal, 'Value of A', stop.signal)
    stop.abort(new Fault('CANCELLED', 'The command was cancelled.'))
    await expect(asked).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(at.modes).toEqual([true, false])
    expect(at.listeners()).toBe(0)
  })
})
