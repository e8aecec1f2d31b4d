/**
 * Which store a command works with: `--database`, else what the variables say.
 *
 * @packageDocumentation
 */

import { Option, type Command } from 'commander'
import { Fault } from '../errors.js'
import type { App } from './app.js'

/** `--database URL` */
const databaseOption = (): Option =>
  new Option(
    '--database <url>',
    'PostgreSQL that keeps the secrets, such as postgres://user@host/name (default: TRACELESS_DATABASE, else a file); give its password in PGPASSWORD or ~/.pgpass',
  )

/** Families of commands that open no store, and commands of other families that do not. */
const WITHOUT_STORE = new Set([
  'traceless completion',
  'traceless builds',
  'traceless login',
  'traceless logout',
  'traceless identity create',
  'traceless identity export-public',
  'traceless database',
])

/** Gives `--database` to every command that opens the store, and lets it say which store that is. */
export function addStoreChoice(program: Command, app: App): void {
  addTo(program, program.name())
  program.hook('preAction', (_program, command) => {
    const url: unknown = command.getOptionValue('database')
    if (typeof url !== 'string') return
    if (typeof command.getOptionValue('server') === 'string') {
      throw new Fault(
        'REQUEST_INVALID',
        'A server and a database are named: one of them can keep the secrets.',
      )
    }
    app.useDatabase(url)
  })
}

function addTo(parent: Command, path: string): void {
  for (const command of parent.commands) {
    const words = `${path} ${command.name()}`
    if (WITHOUT_STORE.has(words)) continue
    if (command.commands.length === 0) command.addOption(databaseOption())
    else addTo(command, words)
  }
}
