/**
 * The command line of the Docker plugin.
 *
 * @packageDocumentation
 */

import type { Command } from 'commander'
import type { App } from './app.js'
import { addBuild } from './build.js'
import { quietProgram } from './command.js'
import { addScan } from './scan.js'
import { addServerOption } from './server.js'
import { addStoreChoice } from './store-choice.js'
import { VERSION } from './version.js'

/** What the plugin answers when Docker asks who it is: the fields of cli-plugins/metadata in docker/cli. */
export const METADATA = {
  SchemaVersion: '0.1.0',
  Vendor: 'Traceless',
  Version: VERSION,
  ShortDescription: 'Build images with secrets and ship them without',
} as const

/** Docker's own options that stand before a plugin's name, and the variables that mean the same. */
const DOCKER_OPTIONS: Readonly<Record<string, string>> = {
  '-H': 'DOCKER_HOST',
  '--host': 'DOCKER_HOST',
  '--config': 'DOCKER_CONFIG',
}

/** How Docker's client called the plugin. */
export interface PluginCall {
  /** Words of the plugin's own command line. */
  readonly words: readonly string[]
  /** Variables that Docker's options stand for. */
  readonly variables: Readonly<Record<string, string>>
}

/**
 * Reads the words behind the program's name. Docker hands its own options on, in front of the plugin's name
 * (https://docs.docker.com/reference/cli/docker/#options); one that is not understood stays, to be refused as unknown.
 */
export function pluginCall(argv: readonly string[]): PluginCall {
  const variables: Record<string, string> = {}
  let at = 0
  for (;;) {
    const [option, value] = splitOption(argv[at] ?? '')
    const variable = DOCKER_OPTIONS[option]
    const given = value ?? argv[at + 1]
    if (variable === undefined || given === undefined) break
    variables[variable] = given
    at += value === undefined ? 2 : 1
  }
  return { words: argv.slice(argv[at] === 'traceless' ? at + 1 : at), variables }
}

/** `--name=value`, or a word alone. */
function splitOption(word: string): readonly [option: string, value?: string] {
  const equals = word.startsWith('--') ? word.indexOf('=') : -1
  return equals === -1 ? [word] : [word.slice(0, equals), word.slice(equals + 1)]
}

/** The plugin's commands. */
export function createPlugin(app: App): Command {
  const program = quietProgram('docker traceless').description(METADATA.ShortDescription).version(VERSION)
  for (const add of [addBuild, addScan]) add(program, app)
  addServerOption(program, app)
  addStoreChoice(program, app)
  return program
}
