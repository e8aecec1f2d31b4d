/**
 * The session of one build: the gRPC services that BuildKit calls on us. It
 * hands out secrets, the context, the Dockerfile and registry credentials, each
 * for this build only, and answers health checks, without which the engine
 * drops the session after a second (20.10) or ten (later ones).
 *
 * @packageDocumentation
 */

import { createHash, randomUUID } from 'node:crypto'
import { createServer } from 'node:http2'
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from '@connectrpc/connect'
import { connectNodeAdapter } from '@connectrpc/connect-node'
import { MAX_VALUE_BYTES, type SecretValue } from '../secret.js'
import type { BuildInput, FindCredentials } from './engine.js'
import { Auth } from './proto/gen/auth_pb.js'
import { FileSend, FileSync } from './proto/gen/filesync_pb.js'
import type { Packet } from './proto/gen/fsutil_pb.js'
import { Health } from './proto/gen/health_pb.js'
import { Secrets } from './proto/gen/secrets_pb.js'
import { SSH } from './proto/gen/sshforward_pb.js'
import { Upload, type BytesMessage } from './proto/gen/upload_pb.js'
import { connectAgent, type SshAgent } from './ssh-agent.js'
import type { BuildKitTransport } from './transport.js'

/** A session with secrets alone, for a build that brings its own context. */
export const secretsOnly = (mounts: ReadonlyMap<string, SecretValue>): SessionOffer => ({
  mounts,
  dockerfile: new Uint8Array(),
  context: () => {
    throw new ConnectError('this session has no context', Code.NotFound)
  },
  credentials: () => Promise.resolve(null),
})

/** What a session offers. */
export interface SessionOffer {
  /** Secrets by the id that a mount names. Other ids are answered "not found". */
  readonly mounts: ReadonlyMap<string, SecretValue>
  readonly withheld?: BuildInput['withheld']
  /** SSH agents by the id that a mount names. Other ids are answered "not found". */
  readonly agents?: ReadonlyMap<string, SshAgent>
  readonly dockerfile: Uint8Array
  readonly context: () => AsyncIterable<Uint8Array>
  readonly credentials: FindCredentials
  /** Told of context bytes sent so far, and of what stopped the upload. */
  readonly onUpload?: (bytes: number) => void
  readonly onUploadFailed?: (error: unknown) => void
  /** Takes a file that an exporter sends; `facts` are what the exporter says of it. Without it there is no such service. */
  readonly onFile?: (bytes: AsyncIterable<Uint8Array>, facts: Headers) => Promise<void>
}

/** A session that BuildKit can call. */
export interface Session extends Disposable {
  readonly id: string
  /** Address under which the engine finds the context in this session. */
  readonly contextUrl: string
  /** Settles when the engine, or {@link Disposable}, ended the connection. */
  readonly closed: Promise<void>
  /**
   * Answers every further request for a secret or an agent with "failed precondition". Unlike "not found" this fails steps with an
   * optional mount too, so that nothing can run without its secret and enter the cache as if it had run with it.
   */
  seal(): void
}

/** `PacketType` of https://github.com/tonistiigi/fsutil/blob/master/types/wire.proto */
const STAT = 0
const REQ = 1
const DATA = 2
const FIN = 3

/** Largest piece of data in one message; gRPC servers refuse messages over 4 MiB. */
const PIECE_BYTES = 1 << 20

/** Name of the one file in the "dockerfile" folder that the engine reads. */
export const DOCKERFILE_NAME = 'Dockerfile'

const SERVING = 1

const METHODS: readonly string[] = [
  '/grpc.health.v1.Health/Check',
  '/moby.buildkit.secrets.v1.Secrets/GetSecret',
  '/moby.filesync.v1.Auth/Credentials',
  '/moby.filesync.v1.FileSync/DiffCopy',
  '/moby.sshforward.v1.SSH/CheckAgent',
  '/moby.sshforward.v1.SSH/ForwardAgent',
  '/moby.upload.v1.Upload/Pull',
]

const FILE_METHOD = '/moby.filesync.v1.FileSend/DiffCopy'

