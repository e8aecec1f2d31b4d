/**
 * Opens a zip: wheels, jars and office documents are zips too.
 *
 * The directory at its end says what is in it, as it does for whoever unpacks
 * it. Bytes that no entry owns were searched as bytes of the file; where packed
 * data hides among them, that is reported.
 * Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, where
 * the section numbers below point to.
 *
 * @packageDocumentation
 */

import { fromRandomAccessReaderPromise, RandomAccessReader, type Entry, type ZipFile } from 'yauzl'
import { once } from '../../bytes/once.js'
import { hold, stretch, type Held } from './hold.js'
import { WHOLE_BYTES, within, type At, type Inside, type Packed } from './inside.js'
import { unpack, type StreamKind } from './unpack.js'
import { Unreadable } from './unreadable.js'

/** Compression methods (4.4.5). */
const METHODS: Readonly<Record<number, StreamKind | 'stored'>> = {
  0: 'stored',
  8: 'deflate',
  12: 'bzip2',
  93: 'zstd',
  95: 'xz',
}
const LOCAL_HEADER_BYTES = 30
const LOCAL_MAGIC = Buffer.from('PK\x03\x04', 'latin1')
const END_MAGIC = Buffer.from('PK\x05\x06', 'latin1')
/** With the record of 64 bits, more than the directory lies before the end. */
const ZIP64_MAGIC = Buffer.from('PK\x06\x07', 'latin1')
const END_BYTES = 22
const MAX_COMMENT_BYTES = 0xffff

/** Bytes of the file that an entry owns, from its local header to the end of its data. */
type Owned = readonly [from: number, to: number]

/**
 * Searches the entries of a zip.
 *
 * @throws {@link Unreadable} where its directory cannot be read.
 */
export async function openZip(packed: Packed, at: At, inside: Inside): Promise<void> {
  await using held = await hold(packed.chunks, inside.budget.limits)
  const base = await baseOf(held)
  const owned: Owned[] = []
  for await (const entry of entries(held, base)) {
    inside.budget.enter(at.depth)
    const spot = within(at.spot, entry.fileNameRaw)
    const from = base + entry.relativeOffsetOfLocalHeader
    owned.push([from, from + LOCAL_HEADER_BYTES])
    try {
      const data = await locate(held, from, entry)
      owned.push([from, data.to])
      if (entry.isEncrypted()) throw new Unreadable('encrypted')
      if (data.kind === 'xz' && at.inXz === true) throw new Unreadable('too-deep')
      await inside.search(content(held, data, inside), {
        ...at,
        spot,
        inXz: at.inXz === true || data.kind === 'xz',
      })
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      inside.unread(spot, error.why)
    }
  }
  if (await hasHidden(held, owned)) inside.unread(at.spot, 'hidden-data')
}

/**
 * Where the offsets of a zip count from. A zip can be put behind something else without being changed: a script, the
 * four bytes of a Java module. Then its directory does not lie where it says but still ends where the record of its
 * end begins (4.3.16).
 */
async function baseOf(held: Held): Promise<number> {
  const tail = Buffer.from(await held.read(Math.max(0, held.size - END_BYTES - MAX_COMMENT_BYTES), held.size))
  const end = tail.lastIndexOf(END_MAGIC)
  if (end === -1 || tail.length - end < END_BYTES) return 0
  const stated = tail.readUInt32LE(end + 12) + tail.readUInt32LE(end + 16)
  const actual = held.size - tail.length + end
  return stated < actual && !tail.subarray(0, end).includes(ZIP64_MAGIC) ? actual - stated : 0
}

interface Data {
  readonly from: number
  readonly to: number
  readonly kind: StreamKind | 'stored'
  readonly statedBytes: number
}

/** Finds the data of an entry by its local header, which has to tell the same of it as the directory. */
async function locate(held: Held, at: number, entry: Entry): Promise<Data> {
  const header = Buffer.from(await held.read(at, at + LOCAL_HEADER_BYTES))
  if (header.length < LOCAL_HEADER_BYTES) throw new Unreadable('truncated')
  const isSame =
    header.subarray(0, 4).equals(LOCAL_MAGIC) && header.readUInt16LE(8) === entry.compressionMethod
  if (!isSame) throw new Unreadable('damaged')
  const from = at + LOCAL_HEADER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28)
  const to = from + entry.compressedSize
  if (to > held.size) throw new Unreadable('truncated')
  const kind = METHODS[entry.compressionMethod]
  if (kind === undefined) throw new Unreadable(entry.isEncrypted() ? 'encrypted' : 'unknown-method')
  return { from, to, kind, statedBytes: entry.uncompressedSize }
}

async function* content(
  held: Held,
  { from, to, kind, statedBytes }: Data,
  { budget }: Inside,
): AsyncGenerator<Uint8Array> {
  if (kind === 'stored') {
    yield* stretch(held, from, to)
    return
  }
  const whole = to - from <= WHOLE_BYTES ? await held.read(from, to) : undefined
  const chunks = whole === undefined ? stretch(held, from, to) : once(whole)
  yield* unpack(kind, { whole, chunks, statedBytes }, budget.spend)
}

/** The entries of the directory. */
async function* entries(held: Held, base: number): AsyncGenerator<Entry> {
  let zip: ZipFile | undefined
  try {
    zip = await fromRandomAccessReaderPromise(new HeldReader(held, base), held.size - base, {
      lazyEntries: true,
      decodeStrings: false,
      validateEntrySizes: false,
      autoClose: false,
    })
    yield* zip.eachEntry()
  } catch (error) {
    // yauzl's errors have no code; one with a code comes from reading the file itself.
    if (!(error instanceof Error) || error instanceof Unreadable || 'code' in error) throw error
    throw new Unreadable('damaged')
  } finally {
    zip?.close()
  }
}

/** Whether an entry begins where the directory knows of none. */
async function hasHidden(held: Held, owned: readonly Owned[]): Promise<boolean> {
  let end = 0
  for (const [from, to] of [...owned, [held.size, held.size] as const].sort((a, b) => a[0] - b[0])) {
    let tail = Buffer.alloc(0)
    for await (const piece of stretch(held, end, from)) {
      const bytes = Buffer.concat([tail, piece])
      if (bytes.includes(LOCAL_MAGIC)) return true
      tail = bytes.subarray(-(LOCAL_MAGIC.length - 1))
    }
    end = Math.max(end, to)
  }
  return false
}

/** What yauzl reads from. */
class HeldReader extends RandomAccessReader {
  readonly #held: Held
  readonly #base: number

  constructor(held: Held, base: number) {
    super()
    this.#held = held
    this.#base = base
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number) => void,
  ): void {
    this.#held.read(this.#base + position, this.#base + position + length).then(
      (bytes) => {
        buffer.set(bytes, offset)
        callback(null, bytes.length)
      },
      (error: unknown) => callback(error instanceof Error ? error : new Error('the file cannot be read')),
    )
  }

  override close(callback: (error: Error | null) => void): void {
    callback(null)
  }
}
