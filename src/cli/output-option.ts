/**
 * `--output type=oci,dest=FILE`: where the archive of a proven image goes.
 *
 * @packageDocumentation
 */

import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { ImageSink } from '../builder/request.js'
import { Fault } from '../errors.js'

/**
 * Writes the archive into the file that is named.
 *
 * @param spec - as buildx has it: https://docs.docker.com/reference/cli/docker/buildx/build/#output
 * @throws {@link Fault} `REQUEST_INVALID`, at once for a spec of another kind and when writing for a file that cannot be.
 */
export function archiveFile(spec: string, cwd: string): ImageSink {
  const fields = new Map(
    spec.split(',').map((field) => {
      const at = field.indexOf('=')
      return [field.slice(0, at), field.slice(at + 1)] as const
    }),
  )
  const dest = fields.get('dest') ?? ''
  if (fields.get('type') !== 'oci' || dest === '' || fields.size !== 2) {
    throw new Fault('REQUEST_INVALID', '--output takes type=oci,dest=FILE.', {
      hint: 'To push the image, use --push.',
    })
  }
  return wholeFile(resolve(cwd, dest))
}

/** Writes a file as a whole or not at all. */
export function wholeFile(path: string): ImageSink {
  return async (bytes) => {
    const part = `${path}.${randomUUID()}`
    try {
      await pipeline(bytes, createWriteStream(part, { flags: 'wx' }))
      await rename(part, path)
    } catch (error) {
      await rm(part, { force: true })
      if (error instanceof Fault) throw error
      throw new Fault('REQUEST_INVALID', 'The file of --output cannot be written.', { cause: error })
    }
  }
}
