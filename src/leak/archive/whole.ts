/**
 * Archives of images that are packed as a whole, as `docker load` takes them:
 * one stream around the tar, of any of the kinds that it unpacks too
 * (https://github.com/moby/go-archive/blob/main/compression/compression.go).
 *
 * @packageDocumentation
 */

import { UNREAD_REASONS } from '../findings.js'
import { kindOf } from './kinds.js'
import { DEFAULT_LIMITS } from './limits.js'
import { Unreadable } from './unreadable.js'
import { unpack } from './unpack.js'

/** Kinds that are unpacked. */
export type WholeKind = 'gzip' | 'zstd' | 'xz' | 'bzip2'

/** Bytes that {@link wholeKindOf} looks at. */
export const WHOLE_HEAD_BYTES = 16

/** How an archive is packed that begins with `head`; `undefined` for one that is not packed. */
export function wholeKindOf(head: Uint8Array): WholeKind | undefined {
  const name = kindOf(head)?.name
  return name === 'gzip' || name === 'zstd' || name === 'xz' || name === 'bzip2' ? name : undefined
}

/**
 * The content of a packed archive, as far as it can be unpacked. Why the rest cannot is told to `unread`, as a sentence;
 * what the source throws is passed on.
 */
export async function* unpackWhole(
  kind: WholeKind,
  packed: AsyncIterable<Uint8Array>,
  unread: (why: string) => void,
): AsyncGenerator<Uint8Array> {
  const spend = (size: number, before: number): void => {
    if (before + size > DEFAULT_LIMITS.layerBytes) throw new Unreadable('too-large')
  }
  const source = packed[Symbol.asyncIterator]()
  try {
    yield* unpack(kind, { whole: undefined, chunks: { [Symbol.asyncIterator]: () => source } }, spend)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    unread(UNREAD_REASONS[error.why])
  } finally {
    // An unpacker that stops early leaves its source as it is, because that is often a stretch of a larger one. This is all of it.
    await source.return?.()
  }
}
