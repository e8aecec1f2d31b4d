/** V1: who may do what. Every endpoint is tried with every kind of token that must not open it. */

import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { SCOPES } from '../../src/store/tokens.js'
import { base64, testServer, type TestServer } from '../support/server.js'
import { newBuild, submitted } from '../support/server-store.js'

/** What each endpoint needs, written down once more: a scope that is widened by mistake does not pass. */
const NEEDED: Readonly<Record<string, string>> = {
  'get /v1/me': 'any',
  'get /v1/keys': 'builds:submit secrets:write',
  'get /v1/environments': 'secrets:list',
  'delete /v1/environments/{environment}': 'admin',
  'get /v1/secrets': 'secrets:list',
  'post /v1/environments/{environment}/secrets': 'secrets:write',
  'post /v1/environments/{environment}/secrets/unset': 'secrets:write',
  'post /v1/environments/{environment}/deploy': 'secrets:deploy',
  'get /v1/environments/{environment}/secrets/{name}/versions': 'secrets:list',
  'post /v1/environments/{environment}/secrets/{name}/rollback': 'secrets:deploy',
  'get /v1/environments/{environment}/secrets/{name}/usage': 'secrets:list',
  'get /v1/environments/{environment}/history': 'secrets:list',
  'get /v1/history': 'secrets:list everywhere',
  'get /v1/groups': 'secrets:list',
  'post /v1/environments/{environment}/groups': 'secrets:write',
  'get /v1/environments/{environment}/groups/{name}': 'secrets:list',
  'patch /v1/environments/{environment}/groups/{name}': 'secrets:write',
  'delete /v1/environments/{environment}/groups/{name}': 'secrets:write',
  'post /v1/builds': 'builds:submit',
  'get /v1/builds': 'builds:read',
  'get /v1/builds/{id}': 'builds:read builds:submit',
  'post /v1/builds/{id}/cancel': 'builds:submit',
  'get /v1/builds/{id}/report': 'builds:read builds:submit',
  'put /v1/builds/{id}/context': 'builds:submit',
  'get /v1/builds/{id}/events': 'builds:read builds:submit',
  'get /v1/builds/{id}/output': 'builds:read',
  'get /v1/tokens': 'admin everywhere',
  'post /v1/tokens': 'admin everywhere',
  'delete /v1/tokens/{id}': 'admin everywhere',
  'get /v1/workers': 'builds:read',
  'get /metrics': 'admin everywhere',
}

/** Every endpoint with its place filled in. */
function calls(
  server: TestServer,
  id = '0'.repeat(32),
): { readonly key: string; readonly method: string; readonly path: string }[] {
  return server.server.endpoints.map(({ method, path }) => ({
    key: `${method} ${path}`,
    method: method.toUpperCase(),
    path: path.replace('{environment}', 'main').replace('{name}', 'TOKEN').replace('{id}', id),
  }))
}

it('V1: each endpoint needs the scopes that are written down here', async () => {
  await using server = await testServer()
  const found = server.server.endpoints.map(({ method, path, scopes, everywhere }) => [
    `${method} ${path}`,
    `${scopes === 'any' ? 'any' : scopes.join(' ')}${everywhere === true ? ' everywhere' : ''}`,
  ])
  expect(Object.fromEntries(found)).toEqual(NEEDED)
})

it('V1: no endpoint answers without a token that is good', async () => {
  await using server = await testServer()
  const expired = await server.token({ expiresAt: new Date(server.test.clock.now().getTime() + 1) })
  const revoked = await server.token()
  server.test.clock.pass(2)
  for (const { id, expiresAt } of await server.store.tokens.list()) {
    if (expiresAt === null) await server.store.tokens.revoke(id)
  }
  const tokens = [undefined, '', 'tls_', `tls_${'A'.repeat(43)}`, 'A'.repeat(5000), expired, revoked]
  let caller = 0
  for (const { key, method, path } of calls(server)) {
    for (const token of tokens) {
      caller += 1
      const { status, json } = await server.call(method, path, { token, address: `10.0.0.${caller}` })
      expect([key, status, (json?.['error'] as { code: string }).code]).toEqual([key, 401, 'UNAUTHORIZED'])
    }
  }
  const basic = { authorization: `Basic ${base64('admin:admin')}` }
  expect((await server.call('GET', '/v1/me', { headers: basic })).status).toBe(401)
})

