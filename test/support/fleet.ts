/**
 * Processes of the built program that work together: a keyholder, workers, a
 * server, on one database.
 *
 * @packageDocumentation
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'

const PROGRAM = resolve(import.meta.dirname, '../../dist/cli/main.js')

/** How long a process may take to say that it is ready, in milliseconds. */
const READY_MS = 60_000

/** A process that goes on until it is ended. */
export interface Running extends AsyncDisposable {
  readonly pid: number
  /** The line by which it said that it is ready. */
  readonly ready: string
  /** Everything it printed so far. */
  readonly printed: () => string
  kill(signal: NodeJS.Signals): void
  /** Resolves when it has ended, with its exit status; `null` after a signal. */
  readonly ended: Promise<number | null>
}

/**
 * Starts the program and waits until it prints its first line.
 *
 * @param env - added to the variables of this process.
 */
export async function startProgram(
  words: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Running> {
  const child: ChildProcess = spawn(process.execPath, [PROGRAM, ...words], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => (printed += text))
  }
  const ended = new Promise<number | null>((done) => child.once('exit', (status) => done(status)))
  const lines = createInterface({ input: child.stdout ?? process.stdin })
  const ready = await Promise.race([
    once(lines, 'line', { signal: AbortSignal.timeout(READY_MS) }).then(([line]) => String(line)),
    ended.then((status) => {
      throw new Error(`the program ended with ${String(status)}: ${printed}`)
    }),
  ])
  return {
    pid: child.pid ?? 0,
    ready,
    printed: () => printed,
    ended,
    kill: (signal) => void child.kill(signal),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await ended
    },
  }
}
