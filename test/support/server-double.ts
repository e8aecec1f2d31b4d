/**
 * A server of the HTTP API's shapes: secrets are those of a real store, builds
 * are played from a script. For tests of clients that need to see what was sent,
 * or a server that misbehaves.
 *
 * @packageDocumentation
 */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Fault, FAULTS } from '../../src/errors.js'
import { secretName, SecretValue } from '../../src/secret.js'
import type { SecretChange } from '../../src/store/admin.js'
import { keyIdOf } from '../../src/store/seal.js'
import type { Store } from '../../src/store/open.js'
import { findRecipients } from '../../src/store/recipients.js'
import { openSqlite } from '../../src/store/sqlite.js'

/** The token that is good. */
export const TOKEN = `tls_${'a'.repeat(42)}Q`

/** One request as it came. */
export interface Taken {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** A build of the double. */
export interface PlayedBuild {
  readonly id: string
  readonly key: string
  readonly submission: Readonly<Record<string, unknown>>
  state: string
  context: Buffer | null
  outcome: object | null
  image: string | null
  report: object | null
  output: Buffer
  /** What was told so far; the stream ends once {@link PlayedBuild.state} is an end. */
  readonly events: object[]
}

/** A running double. */
export interface ServerDouble extends AsyncDisposable {
  readonly url: string
  readonly taken: readonly Taken[]
  readonly builds: readonly PlayedBuild[]
  /** Called before the ordinary answer; one that answers itself returns true. */
  before: (request: IncomingMessage, response: ServerResponse) => boolean
  /** Public keys to name; default: those of the store. */
  keys: readonly Uint8Array[] | null
  /** Plays a build once it may run. */
  play: (build: PlayedBuild) => Promise<void>
  /** Tells every stream that something changed. */
  readonly wake: () => void
}

const ENDS = ['succeeded', 'refused', 'failed', 'cancelled']

/** Starts a double in front of a store. */
export async function startDouble(store: Store): Promise<ServerDouble> {
  const taken: Taken[] = []
  const builds: PlayedBuild[] = []
  const sleepers = new Set<() => void>()
  const server: Server = createServer((request, response) => {
    if (double.before(request, response)) return
    answer(request, response).catch((error: unknown) => {
      const fault =
        error instanceof Fault ? error : new Fault('INTERNAL', 'The double broke.', { cause: error })
      if (response.headersSent) response.destroy()
      else reply(response, FAULTS[fault.code].status, { error: fault })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const wake = (): void => {
    for (const sleeper of sleepers) sleeper()
    sleepers.clear()
  }
  const double: ServerDouble & { url: string } = {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    taken,
    builds,
    before: () => false,
    keys: null,
    play: async () => undefined,
    wake,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const method = request.method ?? 'GET'
    const url = new URL(request.url ?? '/', double.url)
    taken.push({ method, url: request.url ?? '', headers: request.headers, body })
    if (request.headers.authorization !== `Bearer ${TOKEN}`) {
      throw new Fault('UNAUTHORIZED', 'There is no such token.')
    }
    const parts = url.pathname.split('/').slice(2).map(decodeURIComponent)
    const isJson = request.headers['content-type'] === 'application/json'
    const json = isJson ? (JSON.parse(body.toString()) as Record<string, unknown>) : {}
    if (parts[0] === 'builds') {
      await answerBuild({ parts: parts.slice(1), method, url, json, body, request, response })
      return
    }
    reply(response, 200, await answerStore({ parts, method, url, json }))
  }

  async function answerStore({ parts, method, url, json }: Call): Promise<unknown> {
    const { admin } = store
    const query = (name: string): string | undefined => url.searchParams.get(name) ?? undefined
    const group = query('group') === '' ? null : query('group')
    const max = query('max') === undefined ? undefined : Number(query('max'))
    const before = query('createdBefore')
    const createdBefore = before === undefined ? undefined : new Date(before)
    const [first, environment = '', third, name = '', fifth] = parts
    const route = `${method} ${[first, third, fifth].filter((part) => part !== undefined).join('/')}`
    const place = { environment, group: json['group'] as string | undefined }
    switch (route) {
      case 'GET me':
        return {
          token: { id: '0011', name: 'double', scopes: ['admin'], environments: null, expiresAt: null },
          store: { id: store.id },
          server: { version: '0.1.0' },
        }
      case 'GET keys':
        return { storeId: store.id, recipients: await publicKeys() }
      case 'GET environments':
        return { environments: await admin.environments() }
      case 'DELETE environments':
        return await admin.deleteEnvironment(environment)
      case 'GET secrets':
        return { secrets: await admin.list({ environment: query('environment'), group, max, createdBefore }) }
      case 'GET groups':
        return { groups: await admin.groups.list({ environment: query('environment'), max, createdBefore }) }
      case 'POST environments/secrets':
        if (name === 'unset')
          return await admin.unset(place, (json['names'] as string[]).map(secretName), json)
        return await admin.set(place, changesOf(json['changes'] as never), json)
      case 'POST environments/deploy':
        return await admin.deploy(environment, json)
      case 'GET environments/secrets/versions':
        return {
          versions: await admin.versions({ environment, group: group ?? undefined, name: secretName(name) }),
        }
      case 'POST environments/secrets/rollback':
        return await admin.rollback({ ...place, name: secretName(name) }, json['to'] as string)
      case 'GET environments/history': {
        const of = query('name')
        return {
          history: await admin.history({
            environment,
            group,
            name: of === undefined ? undefined : secretName(of),
            max,
          }),
        }
      }
      case 'GET environments/secrets/usage':
        return { usage: await admin.usage({ environment, name: secretName(name), max }) }
      case 'POST environments/groups':
        return await admin.groups.create(
          { environment, name: json['name'] as string },
          changesOf(json['changes'] as never),
          json,
        )
      case 'GET environments/groups':
        return await admin.groups.info({ environment, name })
      case 'PATCH environments/groups':
        return await admin.groups.update({ environment, name }, changesOf(json['changes'] as never), json)
      case 'DELETE environments/groups':
        return await admin.groups.delete(
          { environment, name },
          { allowMissing: query('allowMissing') === 'true' },
        )
      default:
        throw new Fault('REQUEST_INVALID', 'The double has no such address.')
    }
  }

  async function answerBuild(call: Required<BuildCall>): Promise<void> {
    const { parts, method, url, json, body, request, response } = call
    const [id, what] = parts
    if (id === undefined) {
      if (method === 'GET') {
        const state = url.searchParams.get('state')
        const rows = builds.filter((build) => state === null || build.state === state)
        reply(response, 200, { builds: rows.map(wire).reverse() })
      } else {
        const { build, made } = submitted(json, String(request.headers['idempotency-key']))
        reply(response, made ? 201 : 200, { build: wire(build) })
      }
      return
    }
    const build = builds.find((each) => each.id === id)
    if (build === undefined) throw new Fault('REQUEST_INVALID', 'There is no such build.')
    switch (what) {
      case undefined:
        reply(response, 200, { build: wire(build) })
        return
      case 'context':
        build.context = body
        begin(build)
        reply(response, 200, { build: wire(build) })
        return
      case 'cancel':
        if (!ENDS.includes(build.state)) {
          build.state = 'cancelled'
          build.outcome = new Fault('CANCELLED', 'The build was cancelled.')
          wake()
        }
        reply(response, 200, { build: wire(build) })
        return
      case 'report':
        reply(response, 200, build.report)
        return
      case 'output':
        response.writeHead(200, { 'content-type': 'application/x-tar' })
        response.end(build.output)
        return
      case 'events':
        await stream(build, Number(request.headers['last-event-id'] ?? 0), response)
        return
      default:
        throw new Fault('REQUEST_INVALID', 'The double has no such address.')
    }
  }

  function submitted(
    submission: PlayedBuild['submission'],
    key: string,
  ): { build: PlayedBuild; made: boolean } {
    const known = builds.find((build) => build.key === key)
    if (known !== undefined) {
      if (JSON.stringify(known.submission) === JSON.stringify(submission))
        return { build: known, made: false }
      throw new Fault('STORE_CONFLICT', 'Another build has that key.')
    }
    const build: PlayedBuild = {
      id: randomBytes(16).toString('hex'),
      key,
      submission,
      state: submission['context'] === true ? 'uploading' : 'waiting',
      context: null,
      outcome: null,
      image: null,
      report: null,
      output: Buffer.alloc(0),
      events: [],
    }
    builds.push(build)
    if (build.state === 'waiting') begin(build)
    return { build, made: true }
  }

  function begin(build: PlayedBuild): void {
    build.state = 'running'
    void double.play(build).finally(wake)
  }

  async function stream(build: PlayedBuild, after: number, response: ServerResponse): Promise<void> {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    let at = after
    for (;;) {
      for (; at < build.events.length; at += 1) {
        response.write(`id: ${String(at + 1)}\ndata: ${JSON.stringify(build.events[at])}\n\n`)
      }
      if (ENDS.includes(build.state)) break
      if (response.destroyed) return
      await new Promise<void>((resolve) => sleepers.add(resolve))
    }
    response.end(`event: end\ndata: ${JSON.stringify({ build: wire(build) })}\n\n`)
  }

  async function publicKeys(): Promise<readonly object[]> {
    const keys = double.keys ?? (await storeKeys(store))
    return keys.map((key) => ({ keyId: keyIdOf(key), publicKey: Buffer.from(key).toString('base64') }))
  }

  return double
}

interface Call {
  readonly parts: readonly string[]
  readonly method: string
  readonly url: URL
  readonly json: Readonly<Record<string, unknown>>
}

interface BuildCall extends Call {
  readonly body: Buffer
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

const wire = (build: PlayedBuild): object => {
  const { environment, request, output } = build.submission as {
    environment: string
    request: { tags?: string[] }
    output: { type: string }
  }
  return {
    id: build.id,
    environment,
    state: build.state,
    tags: request.tags ?? [],
    output: output.type,
    submittedAt: '2026-01-01T00:00:00.000Z',
    submittedBy: 'double',
    startedAt: '2026-01-01T00:00:01.000Z',
    endedAt: ENDS.includes(build.state) ? '2026-01-01T00:00:03.500Z' : null,
    attempt: 1,
    worker: null,
    image: build.image,
    verdict: build.report === null ? null : (build.report as { verdict: string }).verdict,
    outcome: build.outcome,
    delivery: null,
  }
}

const changesOf = (
  changes: readonly { name: string; value: string; exposure?: 'everywhere'; guarded?: boolean }[],
): SecretChange[] =>
  changes.map(({ name, value, ...more }) => ({
    ...more,
    name: secretName(name),
    value: new SecretValue(Buffer.from(value, 'base64')),
  }))

/** The public keys that stand in the database of a store. */
export async function storeKeys(store: Store): Promise<readonly Uint8Array[]> {
  const database = await openSqlite(store.home.database)
  try {
    return (await database.read(findRecipients)).map(({ publicKey }) => publicKey)
  } finally {
    await database.close()
  }
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}
