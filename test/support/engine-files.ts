/**
 * The files of a Docker engine on this machine: what a value can stay in when
 * everything that has a name is gone.
 *
 * @packageDocumentation
 */

import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { openDocker } from './engine.js'

/** Folders below the engine's own that builds write to. */
const WRITTEN = ['overlay2', 'buildkit', 'image', 'tmp']

/** What was looked through. */
export interface FileSearch {
  /** How many files were read. */
  readonly files: number
  /** Paths of those that hold the text. */
  readonly hits: readonly string[]
}

/** Files of the engine that changed since then, in milliseconds since 1970, and hold a text. Needs root. */
export async function engineFilesWith(text: string, since: number): Promise<FileSearch> {
  const { DockerRootDir: root } = (await openDocker().info()) as { DockerRootDir: string }
  const hits: string[] = []
  let files = 0
  const walk = async (folder: string): Promise<void> => {
    for (const entry of await orGone(readdir(folder, { withFileTypes: true }), [])) {
      const path = join(folder, entry.name)
      const changed = (await orGone(stat(path), undefined))?.ctimeMs ?? 0
      if (entry.isDirectory() && (changed >= since || folder === join(root, 'overlay2'))) await walk(path)
      else if (entry.isFile() && changed >= since) {
        files += 1
        if ((await orGone(readFile(path), Buffer.alloc(0))).includes(text)) hits.push(path)
      }
    }
  }
  for (const folder of WRITTEN) await walk(join(root, folder))
  return { files, hits }
}

/** The engine works on while it is looked through. */
async function orGone<T, E>(work: Promise<T>, gone: E): Promise<T | E> {
  try {
    return await work
  } catch (error) {
    if (error instanceof Error && 'code' in error) return gone
    throw error
  }
}
