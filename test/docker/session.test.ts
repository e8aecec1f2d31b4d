/** What a session answers to whoever speaks to it as BuildKit does: its own secrets, its own context, and no reasons. */

import { duplexPair, type Duplex } from 'node:stream'
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Auth } from '../../src/docker/proto/gen/auth_pb.js'
import { FileSync } from '../../src/docker/proto/gen/filesync_pb.js'
import { Health } from '../../src/docker/proto/gen/health_pb.js'
import { Secrets } from '../../src/docker/proto/gen/secrets_pb.js'
import { Upload } from '../../src/docker/proto/gen/upload_pb.js'
import { openSession, secretsOnly, type Session, type SessionOffer } from '../../src/docker/session.js'
import { Fault } from '../../src/errors.js'
import { MAX_VALUE_BYTES, SecretValue } from '../../src/secret.js'

const TOKEN = 'tr4celess-token-of-this-test'

interface Opened {
  readonly session: Session
  /** The engine's end. */
  readonly engine: Transport
  readonly socket: Duplex
  readonly methods: readonly string[]
}

async function open(offer: Partial<SessionOffer> = {}): Promise<Opened> {
  const [ours, theirs] = duplexPair()
  let methods: readonly string[] = []
  const session = await openSession(
    {
      openControl: () => Promise.reject(new Error('a session needs no control connection')),
      openSession: (_id, offered) => {
        methods = offered
        return Promise.resolve(ours)
      },
    },
    { ...secretsOnly(new Map([['token', SecretValue.fromText(TOKEN)]])), ...offer },
  )
  onTestFinished(() => {
    session[Symbol.dispose]()
    theirs.destroy()
  })
  const engine = createGrpcTransport({
    baseUrl: 'http://session',
    nodeOptions: { createConnection: () => theirs },
  })
  return { session, engine, socket: theirs, methods }
}

/** The error of a call, as the engine sees it. */
async function refusal(call: Promise<unknown>): Promise<ConnectError> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof ConnectError) return error
  throw new Error('the call was not refused', { cause: error })
}

async function all<T>(stream: AsyncIterable<T>): Promise<readonly T[]> {
  const items: T[] = []
  for await (const item of stream) items.push(item)
  return items
}

describe('secrets', () => {
  it('are given by the ids of this build, and no others', async () => {
    const { engine } = await open()
    const secrets = createClient(Secrets, engine)
    expect(Buffer.from((await secrets.getSecret({ id: 'token' })).data).toString()).toBe(TOKEN)
    for (const id of ['', 'Token', 'token ', 'HTTP_AUTH_TOKEN_example.com', 'GIT_AUTH_HEADER', '__proto__']) {
      const error = await refusal(secrets.getSecret({ id }))
      expect(error.code).toBe(Code.NotFound)
      expect(error.rawMessage).toBe('not found')
    }
  })

  it('are not larger than an engine takes', async () => {
    const mounts = new Map(
      [MAX_VALUE_BYTES, MAX_VALUE_BYTES + 1].map((size) => [
        String(size),
        new SecretValue(new Uint8Array(size)),
      ]),
    )
    const { engine } = await open({ mounts })
    const secrets = createClient(Secrets, engine)
    expect((await secrets.getSecret({ id: String(MAX_VALUE_BYTES) })).data).toHaveLength(MAX_VALUE_BYTES)
    const error = await refusal(secrets.getSecret({ id: String(MAX_VALUE_BYTES + 1) }))
    expect(error.code).toBe(Code.InvalidArgument)
  })

  it('are refused once the session is sealed, in a way that fails optional mounts too', async () => {
    const { session, engine } = await open()
    const secrets = createClient(Secrets, engine)
    await secrets.getSecret({ id: 'token' })
    session.seal()
    for (const id of ['token', 'unknown'])
      expect((await refusal(secrets.getSecret({ id }))).code).toBe(Code.FailedPrecondition)
    session[Symbol.dispose]()
    await session.closed
  })
})

describe('health', () => {
  it('is told, or the engine drops the session', async () => {
    const { engine, methods } = await open()
    expect((await createClient(Health, engine).check({})).status).toBe(1)
    expect(methods).toContain('/grpc.health.v1.Health/Check')
  })
})

