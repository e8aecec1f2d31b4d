/**
 * Credentials for registries, found where Docker keeps them: in a credential
 * helper or in `config.json`
 * (https://docs.docker.com/reference/cli/docker/login/#credential-stores).
 *
 * @packageDocumentation
 */

import { runProgram } from '../process.js'
import { SecretValue } from '../secret.js'
import { configFolder, readConfig, type DockerConfig } from './docker-config.js'
import type { FindCredentials, RegistryCredentials } from './engine.js'

/** Docker Hub's name in `config.json`: https://github.com/docker/cli/blob/master/cli/config/configfile/file.go */
const HUB = 'https://index.docker.io/v1/'

/** How long a helper may take, in milliseconds: it may ask a person. */
const HELPER_MS = 60_000

/** Looks credentials up at each call, by the exact host: a part of a name must not match another registry's. */
export function dockerCredentials(variables: Readonly<Record<string, string | undefined>>): FindCredentials {
  const folder = configFolder(variables)
  return async (registry, signal) => {
    const config = await readConfig(folder)
    const host = registry === 'docker.io' || registry === 'registry-1.docker.io' ? HUB : registry
    const helper = config.credHelpers?.[host] ?? config.credsStore
    if (helper !== undefined && helper !== '') {
      const found = await fromHelper(helper, host, signal)
      if (found !== null) return found
    }
    return fromConfig(config, host)
  }
}

/** The helper protocol: https://github.com/docker/docker-credential-helpers#development */
async function fromHelper(
  name: string,
  host: string,
  signal: AbortSignal,
): Promise<RegistryCredentials | null> {
  const ended = await runProgram(`docker-credential-${name}`, ['get'], Buffer.from(host), {
    timeoutMs: HELPER_MS,
    signal,
  })
  if (ended.kind !== 'done') return null
  const answer = JSON.parse(Buffer.from(ended.stdout).toString('utf8')) as {
    Username?: string
    Secret?: string
  }
  if (answer.Username === undefined || answer.Secret === undefined) return null
  return {
    username: answer.Username,
    password: SecretValue.fromText(answer.Secret),
    identityToken: answer.Username === '<token>',
  }
}

function fromConfig({ auths }: DockerConfig, host: string): RegistryCredentials | null {
  const entry = auths?.[host] ?? auths?.[`https://${host}`] ?? auths?.[`https://${host}/`]
  if (entry === undefined) return null
  if (entry.identitytoken !== undefined && entry.identitytoken !== '') {
    return { username: '', password: SecretValue.fromText(entry.identitytoken), identityToken: true }
  }
  const text = Buffer.from(entry.auth ?? '', 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon === -1) return null
  return {
    username: text.slice(0, colon),
    password: SecretValue.fromText(text.slice(colon + 1)),
    identityToken: false,
  }
}
