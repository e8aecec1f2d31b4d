/**
 * Archives of images in every layout that programs write, with layers packed
 * in every way that they may be.
 *
 * @packageDocumentation
 */

import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PACKERS } from '../leak/support/packed.js'
import { tarOf, type TarSpec } from '../leak/support/tar.js'

/** How a layer or an archive is packed. */
export type Packing = 'plain' | 'gz' | 'zst' | 'xz' | 'bz2'

/** Who wrote the archive: `docker save` before and since 25, an OCI layout, skopeo, crane. */
export type ArchiveLayout = 'docker-old' | 'docker' | 'oci' | 'skopeo' | 'crane'

/** What an image is made of. */
export interface ImageSpec {
  /** Tars of the layers, lowest first. */
  readonly layers: readonly Uint8Array[]
  readonly packing?: Packing
  readonly labels?: Readonly<Record<string, string>>
  /** What the configuration says instead of the digests of the layers. */
  readonly diffIds?: readonly string[]
}

/** `sha256:…` of some bytes. */
export const digestOf = (bytes: Uint8Array): string => `sha256:${hexOf(bytes)}`

const hexOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

/** Packs bytes. */
export const packed = (bytes: Uint8Array, packing: Packing): Buffer =>
  packing === 'plain' ? Buffer.from(bytes) : (PACKERS[packing]?.(bytes) ?? Buffer.alloc(0))

/** The members of an archive, by their paths, in the order in which they stand in it. */
export function imageMembers(layout: ArchiveLayout, spec: ImageSpec): ReadonlyMap<string, Uint8Array> {
  const { layers, packing = 'plain', labels = {} } = spec
  const diffIds = spec.diffIds ?? layers.map(digestOf)
  const config = json({
    architecture: 'amd64',
    os: 'linux',
    config: { Labels: labels },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: layers.map((_, number) => ({ created_by: `RUN step ${String(number + 1)} # buildkit` })),
  })
  const bytes = layers.map((layer) => packed(layer, packing))
  const blob = (content: Uint8Array): [string, Uint8Array] => [`blobs/sha256/${hexOf(content)}`, content]
  const list = (Config: string, Layers: readonly string[]): [string, Uint8Array] => [
    'manifest.json',
    json([{ Config, RepoTags: ['app:1'], Layers }]),
  ]
  const oci = (): readonly [string, Uint8Array][] => {
    const manifest = json({
      schemaVersion: 2,
      config: { digest: digestOf(config), size: config.length },
      layers: bytes.map((content) => ({ digest: digestOf(content), size: content.length })),
    })
    return [
      ...[config, manifest, ...bytes].map(blob).sort(([a], [b]) => (a < b ? -1 : 1)),
      ['index.json', json({ schemaVersion: 2, manifests: [{ digest: digestOf(manifest) }] })],
    ]
  }
  const version: [string, Uint8Array] = ['oci-layout', json({ imageLayoutVersion: '1.0.0' })]
  switch (layout) {
    case 'docker-old': {
      // Folders are named by ids of the old kind, which say nothing of the layers.
      const folder = (number: number): string => hexOf(Buffer.from(`folder ${String(number)}`))
      return new Map([
        ...bytes.flatMap((content, number): [string, Uint8Array][] => [
          [`${folder(number)}/VERSION`, Buffer.from('1.0')],
          [`${folder(number)}/json`, json({ id: folder(number) })],
          [`${folder(number)}/layer.tar`, content],
        ]),
        [`${hexOf(config)}.json`, config],
        list(
          `${hexOf(config)}.json`,
          bytes.map((_, number) => `${folder(number)}/layer.tar`),
        ),
      ])
    }
    case 'docker':
      return new Map([
        ...oci(),
        list(
          blob(config)[0],
          bytes.map((content) => blob(content)[0]),
        ),
        version,
      ])
    case 'oci':
      return new Map([...oci(), version])
    case 'skopeo':
      return new Map([
        ...bytes.map((content, number): [string, Uint8Array] => [
          `${hexOf(layers[number] ?? content)}.tar`,
          content,
        ]),
        [`${hexOf(config)}.json`, config],
        list(
          `${hexOf(config)}.json`,
          layers.map((layer) => `${hexOf(layer)}.tar`),
        ),
      ])
    case 'crane':
      return new Map([
        [digestOf(config), config],
        ...bytes.map((content): [string, Uint8Array] => [`${hexOf(content)}.tar.gz`, content]),
        list(
          digestOf(config),
          bytes.map((content) => `${hexOf(content)}.tar.gz`),
        ),
      ])
  }
}

/** Members as a tar. */
export const tarOfMembers = (members: ReadonlyMap<string, Uint8Array>, prefix = ''): Buffer =>
  tarOf(...[...members].map(([name, content]): TarSpec => ({ name: `${prefix}${name}`, content })))

/** An archive of an image. */
export const imageArchive = (layout: ArchiveLayout, spec: ImageSpec): Buffer =>
  tarOfMembers(imageMembers(layout, spec))

/** Writes members into a folder. */
export async function writeMembers(root: string, members: ReadonlyMap<string, Uint8Array>): Promise<void> {
  for (const [name, content] of members) {
    await mkdir(dirname(join(root, name)), { recursive: true })
    await writeFile(join(root, name), content)
  }
}
