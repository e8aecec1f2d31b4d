/** V1: what an attacker sends: bodies, archives and paths that are not what they should be. */

import { expect, it } from 'vitest'
import { gzipSync } from 'node:zlib'
import { pack, type Pack } from 'tar-stream'
import { SecretValue } from '../../src/secret.js'
import { givenValuePlace } from '../../src/store/given-value.js'
import { seal } from '../../src/store/seal.js'
import { readJson } from '../../src/server/bodies.js'
import { RateLimit } from '../../src/server/rate-limit.js'
import { base64, testServer, type TestServer } from '../support/server.js'
import { submitted } from '../support/server-store.js'
import { faultFrom } from '../support/store.js'

const TAR = { 'content-type': 'application/x-tar' }

/** An archive that `fill` writes. */
function archive(fill: (tar: Pack) => void): ReadableStream<Uint8Array> {
  const tar = pack()
  fill(tar)
  tar.finalize()
  return ReadableStream.from<Uint8Array>(tar as unknown as AsyncIterable<Uint8Array>)
}

const streamOf = (...chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> =>
  ReadableStream.from<Uint8Array>(chunks)

async function waitingForContext(server: TestServer, token: string): Promise<string> {
  const me = await server.call('GET', '/v1/me', { token })
  const { id, name } = me.json?.['token'] as { id: string; name: string }
  return await submitted(server.store.builds, { context: true, submittedBy: `${name} (token ${id})` })
}

it.for<[string, () => ReadableStream<Uint8Array>, status?: number]>([
  ['an absolute path', () => archive((tar) => tar.entry({ name: '/etc/passwd' }, 'x'))],
  ['a path that leads out', () => archive((tar) => tar.entry({ name: 'a/../../x' }, 'x'))],
  [
    'a hard link that leads out',
    () => archive((tar) => tar.entry({ name: 'a', type: 'link', linkname: '../x' })),
  ],
  [
    'a file behind a link',
    () =>
      archive((tar) => {
        tar.entry({ name: 'a', type: 'symlink', linkname: '/etc' })
        tar.entry({ name: 'a/passwd' }, 'x')
      }),
  ],
  ['a device', () => archive((tar) => tar.entry({ name: 'a', type: 'character-device' }))],
  [
    'one path twice',
    () =>
      archive((tar) => {
        tar.entry({ name: 'a' }, 'x')
        tar.entry({ name: './a' }, 'y')
      }),
  ],
  ['more than its bound', () => archive((tar) => tar.entry({ name: 'a' }, Buffer.alloc(3 << 20)))],
  ['a compressed archive', () => streamOf(gzipSync(Buffer.alloc(2048)))],
  ['something cut off', () => streamOf(Buffer.from('Dockerfile'.padEnd(300, '\0')))],
])('V1: a context with %s is refused, and leaves nothing', async ([, make]) => {
  await using server = await testServer({ limits: { contextBytes: 1 << 20 } })
  const token = await server.token()
  const id = await waitingForContext(server, token)
  const { status, json } = await server.call('PUT', `/v1/builds/${id}/context`, {
    token,
    headers: TAR,
    body: make(),
  })
  expect([status, (json?.['error'] as { code: string }).code]).toEqual([400, 'REQUEST_INVALID'])
  expect(await server.store.builds.get(id)).toMatchObject({ state: 'uploading' })
  expect(await server.store.builds.begin(id, 'w')).toBeNull()
})

it('V1: a context is a tar archive as it is, of whoever submitted the build', async () => {
  await using server = await testServer({ limits: { contextBytes: 1 << 20 } })
  const token = await server.token()
  const other = await server.token({ name: 'other', scopes: ['builds:submit'] })
  const id = await waitingForContext(server, token)
  const path = `/v1/builds/${id}/context`
  const body = (): ReadableStream<Uint8Array> => archive((tar) => tar.entry({ name: 'a' }, 'x'))
  const sent = async (headers: Record<string, string>, who = token): Promise<number> =>
    (await server.call('PUT', path, { token: who, headers, body: body() })).status
  expect(await sent({ 'content-type': 'application/gzip' })).toBe(415)
  expect(await sent({ ...TAR, 'content-encoding': 'gzip' })).toBe(415)
  expect(await sent({ ...TAR, 'content-length': String(1 << 30) })).toBe(413)
  expect(await sent(TAR, other)).toBe(403)
  expect(await sent(TAR)).toBe(200)
})

it('V1: bodies are JSON, within their size, and nothing of a wrong one is repeated', async () => {
  await using server = await testServer()
  const token = await server.token()
  const path = '/v1/environments/main/secrets'
  const call = async (body: string, headers: Record<string, string> = {}): Promise<[number, string]> => {
    const { status, text } = await server.call('POST', path, { token, body, headers })
    expect(text).not.toContain('hunter2')
    return [status, text]
  }
  expect((await call('{"changes": hunter2'))[0]).toBe(400)
  expect((await call('{"changes":[{"name":"hunter2-x","value":""}]}'))[0]).toBe(400)
  expect((await call('{"changes":[{"name":"A","value":"hunter2!"}]}'))[0]).toBe(400)
  expect((await call('{"changes":[{"name":"A","value":"","hunter2":1}]}'))[0]).toBe(400)
  expect((await call('{"hunter2":1}'))[0]).toBe(400)
  expect((await call('[]'))[0]).toBe(400)
  const named = { dockerfile: { text: 'FROM x' }, tags: ['a'], buildArgs: { hunter2: 1 } }
  const build = await server.call('POST', '/v1/builds', {
    token,
    body: { environment: 'main', request: named, output: { type: 'engine' } },
  })
  expect([build.status, build.text.includes('hunter2')]).toEqual([400, false])
  expect((await call('{}', { 'content-type': 'text/plain' }))[0]).toBe(415)
  expect((await call('{}', { 'content-encoding': 'br' }))[0]).toBe(415)
  const large = JSON.stringify({ names: ['A'.repeat(300_000)] })
  expect((await server.call('POST', `${path}/unset`, { token, body: large })).status).toBe(413)
  const query = await server.call('GET', '/v1/secrets?max=1&max=2', { token })
  expect(query.status).toBe(400)
  expect((await server.call('GET', '/v1/secrets?hunter2=1', { token })).text).not.toContain('hunter2')
  expect((await server.call('GET', `/v1/secrets?x=${'a'.repeat(9000)}`, { token })).status).toBe(414)
  expect(server.lines.join('\n')).not.toContain('hunter2')
})

it('V1: a body that drips is not waited for', async () => {
  const drip = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(Buffer.from('{')),
  })
  const request = new Request('http://server.test', {
    method: 'POST',
    body: drip,
    duplex: 'half',
    headers: { 'content-type': 'application/json' },
  })
  expect((await faultFrom(readJson(request, 1000, 50), 'REQUEST_INVALID')).message).toContain('slowly')
})

