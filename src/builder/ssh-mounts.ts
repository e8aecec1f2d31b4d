/**
 * SSH agents for steps: which one a mount means, and the opaque id under which
 * the engine sees it. As with secrets, BuildKit shares steps whose mounts have
 * equal ids, so an id stands for tenant and key.
 *
 * @packageDocumentation
 */

import { agentDigest, isUsableKey, type SshAgent } from '../docker/ssh-agent.js'
import { Fault, type Problem } from '../errors.js'
import { isSecretName, SecretValue, type SecretName } from '../secret.js'
import { nearest } from '../suggest.js'
import type { PlacedSshMount } from './dockerfile-read.js'
import type { Workshop } from './prepared.js'
import type { MountSource } from './step-choice.js'

/** Where an agent comes from, as a caller writes it. Text and bytes are private keys given at hand. */
export type SshSource =
  | string
  | Uint8Array
  | SecretValue
  /** A stored private key. */
  | { readonly name: string }
  /** The socket of an agent that runs. */
  | { readonly socket: string }

/** The same, checked. */
export type CheckedAgent =
  | { readonly kind: 'value'; readonly value: SecretValue }
  | { readonly kind: 'stored'; readonly name: SecretName }
  | { readonly kind: 'socket'; readonly path: string }

/** Checks what was given. Problems name the ids, never what was given for them. */
export function checkAgents(ssh: Readonly<Record<string, SshSource>> | undefined): {
  readonly agents: ReadonlyMap<string, CheckedAgent>
  readonly problems: readonly Problem[]
} {
  const agents = new Map<string, CheckedAgent>()
  const problems: Problem[] = []
  for (const [id, source] of Object.entries(ssh ?? {})) {
    const checked = checkAgent(source)
    if (checked !== undefined) agents.set(id, checked)
    else {
      problems.push({
        code: 'REQUEST_INVALID',
        message: `The agent ${id} names a stored secret, and that name is not valid.`,
      })
    }
  }
  return { agents, problems }
}

function checkAgent(source: SshSource): CheckedAgent | undefined {
  if (typeof source === 'string') return { kind: 'value', value: SecretValue.fromText(source) }
  if (source instanceof SecretValue)
    return { kind: 'value', value: source.use((bytes) => new SecretValue(bytes)) }
  if (source instanceof Uint8Array) return { kind: 'value', value: new SecretValue(source) }
  if ('socket' in source) return { kind: 'socket', path: source.socket }
  return isSecretName(source.name) ? { kind: 'stored', name: source.name } : undefined
}

/** Compares what steps mount with what was given. */
export function agentProblems(
  placed: readonly PlacedSshMount[],
  {
    agents,
    known,
    file,
    allowMissing,
  }: {
    readonly agents: ReadonlyMap<string, CheckedAgent>
    readonly known: readonly SecretName[]
    readonly file: string
    readonly allowMissing: ReadonlySet<string>
  },
): readonly Problem[] {
  const problems: Problem[] = []
  const used = new Set(placed.map(({ mount }) => mount.id))
  for (const { mount, line, column } of placed) {
    if (agents.has(mount.id) || !mount.required || allowMissing.has(mount.id)) continue
    problems.push({
      code: 'REQUEST_INVALID',
      message: `The step mounts the SSH agent ${mount.id}, and none was given.`,
      hint: `Give one with --ssh ${mount.id} or --ssh ${mount.id}=NAME, or allow it with --allow-missing ${mount.id}.`,
      file,
      line,
      column,
    })
  }
  for (const [id, agent] of agents) {
    if (!used.has(id)) {
      const message = `The SSH agent ${id} is given, and no step mounts it.`
      const meant = nearest(id, used)
      problems.push({
        code: 'REQUEST_INVALID',
        message,
        hint: meant === undefined ? undefined : `Did you mean ${meant}?`,
      })
    }
    if (agent.kind === 'stored' && !known.includes(agent.name)) problems.push(unknownKey(agent.name, known))
  }
  return problems
}

/** The problem of a key that is not stored. */
export function unknownKey(name: SecretName, known: readonly SecretName[]): Problem {
  const meant = nearest(name, known)
  return {
    code: 'SECRET_UNKNOWN',
    message: `There is no secret ${name} in this environment.`,
    hint:
      meant === undefined ? `Set it with "traceless secrets set ${name}=@FILE".` : `Did you mean ${meant}?`,
  }
}

/**
 * What a mount of an agent is made from, and the agent. A stored or given key is lent, not copied.
 *
 * @throws {@link Fault} `REQUEST_INVALID` for a key that cannot be used and for an agent that does not answer.
 */
export async function agentSource(
  id: string,
  agent: CheckedAgent,
  { stored }: Pick<Workshop, 'stored'>,
): Promise<{ readonly mount: MountSource; readonly agent: SshAgent }> {
  const derived = { kind: 'derived', use: 'ssh' } as const
  switch (agent.kind) {
    case 'socket': {
      const shape = await agentDigest(agent.path)
      return { mount: { ...derived, shape, secrets: [] }, agent: { kind: 'socket', path: agent.path } }
    }
    case 'value':
      // Not the id of a secret of the same value: what a step can do with them differs.
      return {
        mount: { kind: 'given', id: `ssh:${id}`, value: agent.value },
        agent: await keyAgent(id, agent.value),
      }
    case 'stored': {
      const held = stored.get(agent.name)
      if (held === undefined) throw new TypeError('a key was asked for that the plan does not name')
      return {
        mount: { ...derived, shape: '', secrets: [held] },
        agent: await keyAgent(agent.name, held.value),
      }
    }
  }
}

async function keyAgent(name: string, key: SecretValue): Promise<SshAgent> {
  if (await isUsableKey(key)) return { kind: 'key', key }
  throw new Fault('REQUEST_INVALID', `The value of ${name} is not a private key that can be used.`, {
    hint: 'It has to be an OpenSSH or PEM private key without a passphrase.',
  })
}

/** A copy whose key its owner wipes. */
export const ownAgent = (agent: SshAgent): SshAgent =>
  agent.kind === 'key' ? { kind: 'key', key: agent.key.use((bytes) => new SecretValue(bytes)) } : agent
