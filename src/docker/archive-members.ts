/**
 * What an image archive holds, and what its documents make of it: which member
 * is which layer of which image. Knows the layouts of `docker save` (the old
 * one and the OCI one) and of OCI itself.
 *
 * @packageDocumentation
 */

import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import type { Digest, ImageLayout, ImagePart } from './engine.js'

/** Documents are kept until the end, because they say which layers belong together. Larger ones are read but not kept. */
export const KEPT_DOCUMENT_BYTES = 8 << 20

/** Bytes of a member that are looked at to tell what it is. */
export const HEADER_BYTES = 512

/**
 * Names with which the layouts begin a member: https://github.com/moby/moby/blob/master/image/tarexport/save.go,
 * https://github.com/opencontainers/image-spec/blob/main/image-layout.md; layers as `HEX.tar` of skopeo and podman,
 * https://github.com/containers/image/blob/main/docker/internal/tarfile/writer.go; `sha256:HEX` and `HEX.tar.gz` of crane
 * and kaniko, https://github.com/google/go-containerregistry/blob/main/pkg/v1/tarball/write.go.
 */
const ARCHIVE_MEMBER =
  /^(?:\.\/)?(?:blobs(?:\/|$)|oci-layout$|index\.json$|manifest\.json$|repositories$|[0-9a-f]{64}(?:\/|\.json$|\.tar$|\.tar\.gz$)|sha256:[0-9a-f]{64}$)/

/**
 * Whether an archive that begins with these bytes is one of an image. Told by the first name that says something: folders
 * do not, as `tar -C FOLDER .` begins with `./`, and a record before a header (`x`, `L`) may hold its real name.
 */
export function isImageArchive(head: Uint8Array): boolean {
  const bytes = Buffer.from(head)
  let recorded: string | undefined
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    const type = String.fromCharCode(bytes[at + 156] ?? 0)
    const size = type === '5' ? 0 : Number.parseInt(textIn(bytes, at + 124, 12), 8)
    const content = at + HEADER_BYTES
    if ('xgLK'.includes(type)) {
      const record = bytes.toString('latin1', content, content + size)
      if (type === 'L') recorded = record.replace(/\0.*$/s, '')
      else if (type === 'x') recorded = /^\d+ path=(.*)$/m.exec(record)?.[1] ?? recorded
    } else if (ARCHIVE_MEMBER.test(recorded ?? textIn(bytes, at, 100))) return true
    else if (type === '5') recorded = undefined
    else return false
    if (!Number.isInteger(size)) return false
    at = content + Math.ceil(size / HEADER_BYTES) * HEADER_BYTES
  }
  return false
}

function textIn(bytes: Buffer, at: number, length: number): string {
  const text = bytes.toString('latin1', at, at + length)
  const end = text.indexOf('\0')
  return end === -1 ? text : text.slice(0, end)
}

/** The small files of an archive are JSON, but for a version number; everything else can only be a layer. */
export function isDocument(name: string, head: Uint8Array): boolean {
  const base = name.slice(name.lastIndexOf('/') + 1)
  if (base === 'layer.tar') return false
  if (base === 'VERSION' || base === 'json' || base === 'oci-layout' || base === 'repositories') return true
  if (base.endsWith('.json')) return true
  const first = head.find((byte) => byte > 0x20)
  return first === 0x7b || first === 0x5b
}

/** Whoever made an archive chose what is in its documents: nothing of them is believed to have any shape. */
type Json = Readonly<Record<string, unknown>>

const objectOf = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : [])

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

/** The digest in a descriptor. One that is none gives the path of no blob. */
const digestIn = (descriptor: unknown): string => textOf(objectOf(descriptor)['digest']) ?? ''

/** What a link leads to: from its own folder on, or, where it is a hard one, from the top of the archive. */
export interface Target {
  readonly path: string
  readonly isHard: boolean
}

/** What was seen of an archive, and what its documents make of it. */
export class Members {
  /** Whether it is a tar and nothing else. */
  plain = false
  /** What could not be read of the archive itself, in sentences. */
  readonly unread = new Set<string>()
  readonly #kinds = new Map<string, ImagePart['kind']>()
  readonly #documents = new Map<string, Uint8Array>()
  readonly #links = new Map<string, string>()
  readonly #idsAre: 'config' | 'manifest'

  constructor(idsAre: 'config' | 'manifest') {
    this.#idsAre = idsAre
  }

  /** A member that is a file. */
  saw(name: string, kind: ImagePart['kind']): void {
    this.#kinds.set(memberPath(name), kind)
  }

  /** A member that is a link. */
  link(name: string, { path, isHard }: Target): void {
    const from = isHard || posix.isAbsolute(path) ? '/' : posix.dirname(`/${name}`)
    this.#links.set(memberPath(name), posix.join(from, path).slice(1))
  }

  /** Passes a document through and keeps a copy of it. */
  async *keep(name: string, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const chunks: Uint8Array[] = []
    for await (const chunk of source) {
      chunks.push(Buffer.from(chunk))
      yield chunk
    }
    this.document(name, Buffer.concat(chunks))
  }

