/**
 * Connects to an engine, agrees on a version of its API and says no in time to
 * one that is too old.
 *
 * @packageDocumentation
 */

import { setTimeout } from 'node:timers/promises'
import Docker from 'dockerode'
import semver from 'semver'
import { Fault } from '../errors.js'
import { AddressAgent, silent, type Address } from './address.js'
import type { EngineInfo } from './engine.js'
import { API, apiVersion, compareApi, GATES, gateText, passes } from './gates.js'
import { call } from './unreachable.js'

/** How long an engine may take to answer the first question, in milliseconds. Over ssh it takes its time. */
const HELLO_MS = 30_000

/** A connected engine. */
export interface Connection extends Disposable {
  readonly docker: Docker
  readonly info: EngineInfo
  /** False where the engine has no network but the host's, as one started with `--bridge=none`. */
  readonly hasBridge: boolean
  /** What an image's id is the digest of. Where containerd keeps the images it is the manifest. */
  readonly idsAre: 'config' | 'manifest'
}

/** @throws {@link Fault} `ENGINE_UNREACHABLE`, `ENGINE_UNSUPPORTED`. */
export async function connect(address: Address): Promise<Connection> {
  const agent = new AddressAgent(address)
  try {
    return await agreed(agent, address)
  } catch (error) {
    agent.destroy()
    throw error
  }
}

async function agreed(agent: AddressAgent, address: Address): Promise<Connection> {
  const hello = await greet(dockerAt(agent, undefined), address)
  const found = { product: 'docker', version: semver.coerce(hello.Version)?.version ?? 'unknown' } as const
  if (!passes('build', found)) {
    throw new Fault('ENGINE_UNSUPPORTED', gateText('build', found), {
      hint: `Use an engine from Docker ${GATES.build.docker} on, or a newer BuildKit as the builder.`,
    })
  }
  const api = agree(hello.ApiVersion, hello.MinAPIVersion)
  const docker = dockerAt(agent, `v${api}`)
  const [info, hasBridge] = await Promise.all([
    call(async () => docker.info() as Promise<Info>),
    bridge(docker),
  ])
  return {
    docker,
    hasBridge,
    idsAre: info.DriverStatus?.some(([, value]) => value === SNAPSHOTTER) === true ? 'manifest' : 'config',
    info: {
      ...found,
      id: info.ID,
      apiVersion: api,
      os: hello.Os,
      architecture: hello.Arch,
      storage: info.Driver,
    },
    [Symbol.dispose]: () => {
      agent.destroy()
    },
  }
}

interface Info {
  readonly ID: string
  readonly Driver: string
  readonly DriverStatus?: readonly (readonly [name: string, value: string])[] | null
}

/** How an engine says that containerd keeps its images: https://docs.docker.com/engine/storage/containerd/ */
const SNAPSHOTTER = 'io.containerd.snapshotter.v1'

/** Says everything that dockerode would take from the process's variables otherwise. */
function dockerAt(agent: AddressAgent, version: string | undefined): Docker {
  return new Docker({
    version,
    timeout: undefined,
    // For the header only: the agent connects.
    host: 'docker',
    protocol: 'http',
    port: 80,
    agent,
    ca: undefined,
    cert: undefined,
    key: undefined,
    pathPrefix: '/',
  } as Docker.DockerOptions)
}

async function greet(docker: Docker, address: Address): Promise<Docker.DockerVersion> {
  const late = new AbortController()
  try {
    return await Promise.race([docker.version(), silence(late.signal)])
  } catch (error) {
    throw silent(address, error)
  } finally {
    late.abort()
  }
}

/** Rejects when an engine should have answered, unless the wait is over before. */
async function silence(over: AbortSignal): Promise<never> {
  await setTimeout(HELLO_MS, undefined, { signal: over })
  throw new Error('there was no answer in time')
}

async function bridge(docker: Docker): Promise<boolean> {
  const networks = await call(() => docker.listNetworks())
  return networks.some(({ Driver }) => Driver !== 'host' && Driver !== 'null')
}

/** The newest version that both sides know. */
function agree(newest: string, oldest: string | undefined): string {
  const theirs = apiVersion(newest)
  if (compareApi(apiVersion(oldest ?? '1.12'), API.newest) > 0) {
    throw new Fault('ENGINE_UNSUPPORTED', `The engine speaks API ${oldest ?? ''} or newer only.`, {
      hint: `This program knows API versions up to ${API.newest.join('.')}; a newer release of it may know more.`,
    })
  }
  return (compareApi(theirs, API.newest) < 0 ? theirs : API.newest).join('.')
}
