/** V1: the HTTP API, from request to response. */

import { expect, it } from 'vitest'
import { pack } from 'tar-stream'
import { base64, testServer, type TestServer } from '../support/server.js'
import { collected } from '../support/server-store.js'
import { readAll } from '../support/store.js'

const DOCKERFILE = { environment: 'main', request: { dockerfile: { text: 'FROM scratch' }, tags: ['app:1'] } }

/** Submits a build and gives its id. */
async function submit(
  server: TestServer,
  token: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const body = { ...DOCKERFILE, output: { type: 'engine' }, ...more }
  const { json } = await server.call('POST', '/v1/builds', { token, body })
  return (json?.['build'] as { id: string }).id
}

/** A tar archive with one file. */
function tarOf(name: string, content: string): ReadableStream<Uint8Array> {
  const archive = pack()
  archive.entry({ name }, content)
  archive.finalize()
  return ReadableStream.from<Uint8Array>(archive as unknown as AsyncIterable<Uint8Array>)
}

it('V1: secrets are set, listed, unset, rolled back; no answer holds a value', async () => {
  await using server = await testServer()
  const token = await server.token()
  const place = '/v1/environments/main'
  const value = 'opensesame-4711'
  const answers = [
    await server.call('POST', `${place}/secrets`, {
      token,
      body: {
        changes: [
          { name: 'TOKEN', value: base64(value), exposure: 'build-only' },
          { name: 'B', value: '' },
        ],
      },
    }),
    await server.call('POST', `${place}/secrets`, {
      token,
      body: { changes: [{ name: 'TOKEN', value: base64(`${value}-2`) }], stage: true },
    }),
    await server.call('GET', '/v1/secrets', { token }),
    await server.call('POST', `${place}/deploy`, { token, body: {} }),
    await server.call('GET', `${place}/secrets/TOKEN/versions`, { token }),
    await server.call('GET', `${place}/history?max=50`, { token }),
    await server.call('GET', '/v1/history', { token }),
    await server.call('GET', `${place}/secrets/TOKEN/usage`, { token }),
    await server.call('GET', '/v1/environments', { token }),
    await server.call('POST', `${place}/secrets/unset`, { token, body: { names: ['B'] } }),
    await server.call('GET', '/v1/me', { token }),
    await server.call('GET', '/v1/keys', { token }),
  ]
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
  expect(answers[2]?.json?.['secrets']).toMatchObject([
    { name: 'B', status: 'live' },
    { name: 'TOKEN', exposure: 'build-only', status: 'live' },
    { name: 'TOKEN', status: 'staged' },
  ])
  const versions = answers[4]?.json?.['versions'] as { version: string; live: boolean }[]
  const before = versions.find(({ live }) => !live)?.version
  await server.call('POST', `${place}/secrets/TOKEN/rollback`, { token, body: { to: before } })
  expect(await readAll(server.store)).toEqual({ TOKEN: value })
  for (const { text } of answers) {
    expect(text).not.toContain(value)
    expect(text).not.toContain(base64(value))
  }
  expect(server.lines.join('\n')).not.toContain(value)
  const history = answers[5]?.json?.['history'] as { actor: string }[]
  expect(history[0]?.actor).toMatch(/^test \(token [0-9a-f]{16}\)$/)
})

it('V1: groups are made, shown, changed and deleted', async () => {
  await using server = await testServer()
  const token = await server.token()
  const groups = '/v1/environments/staging/groups'
  const changes = [{ name: 'USER', value: base64('somebody') }]
  const made = await server.call('POST', groups, { token, body: { name: 'db', changes } })
  expect(made.json).toEqual({ created: true })
  expect((await server.call('POST', groups, { token, body: { name: 'db', changes } })).status).toBe(409)
  const more = { changes: [{ name: 'PASSWORD', value: base64('else') }] }
  expect((await server.call('PATCH', `${groups}/db`, { token, body: more })).status).toBe(200)
  const shown = await server.call('GET', `${groups}/db`, { token })
  expect(shown.json?.['group']).toMatchObject({ name: 'db', keys: ['PASSWORD', 'USER'] })
  expect((await server.call('GET', '/v1/groups?environment=staging', { token })).json).toMatchObject({
    groups: [{ name: 'db' }],
  })
  expect((await server.call('DELETE', `${groups}/db`, { token })).json).toEqual({ deleted: true })
  expect((await server.call('DELETE', `${groups}/db`, { token })).status).toBe(404)
  expect((await server.call('DELETE', `${groups}/db?allowMissing=true`, { token })).json).toEqual({
    deleted: false,
  })
  expect((await server.call('DELETE', '/v1/environments/staging', { token })).json).toMatchObject({
    secrets: 0,
  })
})

