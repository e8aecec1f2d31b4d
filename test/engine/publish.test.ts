/** B10: what leaves is what was proven, and it leaves only after the proof, the name last. */

import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { extract } from 'tar-stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBuilder } from '../../src/builder/build.js'
import { archiveFile } from '../../src/cli/output-option.js'
import { dockerCredentials } from '../../src/docker/credentials.js'
import { faultOf, resultOf, startBuilds, type Builds } from '../support/builds.js'
import { hasImage, openDocker, runIn } from '../support/engine.js'
import { temporaryFolder } from '../support/folder.js'
import { startRegistry, type Registry } from '../support/registry.js'
import { randomToken } from '../support/tokens.js'

const CLEAN =
  'FROM traceless-base:tiny\nRUN --mount=type=secret,id=API_KEY wc -c < /run/secrets/API_KEY > /length'
const LEAKY = 'FROM traceless-base:tiny\nRUN --mount=type=secret,id=API_KEY cp /run/secrets/API_KEY /kept'

/** Manifests as registries are asked for them: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests */
const MANIFESTS =
  'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json'

interface Manifest {
  readonly config: { readonly digest: string }
  readonly layers: readonly { readonly digest: string; readonly size: number }[]
}

const sha256 = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

let registry: Registry
let builds: Builds
beforeAll(async () => {
  registry = await startRegistry()
  builds = await startBuilds({ credentials: dockerCredentials({ DOCKER_CONFIG: registry.dockerConfig }) })
  await builds.set({ API_KEY: randomToken() })
})
afterAll(async () => {
  await builds[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
})

/** Names that are removed from the engine with the test; the registry goes away as a whole. */
const nameOn = (host: string, tag = '1'): string =>
  `${host}/${builds.image('push').split(':').join('-')}:${tag}`

async function removed(...names: readonly string[]): Promise<void> {
  for (const name of names)
    if (await hasImage(name)) await openDocker().getImage(name).remove({ force: true })
}

/** The files of an archive, by path. */
async function filesOf(archive: Uint8Array): Promise<ReadonlyMap<string, Buffer>> {
  const files = new Map<string, Buffer>()
  const tar = extract()
  tar.end(archive)
  for await (const entry of tar) files.set(entry.header.name, await buffer(entry))
  return files
}

describe('B10: a push', () => {
  it('B10: gives the registry the proven image under each name, with the credentials of Docker', async () => {
    const tags = [nameOn(registry.host, '1'), nameOn(registry.host, 'latest')]
    try {
      const result = resultOf(await builds.build({ dockerfile: { text: CLEAN }, tags, push: true }))
      expect(result.pushed.map(({ reference }) => reference)).toEqual(tags)
      for (const { reference, digest } of result.pushed) {
        const [, repository, tag] = /^[^/]+\/(.*):([^:]+)$/.exec(reference) ?? []
        const answer = await registry.get(`${String(repository)}/manifests/${String(tag)}`, MANIFESTS)
        const bytes = new Uint8Array(await answer.arrayBuffer())
        expect(sha256(bytes)).toBe(digest)
        const manifest = JSON.parse(Buffer.from(bytes).toString('utf8')) as Manifest
        // The engine names the image by one of the two.
        expect([digest, manifest.config.digest]).toContain(result.image)
        const config = await registry.get(`${String(repository)}/blobs/${manifest.config.digest}`)
        const { rootfs } = (await config.json()) as { rootfs: { diff_ids: readonly string[] } }
        expect(rootfs.diff_ids).toEqual(result.report.layers.map((layer) => layer.digest))
      }
      expect(await builds.traces([registry.password])).toEqual([])
    } finally {
      await removed(...tags)
    }
  })

  it('B10: of an image that is not proven clean never begins', async () => {
    const tag = nameOn(registry.host)
    const before = await registry.repositories()
    faultOf(await builds.build({ dockerfile: { text: LEAKY }, tags: [tag], push: true }), 'LEAK_FOUND')
    expect(await registry.repositories()).toEqual(before)
    expect(await hasImage(tag)).toBe(false)
  })

  it('B10: that a registry refuses is a fault of its own, and the proven image keeps its name', async () => {
    const tag = nameOn(registry.host)
    const builder = createBuilder({
      secrets: builds.store.reader,
      usage: builds.store.usage,
      verdicts: builds.store.verdicts,
      retired: builds.store.retired,
      engine: async () => builds.engine,
      credentials: async () => null,
    })
    try {
      const outcome = await builds.buildWith(builder, {
        dockerfile: { text: CLEAN },
        tags: [tag],
        push: true,
      })
      const fault = faultOf(outcome, 'PUSH_FAILED')
      expect(fault.message).toContain(tag)
      expect(fault.hint).toContain(`docker login ${registry.host}`)
      expect(await hasImage(tag)).toBe(true)
      expect(await registry.repositories()).not.toContain(tag.split('/').slice(1).join('/').split(':')[0])
    } finally {
      await removed(tag)
    }
  })
})

describe('B10: an archive', () => {
  it('B10: holds the proven image and nothing else, and an engine loads it', async () => {
    await using folder = await temporaryFolder()
    const tag = builds.image()
    const result = resultOf(
      await builds.build({
        dockerfile: { text: CLEAN },
        tags: [tag],
        archive: archiveFile('type=oci,dest=app.tar', folder.path),
      }),
    )
    expect(await readdir(folder.path)).toEqual(['app.tar'])
    const bytes = await readFile(folder.file('app.tar'))
    const files = await filesOf(bytes)
    const json = (path: string): unknown => JSON.parse(String(files.get(path)?.toString('utf8')))
    const index = json('index.json') as {
      manifests: readonly { digest: string; annotations: Record<string, string> }[]
    }
    expect(index.manifests.map(({ annotations }) => annotations['io.containerd.image.name'])).toEqual([
      `docker.io/${tag}`,
    ])
    const blob = (digest: string): string => join('blobs', ...digest.split(':'))
    const manifest = json(blob(index.manifests[0]?.digest ?? '')) as Manifest
    expect([index.manifests[0]?.digest, manifest.config.digest]).toContain(result.image)
    const listed = [
      index.manifests[0]?.digest ?? '',
      manifest.config.digest,
      ...manifest.layers.map(({ digest }) => digest),
    ]
    expect([...files.keys()].sort()).toEqual(
      [...new Set(listed.map(blob)), 'index.json', 'manifest.json', 'oci-layout'].sort(),
    )
    for (const digest of listed) expect(sha256(files.get(blob(digest)) ?? Buffer.alloc(0))).toBe(digest)
    const { rootfs } = json(blob(manifest.config.digest)) as { rootfs: { diff_ids: readonly string[] } }
    expect(rootfs.diff_ids).toEqual(result.report.layers.map((layer) => layer.digest))
    await removed(tag)
    await buffer(await openDocker().loadImage(bytes as unknown as string))
    expect((await runIn(tag, 'echo "length $(cat /length)"')).output.trim()).toBe('length 51')
  })

  it('B10: without a name leaves no image on the engine, and a refused build leaves no file', async () => {
    await using folder = await temporaryFolder()
    const archive = archiveFile('type=oci,dest=app.tar', folder.path)
    faultOf(await builds.build({ dockerfile: { text: LEAKY }, archive }), 'LEAK_FOUND')
    expect(await readdir(folder.path)).toEqual([])
    const result = resultOf(await builds.build({ dockerfile: { text: CLEAN }, archive, noCache: true }))
    expect(await readdir(folder.path)).toEqual(['app.tar'])
    expect(await builds.engine.inspect(result.image)).toBeNull()
  })
})
