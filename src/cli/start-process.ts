/**
 * The process around the command line: signals in, exit status out, and no
 * words of others on the way.
 *
 * @packageDocumentation
 */

import { Writable } from 'node:stream'
import type { Command } from 'commander'
import type { App } from './app.js'
import { processIo } from './io.js'
import { printFailure } from './print.js'
import { runProgram } from './run-program.js'
import { Signals } from './signals.js'

/** How long what is open after a failure may take to close, in milliseconds. */
const LINGER_MS = 250

/** Runs the program and sets the exit status. */
export async function startProcess(argv: readonly string[], create: (app: App) => Command): Promise<void> {
  const env = { ...process.env }
  const { stdin, stdout, stderr } = process
  silenceDebugging()
  const io = processIo({ stdin, stdout, stderr }, new Signals(), env)
  const fail = (error: unknown): void => {
    process.exit(printFailure(error, io, argv.includes('--json')))
  }
  process.on('uncaughtException', fail)
  process.on('unhandledRejection', fail)
  process.stdout.on('error', () => process.exit(0))
  const status = await runProgram(argv, io, create)
  process.exitCode = status
  // A connection to an engine that is frozen would keep a program that failed for as long as it likes.
  if (status !== 0) setTimeout(() => process.exit(status), LINGER_MS).unref()
}

/**
 * Debug output of libraries shows requests with their credentials, and Node's own shows what its streams carry and the
 * variables of programs that it starts. Programs we start may have theirs.
 */
function silenceDebugging(): void {
  delete process.env['DEBUG']
  // Node looked at this one before our first line. It writes to whatever stands here by then, and we have the stream itself.
  if (process.env['NODE_DEBUG'] !== undefined) {
    const nowhere = new Writable({ write: (_bytes, _encoding, done) => done() })
    Object.defineProperty(process, 'stderr', { value: nowhere })
  }
  delete process.env['NODE_DEBUG']
}
