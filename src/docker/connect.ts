/**
 * Finds an engine, agrees on a version of its API and says no in time to one
 * that is too old.
 *
 * @packageDocumentation
 */

import Docker from 'dockerode'
import semver from 'semver'
import { Fault } from '../errors.js'
import type { EngineInfo } from './engine.js'
import { call, unreachable } from './unreachable.js'

/** Oldest engine on which builds work: the first with the Dockerfile frontend that knows `RUN --mount=type=secret` without a syntax line. */
const OLDEST_ENGINE = '20.10.0'

/** Newest API version that this code was written against (engine 29). */
const NEWEST_API: ApiVersion = [1, 55]

/** How long an engine may take to answer the first question, in milliseconds. */
const HELLO_MS = 10_000

type ApiVersion = readonly [major: number, minor: number]

/** A connected engine. */
export interface Connection {
  readonly docker: Docker
  readonly info: EngineInfo
  /** False where the engine has no network but the host's, as one started with `--bridge=none`. */
  readonly hasBridge: boolean
}

/**
 * Connects to an engine.
 *
 * @param host - `unix:///path`, `tcp://host:port`, `http://host:port` or `https://host:port`; default: the local socket.
 * @throws {@link Fault} `ENGINE_UNREACHABLE`, `ENGINE_UNSUPPORTED`, or `REQUEST_INVALID` for an address of another kind.
 */
export async function connect(host: string | undefined): Promise<Connection> {
  const address = addressOf(host)
  const hello = await greet(new Docker({ ...address, timeout: HELLO_MS }))
  const version = semver.coerce(hello.Version)
  if (version === null || semver.lt(version, OLDEST_ENGINE)) {
    throw new Fault('ENGINE_UNSUPPORTED', `The engine is version ${version?.version ?? 'unknown'}.`, {
      hint: `Builds with secrets need Docker ${OLDEST_ENGINE} or newer.`,
    })
  }
  const api = agree(hello.ApiVersion, hello.MinAPIVersion)
  const docker = new Docker({ ...address, version: `v${api}` })
  const [info, hasBridge] = await Promise.all([
    call(async () => docker.info() as Promise<{ ID: string; Driver: string }>),
    bridge(docker),
  ])
  return {
    docker,
    hasBridge,
    info: {
      id: info.ID,
      version: version.version,
      apiVersion: api,
      os: hello.Os,
      architecture: hello.Arch,
      storage: info.Driver,
    },
  }
}

async function greet(docker: Docker): Promise<Docker.DockerVersion> {
  try {
    return await docker.version()
  } catch (error) {
    throw unreachable(error)
  }
}

async function bridge(docker: Docker): Promise<boolean> {
  const networks = await call(() => docker.listNetworks())
  return networks.some(({ Driver }) => Driver !== 'host' && Driver !== 'null')
}

/** The newest version that both sides know. Versions are compared by number: 1.9 is older than 1.41. */
function agree(newest: string, oldest: string | undefined): string {
  const theirs = apiVersion(newest)
  const least = apiVersion(oldest ?? '1.12')
  if (compare(least, NEWEST_API) > 0) {
    throw new Fault('ENGINE_UNSUPPORTED', `The engine speaks API ${oldest ?? ''} or newer only.`, {
      hint: `This program knows API versions up to ${NEWEST_API.join('.')}; a newer release of it may know more.`,
    })
  }
  return (compare(theirs, NEWEST_API) < 0 ? theirs : NEWEST_API).join('.')
}

function apiVersion(text: string): ApiVersion {
  const [major = 1, minor = 0] = text.split('.').map(Number)
  return [major, minor]
}

const compare = (a: ApiVersion, b: ApiVersion): number => a[0] - b[0] || a[1] - b[1]

const DEFAULT_SOCKET = '/var/run/docker.sock'

function addressOf(host: string | undefined): Docker.DockerOptions {
  if (host === undefined || host === '') return { socketPath: DEFAULT_SOCKET }
  if (host.startsWith('unix://')) return { socketPath: host.slice('unix://'.length) || DEFAULT_SOCKET }
  const url = URL.canParse(host) ? new URL(host) : undefined
  const protocol = url?.protocol
  if (url === undefined || (protocol !== 'tcp:' && protocol !== 'http:' && protocol !== 'https:')) {
    throw new Fault('REQUEST_INVALID', 'The address of the engine is not one this program can open.', {
      hint: 'Write unix:///path/docker.sock or tcp://host:port.',
    })
  }
  const secure = protocol === 'https:' || url.port === '2376'
  return {
    host: url.hostname,
    port: url.port === '' ? 2375 : Number(url.port),
    protocol: secure ? 'https' : 'http',
  }
}
