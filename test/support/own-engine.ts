/**
 * An engine for one test that may do with it what it likes.
 *
 * @packageDocumentation
 */

import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import Docker from 'dockerode'
import { execa } from 'execa'
import { openDocker, type BaseImage } from './engine.js'
import { commandLines, endProcess, until } from './processes.js'

const SCRIPT = resolve(import.meta.dirname, '../../scripts/engine.sh')

/** How long a killed engine may take to be gone, in milliseconds. */
const END_MS = 10_000

/** A running engine of our own. */
export interface OwnEngine extends AsyncDisposable {
  readonly host: string
  /** Where its data is. */
  readonly folder: string
  /** A connection to it. */
  docker(): Docker
  /** Ends its process without a warning, as a power cut or the kernel would. */
  kill(): void
  /** Stops its process where it stands. Its sockets stay open and nobody answers. */
  freeze(): void
  /** Lets it go on. */
  thaw(): void
  /** Freezes it for so long, again and again, until the signal. */
  halt(times: {
    readonly forMs: number
    readonly everyMs: number
    readonly signal: AbortSignal
  }): Promise<void>
  /** Makes it run again, whatever was done to it. */
  revive(): Promise<void>
}

/**
 * Starts an engine beside the one of the tests, with a few of its images. Needs root, as that one did.
 *
 * @param options - `dataBytes` gives its data a disk of that size, apart from the machine's.
 */
export async function startOwnEngine(
  images: readonly BaseImage[],
  { dataBytes }: { readonly dataBytes?: number } = {},
): Promise<OwnEngine> {
  // Not among the temporary files of the tests: an engine that is killed leaves what it had mounted.
  const folder = await mkdtemp('/tmp/traceless-engine-')
  if (dataBytes !== undefined) await mountDisk(folder, dataBytes)
  const { DOCKER_HOST: _, ...variables } = process.env
  const start = async (): Promise<string> => {
    const { stdout } = await execa(SCRIPT, {
      env: { ...variables, TRACELESS_ENGINE_DIR: folder },
      extendEnv: false,
    })
    return stdout
  }
  const host = /^DOCKER_HOST=(\S+)$/.exec(await start())?.[1]
  if (host?.startsWith('unix:///run/traceless-') !== true) {
    await rm(folder, { recursive: true })
    throw new Error('the script gave an engine that is not ours alone')
  }
  const socketPath = host.slice('unix://'.length)
  const run = join(socketPath, '..')
  const pidOf = async (file: string): Promise<number> => Number(await readFile(join(run, file), 'utf8'))
  let pid = await pidOf('pid')
  let killed = false
  const docker = (): Docker => new Docker({ socketPath })
  for (const image of images) await docker().loadImage(await openDocker().getImage(image).get())
  const thaw = (): void => void signalled(pid, 'SIGCONT')
  return {
    host,
    folder,
    docker,
    kill() {
      killed = true
      signalled(pid, 'SIGKILL')
    },
    freeze: () => void signalled(pid, 'SIGSTOP'),
    thaw,
    async halt({ forMs, everyMs, signal }) {
      while (!signal.aborted) {
        signalled(pid, 'SIGSTOP')
        await new Promise((done) => setTimeout(done, forMs))
        thaw()
        await new Promise((done) => setTimeout(done, everyMs - forMs))
      }
    },
    async revive() {
      thaw()
      if (killed) await until(() => !commandLines().has(pid), END_MS)
      killed = false
      await start()
      pid = await pidOf('pid')
    },
    async [Symbol.asyncDispose]() {
      thaw()
      const containerd = await pidOf('exec/containerd/containerd.pid')
      await endProcess(pid)
      await endProcess(containerd)
      for (const path of await mountsBelow([folder, run])) await execa('umount', ['--lazy', path])
      await rm(run, { recursive: true, force: true })
      await rm(folder, { recursive: true })
    },
  }
}

/** Sends a signal; false where the process is gone. */
function signalled(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal)
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false
    throw error
  }
}

/** Mounts a file as the disk on which an engine keeps its data. */
async function mountDisk(folder: string, bytes: number): Promise<void> {
  const [file, data] = [join(folder, 'disk'), join(folder, 'data')]
  await writeFile(file, '')
  await truncate(file, bytes)
  await execa('mkfs.ext4', ['-q', '-m', '0', file])
  await mkdir(data)
  await execa('mount', ['-o', 'loop', file, data])
}

/** What is mounted below some folders, deepest first: https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html */
async function mountsBelow(folders: readonly string[]): Promise<readonly string[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')
  const paths = lines.map((line) => line.split(' ')[4] ?? '')
  return paths.filter((path) => folders.some((folder) => path.startsWith(`${folder}/`))).reverse()
}
