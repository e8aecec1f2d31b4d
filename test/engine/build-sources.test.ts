/** Where a build takes things from: private base images, Compose files, addresses. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBuilder, type Builder } from '../../src/builder/build.js'
import { composeRequest } from '../../src/cli/compose-option.js'
import type { Io } from '../../src/cli/io.js'
import { dockerCredentials } from '../../src/docker/credentials.js'
import type { FindCredentials } from '../../src/docker/engine.js'
import { faultOf, resultOf, startBuilds, type Builds } from '../support/builds.js'
import { hasImage, openDocker, removeImages, runIn } from '../support/engine.js'
import { temporaryFolder } from '../support/folder.js'
import { startRegistry } from '../support/registry.js'
import { randomToken } from '../support/tokens.js'

const TINY = 'traceless-base:tiny'

let builds: Builds
beforeAll(async () => {
  builds = await startBuilds()
})
afterAll(() => builds[Symbol.asyncDispose]())

const builderWith = (credentials: FindCredentials): Builder =>
  createBuilder({
    secrets: builds.store.reader,
    usage: builds.store.usage,
    verdicts: builds.store.verdicts,
    retired: builds.store.retired,
    engine: async () => builds.engine,
    credentials,
  })

describe('B2: a private base image', () => {
  it('B2: is fetched with the credentials that Docker has, and with none it is refused', async () => {
    await using registry = await startRegistry()
    const base = `${registry.host}/private/base:1`
    const { username, password } = registry
    const docker = openDocker()
    await docker.getImage(TINY).tag({ repo: `${registry.host}/private/base`, tag: '1' })
    const pushed = await docker.getImage(base).push({
      authconfig: { username, password, serveraddress: registry.host },
    })
    await new Promise<void>((resolve, reject) => {
      docker.modem.followProgress(pushed, (error) => (error === null ? resolve() : reject(error)))
    })
    await removeImages(base)
    const tag = builds.image()
    const request = { dockerfile: { text: `FROM ${base}\nRUN echo built > /built` }, tags: [tag] }
    faultOf(
      await builds.buildWith(
        builderWith(async () => null),
        request,
      ),
      'BASE_UNSUITABLE',
    )
    expect(await hasImage(tag)).toBe(false)

    const known = builderWith(dockerCredentials({ DOCKER_CONFIG: registry.dockerConfig }))
    resultOf(await builds.buildWith(known, request))
    await removeImages(base)
    expect(await runIn(tag, 'cat /built')).toEqual({ status: 0, output: 'built\n' })
    const places = await builds.traces([password], { images: [tag], above: TINY })
    // The registry's own files, as `docker login` leaves them, are not the build's.
    expect(places.filter((place) => !place.includes('config.json'))).toEqual([])
  })
})

describe('B2: a Compose file', () => {
  it('B2: gives a service its build secrets', async () => {
    const [shown, stored, filed] = [randomToken(), randomToken(), randomToken()]
    await builds.set({ COMPOSE_STORED: stored })
    const tag = builds.image()
    await using folder = await temporaryFolder({
      'compose.yaml': [
        'services:',
        '  app:',
        `    image: ${tag}`,
        '    build:',
        '      context: app',
        '      args: { WORD: built }',
        '      secrets: [from_shell, { source: from_file, target: file }, COMPOSE_STORED]',
        'secrets:',
        '  from_shell: { environment: FROM_SHELL }',
        '  from_file: { file: token.txt }',
        '  COMPOSE_STORED: { external: true }',
      ].join('\n'),
      'token.txt': filed,
      'app/Dockerfile': [
        `FROM ${TINY}`,
        'ARG WORD',
        'RUN --mount=type=secret,id=from_shell --mount=type=secret,id=file --mount=type=secret,id=COMPOSE_STORED \\',
        '  cat /run/secrets/* | wc -c > /length && echo $WORD >> /length',
      ].join('\n'),
    })
    const io = { cwd: folder.path, env: { FROM_SHELL: shown } } as unknown as Io
    const given = {
      file: 'compose.yaml',
      service: undefined,
      options: {},
      secrets: {},
      ssh: {},
      target: undefined,
      allowMissing: [],
    }
    const outcome = await builds.build(await composeRequest(given, io))
    expect(resultOf(outcome).report.guarded).toEqual(
      expect.arrayContaining(['from_shell', 'file', 'COMPOSE_STORED']),
    )
    const length = shown.length + stored.length + filed.length
    expect(await runIn(tag, 'cat /length')).toEqual({ status: 0, output: `${String(length)}\nbuilt\n` })
    const places = await builds.traces([shown, stored, filed], { images: [tag], above: TINY })
    expect(places.filter((place) => !place.includes('token.txt'))).toEqual([])
  })
})

describe('B4: addresses that an engine fetches by itself', () => {
  it.for(['https://git.example.com/o/r.git', 'git@git.example.com:o/r.git', 'github.com/o/r'])(
    'B4: %s is no context, because tenants would share what a token fetched',
    async (context) => {
      const outcome = await builds.build({ dockerfile: { text: `FROM ${TINY}` }, context, checkOnly: true })
      const fault = faultOf(outcome, 'REQUEST_INVALID')
      expect(fault.message).toBe('A build context cannot be an address.')
      expect(fault.hint).toContain('for everyone who names the address')
    },
  )

  it('B4: a token for them is refused with the reason', async () => {
    const outcome = await builds.build({
      dockerfile: { text: `FROM ${TINY}\nADD https://git.example.com/o/r.git /r` },
      secrets: { GIT_AUTH_TOKEN: randomToken() },
      checkOnly: true,
    })
    expect(faultOf(outcome, 'REQUEST_INVALID').hint).toContain('Clone in a step that mounts the secret')
  })
})
