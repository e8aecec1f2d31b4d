/**
 * Reads a file for whoever looks at its bytes once: in memory that is used over
 * and over, because a system gives new memory page by page, which takes longer
 * than filling it.
 *
 * @packageDocumentation
 */

import { open } from 'node:fs/promises'

/** Largest chunk, in bytes. Small ones cost several times as much. */
export const CHUNK_BYTES = 1 << 20

/**
 * The bytes of a file, from its beginning. A chunk is valid until the next one is asked for; meanwhile that is being read.
 *
 * @param signal - ends the reading with its reason.
 */
export async function* fileChunks(path: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  await using file = await open(path)
  const memory = [new Uint8Array(CHUNK_BYTES), new Uint8Array(CHUNK_BYTES)] as const
  const read = (turn: 0 | 1): ReturnType<typeof file.read> => {
    const reading = file.read(memory[turn], 0, CHUNK_BYTES, null)
    // It is looked at when its turn comes, or not at all.
    reading.catch(() => undefined)
    return reading
  }
  let turn: 0 | 1 = 0
  let reading = read(turn)
  try {
    for (;;) {
      const { bytesRead } = await reading
      signal?.throwIfAborted()
      if (bytesRead === 0) return
      const chunk = memory[turn].subarray(0, bytesRead)
      turn = turn === 0 ? 1 : 0
      reading = read(turn)
      yield chunk
    }
  } finally {
    await reading.catch(() => undefined)
  }
}
