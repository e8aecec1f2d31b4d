/**
 * Compressed streams: one stream of bytes in, one out.
 *
 * @packageDocumentation
 */

import {
  brotliDecompressSync,
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  type ZlibOptions,
} from 'node:zlib'
import { bunzip2 } from './bzip2.js'
import { uncompress } from './compress.js'
import type { Packed } from './inside.js'
import { unlzma } from './lzma.js'
import { through, type Engine } from './through.js'
import { unxz } from './xz.js'
import { unzstd } from './zstd.js'

/** Kinds that are one compressed stream. `deflate` has no header and occurs in a zip only. */
export type StreamKind =
  'gzip' | 'zlib' | 'deflate' | 'brotli' | 'zstd' | 'xz' | 'lzma' | 'compress' | 'bzip2'

/** Told of every piece: its size, what came out before it, and how many packed bytes were read so far. Throws to stop. */
export type Spend = (size: number, before: number, packed: number) => void

/** Content that comes from one call may have this many bytes; more is unpacked as a stream. */
const WHOLE_OUTPUT_BYTES = 4 * 2 ** 20

/** Size of the pieces that a stream of node:zlib makes, in bytes. With its own 16 KiB it takes twice the time (measured with 300 MB). */
const chunkSize = 256 * 1024

/** The same for one call of which nobody says how much it gives: small enough that a small file does not pay for the piece. */
const WHOLE_PIECE_BYTES = 64 * 1024
/** The least piece that node:zlib takes: `Z_MIN_CHUNK`. */
const LEAST_PIECE_BYTES = 64

type Stream = (source: AsyncIterable<Uint8Array>) => AsyncGenerator<Uint8Array>
type Whole = (packed: Uint8Array, statedBytes?: number) => Uint8Array | undefined

const STREAMS: Readonly<Record<StreamKind, Stream>> = {
  gzip: (source) => through(source, createGunzip({ chunkSize })),
  zlib: (source) => through(source, createInflate({ chunkSize })),
  deflate: (source) => through(source, createInflateRaw({ chunkSize })),
  brotli: (source) => through(source, createBrotliDecompress({ chunkSize })),
  zstd: unzstd,
  xz: unxz,
  lzma: unlzma,
  compress: uncompress,
  bzip2: bunzip2,
}

const WHOLES: Readonly<Partial<Record<StreamKind, Whole>>> = {
  gzip: (packed) => wholly(gunzipSync, packed, gzipStated(packed)),
  zlib: (packed, statedBytes) => wholly(inflateSync, packed, statedBytes),
  deflate: (packed, statedBytes) => wholly(inflateRawSync, packed, statedBytes),
  brotli: (packed, statedBytes) => wholly(brotliDecompressSync, packed, statedBytes),
}

/** The content of a compressed stream. Throws {@link Unreadable} after what could be unpacked. */
export async function* unpack(kind: StreamKind, packed: Packed, spend: Spend): AsyncGenerator<Uint8Array> {
  const whole = packed.whole === undefined ? undefined : WHOLES[kind]?.(packed.whole, packed.statedBytes)
  if (whole !== undefined) {
    spend(whole.length, 0, packed.whole?.length ?? 0)
    yield whole
    return
  }
  let read = 0
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of packed.chunks) {
      read += chunk.length
      yield chunk
    }
  }
  let before = 0
  for await (const chunk of STREAMS[kind](counted())) {
    spend(chunk.length, before, read)
    before += chunk.length
    yield chunk
  }
}

/** Whether a stream of zlib begins here. Its two bytes are a weak sign: plain text can begin with them. */
export const beginsZlib = (head: Uint8Array): boolean =>
  inflatedWhole(head, { finishFlush: constants.Z_SYNC_FLUSH }) !== undefined

/**
 * Unpacks one zlib stream that begins in `bytes`, whatever follows it.
 *
 * @returns the content, and how many bytes the stream has; `undefined` where it does not end in `bytes`, has more
 * content than one call may give, or is damaged.
 */
export function inflatedWhole(
  bytes: Uint8Array,
  options: ZlibOptions = {},
): { readonly content: Uint8Array; readonly length: number } | undefined {
  return informed(inflateSync, bytes, options)
}

/** What the last four bytes say, the size of the content (RFC 1952, 2.3.1), where there are as many. */
const gzipStated = (packed: Uint8Array): number | undefined =>
  packed.length < 4 ? undefined : Buffer.from(packed.subarray(-4)).readUInt32LE()

/** @param statedBytes - the size of the piece that the content is likely to fit in: one piece takes no copy. */
function wholly(unpackSync: Sync, packed: Uint8Array, statedBytes?: number): Uint8Array | undefined {
  const chunkSize =
    statedBytes === undefined || statedBytes >= WHOLE_OUTPUT_BYTES ? undefined : statedBytes + 1
  const result = informed(
    unpackSync,
    packed,
    chunkSize === undefined ? {} : { chunkSize: Math.max(LEAST_PIECE_BYTES, chunkSize) },
  )
  // What is left over is for the stream to judge: zeros, a second stream, or something else.
  return result?.length === packed.length ? result.content : undefined
}

type Sync = (packed: Uint8Array, options: ZlibOptions) => unknown

function informed(
  unpackSync: Sync,
  packed: Uint8Array,
  options: ZlibOptions,
): { readonly content: Uint8Array; readonly length: number } | undefined {
  try {
    // With `info` the result is an object, which the types do not know: https://nodejs.org/api/zlib.html#class-options.
    const { buffer, engine } = unpackSync(packed, {
      maxOutputLength: WHOLE_OUTPUT_BYTES,
      chunkSize: WHOLE_PIECE_BYTES,
      info: true,
      ...options,
    }) as { buffer: Uint8Array; engine: Engine }
    return { content: buffer, length: engine.bytesWritten }
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined
    throw error
  }
}
