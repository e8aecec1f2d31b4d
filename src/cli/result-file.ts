/**
 * Files to which a command writes its result, beside what it prints.
 *
 * @packageDocumentation
 */

import { constants } from 'node:fs'
import { access, rm, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { Fault } from '../errors.js'
import type { Io } from './io.js'

/** A file that was asked for. */
export interface ResultFile {
  /** Writes it, where it was asked for. @throws {@link Fault} `REQUEST_INVALID`. */
  write(text: string): Promise<void>
}

/**
 * Takes away what an earlier run left in the file: after a failure it would pass for this run's result.
 *
 * @param path - as given; `undefined` for a file that nobody wants.
 * @param option - by which it was asked for.
 * @throws {@link Fault} `REQUEST_INVALID` for a file that will not be writable.
 */
export async function resultFile(path: string | undefined, option: string, { cwd }: Io): Promise<ResultFile> {
  if (path === undefined) return { write: () => Promise.resolve() }
  const file = resolve(cwd, path)
  const guarded = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error
      throw new Fault('REQUEST_INVALID', `The file of ${option} cannot be written.`, { cause: error })
    }
  }
  await guarded(async () => {
    await rm(file, { force: true })
    await access(dirname(file), constants.W_OK)
  })
  return { write: (text) => guarded(() => writeFile(file, text)) }
}
