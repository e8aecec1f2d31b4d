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

import { Readable } from 'node:stream'
import { extract, type Header } from 'tar-stream'
import {
  HEADER_BYTES,
  isDocument,
  isImageArchive,
  KEPT_DOCUMENT_BYTES,
  Members,
  memberPath,
} from './archive-members.js'
import type { ImagePart, ImageParts } from './engine.js'

/** Bytes at the beginning of an archive that are looked at to tell its layout: folders may come before its first file. */
const HEAD_BYTES = 16 * HEADER_BYTES

/** Id of the one part of a plain tar. */
export const PLAIN_TAR = 'tar'

/** How the ids of the parts begin that hold an archive's own headers. */
export const HEADERS = 'headers of the archive'

/** Text of headers in one such part: an archive may have any number of members. */
const HEADERS_LENGTH = 1 << 20

/**
 * Unpacks an archive that is packed as a whole. What cannot be unpacked ends the content, and is told to `unread` as a
 * sentence.
 */
export type UnpackArchive = (
  packed: AsyncIterable<Uint8Array>,
  unread: (why: string) => void,
) => AsyncIterable<Uint8Array>

/** How an archive is taken apart. */
export interface ArchiveOptions {
  /** What names an image in an archive that could name it either way. Default: `config`. */
  readonly idsAre?: 'config' | 'manifest'
  /** What unpacks an archive that begins with these bytes; `undefined` for one that is not packed. Default: none is. */
  readonly unpacker?: (head: Uint8Array) => UnpackArchive | undefined
}

/**
 * Takes an archive apart. The stream is read once, forwards, and part by part.
 *
 * @param source - the archive.
 */
export function archiveParts(
  source: AsyncIterable<Uint8Array>,
  { idsAre = 'config', unpacker }: ArchiveOptions = {},
): ImageParts {
  const members = new Members(idsAre)
  return {
    // Nothing names the digest of a plain tar.
    get hashed() {
      return !members.plain
    },
    [Symbol.asyncIterator]: () => unpackedParts(source, members, unpacker),
    layouts: () => members.layouts(),
  }
}

async function* unpackedParts(
  source: AsyncIterable<Uint8Array>,
  members: Members,
  unpacker: ArchiveOptions['unpacker'],
): AsyncGenerator<ImagePart> {
  const input = new Input(source)
  const { head, all } = await peek(input.bytes(), HEADER_BYTES)
  const unpack = unpacker?.(head)
  const bytes = unpack === undefined ? all : unpack(all, (why) => members.unread.add(why))
  yield* partsOf(bytes, { members, input })
}

async function* partsOf(
  bytes: AsyncIterable<Uint8Array>,
  { members, input }: { readonly members: Members; readonly input: Input },
): AsyncGenerator<ImagePart> {
  const { head, all } = await peek(bytes, HEAD_BYTES)
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
    members.unread.add(DAMAGED)
  }
  yield* headers.end()
}

const DAMAGED = 'The archive is damaged or ends too early.'

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
      members.unread.add(DAMAGED)
    }
  }
}

/** A member of a tar while it streams by. */
interface Entry extends AsyncIterable<unknown> {
  readonly header: Header
  resume(): unknown
}

async function* partOf(entry: Entry, members: Members, input: Input): AsyncGenerator<ImagePart> {
  const { type, linkname, size } = entry.header
  const name = memberPath(entry.header.name)
  if (type === 'symlink' || type === 'link') members.link(name, { path: linkname, isHard: type === 'link' })
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
