/** B9: engines and builders elsewhere: found as Docker finds them, through every door, with the same proof at the end. */

import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBuilder, type Builder } from '../../src/builder/build.js'
import { archiveFile } from '../../src/cli/output-option.js'
import { openBuilder } from '../../src/docker/buildkit-engine.js'
import { dockerCredentials } from '../../src/docker/credentials.js'
import { openEngine } from '../../src/docker/docker-engine.js'
import type { Engine } from '../../src/docker/engine.js'
import { faultOf, resultOf, startBuilds, type Builds } from '../support/builds.js'
import { engineHost, openDocker } from '../support/engine.js'
import { temporaryFolder } from '../support/folder.js'
import {
  makeCertificates,
  plainFront,
  sharedFront,
  startSsh,
  tlsFront,
  toApi,
  toBuildKit,
  type Certificates,
} from '../support/fronts.js'
import { startRegistry } from '../support/registry.js'
import { randomToken } from '../support/tokens.js'

const token = randomToken()
let builds: Builds
let certificates: Certificates
beforeAll(async () => {
  builds = await startBuilds()
  await builds.set({ API_KEY: token })
  certificates = await makeCertificates()
})
afterAll(async () => {
  await builds[Symbol.asyncDispose]()
  await certificates[Symbol.asyncDispose]()
})

const builderOn = (engine: Engine, credentials = dockerCredentials({ DOCKER_CONFIG: '/nowhere' })): Builder =>
  createBuilder({
    secrets: builds.store.reader,
    usage: builds.store.usage,
    verdicts: builds.store.verdicts,
    retired: builds.store.retired,
    keeping: builds.store.keeping,
    engine: async () => engine,
    credentials,
  })

/** A build that is proven and one that leaks, both through that engine. */
async function buildBoth(engine: Engine, mark: string): Promise<void> {
  const text = (command: string): string =>
    `FROM traceless-base:tiny\nRUN --mount=type=secret,id=API_KEY ${command} # ${mark}\n`
  const builder = builderOn(engine)
  const tags = [builds.image()]
  const dockerfile = { text: text('wc -c < /run/secrets/API_KEY > /length') }
  expect(resultOf(await builds.buildWith(builder, { dockerfile, tags })).report.verdict).toBe('clean')
  const leaky = { text: text('cp /run/secrets/API_KEY /kept') }
  faultOf(await builds.buildWith(builder, { dockerfile: leaky, tags: [builds.image()] }), 'LEAK_FOUND')
  expect(await builds.traces([token])).toEqual([])
}

/** A folder for `DOCKER_CONFIG` with one context, called `there`. */
async function contextFolder(
  endpoint: object,
  current?: string,
): Promise<Awaited<ReturnType<typeof temporaryFolder>>> {
  const id = createHash('sha256').update('there').digest('hex')
  return temporaryFolder({
    'config.json': JSON.stringify(current === undefined ? {} : { currentContext: current }),
    [`contexts/meta/${id}/meta.json`]: JSON.stringify({ Name: 'there', Endpoints: { docker: endpoint } }),
  })
}

