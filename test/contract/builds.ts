/** What the tables of a server do, whatever database they are in. */

import { describe, expect, it } from 'vitest'
import { CHUNK_BYTES, LEASE_MS, MAX_ATTEMPTS, MAX_EVENT_BYTES, UPLOAD_MS } from '../../src/store/builds.js'
import { SecretValue } from '../../src/secret.js'
import { WORKER_GONE_MS } from '../../src/store/workers.js'
import { begun, collected, newBuild, streamOf, submitted, until } from '../support/server-store.js'
import { faultFrom, textOf, type TestStore } from '../support/store.js'

/** Runs the suite. `make` gives an empty store at each call. */
export function buildContract(kind: string, make: () => Promise<TestStore>): void {
  describe(`builds in ${kind}`, () => {
    describe('V1: submitting', () => {
      it('V1: keeps what was asked for, and finds it by id', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const { build, made } = await builds.submit(newBuild({ environment: 'staging' }))
        expect(made).toBe(true)
        expect(build.id).toMatch(/^[0-9a-f]{32}$/)
        expect(await builds.get(build.id)).toEqual(build)
        expect(build).toMatchObject({
          environment: 'staging',
          state: 'waiting',
          attempt: 0,
          request: { tags: ['app:1'] },
          submittedAt: test.clock.now(),
          failure: null,
        })
        expect(await builds.get('0'.repeat(32))).toBeNull()
      })

      it('V1: the same key and request are the same build, however often and at once', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const request = newBuild({ idempotencyKey: 'k'.repeat(16) })
        const all = await Promise.all(Array.from({ length: 8 }, () => builds.submit(request)))
        expect(new Set(all.map(({ build }) => build.id)).size).toBe(1)
        expect(all.filter(({ made }) => made)).toHaveLength(1)
        await faultFrom(builds.submit({ ...request, requestDigest: 'd2' }), 'STORE_CONFLICT')
        expect((await builds.submit({ ...request, submittedBy: 'other' })).made).toBe(true)
      })

      it('V1: lists newest first, page by page, and only what is asked for', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const ids: string[] = []
        for (const environment of ['main', 'staging', 'main', 'main']) {
          ids.unshift(await submitted(builds, { environment }))
          test.clock.pass(1)
        }
        const first = await builds.list({ max: 3 })
        expect(first.map(({ id }) => id)).toEqual(ids.slice(0, 3))
        expect((await builds.list({ max: 3, before: ids[2] })).map(({ id }) => id)).toEqual(ids.slice(3))
        expect(await builds.list({ environments: ['staging'], max: 9 })).toHaveLength(1)
        expect(await builds.list({ environments: [], max: 9 })).toEqual([])
        expect(await builds.list({ state: 'running', max: 9 })).toEqual([])
        expect(await builds.list({ before: 'f'.repeat(32), max: 9 })).toEqual([])
      })

      it('V1: pages do not lose builds of one moment', async () => {
        await using test = await make()
        const { builds } = await test.open()
        for (let count = 0; count < 7; count += 1) await submitted(builds)
        const seen: string[] = []
        for (;;) {
          const page = await builds.list({ max: 2, before: seen.at(-1) })
          seen.push(...page.map(({ id }) => id))
          if (page.length < 2) break
        }
        expect(new Set(seen).size).toBe(7)
      })
    })

    describe('V4: contexts and outputs', () => {
      it.for([0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 5])(
        'V4: gives a context of %i bytes back as it came',
        async (size) => {
          await using test = await make()
          const { builds } = await test.open()
          const id = await submitted(builds, { context: true })
          expect(await builds.begin(id, 'w')).toBeNull()
          const bytes = Uint8Array.from({ length: size }, (_, at) => (at * 31) % 251)
          await builds.putContext(id, streamOf(bytes))
          expect(await builds.get(id)).toMatchObject({ state: 'waiting', contextBytes: size })
          expect((await collected(builds.openContext(id))).equals(bytes)).toBe(true)
        },
      )

      it('V4: an upload that breaks off lets another one come, and leaves nothing of its own', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const id = await submitted(builds, { context: true })
        const broken = async function* (): AsyncGenerator<Uint8Array> {
          yield new Uint8Array(2 * CHUNK_BYTES)
          throw new TypeError('gone')
        }
        await expect(builds.putContext(id, broken())).rejects.toThrow('gone')
        expect(await builds.get(id)).toMatchObject({ state: 'uploading' })
        await builds.putContext(id, streamOf(Buffer.from('short')))
        expect((await collected(builds.openContext(id))).toString()).toBe('short')
        await faultFrom(builds.putContext(id, streamOf(Buffer.from('again'))), 'STORE_CONFLICT')
      })

      it('V4: of two uploads at once, the later one counts and they do not mix', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const id = await submitted(builds, { context: true })
        let goOn = (): void => undefined
        const gate = new Promise<void>((resolve) => {
          goOn = resolve
        })
        const slow = async function* (): AsyncGenerator<Uint8Array> {
          yield new Uint8Array(CHUNK_BYTES).fill(1)
          await gate
          yield new Uint8Array(CHUNK_BYTES).fill(1)
        }
        const first = builds.putContext(id, slow())
        await until(async () => (await builds.get(id))?.contextBytes === CHUNK_BYTES)
        await builds.putContext(id, streamOf(new Uint8Array(CHUNK_BYTES + 1).fill(2)))
        goOn()
        await faultFrom(first, 'STORE_CONFLICT')
        const context = await collected(builds.openContext(id))
        expect(context.length).toBe(CHUNK_BYTES + 1)
        expect(context.every((byte) => byte === 2)).toBe(true)
      })

      it('V4: keeps an output under the lease only, and gives it after the end', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const lease = await begun(builds)
        const bytes = new Uint8Array(2 * CHUNK_BYTES + 7).fill(9)
        const other = { ...lease, lease: 'f'.repeat(32) }
        expect(await builds.putOutput(other, streamOf(bytes))).toBe(false)
        expect(await builds.putOutput(lease, streamOf(new Uint8Array(CHUNK_BYTES * 4)))).toBe(true)
        expect(await builds.putOutput(lease, streamOf(bytes))).toBe(true)
        await builds.finish(lease, { state: 'succeeded' })
        expect((await collected(builds.openOutput(lease.build))).equals(bytes)).toBe(true)
        expect(await builds.get(lease.build)).toMatchObject({ outputBytes: bytes.length })
      })
    })

    describe('V4: leases', () => {
      it('V4: of many that begin a build at once, one gets it', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const id = await submitted(builds)
        const leases = await Promise.all(
          Array.from({ length: 8 }, (_, at) => builds.begin(id, `worker-${at}`)),
        )
        const [lease] = leases.filter((each) => each !== null)
        expect(leases.filter((each) => each !== null)).toHaveLength(1)
        expect(lease).toMatchObject({ build: id, attempt: 1 })
        expect(await builds.get(id)).toMatchObject({ state: 'running', attempt: 1 })
        expect(await builds.waiting(9)).toEqual([])
      })

      it('V4: a lease that is over or false writes nothing', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const lease = await begun(builds)
        for (const wrong of [
          { ...lease, lease: '0'.repeat(32) },
          { ...lease, attempt: 2 },
          { ...lease, build: '0'.repeat(32) },
        ]) {
          expect(await builds.renew(wrong)).toBe('lost')
          expect(await builds.leased(wrong)).toBeNull()
          expect(await builds.appendEvents(wrong, [{ type: 'note', text: 'x' }])).toBe(false)
          expect(await builds.putOutput(wrong, streamOf(Buffer.from('x')))).toBe(false)
          expect(await builds.finish(wrong, { state: 'succeeded' })).toBe(false)
          expect(await builds.giveBack(wrong, 'Gone.')).toBe(false)
        }
        expect(await builds.get(lease.build)).toMatchObject({ state: 'running', events: 0, outputBytes: 0 })
        expect(await builds.finish(lease, { state: 'succeeded', image: 'sha256:1' })).toBe(true)
        expect(await builds.finish(lease, { state: 'failed' })).toBe(false)
        expect(await builds.renew(lease)).toBe('lost')
        expect(await builds.appendEvents(lease, [{ type: 'note', text: 'x' }])).toBe(false)
      })

      it('V4: is good for its time and not a moment longer', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const lease = await begun(builds)
        test.clock.pass(LEASE_MS - 1)
        expect(await builds.renew(lease)).toBe('live')
        test.clock.pass(LEASE_MS - 1)
        expect(await builds.leased(lease)).toMatchObject({ environment: 'main', worker: 'worker-1' })
        test.clock.pass(1)
        expect(await builds.leased(lease)).toBeNull()
        expect(await builds.renew(lease)).toBe('lost')
      })

      it('V4: a worker that is gone loses its build to another, three times at most', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const id = await submitted(builds)
        for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
          const lease = await builds.begin(id, 'w')
          expect(lease).toMatchObject({ attempt })
          expect(await builds.expire()).toEqual({ waiting: [], ended: [] })
          test.clock.pass(LEASE_MS + 1)
          const again = attempt < MAX_ATTEMPTS
          expect(await builds.expire()).toEqual({ waiting: again ? [id] : [], ended: again ? [] : [id] })
          expect(await builds.finish(lease ?? never(), { state: 'succeeded' })).toBe(false)
        }
        expect(await builds.get(id)).toMatchObject({ state: 'failed', failure: { code: 'BUILD_FAILED' } })
        const notes = await builds.eventsAfter(id, 0, 9)
        expect(notes.map(({ seq, event }) => [seq, event['type']])).toEqual([
          [1, 'note'],
          [2, 'note'],
          [3, 'note'],
        ])
      })

      it('V4: once its image may have a name, a build is not begun again', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const lease = await begun(builds)
        expect(await builds.renew(lease, { naming: true })).toBe('live')
        expect(await builds.giveBack(lease, 'Gone.')).toBe(false)
        test.clock.pass(LEASE_MS + 1)
        expect(await builds.expire()).toEqual({ waiting: [], ended: [lease.build] })
        expect(await builds.get(lease.build)).toMatchObject({ state: 'failed' })
      })

      it('V4: giving a build back does not count as a death', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const first = await begun(builds)
        expect(await builds.giveBack(first, 'Gone.')).toBe(true)
        expect(await builds.renew(first)).toBe('lost')
        const second = await builds.begin(first.build, 'w2')
        expect(second).toMatchObject({ attempt: 1 })
        expect(second?.lease).not.toBe(first.lease)
        expect(await builds.eventsAfter(first.build, 0, 9)).toMatchObject([{ event: { text: 'Gone.' } }])
      })

      it('V4: whoever reads the tables learns no lease', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const lease = await begun(builds)
        const tables = await test.tables()
        const row = await tables.read((tx) => tx.selectFrom('build').selectAll().executeTakeFirstOrThrow())
        await tables.close()
        expect(JSON.stringify(row)).not.toContain(lease.lease)
        expect(await builds.renew({ ...lease, lease: row.lease ?? never() })).toBe('lost')
      })

      it('V4: values given at hand come with the live lease, and are gone at the end', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const box = new Uint8Array([1, 2, 3])
        const lease = await begun(builds, { values: [{ name: 'npm', boxes: [{ keyId: 'k1', box }] }] })
        expect(await builds.leased(lease)).toMatchObject({
          values: [{ name: 'npm', boxes: [{ keyId: 'k1', box }] }],
        })
        await builds.finish(lease, { state: 'succeeded' })
        const tables = await test.tables()
        const left = await tables.read((tx) => tx.selectFrom('build_value').selectAll().execute())
        const blobs = await tables.read((tx) => tx.selectFrom('build_blob').selectAll().execute())
        await tables.close()
        expect([left, blobs]).toEqual([[], []])
      })
    })

    describe('B8: cancelling', () => {
      it('B8: a build that waits is cancelled at once, one that runs is told', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const box = new Uint8Array([1])
        const waiting = await submitted(builds, { values: [{ name: 'a', boxes: [{ keyId: 'k', box }] }] })
        expect(await builds.requestCancel(waiting)).toMatchObject({
          state: 'cancelled',
          failure: { code: 'CANCELLED' },
        })
        expect(await builds.begin(waiting, 'w')).toBeNull()
        const lease = await begun(builds)
        expect(await builds.requestCancel(lease.build)).toMatchObject({
          state: 'running',
          cancelRequested: true,
        })
        expect(await builds.renew(lease, { naming: true })).toBe('cancelled')
        await builds.finish(lease, { state: 'cancelled' })
        expect(await builds.requestCancel(lease.build)).toMatchObject({ state: 'cancelled' })
        expect(await builds.requestCancel('0'.repeat(32))).toBeNull()
      })

      it('B8: one whose worker dies after that ends as cancelled', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const lease = await begun(builds)
        await builds.requestCancel(lease.build)
        test.clock.pass(LEASE_MS + 1)
        expect((await builds.expire()).ended).toEqual([lease.build])
        expect(await builds.get(lease.build)).toMatchObject({ state: 'cancelled' })
      })
    })

    describe('V1: events', () => {
      it('V1: numbers events without gaps, and gives those behind a number', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const lease = await begun(builds)
        const event = (at: number): { type: string; text: string } => ({ type: 'note', text: `${at}` })
        await builds.appendEvents(lease, [event(1), event(2)])
        await builds.appendEvents(lease, [])
        await builds.appendEvents(lease, [event(3)])
        const after = await builds.eventsAfter(lease.build, 1, 9)
        expect(after.map(({ seq, event: { text } }) => [seq, text])).toEqual([
          [2, '2'],
          [3, '3'],
        ])
        expect(await builds.eventsAfter(lease.build, 0, 2)).toHaveLength(2)
        expect(await builds.eventsAfter(lease.build, 3, 9)).toEqual([])
      })

      it('V6: output beyond the bound is left out, what else is told is kept', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const lease = await begun(builds)
        const log = { type: 'log', id: '1', stream: 'stdout', bytes: 'x'.repeat(MAX_EVENT_BYTES / 4) }
        for (let count = 0; count < 6; count += 1) await builds.appendEvents(lease, [log])
        await builds.appendEvents(lease, [log, { type: 'phase', phase: 'prove' }])
        const kinds: unknown[] = []
        for (let seq = 0; ; seq += 1) {
          const [next] = await builds.eventsAfter(lease.build, seq, 1)
          if (next === undefined) break
          kinds.push(next.event['type'])
        }
        expect(kinds).toEqual(['log', 'log', 'log', 'log', 'note', 'phase'])
      })

      it('V1: wakes who watches, in this process and in others of the same database', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const other = await test.open()
        const id = await submitted(builds)
        const seen: (string | null)[] = []
        using _watch = builds.watch((each) => seen.push(each))
        const heard: (string | null)[] = []
        using _other = other.builds.watch((each) => heard.push(each))
        await builds.requestCancel(id)
        expect(seen).toContain(id)
        const tables = await test.tables()
        if (tables.signals !== null) {
          // What it hears first is that it listens.
          await until(() => heard.includes(null))
          await builds.requestCancel(id)
          await until(() => heard.includes(id))
        }
        await tables.close()
      })
    })

    describe('V6: keeping', () => {
      it('V6: a context that does not come ends its build', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const id = await submitted(builds, { context: true })
        test.clock.pass(UPLOAD_MS)
        expect((await builds.expire()).ended).toEqual([])
        test.clock.pass(1)
        expect((await builds.expire()).ended).toEqual([id])
        expect(await builds.get(id)).toMatchObject({ state: 'failed', failure: { code: 'REQUEST_INVALID' } })
      })

      it('V6: deletes ended builds that are too old, then the oldest beyond the budget', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const end = async (bytes: number): Promise<string> => {
          const lease = await begun(builds)
          await builds.putOutput(lease, streamOf(new Uint8Array(bytes)))
          await builds.finish(lease, { state: 'succeeded' })
          test.clock.pass(1000)
          return lease.build
        }
        const [old, middle, young] = [await end(10), await end(100), await end(100)]
        const running = await begun(builds)
        const keep = { retentionMs: 2500, budgetBytes: 1000 }
        expect(await builds.cleanUp(keep)).toEqual([old])
        expect(await builds.cleanUp(keep)).toEqual([])
        expect(await builds.cleanUp({ retentionMs: 1e9, budgetBytes: 150 })).toEqual([middle])
        expect(await builds.get(young)).not.toBeNull()
        expect(await builds.get(running.build)).not.toBeNull()
        expect(await collected(builds.openOutput(middle))).toHaveLength(0)
      })

      it('V6: tells one teller at a time of an end, until somebody was told', async () => {
        await using test = await make()
        const { builds } = await test.open()
        const lease = await begun(builds)
        const ask = { max: 5, holdMs: 1000 }
        expect(await builds.toTell(ask)).toEqual([])
        await builds.finish(lease, { state: 'succeeded' })
        const answers = await Promise.all([builds.toTell(ask), builds.toTell(ask), builds.toTell(ask)])
        expect(answers.flat().map(({ id }) => id)).toEqual([lease.build])
        expect(await builds.toTell(ask)).toEqual([])
        test.clock.pass(1001)
        expect(await builds.toTell(ask)).toHaveLength(1)
        await builds.told(lease.build)
        test.clock.pass(1001)
        expect(await builds.toTell(ask)).toEqual([])
      })

      it('V6: counts what is open', async () => {
        await using test = await make()
        const { builds } = await test.open()
        expect((await builds.open()).oldestWaiting).toBeNull()
        const since = test.clock.now()
        await submitted(builds)
        test.clock.pass(1000)
        await submitted(builds)
        await submitted(builds, { context: true })
        await begun(builds)
        expect(await builds.open()).toEqual({
          counts: { uploading: 1, waiting: 2, running: 1 },
          oldestWaiting: since,
        })
      })
    })
  })

  describe(`tokens in ${kind}`, () => {
    it('V1: finds a token by its text alone, and keeps only its hash', async () => {
      await using test = await make()
      const { tokens } = await test.open()
      const { token, text } = await tokens.create({
        name: 'ci',
        scopes: ['builds:submit', 'builds:submit'],
        environments: ['staging'],
        createdBy: 'tester',
      })
      expect(textOf(text)).toMatch(/^tls_[A-Za-z0-9_-]{43}$/)
      expect(token).toMatchObject({ name: 'ci', scopes: ['builds:submit'], environments: ['staging'] })
      expect(await tokens.find(text)).toMatchObject({ id: token.id })
      expect(await tokens.find(SecretValue.fromText(`${textOf(text)}x`))).toBeNull()
      const tables = await test.tables()
      const rows = await tables.read((tx) => tx.selectFrom('token').selectAll().execute())
      await tables.close()
      expect(JSON.stringify(rows)).not.toContain(textOf(text).slice(4))
    })

    it('V1: a revoked or expired token is none', async () => {
      await using test = await make()
      const { tokens } = await test.open()
      const expiresAt = new Date(test.clock.now().getTime() + 1000)
      const create = { name: 'a', scopes: ['admin'] as const, createdBy: 'tester' }
      const short = await tokens.create({ ...create, expiresAt })
      const long = await tokens.create(create)
      test.clock.pass(1000)
      expect(await tokens.find(short.text)).toBeNull()
      expect(await tokens.find(long.text)).not.toBeNull()
      expect(await tokens.revoke(long.token.id)).toBe(true)
      expect(await tokens.revoke(long.token.id)).toBe(false)
      expect(await tokens.find(long.text)).toBeNull()
      expect(await tokens.list()).toHaveLength(2)
    })

    it('V1: finds none where a stranger put another hash under the same mark', async () => {
      await using test = await make()
      const { tokens } = await test.open()
      const { text } = await tokens.create({ name: 'a', scopes: ['admin'], createdBy: 'tester' })
      const tables = await test.tables()
      await tables.write((tx) => tx.updateTable('token').set('hash', Buffer.alloc(32)).execute())
      await tables.close()
      expect(await tokens.find(text)).toBeNull()
    })

    it('V1: refuses names, scopes and ends that are none', async () => {
      await using test = await make()
      const { tokens } = await test.open()
      const good = { name: 'a', scopes: ['admin'] as const, createdBy: 'tester' }
      await faultFrom(tokens.create({ ...good, name: 'a\nb' }), 'REQUEST_INVALID')
      await faultFrom(tokens.create({ ...good, scopes: [] }), 'REQUEST_INVALID')
      await faultFrom(tokens.create({ ...good, environments: ['../x'] }), 'REQUEST_INVALID')
      await faultFrom(tokens.create({ ...good, expiresAt: test.clock.now() }), 'REQUEST_INVALID')
    })
  })

  describe(`workers in ${kind}`, () => {
    it('V4: lists those that live', async () => {
      await using test = await make()
      const { workers } = await test.open()
      const id = await workers.register({ name: 'w', host: 'h', engine: { version: '28.5.2' } })
      const gone = await workers.register({ name: 'x', host: 'h', engine: {} })
      test.clock.pass(WORKER_GONE_MS - 1)
      await workers.beat(id, { draining: true, builds: ['b'] })
      test.clock.pass(1)
      expect(await workers.list()).toMatchObject([{ id, draining: true, builds: ['b'] }])
      await workers.cleanUp()
      await workers.beat(gone, { draining: false, builds: [] })
      await workers.leave(id)
      expect(await workers.list()).toEqual([])
    })
  })
}

const never = (): never => {
  throw new Error('this cannot be')
}
