/**
 * Walks the headers of a tar archive by the sizes they state: where each entry
 * lies, what it is called, whether its first bytes are of interest. Nothing is
 * searched here. Who searches the stream reads all of it whatever the walk
 * makes of it, so a header that lies can hide a name from a report but no byte
 * from the search.
 *
 * A layer can hold 100,000 entries that nobody asks about, so an entry becomes
 * an object only when there is a reason, and the walk stops only there. Where
 * readers of tar differ it does as Go's archive/tar, by which engines unpack
 * layers: https://go.dev/src/archive/tar/reader.go.
 *
 * @packageDocumentation
 */

import type { ByteReader } from './byte-reader.js'
import {
  BLOCK,
  extend,
  FIELD,
  hasMagic,
  hasPrefix,
  isTarHeader,
  isZero,
  LINK,
  tarNumber,
  tarPath,
  tarText,
  type Extended,
} from './tar-header.js'

/** Longest extended header that is taken in, in bytes: `maxSpecialFileSize` in https://go.dev/src/archive/tar/format.go. */
export const MAX_EXTENDED_BYTES = 1 << 20

/** How much of a file's content {@link TarWants.content} is shown, in bytes, where it has as much. */
export const HEAD_BYTES = 512

/** One entry. Offsets count bytes from the start of the archive. */
export interface TarEntry {
  /** The full name. */
  readonly path: Uint8Array
  /** The type flag, a byte. */
  readonly type: number
  /** The target of a link, empty for anything else. */
  readonly link: Uint8Array
  readonly header: number
  readonly content: number
  /** Bytes of content in the archive. */
  readonly size: number
  /** Where the next header is due. */
  readonly end: number
  /** Where extended headers hold names and targets of links. */
  readonly texts: Extended['texts']
  /** Where in `path` the two pieces meet in which the header holds it; -1 where it holds one. A value across it is split. */
  readonly joint: number
}

/** Which files are looked into. */
export interface TarWants {
  /** By the first bytes of the content: `length` bytes of `bytes` from `at`, at most {@link HEAD_BYTES}. */
  content(bytes: Uint8Array, at: number, length: number): boolean
  /** By the last field of the name: `bytes` from `at` to the first NUL, at most `length`. */
  name(bytes: Uint8Array, at: number, length: number): boolean
}

/**
 * Why the walk stands still.
 *
 * - `bytes`: it goes on when `count` bytes are buffered. Where the stream ends before that, ask {@link TarWalk.finish}.
 * - `split`: the entry's header holds its name in two pieces.
 * - `watched`: the entry holds the offset {@link TarWalk.watch}. Move that on before the next step.
 * - `content`: the reader stands at the content of an entry that is wanted. Take as much of it as you like.
 * - `damaged`: there is no header where one is due.
 */
export type TarStop =
  | { readonly kind: 'bytes'; readonly count: number }
  | { readonly kind: 'split' | 'watched' | 'content'; readonly entry: TarEntry }
  | { readonly kind: 'damaged'; readonly why: TarFlaw }

/** What can be wrong with an archive. */
export type TarFlaw = 'not-a-tar' | 'damaged' | 'trailing-data' | 'truncated'

/** A walk over one archive, from its first byte on. */
export class TarWalk {
  /** The lowest offset that somebody wants to know the entry of. */
  watch = Infinity
  /** Entries met so far. */
  entries = 0
  /** Where the last entry that was met begins, or the next one if that is due, with the records before its header: the stream can be taken apart there. */
  boundary = 0
  readonly #reader: ByteReader
  readonly #wants: TarWants
  #entry: TarEntry | undefined
  #stops: TarStop[] = []
  #end = 0
  #extended: Extended | undefined
  #blank = false

  constructor(reader: ByteReader, wants: TarWants) {
    this.#reader = reader
    this.#wants = wants
  }

