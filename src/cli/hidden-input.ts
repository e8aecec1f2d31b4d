/**
 * Asks for a value at a terminal without showing it.
 *
 * The terminal is asked to bracket what is pasted
 * (https://invisible-island.net/xterm/ctlseqs/ctlseqs.html#h2-Bracketed-Paste-Mode),
 * so that a key of many lines is one value, and its second line does not end
 * up in the shell.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import { MAX_VALUE_BYTES, SecretValue } from '../secret.js'

/** A terminal that can be read key by key. */
export interface KeyTerminal {
  readonly stdin: Pick<NodeJS.ReadStream, 'on' | 'off' | 'pause' | 'resume' | 'setRawMode'>
  readonly stderr: { readonly write: (text: string) => unknown }
}

const BRACKETS_ON = '\u001b[?2004h'
const BRACKETS_OFF = '\u001b[?2004l'

/**
 * Asks for a value.
 *
 * @throws {@link Fault} `CANCELLED` for Ctrl-C, and for Ctrl-D where nothing was typed; `REQUEST_INVALID` for more than
 * 500 KiB; the signal's reason when it is aborted.
 */
export async function askHidden(
  { stdin, stderr }: KeyTerminal,
  question: string,
  signal: AbortSignal,
): Promise<SecretValue> {
  const input = new HiddenInput()
  // First of all: what is typed in answer to a question must not meet a terminal that still shows it.
  stdin.setRawMode(true)
  stderr.write(`${question} (not shown): ${BRACKETS_ON}`)
  try {
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        stdin.off('data', take)
        signal.removeEventListener('abort', cancel)
        stdin.pause()
      }
      const cancel = (): void => {
        stop()
        reject(signal.reason as Fault)
      }
      const take = (bytes: Uint8Array): void => {
        const state = input.push(bytes)
        bytes.fill(0)
        if (state === 'open') return
        stop()
        if (state === 'done') resolve()
        else reject(REFUSED[state]())
      }
      signal.addEventListener('abort', cancel)
      stdin.on('data', take)
      stdin.resume()
    })
    return input.take()
  } finally {
    input[Symbol.dispose]()
    stdin.setRawMode(false)
    stderr.write(`${BRACKETS_OFF}\n`)
  }
}

/** How the input stands: `open` takes more. */
export type InputState = 'open' | 'done' | 'cancelled' | 'too-large'

const REFUSED = {
  cancelled: () => new Fault('CANCELLED', 'Nothing was changed.'),
  'too-large': () => new Fault('REQUEST_INVALID', 'A value holds at most 500 KiB.'),
} as const

const CTRL_C = 0x03
const CTRL_D = 0x04
const BACKSPACE = 0x08
const LF = 0x0a
const CR = 0x0d
const CTRL_U = 0x15
const ESCAPE = 0x1b
const DELETE = 0x7f

const PASTE_BEGINS = '[200~'
const PASTE_ENDS = '[201~'

/** Keys as they come from a terminal in raw mode, and the value that they make. */
export class HiddenInput implements Disposable {
  readonly #bytes: number[] = []
  #state: InputState = 'open'
  #isPasting = false
  #lastPasted = 0
  /** What came behind an escape so far; `null` where none is open. */
  #escape: string | null = null

  /** Takes the next bytes. What comes behind the end is dropped. */
  push(bytes: Uint8Array): InputState {
    for (const byte of bytes) {
      if (this.#state !== 'open') break
      if (this.#escape !== null) this.#continueEscape(byte)
      else if (byte === ESCAPE) this.#escape = ''
      else if (this.#isPasting) this.#paste(byte)
      else this.#type(byte)
      if (this.#bytes.length > MAX_VALUE_BYTES) this.#state = 'too-large'
    }
    return this.#state
  }

  /** The value. A line break at the end of a single line was copied along, and is dropped. */
  take(): SecretValue {
    const end = this.#bytes.indexOf(LF) === this.#bytes.length - 1 ? this.#bytes.length - 1 : undefined
    const bytes = Uint8Array.from(this.#bytes.at(-1) === LF ? this.#bytes.slice(0, end) : this.#bytes)
    const value = new SecretValue(bytes)
    bytes.fill(0)
    return value
  }

  [Symbol.dispose](): void {
    this.#bytes.fill(0)
    this.#bytes.length = 0
  }

  #type(byte: number): void {
    switch (byte) {
      case CR:
      case LF:
        this.#state = 'done'
        return
      case CTRL_C:
        this.#state = 'cancelled'
        return
      case CTRL_D:
        this.#state = this.#bytes.length === 0 ? 'cancelled' : 'done'
        return
      case CTRL_U:
        this[Symbol.dispose]()
        return
      case BACKSPACE:
      case DELETE:
        this.#deleteCharacter()
        return
    }
    if (byte >= 0x20) this.#bytes.push(byte)
  }

  /** Terminals send a line break of a paste as CR, some as CR LF. */
  #paste(byte: number): void {
    if (byte !== LF || this.#lastPasted !== CR) this.#bytes.push(byte === CR ? LF : byte)
    this.#lastPasted = byte
  }

  /** The last bytes of UTF-8 up to the one that begins the character. */
  #deleteCharacter(): void {
    let byte
    do byte = this.#bytes.pop()
    while (byte !== undefined && (byte & 0xc0) === 0x80)
  }

  /** Keys such as arrows are passed over; in a paste, an escape that does not end it is part of the value. */
  #continueEscape(byte: number): void {
    const escape = (this.#escape ?? '') + String.fromCharCode(byte)
    this.#escape = escape
    if (this.#isPasting) {
      if (escape === PASTE_ENDS) this.#isPasting = false
      else if (PASTE_ENDS.startsWith(escape)) return
      else this.#bytes.push(ESCAPE, ...Buffer.from(escape, 'latin1'))
      this.#escape = null
      return
    }
    if (escape === PASTE_BEGINS) {
      this.#isPasting = true
      this.#lastPasted = 0
    }
    if (isWholeEscape(escape)) this.#escape = null
  }
}

/** `ESC [ … final`, `ESC O x` or `ESC x`, as in ECMA-48. */
const isWholeEscape = (text: string): boolean => /^(?:\[[^@-~]*[@-~]|O.|[^[O])$/s.test(text)
