/**
 * Writes an image as an OCI layout in a tar
 * (https://github.com/opencontainers/image-spec/blob/main/image-layout.md),
 * with the list beside it by which older engines load it too.
 *
 * @packageDocumentation
 */

import { Readable } from 'node:stream'
import { pack, type Header, type Pack } from 'tar-stream'
import type { Digest } from './engine.js'
import { imageContent, type Descriptor, type ImageContent } from './image-content.js'
import { fullReference } from './reference.js'
import type { Spool } from './spool.js'

type EntryHeader = Partial<Header> & Pick<Header, 'name'>

/** Equal images give equal archives. */
const EPOCH = new Date(0)

/**
 * The archive of one of the images in another archive, whatever layout that has.
 *
 * @param saved - is let go of when the bytes were read, or the reader leaves, or this throws.
 * @throws {@link Fault} `NOT_PROVEN`, as `imageContent` does.
 */
export async function archiveOf(
  saved: Spool,
  image: Digest,
  references: readonly string[],
): Promise<AsyncIterable<Uint8Array>> {
  try {
    return disposing(ociArchive(await imageContent(saved, image), references), saved)
  } catch (error) {
    await saved[Symbol.asyncDispose]()
    throw error
  }
}

async function* disposing(bytes: AsyncIterable<Uint8Array>, saved: Spool): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes
  } finally {
    await saved[Symbol.asyncDispose]()
  }
}

/** The archive's bytes. */
export function ociArchive(image: ImageContent, references: readonly string[]): AsyncIterable<Uint8Array> {
  const archive = pack()
  fill(archive, image, references).catch((error: unknown) =>
    archive.destroy(error instanceof Error ? error : new Error('packing failed')),
  )
  return archive as unknown as AsyncIterable<Uint8Array>
}

async function fill(archive: Pack, image: ImageContent, references: readonly string[]): Promise<void> {
  const document = (name: string, content: unknown): void =>
    void archive.entry(headerOf(name), JSON.stringify(content))
  document('oci-layout', { imageLayoutVersion: '1.0.0' })
  document('index.json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: manifestsOf(image.manifest, references),
  })
  document('manifest.json', [
    {
      Config: pathOf(image.config),
      RepoTags: references,
      Layers: image.layers.map(pathOf),
    },
  ])
  archive.entry(headerOf(pathOf(image.manifest)), Buffer.from(image.manifestBytes))
  archive.entry(headerOf(pathOf(image.config)), Buffer.from(image.configBytes))
  for await (const { descriptor, bytes } of image.blobs()) {
    await add(archive, headerOf(pathOf(descriptor), descriptor.size), bytes)
  }
  archive.finalize()
}

async function add(archive: Pack, header: EntryHeader, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  await new Promise<void>((done, fail) => {
    const entry = archive.entry(header, (error) => {
      if (error === null || error === undefined) done()
      else fail(error)
    })
    Readable.from(bytes, { objectMode: false }).on('error', fail).pipe(entry)
  })
}

/** One entry for each name: https://github.com/opencontainers/image-spec/blob/main/annotations.md */
const manifestsOf = (manifest: Descriptor, references: readonly string[]): readonly object[] =>
  references.length === 0
    ? [manifest]
    : references.map((reference) => ({
        ...manifest,
        annotations: {
          'io.containerd.image.name': fullReference(reference),
          'org.opencontainers.image.ref.name': reference.slice(reference.lastIndexOf(':') + 1),
        },
      }))

const pathOf = ({ digest }: Descriptor): string => `blobs/${digest.replace(':', '/')}`

const headerOf = (name: string, size?: number): EntryHeader => ({
  name,
  mode: 0o644,
  mtime: EPOCH,
  ...(size === undefined ? {} : { size }),
})
