/**
 * Keys for repositories over SSH in a requirement list. git reaches each by an
 * agent of its own, so that a server is offered the one key that is meant for
 * it, and believes only servers whose keys were given.
 *
 * @packageDocumentation
 */

import { readFile } from 'node:fs/promises'
import type { SshAgent } from '../docker/ssh-agent.js'
import type { Problem } from '../errors.js'
import { isSecretName, type SecretName } from '../secret.js'
import type { RequirementList } from '../substitute/index.js'
import { agentSource, unknownKey } from './ssh-mounts.js'
import type { MountSource } from './step-choice.js'
import type { Workshop } from './prepared.js'
import type { RequirementsRequest } from './request.js'
import { PROGRAMS, PROGRAMS_AT } from './recipe-parts.js'

/** A stored key and the host it is for. */
export interface SshKey {
  /** Name of the stored secret. */
  readonly name: string
  /** Default: every host that no other key names. */
  readonly host?: string
}

/** Keys, checked, and the servers that are believed. */
export interface SshAccess {
  readonly keys: readonly { readonly name: SecretName; readonly host: string }[]
  /** Lines of `known_hosts`. */
  readonly knownHosts: Uint8Array
}

const HOST = /^[A-Za-z0-9_.:[\]-]+$/

/** Reads what a request says of SSH; `undefined` where it has no key. */
export async function readSshAccess(
  { sshKeys = [], knownHosts }: RequirementsRequest,
  { list, known }: { readonly list: RequirementList; readonly known: readonly SecretName[] },
): Promise<{ readonly access: SshAccess | undefined; readonly problems: readonly Problem[] }> {
  const problems: Problem[] = []
  const invalid = (message: string, hint?: string): void =>
    void problems.push({ code: 'REQUEST_INVALID', message, hint })
  if (sshKeys.length === 0) {
    problems.push(...overSsh(list))
    if (knownHosts !== undefined)
      invalid('There are known hosts and no SSH key.', 'Give one with --ssh-key NAME.')
    return { access: undefined, problems }
  }
  const keys = sshKeys.flatMap(({ name, host = '*' }) => {
    if (!isSecretName(name) || !(host === '*' || HOST.test(host))) {
      invalid('An SSH key is the name of a stored secret, with the host it is for if need be.')
      return []
    }
    if (!known.includes(name)) problems.push(unknownKey(name, known))
    return [{ name, host }]
  })
  if (new Set(keys.map(({ host }) => host)).size !== keys.length)
    invalid('Two SSH keys are for the same host.')
  const servers = knownHosts === undefined ? undefined : await readServers(knownHosts)
  if (servers === undefined) {
    invalid(
      'A build with an SSH key needs the public keys of the servers.',
      'Give them with --known-hosts FILE, in the form of ~/.ssh/known_hosts.',
    )
  }
  return { access: servers === undefined ? undefined : { keys, knownHosts: servers }, problems }
}

const overSsh = ({ directs }: RequirementList): readonly Problem[] =>
  directs
    .filter(({ scheme }) => scheme === 'git+ssh')
    .map(({ file, line, column }) => ({
      code: 'REQUIREMENTS_INVALID',
      message: 'A repository over SSH needs a key.',
      hint: 'Store one and give it with --ssh-key NAME and --known-hosts FILE.',
      file,
      line,
      column,
    }))

/** The lines that `knownHosts` means; `undefined` where they name no server, or cannot be read. */
export async function readServers(
  knownHosts: NonNullable<RequirementsRequest['knownHosts']>,
): Promise<Uint8Array | undefined> {
  try {
    const bytes =
      typeof knownHosts === 'string' ? await readFile(knownHosts) : Buffer.from(knownHosts.text, 'utf8')
    return /^[^#\s]+ +\S+ +\S/m.test(bytes.toString('utf8')) ? bytes : undefined
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined
    throw error
  }
}

/** The agent of a key, and where its socket is mounted. */
export interface KeyMount {
  readonly mount: MountSource
  readonly agent: SshAgent
  readonly target: string
  /** What to call it. */
  readonly words: string
}

/** @throws {@link Fault} `REQUEST_INVALID` for a key that cannot be used. */
export async function keyMounts(
  access: SshAccess | undefined,
  workshop: Pick<Workshop, 'stored'>,
): Promise<readonly KeyMount[]> {
  const mounts: KeyMount[] = []
  for (const { name, host } of access?.keys ?? []) {
    const source = await agentSource(name, { kind: 'stored', name }, workshop)
    const words = `ssh:${name}${host === '*' ? '' : `@${host}`}`
    mounts.push({ ...source, target: agentAt(mounts.length), words })
  }
  return mounts
}

/** Files by which ssh knows the agents and the servers. */
export const sshFiles = (access: SshAccess | undefined): ReadonlyMap<string, Uint8Array> =>
  access === undefined
    ? new Map()
    : new Map([
        [`${PROGRAMS}/ssh_config`, Buffer.from(sshConfig(access.keys.map(({ host }) => host)))],
        [`${PROGRAMS}/known_hosts`, access.knownHosts],
      ])

/** Directly under /tmp, where a mount point leaves nothing behind. */
const agentAt = (index: number): string => `/tmp/.traceless-agent-${String(index)}`

/**
 * The configuration of ssh (https://man.openbsd.org/ssh_config), which takes the first value it meets: a key for every
 * host comes last. Nothing of the base's own keys, and no server that was not named.
 */
function sshConfig(hosts: readonly string[]): string {
  const entries = hosts.map((host, index) => ({
    host,
    text: `Host ${host}\n  IdentityAgent ${agentAt(index)}\n`,
  }))
  const [named, all] = [
    entries.filter(({ host }) => host !== '*'),
    entries.filter(({ host }) => host === '*'),
  ]
  return [
    ...[...named, ...all].map(({ text }) => text),
    'Host *\n',
    `  UserKnownHostsFile ${PROGRAMS_AT}/known_hosts\n`,
    '  GlobalKnownHostsFile /dev/null\n',
    '  StrictHostKeyChecking yes\n',
    '  UpdateHostKeys no\n',
    '  CheckHostIP no\n',
    '  BatchMode yes\n',
    '  IdentityFile none\n',
    '  IdentityAgent none\n',
    '  ForwardAgent no\n',
  ].join('')
}
