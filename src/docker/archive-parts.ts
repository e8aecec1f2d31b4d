/**
 * Takes an image archive apart while it streams by: what `docker save` writes
 * (the old layout and the OCI one), an OCI layout in a tar, or, where it is
 * none of these, a plain tar as one single layer.
 *
 * The order of an archive's members is the engine's affair, and the list that
 * names the layers may come last. So each member is told apart by its first
 * bytes, handed on under its own path, and put in its place afterwards.
 *
 * @packageDocumentation
 */

import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { extract, type Header } from 'tar-stream'
import type { Digest, ImageLayout, ImagePart, ImageParts } from './engine.js'

/** Documents are kept until the end, because they say which layers belong together. Larger ones are read but not kept. */
const KEPT_DOCUMENT_BYTES = 8 << 20

/** Bytes of a member that are looked at to tell what it is. */
const HEADER_BYTES = 512

/** Bytes at the beginning of an archive that are looked at to tell its layout: folders may come before its first file. */
const HEAD_BYTES = 16 * HEADER_BYTES

/** Id of the one part of a plain tar. */
export const PLAIN_TAR = 'tar'

/** How the ids of the parts begin that hold an archive's own headers. */
export const HEADERS = 'headers of the archive'

/** Text of headers in one such part: an archive may have any number of members. */
const HEADERS_LENGTH = 1 << 20

/**
 * Takes an archive apart. The stream is read once, forwards, and part by part.
 *
 * @param source - the archive.
 * @param options - `idsAre` says what names an image in an archive that could name it either way. Default: `config`.
 */
export function archiveParts(
  source: AsyncIterable<Uint8Array>,
  { idsAre = 'config' }: { readonly idsAre?: 'config' | 'manifest' } = {},
): ImageParts {
  const members = new Members(idsAre)
  return {
    // Nothing names the digest of a plain tar.
    get hashed() {
      return !members.plain
    },
    [Symbol.asyncIterator]: () => partsOf(source, members),
    layouts: () => members.layouts(),
  }
}

async function* partsOf(source: AsyncIterable<Uint8Array>, members: Members): AsyncGenerator<ImagePart> {
  const input = new Input(source)
  const { head, all } = await peek(input.bytes(), HEAD_BYTES)
  if (head[0] === 0x1f && head[1] === 0x8b) {
    const gunzip = createGunzip({ chunkSize: 1 << 20 })
    feed(all, gunzip)
    yield* partsOf(input.undamaged(gunzip as AsyncIterable<Uint8Array>, members), members)
    return
  }
  if (!isImageArchive(head)) {
    members.plain = true
    yield { id: PLAIN_TAR, kind: 'layer', sizeBytes: undefined, bytes: all }
    return
  }
  const archive = extract()
  feed(all, archive)
  const headers = new Headers()
  try {
    for await (const entry of archive) {
      yield* headers.add(entry.header)
      yield* partOf(entry, members, input)
    }
  } catch (error) {
    if (input.failed) throw error
    members.damaged = true
  }
  yield* headers.end()
}

/** The headers of an archive as documents, because names, links and records are in no member's bytes. */
class Headers {
  #texts: string[] = []
  #length = 0
  #parts = 0

  /** The documents that are full now. */
  add({ name, linkname, uname, gname, pax }: Header): readonly ImagePart[] {
    const text = JSON.stringify({ name, linkname, uname, gname, pax })
    this.#texts.push(text)
    this.#length += text.length
    return this.#length > HEADERS_LENGTH ? this.end() : []
  }

  end(): readonly ImagePart[] {
    if (this.#texts.length === 0) return []
    const bytes = Buffer.from(`[${this.#texts.join(',\n')}]`)
    this.#texts = []
    this.#length = 0
    this.#parts += 1
    const id = this.#parts === 1 ? HEADERS : `${HEADERS} ${String(this.#parts)}`
    return [{ id, kind: 'document', sizeBytes: bytes.length, bytes: Readable.from([bytes]) }]
  }
}

interface Destroyable {
  destroy(error: Error): unknown
}

/** Pipes bytes into a stream and ends it with the error of their source, if there is one. */
function feed(bytes: AsyncIterable<Uint8Array>, into: NodeJS.WritableStream & Destroyable): void {
  Readable.from(bytes, { objectMode: false })
    .on('error', (error) => into.destroy(error))
    .pipe(into)
}

/** Tells an archive that is damaged, which is an answer, from a source that broke off, which is none. */
class Input {
  failed = false
  readonly #source: AsyncIterable<Uint8Array>

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source
  }

