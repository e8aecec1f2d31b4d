/**
 * A registry of its own for tests: Debian's docker-registry on 127.0.0.1, which
 * wants a password and keeps everything in a temporary folder.
 *
 * @packageDocumentation
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { execa } from 'execa'
import { temporaryFolder, type Folder } from './folder.js'
import { freePort } from './free-port.js'
import { randomToken } from './tokens.js'

/** How long the registry may take to answer, in milliseconds. */
const START_MS = 20_000

/** A running registry. */
export interface Registry extends AsyncDisposable {
  /** `127.0.0.1:PORT`, as it stands in names of images. */
  readonly host: string
  readonly username: string
  readonly password: string
  /** A folder for `DOCKER_CONFIG` with the credentials in it, as `docker login` leaves them. */
  readonly dockerConfig: string
  /** What it answers at a path below `/v2/`. */
  get(path: string, accept?: string): Promise<Response>
  /** Names of repositories that have been pushed to. */
  repositories(): Promise<readonly string[]>
}

/** Starts a registry. */
export async function startRegistry(): Promise<Registry> {
  const username = 'tester'
  const password = randomToken()
  const { stdout: users } = await execa('htpasswd', ['-niB', username], { input: password })
  const port = await freePort()
  const host = `127.0.0.1:${String(port)}`
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  const folder = await temporaryFolder({
    users,
    'docker/config.json': JSON.stringify({
      auths: { [host]: { auth: authorization.slice('Basic '.length) } },
    }),
  })
  await writeFile(folder.file('config.json'), configuration(folder, port))
  const registry = spawn('docker-registry', ['serve', folder.file('config.json')], { stdio: 'ignore' })
  const ended = once(registry, 'exit')
  const stop = async (): Promise<void> => {
    registry.kill()
    await ended
    await folder[Symbol.asyncDispose]()
  }
  const get: Registry['get'] = (path, accept) =>
    fetch(`http://${host}/v2/${path}`, {
      headers: { authorization, ...(accept === undefined ? {} : { accept }) },
    })
  try {
    await untilItAnswers(get)
  } catch (error) {
    await stop()
    throw error
  }
  return {
    host,
    username,
    password,
    dockerConfig: folder.file('docker'),
    get,
    async repositories() {
      const answer = (await (await get('_catalog')).json()) as { repositories: readonly string[] }
      return answer.repositories
    },
    [Symbol.asyncDispose]: stop,
  }
}

/** https://distribution.github.io/distribution/about/configuration/, as JSON, which is YAML. */
const configuration = (folder: Folder, port: number): string =>
  JSON.stringify({
    version: 0.1,
    log: { accesslog: { disabled: true }, level: 'error' },
    storage: { filesystem: { rootdirectory: folder.file('data') }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${String(port)}` },
    auth: { htpasswd: { realm: 'tests', path: folder.file('users') } },
  })

async function untilItAnswers(get: Registry['get']): Promise<void> {
  const deadline = performance.now() + START_MS
  for (;;) {
    try {
      if ((await get('')).ok) return
    } catch {
      // It does not listen yet.
    }
    if (performance.now() > deadline) throw new Error('the registry does not answer')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
