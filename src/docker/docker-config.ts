/**
 * The folder in which Docker's client keeps its configuration.
 *
 * @packageDocumentation
 */

import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Fault } from '../errors.js'

/** The parts of `config.json` that count here. */
export interface DockerConfig {
  readonly auths?: Readonly<Record<string, { readonly auth?: string; readonly identitytoken?: string }>>
  readonly credsStore?: string
  readonly credHelpers?: Readonly<Record<string, string>>
  readonly currentContext?: string
}

/** `DOCKER_CONFIG`, or `.docker` in the home folder. */
export const configFolder = (variables: Readonly<Record<string, string | undefined>>): string =>
  variables['DOCKER_CONFIG'] ?? join(homedir(), '.docker')

/**
 * Reads `config.json`; a folder without one counts as an empty one.
 *
 * @throws {@link Fault} `REQUEST_INVALID`.
 */
export async function readConfig(folder: string): Promise<DockerConfig> {
  const path = join(folder, 'config.json')
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {}
    throw new Fault('REQUEST_INVALID', `Docker's configuration ${path} cannot be read.`, { cause: error })
  }
  try {
    return JSON.parse(text) as DockerConfig
  } catch (error) {
    throw new Fault('REQUEST_INVALID', `Docker's configuration ${path} is not JSON.`, { cause: error })
  }
}
