/** Repositories over SSH, with keys that are nowhere but in memory, and agents for steps of one's own. */

import ssh2 from 'ssh2'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hostileProject, plainProject } from '../../fixtures/packages/project.js'
import { makeRepository } from '../../fixtures/packages/repository.js'
import { startFixtures } from '../../fixtures/fixtures.js'
import { startSshServer } from '../../fixtures/servers/ssh-server.js'
import { faultOf, resultOf, startBuilds, type Builds } from '../support/builds.js'
import { hasImage, runIn } from '../support/engine.js'
import { temporaryFolder } from '../support/folder.js'

/** With OpenSSH's client, and an environment that has setuptools. */
const BASE = 'traceless-base:ssh'

let builds: Builds
beforeAll(async () => {
  builds = await startBuilds()
})
afterAll(() => builds[Symbol.asyncDispose]())

/** The long lines of a private key: any of them is a piece of it, but for the first, which all of them have. */
const pieces = (key: string): readonly string[] =>
  key.split('\n').filter((line) => line.length > 30 && !/^--|^b3BlbnNzaC1rZXktdjE/.test(line))

describe('R2: repositories over SSH', () => {
  it('R2, B11: are fetched with a stored key from a server that is known, and the code of a package finds no key', async () => {
    await using repositories = await temporaryFolder()
    await using fixtures = await startFixtures()
    await using server = await startSshServer(repositories.path)
    const key = await server.key()
    await builds.set({ DEPLOY_KEY: key })
    await makeRepository(repositories.file('core.git'), plainProject({ name: 'core' }))
    const plan = { disguises: [], sink: `${fixtures.origin}/sink` } as const
    const commit = await makeRepository(
      repositories.file('hostile.git'),
      hostileProject({ name: 'hostile' }, plan),
    )
    await using files = await temporaryFolder({
      known_hosts: server.knownHosts,
      other: '[127.0.0.1]:1 ssh-rsa AAAA\n',
    })
    const request = {
      requirements: [`core @ ${server.origin}/core.git`, `hostile @ ${server.origin}/hostile.git`],
      base: BASE,
      sshKeys: [{ name: 'DEPLOY_KEY' }],
      knownHosts: files.file('known_hosts'),
    }
    for (const isolate of [false, true]) {
      const tag = builds.image()
      const { report } = resultOf(await builds.build({ ...request, isolate, tags: [tag] }))
      expect(report.verdict).toBe('clean')
      expect(report.commits).toContainEqual(expect.objectContaining({ name: 'hostile', commit }))
      expect(await runIn(tag, 'python3 -c "import core, hostile"')).toMatchObject({ status: 0 })
      expect(await builds.traces(pieces(key), { images: [tag], above: BASE })).toEqual([])
    }
    expect(fixtures.sink.length).toBeGreaterThan(0)
    expect(fixtures.sink.filter((body) => pieces(key).some((piece) => body.includes(piece)))).toEqual([])

    const tag = builds.image()
    const asked = server.log().length
    const stranger = await builds.build({ ...request, knownHosts: files.file('other'), tags: [tag] })
    faultOf(stranger, 'BUILD_FAILED')
    expect(stranger.log).toContain('Host key verification failed')
    // The key was not even offered.
    expect(server.log().slice(asked)).not.toContain('Accepted')
    expect(await hasImage(tag)).toBe(false)
  })
})

describe('B2: RUN --mount=type=ssh', () => {
  it('B2, B4: a step uses a stored key and cannot read it, and no other tenant gets its layer', async () => {
    await using repositories = await temporaryFolder()
    await using server = await startSshServer(repositories.path)
    const [key, stranger] = [await server.key(), '-----BEGIN OPENSSH PRIVATE KEY-----\nnot one\n']
    await builds.set({ STEP_KEY: key, NO_KEY: stranger })
    await makeRepository(repositories.file('core.git'), plainProject({ name: 'core' }))
    const address = `${server.origin.slice('git+'.length)}/core.git`
    const known = `printf '%s' '${server.knownHosts.trim()}' > /tmp/hosts`
    const ssh = 'ssh -o UserKnownHostsFile=/tmp/hosts -o StrictHostKeyChecking=yes'
    const text = [
      `FROM ${BASE}`,
      `RUN ${known}`,
      `RUN --mount=type=ssh,id=deploy GIT_SSH_COMMAND="${ssh}" git clone -q ${address} /core`,
      'RUN test ! -e "$SSH_AUTH_SOCK" && rm /tmp/hosts',
    ].join('\n')
    const tag = builds.image()
    const { report } = resultOf(
      await builds.build({ dockerfile: { text }, ssh: { deploy: { name: 'STEP_KEY' } }, tags: [tag] }),
    )
    expect(report.guarded).toContain('STEP_KEY')
    expect(await runIn(tag, 'test -d /core/core')).toMatchObject({ status: 0 })
    expect(await builds.traces(pieces(key), { images: [tag], above: BASE })).toEqual([])

    // Another tenant, with a key that opens nothing: its step runs again, or it would have the first one's layer.
    const other = ssh2.utils.generateKeyPairSync('ed25519').private
    await builds.set({ STEP_KEY: other }, 'elsewhere')
    const request = { dockerfile: { text }, environment: 'elsewhere', tags: [builds.image()] }
    const elsewhere = await builds.build({ ...request, ssh: { deploy: { name: 'STEP_KEY' } } })
    faultOf(elsewhere, 'BUILD_FAILED')
    expect(elsewhere.log).toContain('Permission denied')

    const unusable = await builds.build({
      dockerfile: { text },
      ssh: { deploy: { name: 'NO_KEY' } },
      tags: [tag],
    })
    expect(faultOf(unusable, 'REQUEST_INVALID').message).toContain('NO_KEY is not a private key')
    const missing = await builds.build({ dockerfile: { text }, tags: [tag] })
    expect(faultOf(missing, 'REQUEST_INVALID').hint).toContain('--ssh deploy')
  })
})
