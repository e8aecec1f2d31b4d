/**
 * Requirement lists without values beside everything that they may name: a
 * temporary folder in which each folder on the way to a list has links to what
 * the true one has, and the lists stand in their places. pip looks for a nested
 * list, and for a local `--find-links`, beside the list that names it.
 *
 * @packageDocumentation
 */

import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'

/** A mirror of the file system's root. Dispose it: it is deleted. */
export interface ListMirror extends AsyncDisposable {
  readonly folder: string
}

/** Makes a mirror. @param files - contents by path from `/`, without a value among them. */
export async function listMirror(files: ReadonlyMap<string, Uint8Array>): Promise<ListMirror> {
  const folder = await mkdtemp(join(tmpdir(), 'traceless-pip-'))
  const mirror: ListMirror = {
    folder,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
  try {
    const folders = new Set([...files.keys()].flatMap(ancestors))
    for (const path of folders) {
      await mkdir(join(folder, path), { recursive: true })
      for (const name of await namesIn(join('/', path))) {
        const inside = posix.join(path, name)
        if (!folders.has(inside) && !files.has(inside)) await symlink(join('/', inside), join(folder, inside))
      }
    }
    for (const [path, bytes] of files) await writeFile(join(folder, path), bytes, { mode: 0o600 })
    return mirror
  } catch (error) {
    await mirror[Symbol.asyncDispose]()
    throw error
  }
}

/** Folders above a path, the root first, which is `.`. */
function ancestors(path: string): readonly string[] {
  const parent = posix.dirname(path)
  return parent === '.' ? ['.'] : [...ancestors(parent), parent]
}

/** What a folder has; nothing where it may not be listed: a list can name there only what is known by name. */
async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EACCES') return []
    throw error
  }
}
