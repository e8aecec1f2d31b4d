/** Builds on a server are what they are on this machine: a whole `serve`, its keyholder, a client and an engine. */

import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { plainProject } from '../../fixtures/packages/project.js'
import { makeRepository } from '../../fixtures/packages/repository.js'
import { startSshServer } from '../../fixtures/servers/ssh-server.js'
import type { BuildResult } from '../../src/builder/build.js'
import type { BuilderEvent } from '../../src/builder/events.js'
import type { BuildRequest } from '../../src/builder/request.js'
import { createClient, type ServerClient } from '../../src/remote/client.js'
import { secretName, SecretValue } from '../../src/secret.js'
import { openStore, type Store } from '../../src/store/open.js'
import { startProgram, type Running } from '../support/fleet.js'
import { temporaryFolder } from '../support/folder.js'
import { searchEverywhere } from '../support/search.js'
import { textOf } from '../support/store.js'
import { randomToken } from '../support/tokens.js'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let server: Running
let store: Store
let client: ServerClient
const events: BuilderEvent[] = []

beforeAll(async () => {
  folder = await temporaryFolder()
  const home = folder.file('server')
  server = await startProgram(['serve', '--port', '0'], { TRACELESS_HOME: home, TRACELESS_DATABASE: '' })
  store = await openStore({ home, env: {} })
  const { text } = await store.tokens.create({ name: 'test', scopes: ['admin'], createdBy: 'test' })
  const recipients = (await store.identity.recipients()).map(({ fingerprint }) => fingerprint)
  client = createClient({
    server: server.ready.slice(server.ready.indexOf('http')),
    token: textOf(text),
    recipients,
    home: folder.file('client'),
    env: {},
  })
})
afterAll(async () => {
  await client.close()
  await store.close()
  await server[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

async function set(values: Readonly<Record<string, string>>): Promise<void> {
  const changes = Object.entries(values).map(([name, text]) => ({
    name: secretName(name),
    value: SecretValue.fromText(text),
  }))
  await store.admin.set({ environment: 'main' }, changes)
}

async function build(request: BuildRequest): Promise<BuildResult> {
  const result = await client.builder.build(
    { tags: ['server-builds:1'], ...request },
    { onEvent: (event) => events.push(event) },
  )
  if (result === null) throw new Error('the build has no result')
  return result
}

/** Where any of the texts stands: in what was told, printed, or kept by the server. */
async function traces(
  tokens: readonly string[],
  folders: readonly string[] = [folder.path],
): Promise<readonly string[]> {
  const log = events
    .map((event) => (event.type === 'log' ? Buffer.from(event.bytes).toString('utf8') : ''))
    .join('')
  const texts = { log, events: JSON.stringify(events), printed: server.printed() }
  return await searchEverywhere(tokens, { texts, folders })
}

describe('V1, B5: --on-rotate keep on a server', () => {
  it('reuses a step of an earlier version, searched for it, and says so', async () => {
    const name = `S_${randomUUID().replaceAll('-', '')}`
    const [before, after] = [randomToken(), randomToken()]
    const text = `FROM traceless-base:tiny\nRUN --mount=type=secret,id=${name} sha256sum < /run/secrets/${name} > /one`
    const steps = async (more: Pick<BuildRequest, 'onRotate'> = {}): Promise<unknown> =>
      (await build({ dockerfile: { text }, ...more })).report.steps.map(({ state, why, secrets }) => ({
        state,
        why,
        live: secrets.map(({ live }) => live),
      }))
    await set({ [name]: before })
    expect(await steps()).toEqual([{ state: 'ran', why: 'first', live: [true] }])
    await set({ [name]: after })
    expect(await steps({ onRotate: 'keep' })).toEqual([{ state: 'reused', why: 'kept', live: [false] }])
    expect(await steps()).toEqual([{ state: 'ran', why: 'changed', live: [true] }])
    expect(await traces([before, after])).toEqual([])
  })

  it('refuses an image in which a kept step left the earlier version', async () => {
    const name = `S_${randomUUID().replaceAll('-', '')}`
    const text = `FROM traceless-base:tiny\nRUN --mount=type=secret,id=${name} cp /run/secrets/${name} /held`
    const before = randomToken()
    await set({ [name]: before })
    // Let pass once, so that the engine keeps a step which holds the earlier value.
    await build({ dockerfile: { text }, allow: [{ secret: name, path: 'held' }] })
    await set({ [name]: randomToken() })
    await expect(build({ dockerfile: { text }, onRotate: 'keep' })).rejects.toMatchObject({
      code: 'LEAK_FOUND',
    })
    // The server keeps the archive of the first build, in which the value was accepted.
    expect(await traces([before], [])).toEqual([])
  })
})

describe('V1, B2, R2: SSH keys on a server', () => {
  const pieces = (key: string): readonly string[] =>
    key.split('\n').filter((line) => line.length > 30 && !/^--|^b3BlbnNzaC1rZXktdjE/.test(line))

  it('fetches with a stored key, and lets a step use a stored one and one that came with the build', async () => {
    await using repositories = await temporaryFolder()
    await using ssh = await startSshServer(repositories.path)
    const key = await ssh.key()
    await set({ DEPLOY_KEY: key })
    const commit = await makeRepository(repositories.file('core.git'), plainProject({ name: 'core' }))
    await using files = await temporaryFolder({
      known_hosts: ssh.knownHosts,
      other: '[127.0.0.1]:1 ssh-rsa AAAA\n',
    })
    const list = {
      requirements: [`core @ ${ssh.origin}/core.git`],
      base: 'traceless-base:ssh',
      sshKeys: [{ name: 'DEPLOY_KEY' }],
    }
    const installed = await build({ ...list, knownHosts: files.file('known_hosts') })
    expect(installed.report).toMatchObject({
      verdict: 'clean',
      commits: [expect.objectContaining({ name: 'core', commit })],
    })
    const asked = ssh.log().length
    await expect(build({ ...list, knownHosts: files.file('other') })).rejects.toMatchObject({
      code: 'BUILD_FAILED',
    })
    expect(ssh.log().slice(asked)).not.toContain('Accepted')

    const clone = (id: string): readonly string[] => [
      `RUN --mount=type=ssh,id=${id} GIT_SSH_COMMAND="ssh -o UserKnownHostsFile=/tmp/hosts -o StrictHostKeyChecking=yes" git clone -q ${ssh.origin.slice('git+'.length)}/core.git /${id}`,
      `RUN test -d /${id}/core`,
    ]
    const text = [
      'FROM traceless-base:ssh',
      `RUN : ${randomUUID()}; printf '%s' '${ssh.knownHosts.trim()}' > /tmp/hosts`,
      ...clone('stored'),
      ...clone('given'),
    ].join('\n')
    const { report } = await build({
      dockerfile: { text },
      ssh: { stored: { name: 'DEPLOY_KEY' }, given: key },
    })
    expect(report.verdict).toBe('clean')
    expect(report.guarded).toContain('DEPLOY_KEY')
    expect(await traces(pieces(key))).toEqual([])
  })
})