  async *bytes(): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#source
    } catch (error) {
      this.failed = true
      throw error
    }
  }

  /** The same bytes, ending where the archive is damaged. */
  async *undamaged(bytes: AsyncIterable<Uint8Array>, members: Members): AsyncGenerator<Uint8Array> {
    try {
      yield* bytes
    } catch (error) {
      if (this.failed) throw error
      members.damaged = true
    }
  }
}

/** A member of a tar while it streams by. */
interface Entry extends AsyncIterable<unknown> {
  readonly header: Header
  resume(): unknown
}

async function* partOf(entry: Entry, members: Members, input: Input): AsyncGenerator<ImagePart> {
  const { name, type, linkname, size } = entry.header
  if (type === 'symlink' || type === 'link') members.link(name, linkname)
  if (type !== 'file' && type !== 'contiguous-file') {
    entry.resume()
    return
  }
  const content = input.undamaged(entry as AsyncIterable<Uint8Array>, members)
  const { head, all } = await peek(content, HEADER_BYTES)
  const kind = isDocument(name, head) ? 'document' : 'layer'
  const bytes = kind === 'document' && size <= KEPT_DOCUMENT_BYTES ? members.keep(name, all) : all
  members.saw(name, kind)
  yield { id: name, kind, sizeBytes: size, bytes }
  entry.resume()
}

/** Reads at least `count` bytes, if there are as many, and gives them back in front of the rest. */
async function peek(
  source: AsyncIterable<Uint8Array>,
  count: number,
): Promise<{ readonly head: Uint8Array; readonly all: AsyncIterable<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]()
  const chunks: Uint8Array[] = []
  let length = 0
  let ended = false
  while (length < count) {
    const next: IteratorResult<Uint8Array, unknown> = await iterator.next()
    if (next.done === true) {
      ended = true
      break
    }
    chunks.push(next.value)
    length += next.value.length
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      yield* chunks
      while (!ended) {
        const next: IteratorResult<Uint8Array, unknown> = await iterator.next()
        if (next.done === true) ended = true
        else yield next.value
      }
    } finally {
      if (!ended) await iterator.return?.()
    }
  }
  return { head: Buffer.concat(chunks), all: all() }
}

/** Names with which the two layouts begin a member: https://github.com/moby/moby/blob/master/image/tarexport/save.go, https://github.com/opencontainers/image-spec/blob/main/image-layout.md */
const ARCHIVE_MEMBER =
  /^(?:\.\/)?(?:blobs(?:\/|$)|oci-layout$|index\.json$|manifest\.json$|repositories$|[0-9a-f]{64}(?:\/|\.json$))/

/**
 * Told by the first name that says something: folders do not, as `tar -C FOLDER .` begins with `./`, and a record before
 * a header (`x`, `L`) may hold its real name.
 */