describe('the Dockerfile', () => {
  const dockerfile = Buffer.from('FROM x\n'.repeat(400_000))

  async function* asking(): AsyncGenerator<{ type: number; id?: number }> {
    yield { type: 1, id: 0 }
    yield { type: 3 }
  }

  it('is sent to who asks for that folder, in pieces that fit', async () => {
    const { engine } = await open({ dockerfile })
    const packets = await all(
      createClient(FileSync, engine).diffCopy(asking(), { headers: { 'dir-name': 'dockerfile' } }),
    )
    expect(packets.map(({ type }) => type)).toEqual([0, 0, 2, 2, 2, 2, 3])
    expect(packets[0]?.stat).toMatchObject({ path: 'Dockerfile', size: BigInt(dockerfile.length) })
    const data = packets.filter(({ type }) => type === 2).map(({ data }) => data)
    expect(Buffer.concat(data).equals(dockerfile)).toBe(true)
    expect(data.at(-1)).toHaveLength(0)
  })

  it('has another time when it has another content of the same size', async () => {
    const times = await Promise.all(
      ['FROM a', 'FROM b', 'FROM a'].map(async (text) => {
        const { engine } = await open({ dockerfile: Buffer.from(text) })
        const client = createClient(FileSync, engine)
        const packets = await all(client.diffCopy(asking(), { headers: { 'dir-name': 'dockerfile' } }))
        return packets[0]?.stat?.modTime
      }),
    )
    expect(times[0]).not.toBe(times[1])
    expect(times[0]).toBe(times[2])
  })

  it('is the only folder', async () => {
    const { engine } = await open({ dockerfile })
    const call = all(
      createClient(FileSync, engine).diffCopy(asking(), { headers: { 'dir-name': 'context' } }),
    )
    expect((await refusal(call)).code).toBe(Code.NotFound)
  })
})

describe('the context', () => {
  async function* nothing(): AsyncGenerator<{ data: Uint8Array<ArrayBuffer> }> {
    // BuildKit says nothing on this stream.
  }
  const pathOf = (session: Session): string => new URL(session.contextUrl).pathname

  it('is sent under its own address, in pieces, and told of', async () => {
    const told: number[] = []
    const content = Buffer.alloc(2_500_000, 'x')
    const { engine, session } = await open({
      async *context() {
        yield content
        yield Buffer.from('end')
      },
      onUpload: (bytes) => told.push(bytes),
    })
    const call = createClient(Upload, engine).pull(nothing(), { headers: { urlpath: pathOf(session) } })
    const pieces = (await all(call)).map(({ data }) => data)
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(1 << 20)
    expect(Buffer.concat(pieces).equals(Buffer.concat([content, Buffer.from('end')]))).toBe(true)
    expect(told).toEqual([2_500_000, 2_500_003])
  })

  it('is sent under no other address', async () => {
    const { engine } = await open()
    const call = all(createClient(Upload, engine).pull(nothing(), { headers: { urlpath: '/another' } }))
    expect((await refusal(call)).code).toBe(Code.NotFound)
  })

  it('is broken off without a reason that the engine would keep in its log', async () => {
    const fault = new Fault('SECRET_IN_INPUT', `found ${TOKEN}`)
    const failed: unknown[] = []
    const { engine, session } = await open({
      async *context() {
        yield Buffer.from('x')
        throw fault
      },
      onUploadFailed: (error) => failed.push(error),
    })
    const call = createClient(Upload, engine).pull(nothing(), { headers: { urlpath: pathOf(session) } })
    const error = await refusal(all(call))
    expect(error.code).toBe(Code.Aborted)
    expect(`${error.message}${JSON.stringify(error.details)}`).not.toContain(TOKEN)
    expect(failed).toEqual([fault])
  })
})

describe('credentials', () => {
  it('are asked for by host, and none are an answer', async () => {
    const asked: string[] = []
    const { engine } = await open({
      credentials: async (host) => {
        asked.push(host)
        if (host === 'none') return null
        const password = SecretValue.fromText('secret')
        return { username: 'me', password, identityToken: host === 'token' }
      },
    })
    const auth = createClient(Auth, engine)
    expect(await auth.credentials({ host: 'none' })).toMatchObject({ username: '', secret: '' })
    expect(await auth.credentials({ host: 'login' })).toMatchObject({ username: 'me', secret: 'secret' })
    expect(await auth.credentials({ host: 'token' })).toMatchObject({ username: '', secret: 'secret' })
    expect(asked).toEqual(['none', 'login', 'token'])
  })
})
