/**
 * Containers of an engine: made, attached to, started, watched and removed.
 *
 * @packageDocumentation
 */

import { posix } from 'node:path'
import type { Duplex, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type Docker from 'dockerode'
import { pack } from 'tar-stream'
import { Fault } from '../errors.js'
import type {
  Attachment,
  Container,
  Containers,
  ContainerSpec,
  OutputPiece,
  PathKind,
  PublishedPort,
  Watch,
} from './containers.js'
import { FrameReader } from './frames.js'
import { call, isConnectionError, statusOf, unreachable } from './unreachable.js'

/** Containers of one engine. @param hasBridge - see `Connection` in `connect.ts`. */
export function engineContainers(docker: Docker, hasBridge: boolean): Containers {
  return {
    async create(spec) {
      try {
        const made = await call(() => docker.createContainer(optionsOf(spec, hasBridge)))
        return containerOf(docker, made, spec)
      } catch (error) {
        const status = statusOf(error)
        if (status === undefined) throw error
        throw refused(REFUSALS[status] ?? 'The engine refuses to make the container.', error)
      }
    },
  }
}

const REFUSALS: Readonly<Record<number, string>> = {
  404: 'The engine does not hold the image.',
  409: 'The engine has another container of that name.',
}

const refused = (message: string, cause: unknown): Fault =>
  new Fault('RUN_FAILED', message, {
    hint: 'Check the options --name, --network, --publish, --user, --volume, --workdir and --log-driver.',
    cause,
  })

function optionsOf(spec: ContainerSpec, hasBridge: boolean): Docker.ContainerCreateOptions {
  const network = spec.network === 'default' && !hasBridge ? 'host' : spec.network
  return {
    Image: spec.image,
    Entrypoint: [...spec.entrypoint],
    Cmd: [...spec.command],
    Env: [...spec.env],
    Tty: spec.terminal,
    OpenStdin: spec.stdin !== 'none',
    StdinOnce: spec.stdin === 'once',
    AttachStdin: spec.stdin !== 'none',
    AttachStdout: true,
    AttachStderr: true,
    ...(spec.name === undefined ? {} : { name: spec.name }),
    ...(spec.user === undefined ? {} : { User: spec.user }),
    ...(spec.workdir === undefined ? {} : { WorkingDir: spec.workdir }),
    ExposedPorts: Object.fromEntries(spec.ports.map((port) => [portKey(port), {}])),
    HostConfig: {
      AutoRemove: spec.autoRemove,
      Binds: [...spec.volumes],
      Init: spec.init,
      LogConfig: { Type: spec.logDriver, Config: {} },
      NetworkMode: network,
      PortBindings: bindingsOf(spec.ports),
      Tmpfs: Object.fromEntries(spec.tmpfs),
    },
  }
}

const portKey = ({ container, protocol }: PublishedPort): string => `${container}/${protocol}`

function bindingsOf(ports: readonly PublishedPort[]): Docker.PortMap {
  const bindings: Docker.PortMap = {}
  for (const port of ports) {
    const others = bindings[portKey(port)] ?? []
    bindings[portKey(port)] = [...others, { HostIp: port.address, HostPort: port.hostPort }]
  }
  return bindings
}

function containerOf(docker: Docker, made: Docker.Container, spec: ContainerSpec): Container {
  const { id } = made
  return {
    id,
    attach: async () => attachmentOf(await attach(docker, id), spec.terminal),
    watch: () => watch(docker, id, spec.autoRemove),
    async start() {
      try {
        await call(() => made.start())
      } catch (error) {
        const status = statusOf(error)
        if (status === undefined) throw error
        if (status !== 400) throw refused('The engine could not start the container.', error)
        throw new Fault('COMMAND_NOT_EXECUTABLE', 'The engine could not start the command.', { cause: error })
      }
    },
    kill: (signal) => unless([404, 409], () => made.kill({ signal })),
    // A container that has ended has no size, which an engine calls an internal error or a conflict.
    resize: ({ columns, rows }) => unless([404, 409, 500], () => made.resize({ w: columns, h: rows })),
    async isRunning() {
      try {
        return (await call(() => made.inspect())).State.Running
      } catch (error) {
        if (statusOf(error) === 404) return false
        throw error
      }
    },
    kindOf: (path) => kindOf(made, path),
    link: (links) => link(made, links),
    remove: () => unless([404, 409], () => made.remove({ force: true, v: true })),
  }
}

/** Runs a call whose failure with one of these statuses means that there is nothing left to do. */
async function unless(statuses: readonly number[], work: () => Promise<unknown>): Promise<void> {
  try {
    await call(work)
  } catch (error) {
    if (!statuses.includes(statusOf(error) ?? 0)) throw error
  }
}

/**
 * Turns a connection into the container's streams. By hand, because dockerode sends its options as a body, of which an
 * engine may take a part for standard input.
 */
async function attach(docker: Docker, id: string): Promise<Duplex> {
  const socket = await dial(docker, {
    method: 'POST',
    path: `/containers/${id}/attach?stream=1&stdin=1&stdout=1&stderr=1&`,
    hijack: true,
    // Without a body its length would be unknown, and an empty chunk would follow the headers.
    file: Buffer.alloc(0),
    headers: { 'Content-Type': 'text/plain' },
  })
  return socket as Duplex
}

function attachmentOf(socket: Duplex, terminal: boolean): Attachment {
  // Written to after the container has ended: what it did not read is nobody's.
  socket.on('error', () => undefined)
  const frames = new FrameReader()
  let letGo = false
  async function* output(): AsyncGenerator<OutputPiece> {
    try {
      for await (const bytes of socket as AsyncIterable<Uint8Array>) {
        if (terminal) yield { stream: 'stdout', bytes }
        else yield* frames.push(bytes)
      }
    } catch (error) {
      if (letGo) return
      throw isConnectionError(error) ? unreachable(error) : error
    }
  }
  return {
    stdin: socket,
    output: output(),
    [Symbol.dispose]() {
      letGo = true
      socket.destroy()
    },
  }
}

/** The engine answers with its headers as soon as it watches, and with the status at the end. */
async function watch(docker: Docker, id: string, untilRemoved: boolean): Promise<Watch> {
  const answer = await dial(docker, {
    method: 'POST',
    path: `/containers/${id}/wait?condition=${untilRemoved ? 'removed' : 'next-exit'}&`,
    isStream: true,
  })
  const status = statusFrom(answer as Readable)
  // Whoever cares awaits it; until then a failure of it is no one's.
  void Promise.allSettled([status])
  return { status, [Symbol.dispose]: () => void (answer as Readable).destroy() }
}

async function statusFrom(answer: Readable): Promise<number> {
  const text = await call(async () => (await buffer(answer)).toString('utf8'))
  const ended = parsed(text) as { readonly StatusCode?: unknown; readonly Error?: unknown } | undefined
  if (typeof ended?.StatusCode !== 'number' || (ended.Error ?? null) !== null) {
    throw new Fault('RUN_FAILED', 'The engine lost track of the container.')
  }
  return ended.StatusCode
}

/** The engine's answer breaks off when the engine does. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

interface Dialled {
  readonly method: string
  readonly path: string
  readonly hijack?: true
  readonly isStream?: true
  readonly file?: Buffer
  readonly headers?: Readonly<Record<string, string>>
}

async function dial(docker: Docker, request: Dialled): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const statusCodes = { 101: true, 200: true, 400: 'refused', 404: 'not found', 409: 'conflict' }
    docker.modem.dial({ ...request, statusCodes }, (error: unknown, answer: unknown) => {
      if (error === null || error === undefined) resolve(answer)
      else if (isConnectionError(error)) reject(unreachable(error))
      else
        reject(new Fault('RUN_FAILED', 'The engine does not let us follow the container.', { cause: error }))
    })
  })
}

/** Bits of Go's `fs.FileMode`, in which an engine tells what a path is: https://pkg.go.dev/io/fs#FileMode */
const GO_MODE = { folder: 0x80000000, link: 0x08000000, special: 0x0728_0000 } as const

async function kindOf(container: Docker.Container, path: string): Promise<PathKind | null> {
  let answer: NodeJS.ReadableStream
  try {
    answer = (await call(() => container.infoArchive({ path }))) as NodeJS.ReadableStream
  } catch (error) {
    if (statusOf(error) === 404) return null
    throw error
  }
  // Its body is empty, and has to be read all the same for the connection to be let go.
  answer.resume()
  const { headers } = answer as { headers?: Readonly<Record<string, string | undefined>> }
  const stat = parsed(
    Buffer.from(headers?.['x-docker-container-path-stat'] ?? '', 'base64').toString('utf8'),
  ) as { readonly mode?: unknown } | undefined
  const mode = typeof stat?.mode === 'number' ? stat.mode : 0
  if ((mode & GO_MODE.folder) !== 0) return 'folder'
  if ((mode & GO_MODE.link) !== 0) return 'link'
  return (mode & GO_MODE.special) !== 0 ? 'other' : 'file'
}

async function link(container: Docker.Container, links: ReadonlyMap<string, string>): Promise<void> {
  const archive = pack()
  for (const [path, target] of links) {
    archive.entry({ name: posix.relative('/', path), type: 'symlink', linkname: target })
  }
  archive.finalize()
  try {
    await call(async () =>
      container.putArchive(await buffer(archive), { path: '/', noOverwriteDirNonDir: 'true' }),
    )
  } catch (error) {
    const status = statusOf(error)
    if (status === undefined) throw error
    throw new Fault('REQUEST_INVALID', 'A secret file cannot stand where it should: there is a folder.', {
      hint: 'Give the path of a file: --secret-file NAME:/folder/file.',
      cause: error,
    })
  }
}
