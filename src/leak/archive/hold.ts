/**
 * Keeps packed bytes for reading them out of order: a zip begins with its
 * end. Small ones stay in memory. A larger one goes to a file that only this
 * process can open and that has no name any more, because what it holds may be
 * a value.
 *
 * @packageDocumentation
 */

import { randomUUID } from 'node:crypto'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Unreadable } from './unreadable.js'

const PIECE_BYTES = 64 * 1024

/** Bytes that can be read in any order, until they are disposed. */
export interface Held extends AsyncDisposable {
  readonly size: number
  /** The bytes from `from` to before `to`, fewer where there are no more. A view or a copy: not to be written to. */
  read(from: number, to: number): Promise<Uint8Array>
}

/**
 * Takes in a stream.
 *
 * @throws {@link Unreadable} `too-large`.
 */
export async function hold(
  source: AsyncIterable<Uint8Array>,
  { heldBytes, memberBytes }: { readonly heldBytes: number; readonly memberBytes: number },
): Promise<Held> {
  const chunks: Uint8Array[] = []
  let size = 0
  let file: FileHandle | undefined
  try {
    for await (const chunk of source) {
      size += chunk.length
      if (size > memberBytes) throw new Unreadable('too-large')
      if (file === undefined && size > heldBytes) {
        file = await openNameless()
        for (const earlier of chunks.splice(0)) await file.writeFile(earlier)
      }
      if (file === undefined) chunks.push(Uint8Array.from(chunk))
      else await file.writeFile(chunk)
    }
  } catch (error) {
    await file?.close()
    throw error
  }
  return file === undefined ? inMemory(Buffer.concat(chunks, size)) : inFile(file, size)
}

/** The bytes from `from` to before `to` as a stream. */
export async function* stretch(held: Held, from: number, to: number): AsyncGenerator<Uint8Array> {
  for (let at = from; at < to; at += PIECE_BYTES) yield await held.read(at, Math.min(to, at + PIECE_BYTES))
}

/** Created for this process alone, and unlinked before anything is written. */
async function openNameless(): Promise<FileHandle> {
  const path = join(tmpdir(), `traceless-${randomUUID()}`)
  const file = await open(path, 'wx+', 0o600)
  await unlink(path)
  return file
}

const inMemory = (bytes: Uint8Array): Held => ({
  size: bytes.length,
  read: (from, to) => Promise.resolve(bytes.subarray(from, to)),
  [Symbol.asyncDispose]: () => Promise.resolve(),
})

const inFile = (file: FileHandle, size: number): Held => ({
  size,
  read: async (from, to) => {
    const length = Math.max(0, Math.min(to, size) - from)
    const { buffer, bytesRead } = await file.read(new Uint8Array(length), 0, length, from)
    return buffer.subarray(0, bytesRead)
  },
  [Symbol.asyncDispose]: () => file.close(),
})
