/**
 * The keyholder as a child of `serve`: the process that answers the network
 * holds no identity, even where everything runs on one machine. They speak
 * through a socket in a folder that is for this user alone.
 *
 * @packageDocumentation
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { Fault } from '../errors.js'
import type { Io } from './io.js'

/** A keyholder that is started again when it ends. */
export interface EmbeddedKeyholder extends AsyncDisposable {
  /** `unix:/PATH` */
  readonly address: string
}

/** Pause before it is started again, in milliseconds. */
const AGAIN_MS = 1_000

/**
 * Starts the keyholder and waits until it answers. It makes the store where there is none.
 *
 * @param words - how this program is called, up to its first argument.
 * @throws {@link Fault} `IDENTITY_INVALID` when it does not start; its own words are on standard error.
 */
export async function startKeyholder(
  io: Pick<Io, 'env' | 'err'>,
  words: readonly string[],
  database: string | undefined,
): Promise<EmbeddedKeyholder> {
  const folder = await mkdtemp(join(tmpdir(), 'traceless-keyholder-'))
  const address = `unix:${join(folder, 'socket')}`
  const args = [
    'keyholder',
    '--until-eof',
    '--listen',
    address,
    ...(database === undefined ? [] : ['--database', database]),
  ]
  const start = (): Promise<ChildProcess> => startOnce([...words, ...args], io)
  const stop = new AbortController()
  let child: ChildProcess
  try {
    child = await start()
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
  const watching = (async () => {
    for (;;) {
      await ended(child)
      if (!stop.signal.aborted) {
        io.err('The keyholder ended. It is started again.')
        await pause(AGAIN_MS, undefined, { signal: stop.signal }).catch(() => undefined)
      }
      if (stop.signal.aborted) return
      await rm(join(folder, 'socket'), { force: true })
      child = await start().catch(() => child)
    }
  })()
  return {
    address,
    async [Symbol.asyncDispose]() {
      stop.abort()
      // It ends with its standard input.
      child.stdin?.end()
      await watching
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Resolves when the child says that it listens. */
async function startOnce(
  [program = '', ...args]: readonly string[],
  { env, err }: Pick<Io, 'env' | 'err'>,
): Promise<ChildProcess> {
  const child = spawn(program, args, { env: { ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.on('error', () => undefined)
  createInterface({ input: child.stderr }).on('line', (line) => err(`keyholder: ${line}`))
  const lines = createInterface({ input: child.stdout })
  const started = await Promise.race([
    new Promise<true>((resolve) => lines.once('line', () => resolve(true))),
    ended(child).then(() => false as const),
  ])
  if (started) return child
  throw new Fault('IDENTITY_INVALID', 'The keyholder did not start.', {
    hint: 'Its own words stand above. It needs the identity of the store.',
  })
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
}