  /** Goes on to the next stop, without waiting. */
  next(): TarStop {
    const stop = this.#stops.shift()
    if (stop !== undefined) return stop
    if (this.#entry !== undefined && this.watch < this.#entry.end)
      return { kind: 'watched', entry: this.#entry }
    const left = this.#end - this.#reader.position
    if (left > this.#reader.buffered) {
      this.#reader.skip(this.#reader.buffered)
      return { kind: 'bytes', count: 1 }
    }
    if (left > 0) this.#reader.skip(left)
    this.#entry = undefined
    return this.#walk()
  }

  /** What is wrong with the archive if the stream ends here; `undefined` where nothing is. */
  finish(): TarFlaw | undefined {
    const rest = this.#reader.peek()
    const isHeader = hasMagic(rest, 0) || isTarHeader(rest)
    if (this.entries === 0 && !this.#blank && !isHeader && this.#extended === undefined) return 'not-a-tar'
    if (this.#extended !== undefined) return 'truncated'
    if (this.#entry !== undefined) {
      // Only padding may be missing.
      return this.#reader.position < this.#entry.content + this.#entry.size ? 'truncated' : undefined
    }
    if (isZero(rest, 0, rest.length)) return undefined
    return this.#blank && !isHeader ? 'trailing-data' : 'truncated'
  }

  /** Walks over the headers that are buffered, until something is of interest. */
  #walk(): TarStop {
    const bytes = this.#reader.peek()
    const base = this.#reader.position
    let at = 0
    const stopAt = (stop: TarStop): TarStop => {
      this.#reader.skip(at)
      this.#end = base + at
      return stop
    }
    for (;;) {
      if (this.#extended === undefined) this.boundary = base + at
      if (bytes.length - at < BLOCK) return stopAt({ kind: 'bytes', count: BLOCK })
      // The magic is believed without its checksum, which would cost more than the rest of the walk: a header that is
      // wrong about its size leads to a block that is none, and that is noticed.
      if (!hasMagic(bytes, at)) {
        if (isZero(bytes, at, BLOCK)) {
          this.#blank = true
          at += BLOCK
          continue
        }
        if (!isTarHeader(bytes, at)) return stopAt({ kind: 'damaged', why: this.#flaw() })
      }
      const type = bytes[at + FIELD.type[0]] ?? 0
      const stated = this.#extended?.size ?? tarNumber(bytes, at + FIELD.size[0], FIELD.size[1])
      if (stated === undefined) return stopAt({ kind: 'damaged', why: 'damaged' })

      if (isExtension(type)) {
        if (stated > MAX_EXTENDED_BYTES) return stopAt({ kind: 'damaged', why: 'damaged' })
        const length = BLOCK + padded(stated)
        if (bytes.length - at < length) return stopAt({ kind: 'bytes', count: length })
        this.#extended ??= { texts: [] }
        const content = bytes.subarray(at + BLOCK, at + BLOCK + stated)
        const offset = base + at + BLOCK
        if (!extend(this.#extended, String.fromCharCode(type), content, offset)) {
          return stopAt({ kind: 'damaged', why: 'damaged' })
        }
        at += length
        continue
      }

      const maps = sparseMaps(bytes, at)
      if (maps === undefined) return stopAt({ kind: 'bytes', count: bytes.length - at + BLOCK })
      const size = isBare(type) ? 0 : stated
      const content = at + BLOCK + maps
      const head = Math.min(size, HEAD_BYTES)
      if (bytes.length < content + head) return stopAt({ kind: 'bytes', count: content + head - at })

      this.entries += 1
      const end = content + padded(size)
      const split = hasPrefix(bytes, at) && this.#extended?.path === undefined
      const wanted = size > 0 && (this.#wants.content(bytes, content, head) || this.#wantsName(bytes, at))
      if (wanted || split || end > bytes.length || this.watch < base + end) {
        const entry: TarEntry = {
          path: this.#extended?.path ?? tarPath(bytes, at),
          type,
          link: this.#extended?.link ?? tarText(bytes, at + FIELD.link[0], FIELD.link[1]),
          header: base + at,
          content: base + content,
          size,
          end: base + end,
          texts: this.#extended?.texts ?? [],
          joint: split ? tarText(bytes, at + FIELD.prefix[0], FIELD.prefix[1]).length : -1,
        }
        this.#extended = undefined
        this.#entry = entry
        this.#end = entry.end
        this.#reader.skip(content)
        if (split) this.#stops.push({ kind: 'split', entry })
        if (wanted) this.#stops.push({ kind: 'content', entry })
        return this.next()
      }
      this.#extended = undefined
      at = end
    }
  }

  #wantsName(bytes: Uint8Array, at: number): boolean {
    const path = this.#extended?.path
    return path === undefined
      ? this.#wants.name(bytes, at + FIELD.name[0], FIELD.name[1])
      : this.#wants.name(path, 0, path.length)
  }

  #flaw(): TarFlaw {
    if (this.#blank) return 'trailing-data'
    return this.entries === 0 ? 'not-a-tar' : 'damaged'
  }
}

/** What of an entry holds the offset. */
export function whereIn(entry: TarEntry, offset: number): 'content' | 'name' | 'link' | 'header' {
  if (offset >= entry.content) return offset < entry.content + entry.size ? 'content' : 'header'
  const text = entry.texts.find(({ from, to }) => offset >= from && offset < to)
  if (text !== undefined) return text.where
  const within = offset - entry.header
  const inField = ([from, length]: readonly [number, number]): boolean =>
    within >= from && within < from + length
  if (inField(FIELD.name) || (entry.joint >= 0 && inField(FIELD.prefix))) return 'name'
  return inField(FIELD.link) ? 'link' : 'header'
}

const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK

/** `x`, `X` and `g` (records), `L` and `K` (long texts): they speak of the entry that follows. */
const isExtension = (type: number): boolean =>
  type === 0x78 || type === 0x58 || type === 0x67 || type === 0x4c || type === 0x4b

/** `1` to `6`: links, devices, directories, pipes. Whatever size they state, no content follows (`isHeaderOnlyType` in Go). */
export const isBare = (type: number): boolean => type >= LINK && type <= 0x36

/**
 * Length of the further blocks of an old GNU sparse map, which stand between header and content, in bytes; `undefined`
 * where not all of them are buffered. Offsets: `struct sparse_header` in GNU tar's src/tar.h.
 */
function sparseMaps(bytes: Uint8Array, at: number): number | undefined {
  if (bytes[at + FIELD.type[0]] !== 0x53 || bytes[at + 482] !== 1) return 0
  for (let length = BLOCK; length <= MAX_EXTENDED_BYTES; length += BLOCK) {
    if (bytes.length < at + BLOCK + length) return undefined
    if (bytes[at + length + 504] !== 1) return length
  }
  return MAX_EXTENDED_BYTES
}
