/**
 * Temporary folders that go away with the scope that asked for them.
 *
 * @packageDocumentation
 */

import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { dir } from 'tmp-promise'

/** A folder with some files. */
export interface Folder extends AsyncDisposable {
  readonly path: string
  /** Path of a file in it. */
  file(name: string): string
}

/** Makes a folder that only its owner can read, with `files` by relative path. */
export async function temporaryFolder(
  files: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<Folder> {
  const { path } = await dir({ prefix: 'traceless-test-' })
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true })
    await writeFile(join(path, name), content)
  }
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}
