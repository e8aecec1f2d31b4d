/** V2: the clients against the real server, on a port of this machine. */

import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { BuilderEvent } from '../../src/builder/events.js'
import { createClient, type ServerClient } from '../../src/remote/client.js'
import { signIn } from '../../src/remote/sign-in.js'
import { secretName } from '../../src/secret.js'
import type { JsonObject, Lease, LeasedBuild } from '../../src/store/builds.js'
import { givenValuePlace } from '../../src/store/given-value.js'
import { homeAt } from '../../src/store/home.js'
import { loadIdentity } from '../../src/store/identity.js'
import type { Store } from '../../src/store/open.js'
import { open } from '../../src/store/seal.js'
import { temporaryFolder } from '../support/folder.js'
import { startListening } from '../support/listening-server.js'
import { faultFrom, readAll, textOf } from '../support/store.js'

const CANARY = 'ghp-canary_0123456789'
const IMAGE = `sha256:${'1'.repeat(64)}`
const REPORT: JsonObject = {
  version: 1,
  verdict: 'clean',
  image: IMAGE,
  reasons: [],
  findings: [],
  unread: [],
  opaque: [],
  layers: [],
  steps: [],
  guarded: [],
  tooShort: [],
  unguarded: [],
  allow: [],
  bytes: 10,
  durationMs: 5,
}

/** What a played build gets to see. */
interface Played {
  readonly store: Store
  readonly lease: Lease
  readonly context: Buffer
  readonly given: LeasedBuild['values']
}

interface Real extends AsyncDisposable {
  readonly store: Store
  readonly client: ServerClient
  readonly url: string
  readonly token: string
  readonly home: string
  readonly log: readonly string[]
  play: (played: Played) => Promise<void>
}

async function startReal(): Promise<Real> {
  const listening = await startListening()
  const { store, folder, url, log, queue, signal } = listening
  const token = await listening.token('admin')
  const home = folder.file('home')
  const client = createClient({ server: url, token, home, env: {} })
  const real: Real = {
    store,
    client,
    url,
    token,
    home,
    log,
    play: async () => undefined,
    async [Symbol.asyncDispose]() {
      listening.stop()
      await working
      await client.close()
      await listening.close()
    },
  }
  const working = (async () => {
    for await (const id of queue.take(signal)) {
      const lease = await store.builds.begin(id, 'played')
      if (lease === null) continue
      const context: Uint8Array[] = []
      for await (const chunk of store.builds.openContext(id)) context.push(chunk)
      const given = (await store.builds.leased(lease))?.values ?? []
      await real.play({ store, lease, context: Buffer.concat(context), given })
    }
  })()
  return real
}

const succeed = async ({ store, lease }: Played): Promise<void> => {
  await store.builds.finish(lease, { state: 'succeeded', image: IMAGE, report: REPORT })
}