describe('B9: where an engine is', () => {
  it('B9: over tcp with TLS, both sides proven', async () => {
    await using front = await tlsFront(certificates, toApi)
    const host = `tcp://localhost:${String(front.port)}`
    const variables = { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: certificates.client }
    const engine = await openEngine(undefined, { variables: { ...variables, DOCKER_HOST: host } })
    try {
      expect(engine.info.id).toBe(builds.engine.info.id)
      await buildBoth(engine, 'tls')
    } finally {
      engine.close()
    }
    await using others = await makeCertificates()
    await expect(
      openEngine(host, { variables: { ...variables, DOCKER_CERT_PATH: others.client } }),
    ).rejects.toMatchObject({ code: 'ENGINE_UNREACHABLE', message: expect.stringContaining(host) as unknown })
    // The name in the certificate is another one.
    await expect(openEngine(`tcp://127.0.0.1:${String(front.port)}`, { variables })).rejects.toMatchObject({
      code: 'ENGINE_UNREACHABLE',
    })
    await expect(
      openEngine(host, { variables: { ...variables, DOCKER_CERT_PATH: '/nowhere' } }),
    ).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
      message: expect.stringContaining('/nowhere/') as unknown,
    })
  })

  it('B9: over ssh, by a key that is known on both sides', async () => {
    await using login = await startSsh()
    const before = process.env['PATH']
    process.env['PATH'] = login.path
    try {
      const engine = await openEngine(login.address)
      expect(engine.info.id).toBe(builds.engine.info.id)
      await buildBoth(engine, 'ssh')
      engine.close()
      await login.forgetHost()
      await expect(openEngine(login.address)).rejects.toMatchObject({
        code: 'ENGINE_UNREACHABLE',
        message: expect.stringContaining('ssh could not log in') as unknown,
        hint: expect.stringContaining('known_hosts') as unknown,
      })
    } finally {
      process.env['PATH'] = before
    }
  })

  it('B9: in a context of Docker’s, which DOCKER_HOST outweighs', async () => {
    await using front = await tlsFront(certificates, toApi)
    await using chosen = await contextFolder({ Host: engineHost() }, 'there')
    const current = await openEngine(undefined, { variables: { DOCKER_CONFIG: chosen.path } })
    expect(current.info.id).toBe(builds.engine.info.id)
    current.close()
    await using named = await contextFolder({ Host: `tcp://localhost:${String(front.port)}` })
    const id = createHash('sha256').update('there').digest('hex')
    const folder = named.file(`contexts/tls/${id}/docker`)
    await mkdir(folder, { recursive: true })
    const { readFile } = await import('node:fs/promises')
    for (const name of ['ca.pem', 'cert.pem', 'key.pem'])
      await writeFile(join(folder, name), await readFile(join(certificates.client, name)))
    const variables = { DOCKER_CONFIG: named.path, DOCKER_CONTEXT: 'there' }
    const secure = await openEngine(undefined, { variables })
    expect(secure.info.id).toBe(builds.engine.info.id)
    secure.close()
    await expect(
      openEngine(undefined, { variables: { ...variables, DOCKER_HOST: 'tcp://127.0.0.1:1' } }),
    ).rejects.toMatchObject({ code: 'ENGINE_UNREACHABLE' })
    await expect(
      openEngine(undefined, { variables: { ...variables, DOCKER_CONTEXT: 'elsewhere' } }),
    ).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  })

  it.for([
    'npipe:////./pipe/docker',
    'ssh://me:secret@host',
    'ssh://-oProxyCommand=x@host',
    'tcp://',
    'ssh://host/a;b',
  ])('B9: %s is refused, and not repeated', async (host) => {
    const refused = await openEngine(host).then(String, (error: unknown) => error)
    expect(refused).toMatchObject({ code: 'REQUEST_INVALID' })
    expect(JSON.stringify(refused)).not.toContain('secret')
  })
})

describe('B9: the door of engines from API 1.53 on', () => {
  it('B9: gRPC on the socket of the API serves a whole build', async () => {
    await using front = await sharedFront()
    const engine = await openEngine(`tcp://127.0.0.1:${String(front.port)}`, { door: 'http2' })
    try {
      await buildBoth(engine, 'http2')
    } finally {
      engine.close()
    }
  })
})

