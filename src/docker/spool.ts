/**
 * Bytes that are read more than once: kept in memory while they are few, else
 * in a file without a name. What is kept may be an image that holds a leaked
 * value, so nobody else may read it and nothing of it outlives the process.
 *
 * @packageDocumentation
 */

import { randomUUID } from 'node:crypto'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** How much is kept in memory, in bytes. */
const IN_MEMORY_BYTES = 64 << 20

/** Size of the pieces in which a file is read, in bytes. */
const READ_BYTES = 1 << 20

/** Kept bytes. Dispose it to let go of them. */
export interface Spool extends AsyncDisposable {
  readonly sizeBytes: number
  /** All of them, from the beginning, at each call. */
  bytes(): AsyncIterable<Uint8Array>
}

/** Keeps everything a source gives. What the source throws is thrown, and nothing kept. */
export async function spool(
  source: AsyncIterable<Uint8Array>,
  { inMemoryBytes = IN_MEMORY_BYTES }: { readonly inMemoryBytes?: number } = {},
): Promise<Spool> {
  const chunks: Uint8Array[] = []
  let file: FileHandle | undefined
  let sizeBytes = 0
  try {
    for await (const chunk of source) {
      sizeBytes += chunk.length
      if (file === undefined && sizeBytes <= inMemoryBytes) {
        // A copy: the source may use its buffer again.
        chunks.push(Buffer.from(chunk))
        continue
      }
      if (file === undefined) {
        file = await namelessFile()
        for (const kept of chunks.splice(0)) await write(file, kept)
      }
      await write(file, chunk)
    }
  } catch (error) {
    await file?.close()
    throw error
  }
  const kept = file
  return {
    sizeBytes,
    bytes: () => (kept === undefined ? inMemory(chunks) : readFrom(kept)),
    async [Symbol.asyncDispose]() {
      chunks.length = 0
      await kept?.close()
    },
  }
}

async function namelessFile(): Promise<FileHandle> {
  const path = join(tmpdir(), `traceless-${randomUUID()}`)
  const file = await open(path, 'wx+', 0o600)
  await unlink(path)
  return file
}

async function write(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten
}

async function* inMemory(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

async function* readFrom(file: FileHandle): AsyncGenerator<Uint8Array> {
  for (let at = 0; ;) {
    const { bytesRead, buffer } = await file.read({ buffer: Buffer.allocUnsafe(READ_BYTES), position: at })
    if (bytesRead === 0) return
    at += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}
