/** Agents of a session: what a step can do with one, and that it never gets the key. */

import { createServer } from 'node:net'
import { pipeline } from 'node:stream'
import { duplexPair } from 'node:stream'
import { Code, ConnectError, createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { AgentProtocol, utils, type ParsedKey } from 'ssh2'
import { describe, expect, it, onTestFinished } from 'vitest'
import { SSH } from '../../src/docker/proto/gen/sshforward_pb.js'
import { openSession, secretsOnly } from '../../src/docker/session.js'
import { agentDigest, connectAgent, isUsableKey, type SshAgent } from '../../src/docker/ssh-agent.js'
import { Fault } from '../../src/errors.js'
import { SecretValue } from '../../src/secret.js'
import { temporaryFolder } from '../support/folder.js'

const made = (
  type: 'ed25519' | 'rsa',
  passphrase?: string,
): { readonly private: string; readonly public: string } =>
  type === 'rsa'
    ? utils.generateKeyPairSync('rsa', { bits: 2048 })
    : utils.generateKeyPairSync(
        'ed25519',
        passphrase === undefined ? {} : { passphrase, cipher: 'aes256-ctr', rounds: 1 },
      )

const keyAgent = (text: string): SshAgent => ({ kind: 'key', key: SecretValue.fromText(text) })

/** What a client of an agent gets, as a step has one at the end of a socket. */
async function clientOf(agent: SshAgent): Promise<AgentProtocol> {
  const client = new AgentProtocol(true)
  const server = await connectAgent(agent)
  pipeline(client, server, client, () => undefined)
  onTestFinished(() => void server.destroy())
  return client
}

const identities = (client: AgentProtocol): Promise<readonly ParsedKey[]> =>
  new Promise((resolve, reject) => {
    client.getIdentities((error, keys) => (error instanceof Error ? reject(error) : resolve(keys ?? [])))
  })

const signed = (
  client: AgentProtocol,
  key: ParsedKey | string,
  hash?: 'sha256' | 'sha512',
): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    client.sign(key, Buffer.from('data'), hash === undefined ? {} : { hash }, (error, signature) =>
      error instanceof Error || signature === undefined
        ? reject(error instanceof Error ? error : new Error('no signature'))
        : resolve(signature),
    )
  })

describe('an agent that holds a key', () => {
  it.for([
    ['ed25519', undefined],
    ['rsa', 'sha256'],
    ['rsa', 'sha512'],
  ] as const)('offers %s and signs with it (%s)', async ([type, hash]) => {
    const client = await clientOf(keyAgent(made(type).private))
    const [key] = await identities(client)
    if (key === undefined) throw new Error('no key')
    expect(key.isPrivateKey()).toBe(false)
    expect(key.verify('data', await signed(client, key, hash), hash)).toBe(true)
  })

  it('answers what it does not know with one failure, however it is cut', async () => {
    const agent = await connectAgent(keyAgent(made('ed25519').private))
    onTestFinished(() => void agent.destroy())
    // session-bind@openssh.com comes first from OpenSSH 8.9 on; then identities are asked for.
    const bind = Buffer.concat([Buffer.from([0, 0, 0, 9, 27]), Buffer.from([0, 0, 0, 1, 99, 0, 0, 0])])
    for (const byte of [...bind, 0, 0, 0, 1, 11]) agent.write(Uint8Array.of(byte))
    let answers = Buffer.alloc(0)
    for await (const chunk of agent as AsyncIterable<Buffer>) {
      answers = Buffer.concat([answers, chunk])
      if (answers.length > 9) break
    }
    // The first answer is five bytes long.
    expect([answers[4], answers[9]]).toEqual([5, 12])
  })

  it('signs with no other key', async () => {
    const client = await clientOf(keyAgent(made('ed25519').private))
    await expect(signed(client, made('ed25519').public)).rejects.toThrow()
  })

  it.for<[text: string, usable: boolean]>([
    [made('ed25519').private, true],
    [made('rsa').private, true],
    [made('ed25519').public, false],
    [made('ed25519', 'a passphrase').private, false],
    ['not a key', false],
  ])('a value is a usable key or not (%#)', async ([text, usable]) => {
    expect(await isUsableKey(SecretValue.fromText(text))).toBe(usable)
  })
})

describe('an agent that runs', () => {
  it('is told from another one by its keys, and one that does not answer is a fault', async () => {
    await using folder = await temporaryFolder()
    const digests = new Set<string>()
    for (const name of ['one', 'other']) {
      const text = made('ed25519').private
      const server = createServer((socket) => {
        void connectAgent(keyAgent(text)).then((agent) => pipeline(socket, agent, socket, () => undefined))
      })
      onTestFinished(() => void server.close())
      await new Promise<void>((resolve) => server.listen(folder.file(name), resolve))
      digests.add(await agentDigest(folder.file(name)))
      digests.add(await agentDigest(folder.file(name)))
    }
    expect(digests.size).toBe(2)
    await expect(agentDigest(folder.file('none'))).rejects.toThrow(Fault)
  })
})

describe('a session', () => {
  async function open(agents: ReadonlyMap<string, SshAgent>) {
    const [ours, theirs] = duplexPair()
    const session = await openSession(
      { openControl: () => Promise.reject(new Error('none')), openSession: () => Promise.resolve(ours) },
      { ...secretsOnly(new Map()), agents },
    )
    onTestFinished(() => {
      session[Symbol.dispose]()
      theirs.destroy()
    })
    const transport = createGrpcTransport({
      baseUrl: 'http://session',
      nodeOptions: { createConnection: () => theirs },
    })
    return { session, ssh: createClient(SSH, transport) }
  }

  const codeOf = async (call: Promise<unknown>): Promise<Code | undefined> =>
    call.then(
      () => undefined,
      (error: unknown) => ConnectError.from(error).code,
    )

  it('B4: forwards the agents of this build, and no others, and none once it is sealed', async () => {
    const { session, ssh } = await open(new Map([['s-1', keyAgent(made('ed25519').private)]]))
    expect(await codeOf(ssh.checkAgent({ ID: 's-1' }))).toBeUndefined()
    for (const id of ['default', '', 'S-1'])
      expect(await codeOf(ssh.checkAgent({ ID: id }))).toBe(Code.NotFound)
    // A request for identities: one byte long, and that byte is 11.
    const asked = async function* () {
      yield { data: Uint8Array.from([0, 0, 0, 1, 11]) }
      await new Promise<void>((resolve) => (finish = resolve))
    }
    let finish = (): void => undefined
    const answers = ssh.forwardAgent(asked(), { headers: { 'buildkit.ssh.id': 's-1' } })
    const first = await answers[Symbol.asyncIterator]().next()
    expect(first.done === true ? undefined : first.value.data[4]).toBe(12)
    finish()
    const other = ssh.forwardAgent(asked(), { headers: { 'buildkit.ssh.id': 'default' } })
    expect(await codeOf(other[Symbol.asyncIterator]().next())).toBe(Code.NotFound)
    session.seal()
    expect(await codeOf(ssh.checkAgent({ ID: 's-1' }))).toBe(Code.FailedPrecondition)
  })
})
