/**
 * Unpacks Zstandard, frame by frame and block by block.
 *
 * The blocks are decoded by fzstd. Their frame is read here, because a frame
 * states the memory it wants, and that has to be known before it is given.
 * Format: RFC 8878, where the section numbers below point to.
 *
 * @packageDocumentation
 */

import { Decompress } from 'fzstd'
import { ByteReader } from '../../bytes/byte-reader.js'
import { isZero } from '../../bytes/tar-header.js'
import { requirePadding } from './padding.js'
import { Unreadable } from './unreadable.js'

/** Largest window, in bytes: what the `zstd` program accepts by itself, `ZSTD_WINDOWLOG_LIMIT_DEFAULT` in https://github.com/facebook/zstd/blob/dev/lib/zstd.h. */
const MAX_WINDOW_BYTES = 2 ** 27
/** Largest content of one block, in bytes (3.1.1.2.3). */
const MAX_BLOCK_BYTES = 128 * 1024
const FRAME_MAGIC = 0xfd2fb528
const SKIPPABLE_MAGIC = 0x184d2a50

/**
 * The content of all frames. Frames to be skipped have none.
 *
 * @throws {@link Unreadable} `truncated`, `damaged`, `trailing-data`, `window-too-large`, or `unknown-method` for a frame
 * that needs a dictionary.
 */
export async function* unzstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(source)
  for (let first = true; ; first = false) {
    if (!(await reader.fill(8))) {
      if (first) throw new Unreadable('truncated')
      return requirePadding(reader.take(Infinity))
    }
    const header = view(reader)
    const magic = header.getUint32(0, true)
    // Sixteen magic numbers stand for frames to be skipped (3.1.2).
    if (magic >>> 4 === SKIPPABLE_MAGIC >>> 4) {
      const end = reader.position + 8 + header.getUint32(4, true)
      await reader.discard(end - reader.position)
      if (reader.position < end) throw new Unreadable('truncated')
    } else if (magic === FRAME_MAGIC) yield* frame(reader)
    else if (first) throw new Unreadable('damaged')
    else return requirePadding(reader.take(Infinity))
  }
}

async function* frame(reader: ByteReader): AsyncGenerator<Uint8Array> {
  const content: Uint8Array[] = []
  const decoder = new Decompress((bytes) => content.push(bytes))
  const { length, hasChecksum } = await readHeader(reader)
  decode(decoder, reader, length, false)
  for (let isLast = false; !isLast;) {
    await need(reader, 3)
    const [low = 0, middle = 0, high = 0] = reader.peek()
    isLast = (low & 1) === 1
    const type = (low >> 1) & 3
    const size = (low >> 3) | (middle << 5) | (high << 13)
    if (type === 3 || size > MAX_BLOCK_BYTES) throw new Unreadable('damaged')
    // A block of type 1 is one byte, to be repeated. The checksum goes with the last block, as fzstd wants to see the end whole.
    const packed = 3 + (type === 1 ? 1 : size) + (isLast && hasChecksum ? 4 : 0)
    await need(reader, packed)
    decode(decoder, reader, packed, isLast)
    yield* content.splice(0)
  }
}

/** Reads the frame header without consuming it (3.1.1.1). */
async function readHeader(reader: ByteReader): Promise<{ length: number; hasChecksum: boolean }> {
  const descriptor = reader.peek()[4] ?? 0
  const isSingle = (descriptor & 0x20) !== 0
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0
  const dictionaryAt = isSingle ? 5 : 6
  const sizeAt = dictionaryAt + dictionaryBytes
  const length = sizeAt + sizeBytes
  await need(reader, length)
  const header = view(reader)
  if ((descriptor & 8) !== 0) throw new Unreadable('unknown-method')
  if (!isZero(reader.peek(), dictionaryAt, dictionaryBytes)) throw new Unreadable('unknown-method')
  const windowByte = header.getUint8(5)
  const base = 2 ** (10 + (windowByte >> 3))
  const window = isSingle ? littleEndian(header, sizeAt, sizeBytes) : base + (base / 8) * (windowByte & 7)
  if (window > MAX_WINDOW_BYTES) throw new Unreadable('window-too-large')
  return { length, hasChecksum: (descriptor & 4) !== 0 }
}

function decode(decoder: Decompress, reader: ByteReader, length: number, isLast: boolean): void {
  // A copy, which fzstd keeps: `slice` of a Buffer is none.
  const bytes = Uint8Array.from(reader.peek().subarray(0, length))
  reader.skip(length)
  try {
    decoder.push(bytes, isLast)
  } catch {
    // Whatever it throws says that it did not foresee these bytes: its own errors, and those of typed arrays.
    throw new Unreadable('damaged')
  }
}

async function need(reader: ByteReader, count: number): Promise<void> {
  if (!(await reader.fill(count))) throw new Unreadable('truncated')
}

const view = (reader: ByteReader): DataView => {
  const bytes = reader.peek()
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function littleEndian(bytes: DataView, at: number, length: number): number {
  let value = 0
  for (let index = length - 1; index >= 0; index -= 1) value = value * 0x100 + bytes.getUint8(at + index)
  return value
}