describe('B9: a BuildKit daemon', () => {
  it('B9: that is not there, or wants other certificates, is said so', async () => {
    await expect(openBuilder({ address: 'tcp://127.0.0.1:1', tlsFolder: '' })).rejects.toMatchObject({
      code: 'ENGINE_UNREACHABLE',
      message: 'Nothing answers at tcp://127.0.0.1:1.',
    })
    await using front = await tlsFront(certificates, toBuildKit)
    const address = `tcp://localhost:${String(front.port)}`
    await using others = await makeCertificates()
    await expect(openBuilder({ address, tlsFolder: others.client })).rejects.toMatchObject({
      code: 'ENGINE_UNREACHABLE',
    })
    await expect(openBuilder({ address, tlsFolder: '' })).rejects.toMatchObject({
      code: 'ENGINE_UNREACHABLE',
    })
  })

  it('B9: keeps no images, so a build says where its image goes', async () => {
    await using front = await plainFront(toBuildKit)
    const builder = await openBuilder({ address: `tcp://127.0.0.1:${String(front.port)}`, tlsFolder: '' })
    try {
      expect(builder.info.product).toBe('buildkit')
      const outcome = await builds.buildWith(builderOn(builder), {
        dockerfile: { text: 'FROM scratch\nCOPY Dockerfile /\n' },
        tags: [builds.image()],
      })
      expect(faultOf(outcome, 'REQUEST_INVALID').hint).toContain('--push')
    } finally {
      builder.close()
    }
  })

  // Of Docker engines only those with the containerd store have BuildKit's exporters.
  it('B9: builds over mTLS on a base of a registry; the proven image is pushed and archived, a leak is not', async (context) => {
    if (builds.engine.info.storage === 'overlay2')
      context.skip('needs an engine with the containerd image store')
    await using registry = await startRegistry()
    await using front = await tlsFront(certificates, toBuildKit)
    await using folder = await temporaryFolder()
    const credentials = dockerCredentials({ DOCKER_CONFIG: registry.dockerConfig })
    const signal = AbortSignal.timeout(60_000)
    const base = `${registry.host}/base/tiny:1`
    const tiny = await builds.engine.inspect('traceless-base:tiny')
    if (tiny === null) throw new Error('no base image')
    await builds.engine.tag(tiny.id, base)
    await builds.engine.push(tiny.id, base, { credentials, signal })
    await openDocker().getImage(base).remove()
    const builder = await openBuilder({
      address: `tcp://localhost:${String(front.port)}`,
      tlsFolder: certificates.client,
    })
    try {
      const text = (command: string): string =>
        `FROM ${base} AS below\nRUN --mount=type=secret,id=API_KEY ${command}\nFROM ${base}\nCOPY --from=below /made /made\n`
      const tag = `${registry.host}/built/app:1`
      const result = resultOf(
        await builds.buildWith(builderOn(builder, credentials), {
          dockerfile: { text: text('wc -c < /run/secrets/API_KEY > /made') },
          tags: [tag],
          network: 'host',
          push: true,
          archive: archiveFile('type=oci,dest=app.tar', folder.path),
        }),
      )
      expect(result.report.verdict).toBe('clean')
      expect(result.report.layers.map(({ origin, state }) => `${origin} ${state}`)).toContain('base clean')
      expect(result.pushed).toEqual([{ reference: tag, digest: result.image }])
      for (const name of ['1', result.image]) {
        const answer = await registry.get(
          `built/app/manifests/${name}`,
          'application/vnd.oci.image.manifest.v1+json',
        )
        const bytes = new Uint8Array(await answer.arrayBuffer())
        expect(`sha256:${createHash('sha256').update(bytes).digest('hex')}`).toBe(result.image)
      }
      // The engine's own client takes what was pushed.
      await builds.engine.pull(tag, { credentials, signal })
      expect((await builds.engine.inspect(tag))?.id).toBe(result.image)
      await openDocker().getImage(tag).remove()
      const leaky = await builds.buildWith(builderOn(builder, credentials), {
        dockerfile: { text: text('cp /run/secrets/API_KEY /kept; echo > /made') },
        tags: [`${registry.host}/built/leaky:1`],
        network: 'host',
        push: true,
      })
      faultOf(leaky, 'LEAK_FOUND')
      expect(await registry.repositories()).toEqual(['base/tiny', 'built/app'])
      expect(await builds.traces([token])).toEqual([])
    } finally {
      builder.close()
    }
  })
})
