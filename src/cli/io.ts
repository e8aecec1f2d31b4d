/**
 * The process as a command sees it. A test gives another one and needs no
 * process of its own.
 *
 * @packageDocumentation
 */

import { readFile } from 'node:fs/promises'
import { addAbortSignal, type Readable } from 'node:stream'
import { Fault } from '../errors.js'
import type { Console } from '../runner/console.js'
import { MAX_VALUE_BYTES, SecretValue } from '../secret.js'
import { processConsole, type ProcessStreams } from './console.js'
import { askHidden } from './hidden-input.js'
import type { Signals } from './signals.js'

/** Width of a terminal of which nothing is known, in columns. */
const USUAL_COLUMNS = 80

/** Everything outside of a command. */
export interface Io {
  /** Prints a result on standard output. */
  readonly out: (text: string) => void
  /** Writes bytes to standard output; resolves when more can be taken. */
  readonly outBytes: (bytes: Uint8Array) => Promise<void>
  /** Prints a message for people on standard error. */
  readonly err: (text: string) => void
  readonly errBytes: (bytes: Uint8Array) => void
  readonly stdin: AsyncIterable<Uint8Array> & { readonly isTTY: boolean }
  readonly outIsTerminal: boolean
  readonly errIsTerminal: boolean
  /** Width of the terminal in columns, 80 where there is none. */
  readonly columns: number
  /** Variables of the process. A value in here is used only where an argument names the variable. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Asks for a value without showing it. Only where {@link Io.stdin} is a terminal. */
  readonly askHidden: (question: string) => Promise<SecretValue>
  /** Asks for a text that is shown as it is typed. Only where {@link Io.stdin} is a terminal. */
  readonly ask: (question: string) => Promise<string>
  /** Aborted when the user asks the program to end. */
  readonly signal: AbortSignal
  /** The streams themselves, for a command that stands in for another program. */
  readonly console: () => Console
}

/**
 * The real process.
 *
 * @param streams - its streams, as they were when it started.
 * @param env - its variables, as it was started with them.
 */
export function processIo(streams: ProcessStreams, signals: Signals, env: Io['env']): Io {
  const { stdin, stdout, stderr } = streams
  const { signal } = signals
  return {
    out: (text) => void stdout.write(`${text}\n`),
    outBytes: async (bytes) => {
      if (stdout.write(bytes)) return
      await new Promise<void>((resolve) => stdout.once('drain', resolve))
    },
    err: (text) => void stderr.write(`${text}\n`),
    errBytes: (bytes) => void stderr.write(bytes),
    stdin: { isTTY: stdin.isTTY, [Symbol.asyncIterator]: () => readUntilAborted(stdin, signal) },
    outIsTerminal: stdout.isTTY,
    errIsTerminal: stderr.isTTY,
    // A terminal that was never told its size says 0.
    columns: (stdout.isTTY ? stdout.columns : stderr.isTTY ? stderr.columns : 0) || USUAL_COLUMNS,
    env,
    cwd: process.cwd(),
    askHidden: (question) => askHidden({ stdin, stderr }, question, signal),
    ask: async (question) => {
      const { isCancel, text } = await import('@clack/prompts')
      const answer = await text({ message: question, signal, output: stderr })
      if (isCancel(answer)) throw new Fault('CANCELLED', 'Nothing was changed.')
      return answer
    },
    signal,
    console: () => processConsole(streams, signals),
  }
}

/** Reads a stream. @throws the signal's reason once it is aborted, whether anything comes or not. */
async function* readUntilAborted(stream: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* addAbortSignal(signal, stream) as AsyncIterable<Uint8Array>
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
}

/**
 * Reads a value from standard input.
 *
 * @throws {@link Fault} `REQUEST_INVALID` for more than 500 KiB.
 */
export async function valueFromStdin({ stdin }: Io): Promise<SecretValue> {
  return taken(await readAtMost(stdin, MAX_VALUE_BYTES, 'A value holds at most 500 KiB.'))
}

/**
 * Reads a value from a file.
 *
 * @throws {@link Fault} `REQUEST_INVALID` for a file that cannot be read or is larger than 500 KiB. The path is not
 * repeated: it may be a value that was typed in its place.
 */
export async function valueFromFile(path: string): Promise<SecretValue> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (error) {
    throw new Fault('REQUEST_INVALID', 'The file that should hold a value cannot be read.', { cause: error })
  }
  if (bytes.length <= MAX_VALUE_BYTES) return taken(bytes)
  bytes.fill(0)
  throw new Fault('REQUEST_INVALID', 'A value holds at most 500 KiB.')
}

/** The bytes as a value; they are wiped where they came from. */
function taken(bytes: Uint8Array): SecretValue {
  const value = new SecretValue(bytes)
  bytes.fill(0)
  return value
}

/**
 * Reads a whole stream. What comes through here may be a value: the pieces are wiped, and the caller wipes the whole.
 *
 * @throws {@link Fault} `REQUEST_INVALID` with `message` for more than `limitBytes`.
 */
export async function readAtMost(
  source: AsyncIterable<Uint8Array>,
  limitBytes: number,
  message: string,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of source) {
      chunks.push(chunk)
      size += chunk.length
      if (size > limitBytes) throw new Fault('REQUEST_INVALID', message)
    }
    // A buffer of its own, not a part of the one that Node shares between small ones.
    const whole = new Uint8Array(new ArrayBuffer(size))
    let at = 0
    for (const chunk of chunks) {
      whole.set(chunk, at)
      at += chunk.length
    }
    return whole
  } finally {
    for (const chunk of chunks) chunk.fill(0)
  }
}
