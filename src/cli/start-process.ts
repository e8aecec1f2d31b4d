/**
 * The process around the command line: signals in, exit status out, and no
 * words of others on the way.
 *
 * @packageDocumentation
 */

import type { Command } from 'commander'
import type { App } from './app.js'
import { processIo } from './io.js'
import { printFailure } from './print.js'
import { runProgram } from './run-program.js'
import { Signals } from './signals.js'

/** Runs the program and sets the exit status. */
export async function startProcess(argv: readonly string[], create: (app: App) => Command): Promise<void> {
  const env = { ...process.env }
  // The debug output of libraries shows requests with their credentials. Programs we start may have theirs.
  delete process.env['DEBUG']
  delete process.env['NODE_DEBUG']
  const io = processIo(new Signals(), env)
  const fail = (error: unknown): void => {
    process.exit(printFailure(error, io, argv.includes('--json')))
  }
  process.on('uncaughtException', fail)
  process.on('unhandledRejection', fail)
  process.stdout.on('error', () => process.exit(0))
  process.exitCode = await runProgram(argv, io, create)
}
