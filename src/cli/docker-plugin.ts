#!/usr/bin/env node
/**
 * The program `docker-traceless`, which Docker's client runs for
 * `docker traceless build` and `docker traceless scan`. A plugin is asked who
 * it is by `docker-cli-plugin-metadata`, and called with its own name as the
 * first word (https://docs.docker.com/engine/extend/cli_plugins/).
 *
 * @packageDocumentation
 */

import { createPlugin, METADATA, pluginCall } from './plugin.js'
import { startProcess } from './start-process.js'

const { words, variables } = pluginCall(process.argv.slice(2))
if (words[0] === 'docker-cli-plugin-metadata') process.stdout.write(`${JSON.stringify(METADATA)}\n`)
else {
  Object.assign(process.env, variables)
  await startProcess(words, createPlugin)
}
