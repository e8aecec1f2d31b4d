/**
 * Bytes as a stream whose memory is used again.
 *
 * @packageDocumentation
 */

/** What a piece holds when the next one was asked for. */
const OVERWRITTEN = 0xa5

/**
 * A stream that hands the bytes over in pieces of `size`, and overwrites each when the next one is asked for: whoever
 * keeps a view of a piece for longer than it is lent to him finds something else there.
 */
export async function* inPieces(bytes: Uint8Array, size = bytes.length): AsyncGenerator<Uint8Array> {
  await Promise.resolve()
  for (let at = 0; at < bytes.length; at += size) {
    // A copy of each piece: a reader that looks beyond it would otherwise see what comes next.
    const piece = Uint8Array.from(bytes.subarray(at, at + size))
    yield piece
    piece.fill(OVERWRITTEN)
  }
}
