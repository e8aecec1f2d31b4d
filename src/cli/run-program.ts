/**
 * Runs the command line once: parses, acts, prints a failure, gives the exit
 * status.
 *
 * @packageDocumentation
 */

import type { Command } from 'commander'
import { CommanderError } from 'commander'
import { createApp, type App } from './app.js'
import { commandFor, isHelp, usageFault, useVariables } from './command.js'
import type { Io } from './io.js'
import { printFailure, stackOf } from './print.js'

/**
 * @param argv - words behind the program's name.
 * @returns the exit status.
 */
export async function runProgram(
  argv: readonly string[],
  io: Io,
  create: (app: App) => Command,
): Promise<number> {
  const app = createApp(io)
  const program = create(app)
  useVariables(program, io.env)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return app.status
  } catch (error) {
    if (error instanceof CommanderError && isHelp(error)) return 0
    const failure = error instanceof CommanderError ? usageFault(error, program, argv) : error
    if (io.env['TRACELESS_STACK'] === '1') for (const line of stackOf(error)) io.err(line)
    if (!app.standIns.has(commandFor(program, argv)))
      return printFailure(failure, io, argv.includes('--json'))
    // Words behind the command are those of another program, "--json" among them.
    return standInStatus(printFailure(failure, io, false))
  } finally {
    await app.close()
  }
}

/** Statuses that a shell or "docker run" gives, too: cannot be run, is not there, was cancelled. */
const SHARED_STATUSES = new Set([126, 127, 130])

/**
 * Exit status of a failure of ours where any other status could be the program's: 125, as with `docker run`
 * (https://docs.docker.com/engine/containers/run/#exit-status).
 */
const standInStatus = (status: number): number => (SHARED_STATUSES.has(status) ? status : 125)
