/**
 * Cuts a tar whose top folders are layers into the layers, byte for byte: each
 * keeps the name of its folder before its paths.
 *
 * @packageDocumentation
 */

import { ByteReader } from '../bytes/byte-reader.js'
import { LINK } from '../bytes/tar-header.js'
import { TarWalk } from '../bytes/tar-walk.js'

/** A layer while it streams by. */
export interface CutLayer {
  /** Name of its folder. */
  readonly folder: string
  /** Valid until the next layer is asked for, and each chunk until the next chunk is. */
  readonly bytes: AsyncIterable<Uint8Array>
}

/** Bytes of one layer. */
interface Stretch {
  readonly folder: string
  readonly bytes: Uint8Array
}

/**
 * Gives the layers in the order in which they stand there. What cannot be told apart any more is the last layer's.
 *
 * @param tar - chunks that are valid until the next one is asked for.
 * @param crossed - gets the folders with hard links into others, whose content is in those others alone; known of a layer
 * once it was read.
 */
export async function* cutLayers(
  tar: AsyncIterable<Uint8Array>,
  crossed: Set<string>,
): AsyncGenerator<CutLayer> {
  const stretches = stretchesOf(tar, crossed)
  try {
    let next = await stretches.next()
    while (next.done !== true) {
      const { folder } = next.value
      const bytes = async function* (): AsyncGenerator<Uint8Array> {
        for (; next.done !== true && next.value.folder === folder; next = await stretches.next())
          yield next.value.bytes
      }
      yield { folder, bytes: bytes() }
      while (next.done !== true && next.value.folder === folder) next = await stretches.next()
    }
  } finally {
    await stretches.return(undefined)
  }
}

async function* stretchesOf(tar: AsyncIterable<Uint8Array>, crossed: Set<string>): AsyncGenerator<Stretch> {
  const reader = new WalkedBytes(tar)
  const walk = new TarWalk(reader, { content: () => false, name: () => false })
  /** The layer that the walk is in, and up to where the bytes are known to be its. */
  let folder: string | undefined
  let known = 0
  const stretches = function* (until: number): Generator<Stretch> {
    // The top folder stands before the first layer. It is none of the image's.
    if (folder !== undefined) for (const bytes of reader.taken(until)) yield { folder, bytes }
  }
  try {
    // Moved on to the end of each entry: so the walk stops at every one.
    walk.watch = 0
    for (let isOver = false; !isOver;) {
      const stop = walk.next()
      if (stop.kind === 'watched') {
        const { entry } = stop
        const top = topOf(entry.path)
        if (top !== undefined && top !== folder) {
          yield* stretches(walk.boundary)
          folder = top
        }
        if (entry.type === LINK && top !== undefined && topOf(entry.link) !== top) crossed.add(top)
        known = entry.end
        walk.watch = entry.end
      } else if (stop.kind === 'bytes') {
        // Records before a header are not known to be anybody's yet.
        yield* stretches(Math.max(known, walk.boundary))
        isOver = !(await reader.fill(stop.count))
      } else isOver = stop.kind === 'damaged'
    }
    // Who reads the layer sees what is wrong with it.
    do {
      reader.skip(reader.buffered)
      yield* stretches(Infinity)
    } while (await reader.fill(1))
  } finally {
    await reader.close()
  }
}

/** The first name of a path, where it has one. */
function topOf(path: Uint8Array): string | undefined {
  const [top = ''] = Buffer.from(path)
    .toString('latin1')
    .replace(/^(?:\.?\/)+/, '')
    .split('/', 1)
  return top === '' || top === '.' ? undefined : top
}

/** Keeps what was walked over until it is taken. */
class WalkedBytes extends ByteReader {
  #pieces: Uint8Array[] = []
  #from = 0

  override skip(count: number): void {
    const bytes = this.peek().subarray(0, count)
    const last = this.#pieces.at(-1)
    if (last?.buffer === bytes.buffer && last.byteOffset + last.length === bytes.byteOffset)
      this.#pieces[this.#pieces.length - 1] = new Uint8Array(
        bytes.buffer,
        last.byteOffset,
        last.length + bytes.length,
      )
    else this.#pieces.push(bytes)
    super.skip(count)
  }

  override async fill(count: number): Promise<boolean> {
    // The chunk that they are views of ends being valid.
    this.#pieces = this.#pieces.map((piece) => Uint8Array.from(piece))
    return super.fill(count)
  }

  /** Gives what was walked over before a position, in order. */
  *taken(until: number): Generator<Uint8Array> {
    for (let first = this.#pieces[0]; first !== undefined && this.#from < until; first = this.#pieces[0]) {
      const bytes = first.subarray(0, until - this.#from)
      this.#from += bytes.length
      if (bytes.length < first.length) this.#pieces[0] = first.subarray(bytes.length)
      else this.#pieces.shift()
      if (bytes.length > 0) yield bytes
    }
  }
}
