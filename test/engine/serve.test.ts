/** V5, V1: `serve` as a process: alone, and two of them on one PostgreSQL. */

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cp, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import { openStore, type Store } from '../../src/store/open.js'
import { until } from '../support/server-store.js'
import { startPostgres } from '../support/postgres.js'
import { processesWith } from '../support/processes.js'
import { temporaryFolder, textOf } from '../support/store.js'

const PROGRAM = resolve(import.meta.dirname, '../../dist/cli/main.js')

/** A server as a process. */
interface Served extends AsyncDisposable {
  readonly process: ChildProcess
  readonly address: string
  readonly said: readonly string[]
}

async function serve(env: Readonly<Record<string, string>>, words: readonly string[] = []): Promise<Served> {
  const child = spawn(process.execPath, [PROGRAM, 'serve', '--port', '0', ...words], {
    env: { ...process.env, ...env },
  })
  const said: string[] = []
  const ended = once(child, 'exit')
  createInterface({ input: child.stderr }).on('line', (line) => said.push(line))
  const line = await new Promise<string>((done, fail) => {
    createInterface({ input: child.stdout }).once('line', done)
    void ended.then(() => fail(new Error(`the server ended: ${said.join('\n')}`)))
  })
  return {
    process: child,
    said,
    address: line.slice(line.indexOf('http')),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await ended
    },
  }
}

async function adminToken(store: Store): Promise<string> {
  const { text } = await store.tokens.create({ name: 'test', scopes: ['admin'], createdBy: 'test' })
  return textOf(text)
}

/** Submits a build and gives its id. */
async function submit(address: string, token: string, dockerfile: string): Promise<string> {
  const response = await fetch(`${address}/v1/builds`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      environment: 'main',
      request: {
        dockerfile: { text: dockerfile },
        tags: ['traceless-serve-test:1'],
        secrets: { TOKEN: { name: 'TOKEN' } },
      },
      output: { type: 'oci' },
    }),
  })
  const { build } = (await response.json()) as { build: { id: string } }
  return build.id
}

it('V5: one process is a whole server: it makes the store, builds, and ends with its keyholder', async () => {
  await using folder = await temporaryFolder()
  const env = { TRACELESS_HOME: folder.path, TRACELESS_DATABASE: '' }
  await using served = await serve(env)
  await using store = await openStore({ home: folder.path, env: {} })
  const token = await adminToken(store)
  const authorization = `Bearer ${token}`
  const value = 'opensesame-serve-4711'
  const set = await fetch(`${served.address}/v1/environments/main/secrets`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ changes: [{ name: 'TOKEN', value: Buffer.from(value).toString('base64') }] }),
  })
  expect(set.status).toBe(200)
  const id = await submit(
    served.address,
    token,
    'FROM traceless-base:tiny\nRUN --mount=type=secret,id=TOKEN cat /run/secrets/TOKEN && echo done',
  )
  const events = await (
    await fetch(`${served.address}/v1/builds/${id}/events`, { headers: { authorization } })
  ).text()
  expect(events).toContain('"state":"succeeded"')
  const output = [...events.matchAll(/"bytes":"([^"]+)"/g)].map(([, text = '']) =>
    Buffer.from(text, 'base64').toString(),
  )
  expect(output.join('')).toContain('***')
  const archive = await fetch(`${served.address}/v1/builds/${id}/output`, { headers: { authorization } })
  expect(Number(archive.headers.get('content-length'))).toBe((await archive.arrayBuffer()).byteLength)
  for (const text of [events, output.join(''), served.said.join('\n')]) expect(text).not.toContain(value)

  const keyholders = processesWith('traceless-keyholder-')
  expect(keyholders.length).toBeGreaterThan(0)
  served.process.kill('SIGTERM')
  const [status] = (await once(served.process, 'exit')) as [number]
  expect(status).toBe(0)
  await until(async () => processesWith('traceless-keyholder-').every((pid) => !keyholders.includes(pid)))
})

it('V1: two servers without an identity answer for one store; a reader goes on at the other when one is killed', async () => {
  await using cluster = await startPostgres()
  await using folder = await temporaryFolder()
  const database = await cluster.createDatabase()
  const [whole, home] = [join(folder.path, 'whole'), join(folder.path, 'home')]
  await using store = await openStore({ home: whole, env: {}, database })
  const token = await adminToken(store)
  await cp(whole, home, { recursive: true })
  await rm(join(home, 'identity'))
  const env = { TRACELESS_HOME: home, TRACELESS_DATABASE: database }
  await using first = await serve(env)
  await using second = await serve(env)
  const id = await submit(first.address, token, 'FROM x\nRUN --mount=type=secret,id=TOKEN true')
  const lease = await store.builds.begin(id, 'test')
  if (lease === null) throw new Error('not begun')
  await store.builds.appendEvents(lease, [{ type: 'note', text: 'one' }])
  const headers = { authorization: `Bearer ${token}` }
  const reading = await fetch(`${first.address}/v1/builds/${id}/events`, { headers })
  let seen = ''
  const broken = (async () => {
    for await (const chunk of reading.body ?? []) seen += Buffer.from(chunk).toString()
  })().catch(() => 'broken')
  await until(() => seen.includes('"one"'))
  first.process.kill('SIGKILL')
  await broken
  await store.builds.appendEvents(lease, [{ type: 'note', text: 'two' }])
  const last = /id: (\d+)\n/.exec(seen)?.[1] ?? ''
  const rest = fetch(`${second.address}/v1/builds/${id}/events`, {
    headers: { ...headers, 'last-event-id': last },
  })
  const resumed = (await rest).text()
  await store.builds.appendEvents(lease, [{ type: 'note', text: 'three' }])
  await store.builds.finish(lease, { state: 'failed', failure: { code: 'BUILD_FAILED', message: 'x' } })
  const text = await resumed
  expect([...text.matchAll(/"text":"(\w+)"/g)].map(([, word]) => word)).toEqual(['two', 'three'])
  expect(text).toContain('event: end')
  const shown = await fetch(`${second.address}/v1/builds/${id}`, { headers })
  expect(await shown.json()).toMatchObject({ build: { state: 'failed' } })
})
