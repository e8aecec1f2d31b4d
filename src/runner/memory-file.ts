/**
 * A value behind a path without being in a file system: the file is made in
 * memory, loses its name before anything is written to it, and can be opened
 * through our own process's descriptor by programs of the same user, as often
 * as they like. Linux only: it has such paths (proc(5), `/proc/PID/fd`).
 *
 * @packageDocumentation
 */

import { randomBytes } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '../errors.js'
import type { SecretValue } from '../secret.js'

/** A value that can be read from a path. Dispose it: it is wiped, and the path leads nowhere. */
export interface MemoryFile extends Disposable {
  readonly path: string
}

/** Several values, each with its path. Dispose them together. */
export interface MemoryFiles<Key> extends Disposable {
  readonly paths: ReadonlyMap<Key, string>
}

/** `TMPFS_MAGIC` and `RAMFS_MAGIC`: https://github.com/torvalds/linux/blob/master/include/uapi/linux/magic.h */
const IN_MEMORY = new Set([0x01021994, 0x858458f6])

/**
 * Finds a folder in memory: `/dev/shm`, else the user's runtime folder.
 *
 * @param variables - whose `XDG_RUNTIME_DIR` counts.
 * @param usual - folders to look at first.
 * @throws {@link Fault} `RUN_FAILED` where there is none.
 */
export async function memoryFolder(
  variables: Readonly<Record<string, string | undefined>>,
  usual: readonly string[] = ['/dev/shm'],
): Promise<string> {
  for (const folder of [...usual, variables['XDG_RUNTIME_DIR'] ?? '']) {
    if (folder !== '' && (await isInMemory(folder))) return folder
  }
  throw new Fault('RUN_FAILED', 'This system has no folder in memory for what must not be on disk.', {
    hint: 'Mount a tmpfs on /dev/shm. Outside of Linux, run the command in a container with "traceless run".',
  })
}

/** Makes a file for each value. @param folder - from {@link memoryFolder}. */
export function memoryFiles<Key>(values: ReadonlyMap<Key, SecretValue>, folder: string): MemoryFiles<Key> {
  const files = [...values].map(([key, value]) => [key, memoryFile(value, folder)] as const)
  return {
    paths: new Map(files.map(([key, { path }]) => [key, path])),
    [Symbol.dispose]() {
      for (const [, file] of files) file[Symbol.dispose]()
    },
  }
}

/** Makes one file. @param folder - from {@link memoryFolder}. */
export function memoryFile(value: SecretValue, folder: string): MemoryFile {
  const name = join(folder, `.traceless-${randomBytes(12).toString('hex')}`)
  const descriptor = openSync(
    name,
    constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o600,
  )
  unlinkSync(name)
  value.use((bytes) => writeAll(descriptor, bytes))
  return {
    path: `/proc/${process.pid}/fd/${descriptor}`,
    [Symbol.dispose]() {
      writeAll(descriptor, new Uint8Array(fstatSync(descriptor).size))
      closeSync(descriptor)
    },
  }
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at, bytes.length - at, at)
}

async function isInMemory(folder: string): Promise<boolean> {
  try {
    return IN_MEMORY.has((await statfs(folder)).type)
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false
    throw error
  }
}
