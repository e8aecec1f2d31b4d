/**
 * Bytes that are at hand, for who reads a stream.
 *
 * @packageDocumentation
 */

/** A stream of one chunk. */
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  await Promise.resolve()
  yield bytes
}
