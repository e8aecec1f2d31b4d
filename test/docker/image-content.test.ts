/** B10: nothing leaves that is not what its digest names, whatever an engine or a builder gives. */

import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { buffer } from 'node:stream/consumers'
import { pack } from 'tar-stream'
import { describe, expect, it } from 'vitest'
import type { Digest } from '../../src/docker/engine.js'
import { imageContent } from '../../src/docker/image-content.js'
import { spool, type Spool } from '../../src/docker/spool.js'

const digestOf = (bytes: string): Digest => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const pathOf = (digest: string): string => `blobs/${digest.replace(':', '/')}`

const LAYER = 'the layer of this test'
const CONFIG = JSON.stringify({ rootfs: { diff_ids: [digestOf(LAYER)] } })
const MANIFEST = JSON.stringify({
  config: { mediaType: 'c', digest: digestOf(CONFIG), size: CONFIG.length },
  layers: [{ mediaType: 'l', digest: digestOf(LAYER), size: LAYER.length }],
})

async function archive(files: Readonly<Record<string, string>>, inMemoryBytes?: number): Promise<Spool> {
  const tar = pack()
  for (const [name, content] of Object.entries(files)) tar.entry({ name }, content)
  tar.finalize()
  return spool(
    tar as unknown as AsyncIterable<Uint8Array>,
    inMemoryBytes === undefined ? {} : { inMemoryBytes },
  )
}

const oci = {
  [pathOf(digestOf(MANIFEST))]: MANIFEST,
  [pathOf(digestOf(CONFIG))]: CONFIG,
  [pathOf(digestOf(LAYER))]: LAYER,
}
const saved = {
  'one/layer.tar': LAYER,
  'config.json': CONFIG,
  'manifest.json': JSON.stringify([{ Config: 'config.json', Layers: ['one/layer.tar'] }]),
}

describe('B10: imageContent', () => {
  it.for([
    ['a manifest', oci, digestOf(MANIFEST)],
    ['a configuration', saved, digestOf(CONFIG)],
  ] as const)('gives what is named by %s', async ([, files, image]) => {
    const content = await imageContent(await archive(files), image)
    expect(digestOf(Buffer.from(content.manifestBytes).toString())).toBe(content.manifest.digest)
    expect(content.config.digest).toBe(digestOf(CONFIG))
    const layers: string[] = []
    for await (const { bytes } of content.blobs()) layers.push((await buffer(bytes)).toString())
    expect(layers).toEqual([LAYER])
  })

  it.for([
    [
      'a layer is another one',
      { ...oci, [pathOf(digestOf(LAYER))]: 'the layer of that test' },
      digestOf(MANIFEST),
    ],
    [
      'a layer is missing',
      { [pathOf(digestOf(MANIFEST))]: MANIFEST, [pathOf(digestOf(CONFIG))]: CONFIG },
      digestOf(MANIFEST),
    ],
    ['the configuration is another one', { ...oci, [pathOf(digestOf(CONFIG))]: '{}' }, digestOf(MANIFEST)],
    [
      'the manifest is another one',
      { ...oci, [pathOf(digestOf(MANIFEST))]: `${MANIFEST} ` },
      digestOf(MANIFEST),
    ],
    ['a saved layer is another one', { ...saved, 'one/layer.tar': 'another' }, digestOf(CONFIG)],
    [
      'the list leaves a layer out',
      { ...saved, 'manifest.json': '[{"Config":"config.json","Layers":[]}]' },
      digestOf(CONFIG),
    ],
  ] as const)('refuses an archive in which %s', async ([, files, image]) => {
    await expect(imageContent(await archive(files), image)).rejects.toMatchObject({ code: 'NOT_PROVEN' })
  })
})

describe('spool', () => {
  it.for([1 << 20, 0])(
    'gives the same bytes at each reading, with %d of them in memory',
    async (inMemoryBytes) => {
      const before = await readdir(tmpdir())
      await using kept = await archive(oci, inMemoryBytes)
      // A file without a name, where there is one.
      expect(
        (await readdir(tmpdir())).filter(
          (name) => !before.includes(name) && /^traceless-[0-9a-f]{8}-/.test(name),
        ),
      ).toEqual([])
      const [first, second] = [await buffer(kept.bytes()), await buffer(kept.bytes())]
      expect(first).toHaveLength(kept.sizeBytes)
      expect(second).toEqual(first)
    },
  )
})