it('V1: a build is submitted once, listed, shown and cancelled', async () => {
  await using server = await testServer()
  const token = await server.token()
  const body = { ...DOCKERFILE, output: { type: 'engine' } }
  const headers = { 'idempotency-key': 'a'.repeat(16) }
  const first = await server.call('POST', '/v1/builds', { token, body, headers })
  const again = await server.call('POST', '/v1/builds', { token, body, headers })
  expect([first.status, again.status]).toEqual([201, 200])
  expect(again.json).toEqual(first.json)
  expect(first.json?.['build']).toMatchObject({
    state: 'waiting',
    tags: ['app:1'],
    attempt: 0,
    outcome: null,
  })
  const other = { ...body, request: { ...body.request, tags: ['app:2'] } }
  expect((await server.call('POST', '/v1/builds', { token, body: other, headers })).status).toBe(409)
  const { id } = first.json?.['build'] as { id: string }
  expect((await server.call('GET', '/v1/builds', { token })).json?.['builds']).toHaveLength(1)
  expect((await server.call('GET', `/v1/builds/${id}`, { token })).json).toEqual(first.json)
  expect((await server.call('GET', `/v1/builds/${id}/report`, { token })).status).toBe(404)
  expect((await server.call('GET', `/v1/builds/${id}/output`, { token })).status).toBe(404)
  const cancelled = await server.call('POST', `/v1/builds/${id}/cancel`, { token })
  expect(cancelled.json?.['build']).toMatchObject({ state: 'cancelled', outcome: { code: 'CANCELLED' } })
})

it('V1: a context comes after its build, and lets it wait', async () => {
  await using server = await testServer()
  const token = await server.token()
  const id = await submit(server, token, {
    request: { dockerfile: { file: 'Dockerfile' }, tags: ['app:1'] },
    context: true,
  })
  const path = `/v1/builds/${id}/context`
  const headers = { 'content-type': 'application/x-tar' }
  const sent = await server.call('PUT', path, { token, headers, body: tarOf('Dockerfile', 'FROM scratch') })
  expect(sent.json?.['build']).toMatchObject({ state: 'waiting' })
  expect((await collected(server.store.builds.openContext(id))).toString()).toContain('FROM scratch')
  const again = await server.call('PUT', path, { token, headers, body: tarOf('Dockerfile', 'FROM x') })
  expect(again.status).toBe(409)
})

it.for([
  ['no tags', { request: { dockerfile: { text: 'FROM x' } } }],
  ['a file without a context', { request: { dockerfile: { file: 'Dockerfile' }, tags: ['a'] } }],
  ['a file outside', { request: { dockerfile: { file: '../x' }, tags: ['a'] }, context: true }],
  ['an absolute file', { request: { dockerfile: { file: '/etc/passwd' }, tags: ['a'] }, context: true }],
  ['a value that is not there', { request: { ...DOCKERFILE.request, secrets: { a: { value: 'x' } } } }],
  ['an unknown field', { request: { ...DOCKERFILE.request, privileged: true } }],
  ['neither kind', { request: { tags: ['a'] } }],
  ['a reserved argument', { request: { ...DOCKERFILE.request, buildArgs: { BUILDKIT_SYNTAX: 'x' } } }],
  ['a false environment', { environment: '../x' }],
  ['a false output', { output: { type: 'file', path: '/etc' } }],
] as const)('V1: refuses a build with %s', async ([, more]) => {
  await using server = await testServer()
  const token = await server.token()
  const body = { ...DOCKERFILE, output: { type: 'engine' }, ...more }
  const { status, json } = await server.call('POST', '/v1/builds', { token, body })
  expect([status, (json?.['error'] as { code: string }).code]).toEqual([400, 'REQUEST_INVALID'])
  expect(await server.store.builds.list({ max: 9 })).toEqual([])
})

it('V1: an image stays in the engine only where there is one engine', async () => {
  await using server = await testServer({ keepsImages: false })
  const token = await server.token()
  const body = { ...DOCKERFILE, output: { type: 'engine' } }
  expect((await server.call('POST', '/v1/builds', { token, body })).status).toBe(400)
})

