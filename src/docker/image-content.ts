/**
 * One image out of an archive, with every byte of it compared with the digest
 * that names it: what leaves as an archive or for a registry is then what was
 * proven, and nothing beside it.
 *
 * The image is named by its manifest (an engine with the containerd image
 * store, BuildKit) or by its configuration (every other engine, whose archive
 * has no manifest, so that one is written here).
 *
 * @packageDocumentation
 */

import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { extract, type Header } from 'tar-stream'
import { Fault } from '../errors.js'
import type { Digest } from './engine.js'
import type { Spool } from './spool.js'

/** What a manifest says of a blob: https://github.com/opencontainers/image-spec/blob/main/descriptor.md */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
}

/** An image whose content was checked. */
export interface ImageContent {
  readonly manifest: Descriptor
  readonly manifestBytes: Uint8Array
  readonly config: Descriptor
  readonly configBytes: Uint8Array
  /** Lowest first. One layer may stand in it twice. */
  readonly layers: readonly Descriptor[]
  /** The layers' bytes, each once, in no order. Read one before asking for the next. */
  blobs(): AsyncIterable<{ readonly descriptor: Descriptor; readonly bytes: AsyncIterable<Uint8Array> }>
}

interface Manifest {
  readonly mediaType?: string
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
}

/** Documents are small; what is larger is a layer. */
const MAX_DOCUMENT_BYTES = 8 << 20

const OCI = 'application/vnd.oci.image'

/**
 * Finds an image in an archive and checks it.
 *
 * @throws {@link Fault} `NOT_PROVEN` where the archive does not hold it, or holds something else under a name.
 */
export async function imageContent(archive: Spool, image: Digest): Promise<ImageContent> {
  const members = await Members.read(archive)
  const named = members.document(image)
  if (named === undefined) throw notGiven()
  const manifest = JSON.parse(Buffer.from(named.bytes).toString('utf8')) as Partial<Manifest>
  const content = isManifest(manifest)
    ? members.listed(manifest, image, named.bytes)
    : members.legacy(image, named.bytes)
  const { paths, ...rest } = content
  return { ...rest, blobs: () => blobsOf(archive, paths) }
}

/** A configuration has neither of the two. */
const isManifest = (document: Partial<Manifest>): document is Manifest =>
  document.config !== undefined && document.layers !== undefined

const notGiven = (): Fault =>
  new Fault('NOT_PROVEN', 'The engine did not give the whole image back, or gave another one.')

type Content = Omit<ImageContent, 'blobs'> & {
  /** Members of the archive that are a layer. */
  readonly paths: ReadonlyMap<string, Descriptor>
}

interface Member {
  readonly digest: Digest
  readonly size: number
  /** Kept for small members only. */
  readonly bytes: Uint8Array | undefined
}

/** The files of an archive by path, each hashed. */
class Members {
  readonly #files: ReadonlyMap<string, Member>
  readonly #links: ReadonlyMap<string, string>

  private constructor(files: ReadonlyMap<string, Member>, links: ReadonlyMap<string, string>) {
    this.#files = files
    this.#links = links
  }

  static async read(archive: Spool): Promise<Members> {
    const files = new Map<string, Member>()
    const links = new Map<string, string>()
    for await (const { header, bytes } of filesOf(archive)) {
      const { name, linkname, type, size } = header
      if (type === 'symlink' || type === 'link') {
        const folder = name.slice(0, name.lastIndexOf('/') + 1)
        links.set(name, new URL(linkname, `file:///${folder}`).pathname.slice(1))
      } else files.set(name, await hashed(bytes, size))
    }
    return new Members(files, links)
  }

  document(digest: Digest): { readonly bytes: Uint8Array } | undefined {
    for (const { digest: found, bytes } of this.#files.values()) {
      if (found === digest && bytes !== undefined) return { bytes }
    }
    return undefined
  }

