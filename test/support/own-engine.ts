/**
 * An engine for one test that may do with it what it likes.
 *
 * @packageDocumentation
 */

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import Docker from 'dockerode'
import { execa } from 'execa'
import { openDocker, type BaseImage } from './engine.js'
import { endProcess } from './processes.js'

const SCRIPT = resolve(import.meta.dirname, '../../scripts/engine.sh')

/** A running engine of our own. */
export interface OwnEngine extends AsyncDisposable {
  readonly host: string
  /** Ends its process without a warning, as a power cut or the kernel would. */
  kill(): void
}

/** Starts an engine beside the one of the tests, with a few of its images. Needs root, as that one did. */
export async function startOwnEngine(images: readonly BaseImage[]): Promise<OwnEngine> {
  // Not among the temporary files of the tests: an engine that is killed leaves what it had mounted.
  const folder = await mkdtemp('/tmp/traceless-engine-')
  const { DOCKER_HOST: _, ...variables } = process.env
  const { stdout } = await execa(SCRIPT, {
    env: { ...variables, TRACELESS_ENGINE_DIR: folder },
    extendEnv: false,
  })
  const host = /^DOCKER_HOST=(\S+)$/.exec(stdout)?.[1]
  if (host?.startsWith('unix:///run/traceless-') !== true) {
    await rm(folder, { recursive: true })
    throw new Error('the script gave an engine that is not ours alone')
  }
  const socketPath = host.slice('unix://'.length)
  const run = join(socketPath, '..')
  const pid = Number(await readFile(join(run, 'pid'), 'utf8'))
  const docker = new Docker({ socketPath })
  for (const image of images) await docker.loadImage(await openDocker().getImage(image).get())
  const containerd = Number(await readFile(join(run, 'exec/containerd/containerd.pid'), 'utf8'))
  return {
    host,
    kill: () => void process.kill(pid, 'SIGKILL'),
    async [Symbol.asyncDispose]() {
      await endProcess(pid)
      await endProcess(containerd)
      for (const path of await mountsBelow([folder, run])) await execa('umount', ['--lazy', path])
      await rm(run, { recursive: true, force: true })
      await rm(folder, { recursive: true })
    },
  }
}

/** What is mounted below some folders, deepest first: https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html */
async function mountsBelow(folders: readonly string[]): Promise<readonly string[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')
  const paths = lines.map((line) => line.split(' ')[4] ?? '')
  return paths.filter((path) => folders.some((folder) => path.startsWith(`${folder}/`))).reverse()
}