it('V1: no endpoint answers to a token without its scope', async () => {
  await using server = await testServer()
  const tokens = new Map<string, string>()
  for (const scope of SCOPES) tokens.set(scope, await server.token({ scopes: [scope] }))
  for (const { key, method, path } of calls(server)) {
    const needed = NEEDED[key] ?? ''
    for (const [scope, token] of tokens) {
      const { status } = await server.call(method, path, { token })
      const may = needed === 'any' || scope === 'admin' || needed.split(' ').includes(scope)
      expect([key, scope, status === 403]).toEqual([key, scope, !may])
    }
  }
})

it('V1: a token of one environment sees and changes nothing of another', async () => {
  await using server = await testServer()
  const all = await server.token()
  const staging = await server.token({ environments: ['staging'] })
  for (const environment of ['main', 'staging']) {
    const changes = [{ name: 'TOKEN', value: base64(environment) }]
    await server.call('POST', `/v1/environments/${environment}/secrets`, { token: all, body: { changes } })
    await server.call('POST', `/v1/environments/${environment}/groups`, {
      token: all,
      body: { name: 'db', changes },
    })
  }
  const id = await submitted(server.store.builds)
  for (const { key, method, path } of calls(server, id)) {
    const { status, text } = await server.call(method, path, { token: staging })
    if (path.includes('/main') || NEEDED[key]?.includes('everywhere') === true) {
      expect([key, status]).toEqual([key, 403])
    } else if (path.includes(id)) expect([key, status]).toEqual([key, path.endsWith('context') ? 415 : 404])
    expect(text).not.toContain('"main"')
  }
  for (const path of ['/v1/secrets', '/v1/groups', '/v1/builds']) {
    const asked = await server.call('GET', `${path}?environment=main`, { token: staging })
    expect([path, asked.status]).toEqual([path, 403])
  }
  const body = { environment: 'main', request: newBuild().request, output: { type: 'engine' } }
  expect((await server.call('POST', '/v1/builds', { token: staging, body })).status).toBe(403)
  expect((await server.call('GET', '/v1/secrets', { token: staging })).json?.['secrets']).toHaveLength(2)
  const headers = { 'content-type': 'application/x-tar' }
  const sent = await server.call('PUT', `/v1/builds/${id}/context`, { token: staging, headers, body: 'x' })
  expect(sent.status).toBe(404)
})

it('V1: whoever guesses tokens has to wait, and others do not', async () => {
  await using server = await testServer()
  const good = await server.token()
  const guess = (address: string, token = 'tls_guess'): Promise<{ status: number }> =>
    server.call('GET', '/v1/me', { token, address })
  const statuses = []
  for (let count = 0; count < 25; count += 1) statuses.push((await guess('10.0.0.1')).status)
  expect(statuses.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 401))
  expect(statuses.slice(21)).toEqual(Array.from({ length: 4 }, () => 429))
  expect((await guess('10.0.0.1', good)).status).toBe(429)
  expect((await guess('10.0.0.2', good)).status).toBe(200)
})

it('V1: one token may not ask without end', async () => {
  await using server = await testServer({ limits: { tokenRate: { burst: 3, perSecond: 0.001 } } })
  const token = await server.token()
  const other = await server.token()
  const statuses = []
  for (let count = 0; count < 5; count += 1) {
    statuses.push((await server.call('GET', '/v1/me', { token })).status)
  }
  expect(statuses).toEqual([200, 200, 200, 429, 429])
  expect((await server.call('GET', '/v1/me', { token: other })).status).toBe(200)
})