it('V1: a name in a path is a name and no path', async () => {
  await using server = await testServer()
  const token = await server.token()
  for (const path of [
    '/v1/environments/..%2fmain/history',
    '/v1/environments/main%00/history',
    '/v1/environments/main/secrets/a%0d%0aSet-Cookie:x/versions',
    '/v1/builds/..%2f..%2fetc/output',
    '/v1/builds/%7B%7D',
    '/assets/..%2f..%2fpackage.json',
    '/assets/../../package.json',
    '//etc/passwd',
  ]) {
    const { status, headers } = await server.call('GET', path, { token })
    expect([path, status >= 400 && status < 500]).toEqual([path, true])
    expect(headers.get('set-cookie')).toBeNull()
  }
})

it('V2: a value given at hand is nowhere in the clear: no row, answer, log or number', async () => {
  await using server = await testServer()
  const token = await server.token()
  const [value, key] = ['opensesame-4711', 'k'.repeat(20)]
  const { json } = await server.call('GET', '/v1/keys', { token })
  const { storeId, recipients } = json as {
    storeId: string
    recipients: { keyId: string; publicKey: string }[]
  }
  const place = givenValuePlace({ store: storeId, environment: 'main', submission: key, name: 'npm' })
  const boxes = await Promise.all(
    recipients.map(async ({ keyId, publicKey }) => {
      const box = await seal(Buffer.from(publicKey, 'base64'), place, SecretValue.fromText(value))
      return { keyId, box: Buffer.from(box).toString('base64') }
    }),
  )
  const body = {
    environment: 'main',
    request: { dockerfile: { text: 'FROM x' }, tags: ['a:1'], secrets: { npm: { value: 'npm' } } },
    output: { type: 'engine' },
    values: [{ name: 'npm', boxes }],
  }
  expect((await server.call('POST', '/v1/builds', { token, body })).status).toBe(400)
  const headers = { 'idempotency-key': key }
  const made = await server.call('POST', '/v1/builds', { token, body, headers })
  expect(made.status).toBe(201)
  const changes = [{ name: 'STORED', value: base64(value) }]
  await server.call('POST', '/v1/environments/main/secrets', { token, body: { changes } })
  const tables = await server.test.tables()
  const seen: string[] = [made.text, ...server.lines, (await server.call('GET', '/metrics', { token })).text]
  for (const table of [
    'build',
    'build_event',
    'build_value',
    'token',
    'secret',
    'version',
    'sealed',
    'event',
  ] as const) {
    const rows = await tables.read((tx) => tx.selectFrom(table).selectAll().execute())
    seen.push(
      JSON.stringify(rows, (_key, field: unknown) =>
        field instanceof Uint8Array ? Buffer.from(field).toString('latin1') : field,
      ),
    )
  }
  await tables.close()
  for (const text of seen) {
    expect(text).not.toContain(value)
    expect(text).not.toContain(base64(value))
  }
})

it('V6: too many builds that have not ended are not taken', async () => {
  await using server = await testServer({ limits: { openBuilds: 2 } })
  const token = await server.token()
  const body = {
    environment: 'main',
    request: { dockerfile: { text: 'FROM x' }, tags: ['a:1'] },
    output: { type: 'engine' },
  }
  const statuses = []
  for (let count = 0; count < 3; count += 1) {
    statuses.push((await server.call('POST', '/v1/builds', { token, body })).status)
  }
  expect(statuses).toEqual([201, 201, 429])
})

it('V6: no build takes longer than the server lets it', async () => {
  await using server = await testServer({ limits: { buildMs: 1000 } })
  const token = await server.token()
  for (const timeoutMs of [undefined, 5000, 10]) {
    const request = { dockerfile: { text: 'FROM x' }, tags: ['a:1'], timeoutMs }
    await server.call('POST', '/v1/builds', {
      token,
      body: { environment: 'main', request, output: { type: 'engine' } },
    })
  }
  const list = await server.store.builds.list({ max: 9 })
  expect(list.map(({ request }) => request['timeoutMs']).sort()).toEqual([10, 1000, 1000])
})

it('V1: a bucket fills steadily, up to its size', () => {
  let now = 0
  const limit = new RateLimit({ burst: 2, perSecond: 1 }, () => now)
  expect([limit.take('a'), limit.take('a'), limit.take('a')]).toEqual([true, true, false])
  expect(limit.take('b')).toBe(true)
  now = 1500
  expect([limit.take('a'), limit.take('a')]).toEqual([true, false])
  now = 100_000
  expect([limit.take('a'), limit.take('a'), limit.take('a')]).toEqual([true, true, false])
})