/** Begins the name of every context of ours: the record that an engine makes of one says whose it is. */
export const CONTEXT_MARK = 'traceless-'

/**
 * Opens a session. Dispose it when the build has ended: until then the values can be asked for.
 *
 * @throws {@link Fault} `ENGINE_UNREACHABLE`.
 */
export async function openSession(transport: BuildKitTransport, offer: SessionOffer): Promise<Session> {
  const id = randomUUID().replaceAll('-', '')
  const uploadId = `${CONTEXT_MARK}${randomUUID()}`
  let sealed = false
  const server = createServer(
    connectNodeAdapter({ routes: (router) => services(router, offer, uploadId, () => sealed) }),
  )
  const socket = await transport.openSession(
    id,
    offer.onFile === undefined ? METHODS : [...METHODS, FILE_METHOD],
  )
  const closed = new Promise<void>((resolve) => socket.once('close', resolve))
  // A reset by the engine is an end like any other; `closed` tells.
  socket.on('error', () => undefined)
  server.on('sessionError', () => undefined)
  server.emit('connection', socket)
  return {
    id,
    contextUrl: `http://buildkit-session/${uploadId}`,
    closed,
    seal: () => (sealed = true),
    [Symbol.dispose]: () => {
      server.close()
      socket.destroy()
    },
  }
}

function services(
  router: ConnectRouter,
  offer: SessionOffer,
  uploadId: string,
  isSealed: () => boolean,
): void {
  router.service(Health, {
    check: () => ({ status: SERVING }),
    async *watch(_request, context) {
      yield { status: SERVING }
      await new Promise<void>((resolve) =>
        context.signal.addEventListener('abort', () => resolve(), { once: true }),
      )
    },
  })
  router.service(Secrets, { getSecret: ({ id }) => ({ data: secretBytes(offer, id, isSealed()) }) })
  router.service(SSH, {
    checkAgent: ({ ID: id }) => {
      agentOf(offer, id, isSealed())
      return {}
    },
    forwardAgent: (messages, context) => {
      const id = context.requestHeader.get('buildkit.ssh.id') ?? ''
      return forwarded(agentOf(offer, id, isSealed()), messages, context.signal)
    },
  })
  router.service(Auth, {
    async credentials({ host }, context) {
      const found = await offer.credentials(host, context.signal)
      if (found === null) return {}
      const secret = found.password.use((bytes) => Buffer.from(bytes).toString('utf8'))
      return { username: found.identityToken ? '' : found.username, secret }
    },
  })
  router.service(FileSync, {
    diffCopy: (packets, context) => sendDockerfile(packets, context, offer.dockerfile),
  })
  const { onFile } = offer
  if (onFile !== undefined) {
    router.service(FileSend, {
      diffCopy: (messages, context) => afterwards(onFile(dataOf(messages), context.requestHeader)),
    })
  }
  router.service(Upload, { pull: (_requests, context) => sendContext(context, offer, uploadId) })
}

/** The engine asks for ids we never declared too (`HTTP_AUTH_HEADER_…`); those are "not found", quietly. */
function secretBytes(
  { mounts, withheld }: Pick<SessionOffer, 'mounts' | 'withheld'>,
  id: string,
  sealed: boolean,
): Uint8Array<ArrayBuffer> {
  if (withheld?.ids.has(id) === true) {
    withheld.asked(id)
    throw new ConnectError('this version is not served', Code.FailedPrecondition)
  }
  if (sealed) throw new ConnectError('the session is closed for secrets', Code.FailedPrecondition)
  const value = mounts.get(id)
  if (value === undefined) throw new ConnectError('not found', Code.NotFound)
  if (value.size > MAX_VALUE_BYTES) throw new ConnectError('larger than 500 KiB', Code.InvalidArgument)
  return value.use((bytes) => new Uint8Array(bytes))
}

function agentOf({ agents, withheld }: SessionOffer, id: string, sealed: boolean): SshAgent {
  if (sealed) throw new ConnectError('the session is closed for agents', Code.FailedPrecondition)
  if (withheld?.ids.has(id) === true) {
    withheld.asked(id)
    throw new ConnectError('the agent is withheld', Code.FailedPrecondition)
  }
  const agent = agents?.get(id)
  if (agent === undefined) throw new ConnectError('not found', Code.NotFound)
  return agent
}