const OWN = { 'x-traceless-csrf': '1', origin: 'http://server.test', host: 'server.test' }

it('V3: a session begins with a token, is for this site alone, and ends', async () => {
  await using server = await testServer({ isSecure: true })
  const token = await server.token()
  const begun = await server.call('POST', '/v1/session', { body: { token }, headers: OWN })
  const cookie = begun.headers.get('set-cookie') ?? ''
  for (const part of ['HttpOnly', 'SameSite=Strict', 'Path=/', 'Secure']) expect(cookie).toContain(part)
  expect(begun.text).not.toContain(token)
  const session = { cookie: cookie.split(';')[0] ?? '' }
  expect((await server.call('GET', '/v1/me', { headers: session })).status).toBe(200)
  const ended = await server.call('DELETE', '/v1/session', { headers: { ...session, ...OWN } })
  expect(ended.headers.get('set-cookie')).toContain('Max-Age=0')
  const wrong = await server.call('POST', '/v1/session', { body: { token: 'tls_x' }, headers: OWN })
  expect([wrong.status, wrong.headers.get('set-cookie')]).toEqual([401, null])
})

it.for<[string, Readonly<Record<string, string>>]>([
  ['without the header', { origin: 'http://server.test', host: 'server.test' }],
  ['from another origin', { ...OWN, origin: 'http://evil.test' }],
  ['from an opaque origin', { ...OWN, origin: 'null' }],
  ['from another site, as the browser says', { ...OWN, 'sec-fetch-site': 'cross-site' }],
  ['from a sister site, as the browser says', { ...OWN, 'sec-fetch-site': 'same-site' }],
])('V3: a change with a session is refused %s', async ([, headers]) => {
  await using server = await testServer()
  const token = await server.token()
  const cookie = `traceless_session=${token}`
  const body = { changes: [{ name: 'A', value: '' }] }
  const path = '/v1/environments/main/secrets'
  expect((await server.call('POST', path, { headers: { ...headers, cookie }, body })).status).toBe(403)
  expect((await server.call('POST', '/v1/session', { headers, body: { token } })).status).toBe(403)
  expect((await server.call('POST', path, { headers: { ...OWN, cookie }, body })).status).toBe(200)
  expect((await server.call('POST', path, { headers, token, body })).status).toBe(200)
})

it('V1: no other origin is let in by CORS', async () => {
  await using server = await testServer()
  const token = await server.token()
  const headers = { origin: 'http://evil.test', 'access-control-request-method': 'GET' }
  for (const method of ['OPTIONS', 'GET', 'POST']) {
    const answer = await server.call(method, '/v1/secrets', { token, headers })
    expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
    if (method === 'OPTIONS') expect(answer.status).toBe(404)
  }
})

it('V1: every answer forbids what a browser could do with it', async () => {
  await using server = await testServer({ isSecure: true })
  for (const path of ['/healthz', '/v1/me', '/nowhere', '/']) {
    const { headers } = await server.call('GET', path)
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('strict-transport-security')).toContain('max-age')
  }
})

it('V1: what names a token in the log is its id, and a token that is sent in a wrong place is masked', async () => {
  await using server = await testServer()
  const token = await server.token()
  await server.call('GET', `/v1/builds?environment=${token}`, { token })
  await server.call('GET', `/${token}`, { token })
  await server.call('GET', `/v1/environments/${token}/history`, { token })
  await server.call(token, '/v1/me')
  const log = server.lines.join('\n')
  expect(server.lines).toHaveLength(4)
  expect(log).not.toContain(token.slice(4))
  expect(log).not.toContain(createHash('sha256').update(token).digest('hex'))
  const metrics = await server.call('GET', '/metrics', { token })
  expect(metrics.text).not.toContain(token.slice(4))
})
