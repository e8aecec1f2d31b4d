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

import { ByteReader } from '../bytes/byte-reader.js'
import { once } from '../bytes/once.js'
import { LINK, SYMLINK } from '../bytes/tar-header.js'
import { isBare, TarWalk, type TarEntry } from '../bytes/tar-walk.js'
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

/** Such a part is given once it has so many bytes: an archive may have any number of members. */
const HEADERS_BYTES = 1 << 20

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
 * @param source - the archive, in chunks that are valid until the next one is asked for.
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
  const reader = new ByteReader(source)
  try {
    await reader.fill(HEADER_BYTES)
    const unpack = unpacker?.(reader.peek().subarray(0, HEADER_BYTES))
    const bytes = reader.take(Infinity)
    yield* partsOf(unpack === undefined ? bytes : unpack(bytes, (why) => members.unread.add(why)), members)
  } finally {
    await reader.close()
  }
}

async function* partsOf(bytes: AsyncIterable<Uint8Array>, members: Members): AsyncGenerator<ImagePart> {
  const reader = new ArchiveReader(bytes)
  await reader.fill(HEAD_BYTES)
  if (isImageArchive(reader.peek().subarray(0, HEAD_BYTES))) yield* memberParts(reader, members)
  else {
    members.plain = true
    reader.isInMember = true
    yield { id: PLAIN_TAR, kind: 'layer', sizeBytes: undefined, bytes: reader.take(Infinity) }
  }
}

const DAMAGED = 'The archive is damaged or ends too early.'
const GOES_ON = 'Something follows the end of the archive.'

async function* memberParts(reader: ArchiveReader, members: Members): AsyncGenerator<ImagePart> {
  const walk = new TarWalk(reader, { content: () => true, name: () => false })
  // Moved on to the end of each entry: so the walk stops at every one.
  walk.watch = 0
  for (let isOver = false; !isOver;) {
    const stop = walk.next()
    switch (stop.kind) {
      case 'bytes': {
        if (await reader.fill(stop.count)) break
        const isShort = reader.position + reader.buffered < walk.watch
        const flaw = isShort ? 'truncated' : walk.finish()
        if (flaw !== undefined) members.unread.add(flaw === 'trailing-data' ? GOES_ON : DAMAGED)
        isOver = true
        break
      }
      case 'damaged':
        members.unread.add(stop.why === 'trailing-data' ? GOES_ON : DAMAGED)
        isOver = true
        break
      case 'split':
        break
      case 'content':
        yield* memberPart(stop.entry, reader, members)
        break
      case 'watched':
        if (stop.entry.size === 0) yield* memberPart(stop.entry, reader, members)
        walk.watch = stop.entry.end
    }
    yield* reader.headers(isOver ? 0 : HEADERS_BYTES)
  }
}

/** Reads a member that is a file, and notes one that is a link. */
async function* memberPart(
  entry: TarEntry,
  reader: ArchiveReader,
  members: Members,
): AsyncGenerator<ImagePart> {
  const { type, size } = entry
  const fullName = reader.nameOf(entry)
  const name = memberPath(fullName)
  if (type === LINK || type === SYMLINK)
    members.link(name, { path: Buffer.from(entry.link).toString(), isHard: type === LINK })
  if (isBare(type) || (size === 0 && fullName.endsWith('/'))) return
  const kind = isDocument(name, reader.peek().subarray(0, Math.min(size, HEADER_BYTES)))
    ? 'document'
    : 'layer'
  const content = reader.take(size)
  const bytes = kind === 'document' && size <= KEPT_DOCUMENT_BYTES ? members.keep(name, content) : content
  members.saw(name, kind)
  const end = reader.position + size
  reader.isInMember = true
  yield { id: name, kind, sizeBytes: size, bytes }
  await reader.discard(end - reader.position)
  reader.isInMember = false
}

/** Reads an archive, and keeps what of it is in no member: headers with names, targets of links, owners and records. */
class ArchiveReader extends ByteReader {
  isInMember = false
  /** Names with the texts of their headers, as they are meant. */
  #rows: string[] = []
  /** The same as it stands in the archive, and where in it the header of the next member begins. */
  #kept: Uint8Array[] = []
  #next = 0
  #bytes = 0
  #parts = 0

  override skip(count: number): void {
    if (!this.isInMember) {
      this.#kept.push(Uint8Array.from(this.peek().subarray(0, count)))
      this.#bytes += count
    }
    super.skip(count)
  }

  /** The name of the member whose header was read. */
  nameOf({ path }: TarEntry): string {
    const name = Buffer.from(path).toString()
    const texts = Buffer.concat(this.#kept.slice(this.#next)).toString().replace(/\0+/g, '\n')
    this.#rows.push(`${JSON.stringify(name)}: ${JSON.stringify(texts)}`)
    this.#next = this.#kept.length
    return name
  }

  /** What was kept as a document, once it is more than so many bytes. */
  headers(bytes: number): readonly ImagePart[] {
    if (this.#bytes <= bytes) return []
    const text = Buffer.concat([Buffer.from(`{${this.#rows.join(',\n')}}\n`), ...this.#kept])
    this.#rows = []
    this.#kept = []
    this.#next = 0
    this.#bytes = 0
    this.#parts += 1
    const id = this.#parts === 1 ? HEADERS : `${HEADERS} ${String(this.#parts)}`
    return [{ id, kind: 'document', sizeBytes: text.length, bytes: once(text) }]
  }
}
