/**
 * Reads a file for whoever looks at its bytes once: in memory that is used over
 * and over, because a system gives new memory page by page, which takes longer
 * than filling it.
 *
 * @packageDocumentation
 */

import { readSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'

/** Largest chunk, in bytes. Small ones cost several times as much. */
export const CHUNK_BYTES = 1 << 20

/** A chunk that takes longer, in milliseconds, does not come from the system's memory: that gives it in a tenth of one. */
const CACHED_MS = 2

/** How a file is read. */
export interface FileChunksOptions {
  /** Ends the reading with its reason. */
  readonly signal?: AbortSignal | undefined
  /** How long a chunk may take, in milliseconds, to count as one that was not waited for. Default: {@link CACHED_MS}. */
  readonly cachedMs?: number
}

/**
 * The bytes of a file, or of a pipe that has a name. A chunk is valid until the next one is asked for.
 *
 * What the system holds in memory is read at once: to have another thread do it costs as much again. Once two chunks had
 * to be waited for, the next one is read by another thread meanwhile.
 */
export async function* fileChunks(path: string, options: FileChunksOptions = {}): AsyncGenerator<Uint8Array> {
  await using file = await open(path)
  const { signal, cachedMs = CACHED_MS } = options
  // A pipe gives nothing until somebody writes to it.
  const chunks = (await file.stat()).isFile() ? [cached(file, cachedMs), ahead(file)] : [ahead(file)]
  for (const each of chunks) {
    for await (const chunk of each) {
      signal?.throwIfAborted()
      yield chunk
    }
  }
}

/** Ends with the file, or where two chunks on end took longer: one alone can be the system's own delay. */
async function* cached({ fd }: FileHandle, mostMs: number): AsyncGenerator<Uint8Array> {
  const memory = new Uint8Array(CHUNK_BYTES)
  for (let slow = 0; slow < 2;) {
    const begun = performance.now()
    const bytesRead = readSync(fd, memory, 0, CHUNK_BYTES, null)
    slow = performance.now() - begun < mostMs ? 0 : slow + 1
    if (bytesRead === 0) return
    yield memory.subarray(0, bytesRead)
    // Signals and timers have their turn.
    await new Promise(setImmediate)
  }
}

/** Two pieces of memory take turns: while one is looked at the other is filled. */
async function* ahead(file: FileHandle): AsyncGenerator<Uint8Array> {
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