function isImageArchive(head: Uint8Array): boolean {
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
function isDocument(name: string, head: Uint8Array): boolean {
  const base = name.slice(name.lastIndexOf('/') + 1)
  if (base === 'layer.tar') return false
  if (base === 'VERSION' || base === 'json' || base === 'oci-layout' || base === 'repositories') return true
  if (base.endsWith('.json')) return true
  const first = head.find((byte) => byte > 0x20)
  return first === 0x7b || first === 0x5b
}

interface ManifestEntry {
  readonly Config: string
  readonly Layers: readonly string[] | null
  readonly RepoTags: readonly string[] | null
}

interface Config {
  readonly rootfs?: { readonly diff_ids?: readonly string[] | null }
  readonly history?: readonly { readonly created_by?: string; readonly empty_layer?: boolean }[] | null
}

interface Descriptor {
  readonly mediaType?: string
  readonly digest: string
  readonly annotations?: Readonly<Record<string, string>>
}

interface OciDocument {
  readonly manifests?: readonly Descriptor[]
  readonly config?: Descriptor
  readonly layers?: readonly Descriptor[]
}

/** What was seen of an archive, and what its documents make of it. */
class Members {
  plain = false
  damaged = false
  readonly #kinds = new Map<string, ImagePart['kind']>()
  readonly #documents = new Map<string, Uint8Array>()
  readonly #links = new Map<string, string>()
  readonly #idsAre: 'config' | 'manifest'

  constructor(idsAre: 'config' | 'manifest') {
    this.#idsAre = idsAre
  }

  saw(name: string, kind: ImagePart['kind']): void {
    this.#kinds.set(clean(name), kind)
  }

  link(name: string, target: string): void {
    const folder = name.slice(0, name.lastIndexOf('/') + 1)
    this.#links.set(clean(name), clean(new URL(target, `file:///${folder}`).pathname.slice(1)))
  }

  /** Passes a document through and keeps a copy of it. */
  async *keep(name: string, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const chunks: Uint8Array[] = []
    for await (const chunk of source) {
      chunks.push(Buffer.from(chunk))
      yield chunk
    }
    this.#documents.set(clean(name), Buffer.concat(chunks))
  }

  layouts(): readonly ImageLayout[] {
    const damage = this.damaged
      ? [{ image: '', layers: [], documents: [], unread: ['The archive is damaged or ends too early.'] }]
      : []
    return [...damage, ...(this.plain ? [] : this.#layouts())]
  }

  #layouts(): readonly ImageLayout[] {
    const manifest = this.#json('manifest.json') as readonly ManifestEntry[] | undefined
    if (manifest !== undefined && !(this.#idsAre === 'manifest' && this.#documents.has('index.json'))) {
      return manifest.map(({ Config, Layers, RepoTags }) =>
        this.#layout(RepoTags?.[0] ?? digestOf(Config), clean(Config), (Layers ?? []).map(clean), []),
      )
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
    const document = this.#json(path) as OciDocument | undefined
    if (document === undefined)
      return [{ image: path, layers: [], documents: [], unread: [`${path} is missing or not JSON`] }]
    if (document.manifests !== undefined) {
      const paths = document.manifests.map(({ digest }) => blobPath(digest))
      // An image for several platforms may be here for one of them only.
      const here = paths.filter((below) => this.#documents.has(below))
      return (name === undefined || here.length === 0 ? paths : here).flatMap((below) =>
        this.#ociLayouts(below, { seen, name: name ?? digestOf(below) }),
      )
    }
    const config = document.config === undefined ? undefined : blobPath(document.config.digest)
    const layers = (document.layers ?? []).map(({ digest }) => blobPath(digest))
    if (config === undefined) return []
    return [this.#layout(name ?? digestOf(path), config, layers, [path])]
  }

  #layout(
    image: string,
    configPath: string,
    layerPaths: readonly string[],
    documents: readonly string[],
  ): ImageLayout {
    const config = this.#json(configPath) as Config | undefined
    const unread: string[] = []
    if (config === undefined) unread.push(`the configuration ${configPath} is missing or not JSON`)
    const diffIds = config?.rootfs?.diff_ids ?? []
    if (diffIds.length !== layerPaths.length && config?.rootfs !== undefined) {
      unread.push('the number of layers is not the one in the configuration')
    }
    const steps = (config?.history ?? []).filter(({ empty_layer }) => empty_layer !== true)
    const layers = layerPaths.map((path, index) => {
      const part = this.#resolve(path)
      if (part === null) unread.push(`the layer ${path} is missing`)
      return {
        digest: (diffIds[index] ?? `sha256:${createHash('sha256').update(path).digest('hex')}`) as Digest,
        part,
        createdBy: steps[index]?.created_by ?? '',
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

const clean = (path: string): string => path.replace(/^\.\//, '')

const blobPath = (digest: string): string => `blobs/${digest.replace(':', '/')}`

/** `blobs/sha256/<hex>` and `<hex>.json` alike. */
function digestOf(path: string): string {
  const hex = /[0-9a-f]{64}/.exec(path)?.[0]
  return hex === undefined ? path : `sha256:${hex}`
}
