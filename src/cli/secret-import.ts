/**
 * Values out of files: dotenv text and JSON objects.
 *
 * @packageDocumentation
 */

import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Fault } from '../errors.js'
import { readAtMost, type Io } from './io.js'
import type { Assignment } from './secret-arguments.js'

/** Largest file that is read, in bytes. */
const MAX_IMPORT_BYTES = 16 << 20

/** How a file is written. */
export type ImportFormat = 'dotenv' | 'json'

/**
 * Reads every secret of a file.
 *
 * @param file - its path, `-` for standard input.
 * @returns the values; the caller disposes them.
 * @throws {@link Fault} `REQUEST_INVALID` with every problem and its line. Neither a value nor a path that is no file is
 * repeated.
 */
export async function readImport(file: string, format: ImportFormat, io: Io): Promise<readonly Assignment[]> {
  const bytes =
    file === '-'
      ? await readAtMost(io.stdin, MAX_IMPORT_BYTES, TOO_LARGE)
      : await bytesOf(resolve(io.cwd, file))
  const shown = file === '-' ? 'standard input' : file
  try {
    const read = await parserOf(format)
    return [...read(bytes, shown)].map(([name, value]) => ({ name, value }))
  } finally {
    bytes.fill(0)
  }
}

async function parserOf(format: ImportFormat): Promise<typeof import('../store/dotenv.js').parseDotenv> {
  switch (format) {
    case 'dotenv':
      return (await import('../store/dotenv.js')).parseDotenv
    case 'json':
      return (await import('../store/json-import.js')).parseJsonSecrets
  }
}

async function bytesOf(path: string): Promise<Uint8Array> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (error) {
    throw new Fault('REQUEST_INVALID', 'The file with the secrets cannot be read.', { cause: error })
  }
  if (bytes.length <= MAX_IMPORT_BYTES) return bytes
  bytes.fill(0)
  throw new Fault('REQUEST_INVALID', TOO_LARGE)
}

const TOO_LARGE = 'A file with secrets holds at most 16 MiB.'