it('V1: events stream from the beginning, go on behind the last one, and end with the build', async () => {
  await using server = await testServer()
  const token = await server.token()
  const id = await submit(server, token)
  const { builds } = server.store
  const lease = await builds.begin(id, 'w')
  if (lease === null) throw new Error('not begun')
  await builds.appendEvents(lease, [
    { type: 'phase', phase: 'check' },
    { type: 'note', text: 'two' },
  ])
  const all = server.fetch('GET', `/v1/builds/${id}/events`, { token })
  const reading = (await all).text()
  await builds.appendEvents(lease, [{ type: 'note', text: 'three' }])
  await builds.finish(lease, { state: 'succeeded', image: 'sha256:1' })
  const text = await reading
  expect(text.match(/^id: \d+$/gm)).toEqual(['id: 1', 'id: 2', 'id: 3'])
  expect(text).toMatch(/event: end\ndata: \{"build":\{"id":"[0-9a-f]{32}".*"state":"succeeded"/)
  const headers = { 'last-event-id': '2' }
  const rest = await server.call('GET', `/v1/builds/${id}/events`, { token, headers })
  expect(rest.text.match(/^id: \d+$/gm)).toEqual(['id: 3'])
  const wrong = await server.call('GET', `/v1/builds/${id}/events`, {
    token,
    headers: { 'last-event-id': 'x' },
  })
  expect(wrong.status).toBe(400)
})

it('V1: gives the output of a build that succeeded', async () => {
  await using server = await testServer()
  const token = await server.token()
  const { builds } = server.store
  const id = await submit(server, token, { output: { type: 'oci' } })
  const lease = await builds.begin(id, 'w')
  if (lease === null) throw new Error('not begun')
  await builds.putOutput(lease, ReadableStream.from([Buffer.from('archive')]))
  expect((await server.call('GET', `/v1/builds/${id}/output`, { token })).status).toBe(404)
  await builds.finish(lease, { state: 'succeeded', report: { verdict: 'clean' } })
  const output = await server.call('GET', `/v1/builds/${id}/output`, { token })
  expect([output.text, output.headers.get('content-type')]).toEqual(['archive', 'application/x-tar'])
  expect((await server.call('GET', `/v1/builds/${id}/report`, { token })).json).toEqual({
    report: { verdict: 'clean' },
  })
})

it('V1: a token is made, used, listed without its text, and revoked', async () => {
  await using server = await testServer()
  const token = await server.token()
  const body = { name: 'ci', scopes: ['builds:read'], environments: ['main'] }
  const made = await server.call('POST', '/v1/tokens', { token, body })
  expect(made.status).toBe(201)
  const { text, token: entry } = made.json as { text: string; token: { id: string } }
  expect((await server.call('GET', '/v1/me', { token: text })).json?.['token']).toMatchObject(body)
  const listed = await server.call('GET', '/v1/tokens', { token })
  expect(listed.json?.['tokens']).toHaveLength(2)
  expect(listed.text).not.toContain(text.slice(4))
  expect((await server.call('DELETE', `/v1/tokens/${entry.id}`, { token })).status).toBe(200)
  expect((await server.call('GET', '/v1/me', { token: text })).status).toBe(401)
  expect((await server.call('DELETE', `/v1/tokens/${entry.id}`, { token })).status).toBe(404)
})

it('V1: tells that it lives, that it is ready, and what it counts', async () => {
  await using server = await testServer()
  const token = await server.token()
  await submit(server, token)
  expect((await server.call('GET', '/healthz')).status).toBe(200)
  expect((await server.call('GET', '/readyz')).status).toBe(200)
  expect((await server.call('GET', '/metrics')).status).toBe(401)
  const metrics = await server.call('GET', '/metrics', { token })
  expect(metrics.text).toContain('traceless_builds_open{state="waiting"} 1')
  expect(metrics.text).toContain(
    'traceless_http_requests_total{method="POST",route="/v1/builds",status="201"} 1',
  )
  await server.store.close()
  expect((await server.call('GET', '/readyz')).status).toBeGreaterThanOrEqual(500)
})

it('V1: describes itself as OpenAPI 3.1, every endpoint of it', async () => {
  await using server = await testServer()
  const { json } = await server.call('GET', '/openapi.json')
  expect(json?.['openapi']).toBe('3.1.0')
  const paths = json?.['paths'] as Record<string, Record<string, unknown>>
  const listed = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  )
  expect(listed.toSorted()).toEqual(
    server.server.endpoints.map(({ method, path }) => `${method} ${path}`).toSorted(),
  )
})