  /** What a member that is a document holds. */
  document(name: string, bytes: Uint8Array): void {
    this.#documents.set(memberPath(name), bytes)
  }

  /** How the members fit together. Call it when all were seen. */
  layouts(): readonly ImageLayout[] {
    const unread = [...this.unread]
    const flaws = unread.length === 0 ? [] : [{ image: '', layers: [], documents: [], unread }]
    return [...flaws, ...(this.plain ? [] : this.#layouts())]
  }

  #layouts(): readonly ImageLayout[] {
    const manifest = this.#json('manifest.json')
    const hasIndex = this.#documents.has('index.json')
    const isList = Array.isArray(manifest)
    if ((isList || !hasIndex) && manifest !== undefined && !(this.#idsAre === 'manifest' && hasIndex)) {
      if (!isList) return [nothingIn('manifest.json')]
      return listOf(manifest).map((each) => {
        const entry = objectOf(each)
        const config = textOf(entry['Config'])
        if (config === undefined) return nothingIn('manifest.json')
        const layers = listOf(entry['Layers']).map((path) => memberPath(textOf(path) ?? ''))
        const name = textOf(listOf(entry['RepoTags'])[0]) ?? digestOf(config)
        return this.#layout(name, memberPath(config), layers, [])
      })
    }
    return this.#ociLayouts('index.json', { seen: new Set(), name: undefined })
  }

  /**
   * Follows an index to the images it names, nested indexes and attestations included.
   *
   * @param on - `name` is that of the index on the way that stands in the archive's own list: what is below it is it.
   */
  #ociLayouts(
    path: string,
    on: { readonly seen: Set<string>; readonly name: string | undefined },
  ): readonly ImageLayout[] {
    const { seen, name } = on
    if (seen.has(path)) return []
    seen.add(path)
    const json = this.#json(path)
    if (json === undefined) return [nothingIn(path)]
    const document = objectOf(json)
    if (document['manifests'] !== undefined) {
      const paths = listOf(document['manifests']).map((descriptor) => blobPath(digestIn(descriptor)))
      // An image for several platforms may be here for one of them only.
      const here = paths.filter((below) => this.#documents.has(below))
      return (name === undefined || here.length === 0 ? paths : here).flatMap((below) =>
        this.#ociLayouts(below, { seen, name: name ?? digestOf(below) }),
      )
    }
    if (document['config'] === undefined) return []
    const layers = listOf(document['layers']).map((descriptor) => blobPath(digestIn(descriptor)))
    return [this.#layout(name ?? digestOf(path), blobPath(digestIn(document['config'])), layers, [path])]
  }

  #layout(
    image: string,
    configPath: string,
    layerPaths: readonly string[],
    documents: readonly string[],
  ): ImageLayout {
    const json = this.#json(configPath)
    const config = objectOf(json)
    const unread: string[] = []
    if (json === undefined) unread.push(`the configuration ${configPath} is missing or not JSON`)
    const diffIds = listOf(objectOf(config['rootfs'])['diff_ids'])
    if (diffIds.length !== layerPaths.length && config['rootfs'] !== undefined) {
      unread.push('the number of layers is not the one in the configuration')
    }
    const steps = listOf(config['history'])
      .map(objectOf)
      .filter((step) => step['empty_layer'] !== true)
    const layers = layerPaths.map((path, index) => {
      const part = this.#resolve(path)
      if (part === null) unread.push(`the layer ${path} is missing`)
      const digest = textOf(diffIds[index]) ?? ''
      return {
        digest: (DIGEST.test(digest)
          ? digest
          : `sha256:${createHash('sha256').update(path).digest('hex')}`) as Digest,
        part,
        createdBy: textOf(steps[index]?.['created_by']) ?? '',
      }
    })
    return { image, layers, documents: [...documents, configPath], unread }
  }

  /** Follows links to the member that has the bytes: old archives link a layer to an equal one of another image. */
  #resolve(path: string): string | null {
    let at = path
    for (let hops = 0; hops < 8; hops += 1) {
      if (this.#kinds.has(at)) return at
      const next = this.#links.get(at)
      if (next === undefined) return null
      at = next
    }
    return null
  }

  #json(path: string): unknown {
    const bytes = this.#documents.get(path)
    if (bytes === undefined) return undefined
    try {
      return JSON.parse(Buffer.from(bytes).toString('utf8'))
    } catch {
      return undefined
    }
  }
}

/** The path of a member as the documents of an archive have it. */
export const memberPath = (name: string): string => name.replace(/^\.\//, '')

const DIGEST = /^sha256:[0-9a-f]{64}$/

/** A document that says nothing of images though it should. */
const nothingIn = (path: string): ImageLayout => ({
  image: path,
  layers: [],
  documents: [],
  unread: [`${path} is missing or does not say what it should`],
})

const blobPath = (digest: string): string => `blobs/${digest.replace(':', '/')}`

/** `blobs/sha256/<hex>` and `<hex>.json` alike. */
function digestOf(path: string): string {
  const hex = /[0-9a-f]{64}/.exec(path)?.[0]
  return hex === undefined ? path : `sha256:${hex}`
}
