/**
 * The whole command line, put together.
 *
 * @packageDocumentation
 */

import type { Command } from 'commander'
import type { App } from './app.js'
import { addBuild } from './build.js'
import { addBuilds } from './builds.js'
import { quietProgram, type AddCommand } from './command.js'
import { addCompletion } from './completion.js'
import { addDatabase } from './database.js'
import { addEnvironments } from './environments.js'
import { addExec } from './exec.js'
import { addGroups } from './groups.js'
import { addHistory } from './history.js'
import { addIdentity } from './identity.js'
import { addKeyholder } from './keyholder.js'
import { addLogin, addLogout } from './login.js'
import { addPip } from './pip.js'
import { addRedact } from './redact.js'
import { addRun } from './run.js'
import { addScan } from './scan.js'
import { addSecrets } from './secrets.js'
import { addServe } from './serve.js'
import { addServerOption } from './server.js'
import { addStoreChoice } from './store-choice.js'
import { addToken } from './token.js'
import { addUsage } from './usage.js'
import { VERSION } from './version.js'
import { addWorker } from './worker.js'

/** In the order of the help. */
const COMMANDS: readonly AddCommand[] = [
  addBuild,
  addScan,
  addRun,
  addExec,
  addPip,
  addRedact,
  addSecrets,
  addGroups,
  addEnvironments,
  addUsage,
  addHistory,
  addIdentity,
  addBuilds,
  addLogin,
  addLogout,
  addServe,
  addKeyholder,
  addWorker,
  addToken,
  addDatabase,
  addCompletion,
]

/** The program with all its commands. */
export function createProgram(app: App): Command {
  const program = quietProgram('traceless')
    .description('Build container images with secrets, and ship them without.')
    .version(VERSION)
  for (const add of COMMANDS) add(program, app)
  addServerOption(program, app)
  addStoreChoice(program, app)
  return program
}