/** One connection of a step to an agent. */
async function* forwarded(
  agent: SshAgent,
  messages: AsyncIterable<{ readonly data: Uint8Array }>,
  signal: AbortSignal,
): AsyncGenerator<{ data: Uint8Array<ArrayBuffer> }> {
  const connection = await connectAgent(agent)
  const ended = new AbortController()
  const end = (): void => {
    ended.abort()
    connection.destroy()
  }
  signal.addEventListener('abort', end, { once: true })
  const sending = (async () => {
    for await (const { data } of messages) connection.write(data)
    end()
  })()
  // A step that ends takes its stream away; that is no failure, and nobody waits for it.
  sending.catch(end)
  try {
    for await (const chunk of connection) yield { data: new Uint8Array(chunk as Uint8Array) }
  } catch {
    // What an agent says of itself stays here; the engine only learns that there was none.
    if (!ended.signal.aborted) throw new ConnectError('the agent hung up', Code.Unavailable)
  } finally {
    signal.removeEventListener('abort', end)
    end()
  }
}

/**
 * Sends one file by fsutil's protocol: every entry's STAT, an empty STAT, then DATA for each entry that is asked for by
 * its index, then FIN for FIN (https://github.com/tonistiigi/fsutil/blob/master/send.go).
 */
async function* sendDockerfile(
  packets: AsyncIterable<Packet>,
  context: HandlerContext,
  file: Uint8Array,
): AsyncGenerator<{
  type: number
  id?: number
  data?: Uint8Array<ArrayBuffer>
  stat?: { path: string; mode: number; size: bigint; modTime: bigint }
}> {
  if (context.requestHeader.get('dir-name') !== 'dockerfile')
    throw new ConnectError('no such folder', Code.NotFound)
  const size = BigInt(file.length)
  yield { type: STAT, stat: { path: DOCKERFILE_NAME, mode: 0o644, size, modTime: timeOf(file) } }
  yield { type: STAT }
  for await (const packet of packets) {
    if (packet.type === REQ) {
      for (let at = 0; at < file.length; at += PIECE_BYTES) {
        yield { type: DATA, id: packet.id, data: new Uint8Array(file.subarray(at, at + PIECE_BYTES)) }
      }
      yield { type: DATA, id: packet.id }
    } else if (packet.type === FIN) {
      yield { type: FIN }
      return
    }
  }
}

/** A time that changes with the content, in nanoseconds: the engine takes equal size and time for an equal file. */
function timeOf(file: Uint8Array): bigint {
  const second = createHash('sha256').update(file).digest().readUInt32BE(0)
  return BigInt(second) * 1_000_000_000n
}

/** Answers nothing: the end of the call says that all has arrived. */
async function* afterwards(work: Promise<void>): AsyncGenerator<never> {
  await work
  yield* []
}

async function* dataOf(messages: AsyncIterable<{ readonly data: Uint8Array }>): AsyncGenerator<Uint8Array> {
  for await (const { data } of messages) yield data
}

async function* sendContext(
  context: HandlerContext,
  offer: SessionOffer,
  uploadId: string,
): AsyncGenerator<{ data: Uint8Array<ArrayBuffer> }> {
  const path = context.requestHeader.get('urlpath') ?? ''
  if (path.replace(/^\//, '') !== uploadId) throw new ConnectError('no such upload', Code.NotFound)
  let sent = 0
  try {
    for await (const chunk of offer.context()) {
      for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
        yield { data: new Uint8Array(chunk.subarray(at, at + PIECE_BYTES)) } satisfies Partial<BytesMessage>
      }
      sent += chunk.length
      offer.onUpload?.(sent)
    }
  } catch (error) {
    offer.onUploadFailed?.(error)
    // The reason stays on our side: this text ends up in the engine's log.
    throw new ConnectError('the upload was stopped', Code.Aborted)
  }
}
