/**
 * `--ssh` and `--ssh-key` of the build command. `--ssh` is written as Docker's
 * own client has it (`default`, `ID=SOCKET`, `ID=KEYFILE`), and beside that
 * `ID=NAME` is a stored key.
 *
 * @packageDocumentation
 */

import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { SshKey } from '../builder/ssh-keys.js'
import type { SshSource } from '../builder/ssh-mounts.js'
import { Fault } from '../errors.js'
import { valueFromFile, type Io } from './io.js'

const USAGE = 'Write --ssh ID, --ssh ID=NAME for a stored key, or --ssh ID=./PATH for a socket or a key file.'

/** Reads all `--ssh` options. Key files are read into memory. */
export async function readSshOptions(specs: readonly string[], io: Io): Promise<Record<string, SshSource>> {
  const sources: Record<string, SshSource> = {}
  for (const spec of specs) {
    const at = spec.indexOf('=')
    const id = at === -1 ? spec : spec.slice(0, at)
    if (!/^[A-Za-z0-9_.-]+$/.test(id)) throw invalid('An --ssh has no id, or one that is not valid.')
    if (Object.hasOwn(sources, id)) throw invalid('Two --ssh options have the same id.')
    sources[id] = at === -1 ? running(io) : await sourceOf(spec.slice(at + 1), io)
  }
  return sources
}

function running({ env }: Io): SshSource {
  const socket = env['SSH_AUTH_SOCK']
  if (socket === undefined || socket === '') {
    throw invalid('An --ssh means the running agent, and SSH_AUTH_SOCK names none.')
  }
  return { socket }
}

async function sourceOf(text: string, io: Io): Promise<SshSource> {
  if (!text.includes('/')) return { name: text }
  const path = resolve(io.cwd, text)
  try {
    if ((await stat(path)).isSocket()) return { socket: path }
  } catch (error) {
    throw new Fault('REQUEST_INVALID', 'The socket or key file of an --ssh does not exist.', { cause: error })
  }
  return valueFromFile(path)
}

/** Reads `NAME[,host=HOST]`. */
export function sshKey(text: string): SshKey {
  const match = /^([^,=]+)(?:,host=([^,=]+))?$/.exec(text)
  if (match === null) throw new Fault('REQUEST_INVALID', '--ssh-key takes NAME or NAME,host=HOST.')
  const [, name = '', host] = match
  return { name, ...(host === undefined ? {} : { host }) }
}

const invalid = (message: string): Fault => new Fault('REQUEST_INVALID', message, { hint: USAGE })