describe('V2: a client and the real server', () => {
  it('V2: secrets, groups and environments, as the store has them', async () => {
    await using real = await startReal()
    const { client, store } = real
    await client.secrets.setAll({ A: CANARY, B: '2' }, { environment: 'staging', exposure: 'build-only' })
    await client.secrets.stage('A', 'new', { environment: 'staging' })
    await client.groups.create('web', { C: '3' }, { environment: 'staging' })
    expect(await client.secrets.list({ environment: 'staging' })).toEqual(
      await store.admin.list({ environment: 'staging' }),
    )
    expect((await client.secrets.list({ maxObjects: 1 })).length).toBe(1)
    expect(await client.groups.info('web', { environment: 'staging' })).toEqual(
      await store.admin.groups.info({ environment: 'staging', name: 'web' }),
    )
    await client.secrets.deploy({ environment: 'staging' })
    expect(await readAll(store, { environment: 'staging' })).toEqual({ A: 'new', B: '2' })
    const [, first] = await client.secrets.versions('A', { environment: 'staging' })
    await client.secrets.rollback('A', { environment: 'staging', to: first?.version ?? '' })
    expect(await readAll(store, { environment: 'staging' })).toMatchObject({ A: CANARY })
    expect(await client.secrets.history('A', { environment: 'staging' })).toEqual(
      await store.admin.history({ environment: 'staging', name: secretName('A') }),
    )
    expect(await client.secrets.usage('A', { environment: 'staging' })).toEqual([])
    await client.secrets.unset(['B', 'NOPE'], { environment: 'staging', allowMissing: true })
    const refused = await faultFrom(
      client.secrets.unset('NOPE', { environment: 'staging' }),
      'SECRET_UNKNOWN',
    )
    const local = store.admin.unset({ environment: 'staging' }, [secretName('NOPE')])
    expect(refused.toJSON()).toEqual((await faultFrom(local, 'SECRET_UNKNOWN')).toJSON())
    await client.groups.update('web', { D: '4' }, { environment: 'staging' })
    expect(await client.groups.delete('web', { environment: 'staging' })).toEqual({ deleted: true })
    expect(await client.environments.list()).toEqual(await store.admin.environments())
    expect(await client.environments.delete('staging')).toEqual({ secrets: 1, groups: 0 })
    expect(real.log.join('\n')).not.toContain(CANARY)
  })

  it('V2: a build: context, a value sealed at sign-in’s pin, live events, report, archive', async () => {
    await using real = await startReal()
    const { client, store } = real
    await signIn({ server: real.url, token: real.token }, { home: homeAt(real.home) })
    await using folder = await temporaryFolder({
      'a.txt': 'hello',
      '.dockerignore': '*.pem',
      'key.pem': 'no',
    })
    let seen: Played | undefined
    let heard = (): void => undefined
    const first = new Promise<void>((done) => (heard = done))
    real.play = async (played) => {
      seen = played
      const log = Buffer.from('working\n').toString('base64')
      await store.builds.appendEvents(played.lease, [
        { type: 'phase', phase: 'build' },
        { type: 'log', id: '1', stream: 'stdout', bytes: log },
      ])
      // Nothing more is told before the client has heard this.
      await first
      await store.builds.appendEvents(played.lease, [{ type: 'report', report: REPORT }])
      await store.builds.putOutput(played.lease, bytesOf('an archive'))
      await succeed(played)
    }
    const events: BuilderEvent[] = []
    let archive = ''
    const result = await client.builder.build(
      {
        dockerfile: { text: 'FROM scratch\nCOPY . .' },
        context: folder.path,
        secrets: { token: CANARY },
        tags: ['app:1'],
        async archive(bytes) {
          for await (const chunk of bytes) archive += Buffer.from(chunk).toString()
        },
      },
      {
        onEvent(event) {
          events.push(event)
          if (event.type === 'log') heard()
        },
      },
    )
    expect(result).toMatchObject({ image: IMAGE, tags: ['app:1'], report: { verdict: 'clean' } })
    expect(archive).toBe('an archive')
    expect(events.map(({ type }) => type).filter((type) => type !== 'upload')).toEqual([
      'phase',
      'log',
      'report',
    ])
    const text = seen?.context.toString('latin1') ?? ''
    expect([text.includes('a.txt'), text.includes('key.pem')]).toEqual([true, false])
    const build = await store.builds.get(result?.id ?? '')
    const place = {
      store: store.id,
      environment: 'main',
      submission: build?.idempotencyKey ?? '',
      name: 'token',
    }
    using identity = await loadIdentity(store.home, {})
    const [key] = identity?.keys ?? []
    const [given] = seen?.given ?? []
    if (key === undefined || given === undefined) throw new Error('nothing was given')
    const value = await open(key, givenValuePlace(place), given.boxes[0]?.box ?? new Uint8Array())
    expect(value === null ? null : textOf(value)).toBe(CANARY)
    expect((await store.builds.get(result?.id ?? ''))?.state).toBe('succeeded')
    expect((await client.builds.list({ state: 'succeeded' })).map(({ id }) => id)).toEqual([result?.id])
    expect(await client.builds.report(result?.id ?? '')).toEqual(REPORT)
  })

  it('V2: cancels by its signal, and ends with the fault of a refusal', async () => {
    await using real = await startReal()
    const { client, store } = real
    real.play = async ({ lease }) => {
      await store.builds.appendEvents(lease, [{ type: 'phase', phase: 'build' }])
      while ((await store.builds.renew(lease)) === 'live') await pause(20)
      await store.builds.finish(lease, { state: 'cancelled' })
    }
    const stop = new AbortController()
    const reason = new Error('enough')
    const building = client.builder.build(
      { dockerfile: { text: 'FROM scratch' }, tags: ['app:1'] },
      { onEvent: () => stop.abort(reason), signal: stop.signal },
    )
    await expect(building).rejects.toThrow()
    expect((await client.builds.list())[0]?.state).toBe('cancelled')
    real.play = async ({ lease }) => {
      const failure = {
        code: 'LEAK_FOUND',
        message: 'It holds one.',
        detail: { places: ['layer 2'] },
      } as const
      await store.builds.finish(lease, { state: 'refused', report: { ...REPORT, verdict: 'leak' }, failure })
    }
    const leaky = client.builder.build({ dockerfile: { text: 'FROM scratch' }, tags: ['app:2'] })
    expect((await faultFrom(leaky, 'LEAK_FOUND')).message).toBe('It holds one.')
  })

  it('V2: is told apart by its token: scope, environment, unknown', async () => {
    await using real = await startReal()
    const scoped = await real.store.tokens.create({
      name: 'narrow',
      scopes: ['secrets:list'],
      environments: ['main'],
      createdBy: 'host',
    })
    await using narrow = createClient({ server: real.url, token: scoped.text })
    expect(await narrow.secrets.list({ environment: 'main' })).toEqual([])
    await faultFrom(narrow.secrets.list({ environment: 'staging' }), 'FORBIDDEN')
    await faultFrom(narrow.secrets.set('A', '1'), 'FORBIDDEN')
    await using unknown = createClient({ server: real.url, token: `tls_${'x'.repeat(43)}` })
    await faultFrom(unknown.secrets.list(), 'UNAUTHORIZED')
    await signIn({ server: real.url, token: scoped.text }, { home: homeAt(real.home) })
  })
})

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
