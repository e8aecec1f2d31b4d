/**
 * What a run in a container is asked for, and what is wrong with it before an
 * engine is asked.
 *
 * @packageDocumentation
 */

import { isIP } from 'node:net'
import { posix } from 'node:path'
import type { Problem } from '../errors.js'
import type { PublishedPort } from '../docker/containers.js'
import { fileProblems, type SecretFile } from './secret-file.js'
import type { ValueScope } from './values.js'

/** A command to run in a container. */
export interface RunRequest extends ValueScope {
  readonly image: string
  /** Takes the place of the image's command. Empty: the image's own. */
  readonly command: readonly string[]
  /** Takes the place of the image's entrypoint, and leaves its command out. */
  readonly entrypoint?: string | undefined
  /** Secrets that become files instead of variables. */
  readonly files: readonly SecretFile[]
  /** Puts the values into the container's environment, where the engine shows and keeps them. */
  readonly inspectable: boolean
  /** Ends with the start, and leaves the container running. */
  readonly detach: boolean
  /** Hands our standard input on. */
  readonly interactive: boolean
  /** Gives the container a terminal. */
  readonly terminal: boolean
  /** Whether the container is removed when it has ended. */
  readonly remove: boolean
  /** Other variables, `NAME=VALUE`; a secret wins over one of its name. */
  readonly variables: readonly string[]
  readonly name?: string | undefined
  readonly user?: string | undefined
  readonly workdir?: string | undefined
  /** `HOST:CONTAINER[:OPTIONS]`, or the name of a volume in front. */
  readonly volumes: readonly string[]
  /** Default: the engine's own, the host's where it has no other. */
  readonly network?: string | undefined
  readonly ports: readonly PublishedPort[]
  /**
   * Where the engine keeps the output, which it gets before it is redacted. Default: `none`.
   */
  readonly logDriver?: string | undefined
  readonly init: boolean
}

/** What is wrong with a request in itself. @param hasTerminal - whether there is one to hand on. */
export function requestProblems(request: RunRequest, hasTerminal: boolean): readonly Problem[] {
  const problems: Problem[] = []
  const complain = (message: string, hint?: string): void =>
    void problems.push({ code: 'REQUEST_INVALID', message, hint })
  if (request.terminal && request.interactive && !request.detach && !hasTerminal) {
    complain('There is no terminal to hand on.', 'Leave -t out where standard input or output is none.')
  }
  for (const volume of request.volumes) {
    const [from = '', to = ''] = volume.split(':')
    if (from === '' || !posix.isAbsolute(to)) complain('A volume is not HOST:CONTAINER[:OPTIONS].')
  }
  for (const variable of request.variables) {
    if (variable.indexOf('=') < 1) complain('A variable is not NAME=VALUE.')
  }
  return [...problems, ...fileProblems(request.files, request.volumes.map(mountPoint))]
}

/**
 * Reads a `--publish` as Docker's client does (https://docs.docker.com/engine/network/#published-ports), but for
 * ranges: `[[ADDRESS:]HOST_PORT:]CONTAINER_PORT[/PROTOCOL]`. An IPv6 address stands in brackets.
 *
 * @returns `null` for anything else.
 */
export function publishedPort(text: string): PublishedPort | null {
  const match = /^(?:(?:(\[[0-9a-fA-F:.]+\]|[0-9.]+):)?(\d{0,5}):)?(\d{1,5})(?:\/(tcp|udp))?$/.exec(text)
  if (match === null) return null
  const [, host = '', hostPort = '', port = '', protocol = 'tcp'] = match
  const address = host.replaceAll(/[[\]]/g, '')
  if (address !== '' && isIP(address) === 0) return null
  const container = Number(port)
  if (container < 1 || container > 65_535 || Number(hostPort) > 65_535) return null
  return {
    container,
    protocol: protocol === 'udp' ? 'udp' : 'tcp',
    address,
    hostPort,
  }
}

/** Where the engine mounts a volume. */
const mountPoint = (volume: string): string =>
  posix.normalize(volume.split(':')[1] ?? '').replace(/(.)\/$/, '$1')

/** What of a request the engine writes down and shows. */
export const shownTexts = (request: RunRequest): readonly string[] =>
  [
    ...request.command,
    ...request.variables,
    ...request.volumes,
    request.entrypoint,
    request.name,
    request.user,
    request.workdir,
    request.network,
  ].filter((text) => text !== undefined)