  /** An image that is named by its manifest. */
  listed(manifest: Manifest, image: Digest, manifestBytes: Uint8Array): Content {
    const config = this.document(manifest.config.digest)
    if (config === undefined) throw notGiven()
    const paths = new Map<string, Descriptor>()
    for (const layer of manifest.layers) {
      const path = `blobs/${layer.digest.replace(':', '/')}`
      const found = this.#files.get(path)
      if (found?.digest !== layer.digest || found.size !== layer.size) throw notGiven()
      paths.set(path, layer)
    }
    return {
      manifest: {
        mediaType: manifest.mediaType ?? `${OCI}.manifest.v1+json`,
        digest: image,
        size: manifestBytes.length,
      },
      manifestBytes,
      config: manifest.config,
      configBytes: config.bytes,
      layers: manifest.layers,
      paths,
    }
  }

  /** An image that is named by its configuration. Its layers are uncompressed, and their digests stand in it. */
  legacy(image: Digest, configBytes: Uint8Array): Content {
    const { rootfs } = JSON.parse(Buffer.from(configBytes).toString('utf8')) as {
      rootfs?: { diff_ids?: readonly Digest[] }
    }
    const names = this.#layerPaths(image)
    const digests = rootfs?.diff_ids ?? []
    if (names?.length !== digests.length) throw notGiven()
    const paths = new Map<string, Descriptor>()
    const layers = digests.map((digest, index) => {
      const path = this.#resolve(names[index] ?? '')
      const found = this.#files.get(path)
      if (found?.digest !== digest) throw notGiven()
      const layer = { mediaType: `${OCI}.layer.v1.tar`, digest, size: found.size }
      paths.set(path, layer)
      return layer
    })
    const config = { mediaType: `${OCI}.config.v1+json`, digest: image, size: configBytes.length }
    const mediaType = `${OCI}.manifest.v1+json`
    const manifestBytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers }))
    const manifest = { mediaType, digest: sha256(manifestBytes), size: manifestBytes.length }
    return { manifest, manifestBytes, config, configBytes, layers, paths }
  }

  /** Where the list of the archive says that the layers of an image are: `manifest.json`, as `docker save` writes it. */
  #layerPaths(config: Digest): readonly string[] | undefined {
    const list = this.#files.get('manifest.json')?.bytes
    if (list === undefined) return undefined
    const images = JSON.parse(Buffer.from(list).toString('utf8')) as {
      readonly Config: string
      readonly Layers: readonly string[] | null
    }[]
    return images.find(({ Config }) => this.#files.get(Config)?.digest === config)?.Layers ?? undefined
  }

  /** Follows a link: old archives link a layer to an equal one. */
  #resolve(path: string): string {
    return this.#files.has(path) ? path : (this.#links.get(path) ?? path)
  }
}

const sha256 = (bytes: Uint8Array): Digest => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

async function hashed(bytes: AsyncIterable<Uint8Array>, size: number): Promise<Member> {
  const hash = createHash('sha256')
  const kept: Uint8Array[] = []
  for await (const chunk of bytes) {
    hash.update(chunk)
    if (size <= MAX_DOCUMENT_BYTES) kept.push(Buffer.from(chunk))
  }
  return {
    digest: `sha256:${hash.digest('hex')}`,
    size,
    bytes: size <= MAX_DOCUMENT_BYTES ? Buffer.concat(kept) : undefined,
  }
}

async function* blobsOf(
  archive: Spool,
  paths: ReadonlyMap<string, Descriptor>,
): ReturnType<ImageContent['blobs']> & AsyncGenerator {
  const given = new Set<string>()
  for await (const { header, bytes } of filesOf(archive)) {
    const descriptor = paths.get(header.name)
    if (descriptor === undefined || given.has(descriptor.digest)) continue
    given.add(descriptor.digest)
    yield { descriptor, bytes }
  }
}

/** Files and links of a tar. What is not read of one is skipped. */
async function* filesOf(
  archive: Spool,
): AsyncGenerator<{ readonly header: Header; readonly bytes: AsyncIterable<Uint8Array> }> {
  const tar = extract()
  Readable.from(archive.bytes(), { objectMode: false })
    .on('error', (error) => tar.destroy(error))
    .pipe(tar)
  for await (const entry of tar) {
    const { type } = entry.header
    if (type !== 'directory') yield { header: entry.header, bytes: entry as AsyncIterable<Uint8Array> }
    entry.resume()
  }
}
