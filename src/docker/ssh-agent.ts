/**
 * SSH agents that a build's session forwards: one that runs on this machine, or
 * one of our own that holds a key in memory. A key that an agent holds can be
 * used by a step and not be read by it.
 *
 * The protocol: https://datatracker.ietf.org/doc/html/draft-ietf-sshm-ssh-agent.
 * Owner of ssh2, which is loaded when a build has an agent.
 *
 * @packageDocumentation
 */

import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { Duplex } from 'node:stream'
import type { ParsedKey } from 'ssh2'
import { Fault } from '../errors.js'
import type { SecretValue } from '../secret.js'
import { AgentFrames } from './agent-frames.js'

/** An agent that steps can mount. */
export type SshAgent =
  /** A private key without a passphrase, in OpenSSH's or PEM form. */
  | { readonly kind: 'key'; readonly key: SecretValue }
  /** The socket of an agent that runs, such as `SSH_AUTH_SOCK` names. */
  | { readonly kind: 'socket'; readonly path: string }

/** Opens a connection to an agent. Destroy it at the end. */
export async function connectAgent(agent: SshAgent): Promise<Duplex> {
  if (agent.kind === 'socket') return connect(agent.path)
  const { AgentProtocol } = (await import('ssh2')).default
  const key = await parsed(agent.key)
  const protocol = new AgentProtocol(false)
  protocol.on('identities', (request) => {
    protocol.getIdentitiesReply(request, key === null ? [] : [key])
  })
  protocol.on('sign', (request, wanted, data, { hash }) => {
    const mine = key?.getPublicSSH().equals(wanted.getPublicSSH()) === true
    const signature: unknown = mine ? key.sign(data, hash) : undefined
    if (Buffer.isBuffer(signature)) protocol.signReply(request, signature)
    else protocol.failureReply(request)
  })
  const frames = new AgentFrames()
  frames.pipe(protocol)
  // A message that is none ends the connection.
  frames.on('error', () => protocol.destroy())
  return Duplex.from({ writable: frames, readable: protocol })
}

/** Whether a value is a private key that {@link connectAgent} can use. */
export const isUsableKey = async (key: SecretValue): Promise<boolean> => (await parsed(key)) !== null

async function parsed(key: SecretValue): Promise<ParsedKey | null> {
  const { utils } = (await import('ssh2')).default
  const found = key.use((bytes) => utils.parseKey(Buffer.from(bytes)))
  const first = Array.isArray(found) ? (found as readonly ParsedKey[])[0] : found
  return first === undefined || first instanceof Error || !first.isPrivateKey() ? null : first
}

/** How long an agent is waited for, in milliseconds: it may ask a person. */
const ASK_MS = 60_000

/**
 * A digest of the public keys that the agent on a socket offers: what tells one agent from another.
 *
 * @throws {@link Fault} `REQUEST_INVALID` for an agent that does not answer.
 */
export async function agentDigest(path: string): Promise<string> {
  const { AgentProtocol } = (await import('ssh2')).default
  const socket = connect(path)
  const client = new AgentProtocol(true)
  try {
    const keys = await new Promise<readonly ParsedKey[]>((resolve, reject) => {
      socket.setTimeout(ASK_MS, () => reject(new Error('the agent does not answer')))
      socket.once('error', reject)
      socket.once('close', () => reject(new Error('the agent hung up')))
      socket.pipe(client).pipe(socket)
      client.getIdentities((error, found) => {
        if (error instanceof Error) reject(error)
        else resolve(found ?? [])
      })
    })
    const hash = createHash('sha256')
    for (const blob of keys.map((key) => key.getPublicSSH().toString('base64')).sort())
      hash.update(`${blob}\n`)
    return hash.digest('hex')
  } catch (error) {
    throw new Fault('REQUEST_INVALID', 'The SSH agent does not answer.', {
      hint: 'Start one and set SSH_AUTH_SOCK, or give a stored key.',
      cause: error,
    })
  } finally {
    socket.destroy()
    client.destroy()
  }
}
