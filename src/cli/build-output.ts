/**
 * Where the image of a server's build goes, and how it gets from there into a
 * file.
 *
 * @packageDocumentation
 */

import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Option, type Command } from 'commander'
import { Fault } from '../errors.js'
import type { BuildOutput, RemoteBuilds } from '../remote/builds.js'
import { bytesText } from './print.js'
import type { App } from './app.js'
import type { Io } from './io.js'

/** Options of a build on a server. */
export interface OutputFlags {
  readonly output?: string
  readonly push?: boolean
  readonly pushCredentials?: string
}

/** Adds `--output`, `--push` and `--push-credentials`. */
export function addOutputOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--output <file>', 'fetch the image from the server, as an OCI archive').conflicts('push'),
    )
    .option('--push', 'let the server push the image to the registry that its name begins with')
    .option('--push-credentials <name>', 'the stored secret that holds USER:PASSWORD for the registry')
}

/** @throws {@link Fault} `REQUEST_INVALID` for options that mean a server where none is meant. */
export function outputOf({ output, push, pushCredentials }: OutputFlags, app: App): BuildOutput {
  if (!app.isRemote && (output !== undefined || push === true || pushCredentials !== undefined)) {
    throw new Fault(
      'REQUEST_INVALID',
      '--output, --push and --push-credentials go with a build on a server.',
      {
        hint: 'Name it with --server URL. A build on this machine leaves its image in the engine.',
      },
    )
  }
  if (push !== true && pushCredentials !== undefined) {
    throw new Fault('REQUEST_INVALID', '--push-credentials goes with --push.')
  }
  return push === true ? { type: 'push', credentials: pushCredentials } : { type: 'oci' }
}

/**
 * Writes the image of a build into a file, whole or not at all; `-` is standard output.
 *
 * @returns bytes written.
 */
export async function fetchOutput(builds: RemoteBuilds, id: string, file: string, io: Io): Promise<number> {
  let bytes = 0
  const counted = async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      bytes += chunk.length
      yield chunk
    }
  }
  const source = counted(await builds.output(id, io.signal))
  if (file === '-') {
    for await (const chunk of source) await io.outBytes(chunk)
    return bytes
  }
  const path = resolve(io.cwd, file)
  const temporary = `${path}.${randomBytes(6).toString('hex')}.part`
  try {
    await pipeline(source, createWriteStream(temporary, { flags: 'wx' }))
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    if (error instanceof Error && 'syscall' in error) {
      throw new Fault('REQUEST_INVALID', `${file} cannot be written.`, { cause: error })
    }
    throw error
  }
  io.err(`wrote ${file}, ${bytesText(bytes)}`)
  return bytes
}
