/** What every store does, whatever database it is in. Rows as in the feature table. */

import { readFile } from 'node:fs/promises'
import { sql } from 'kysely'
import { describe, expect, it } from 'vitest'
import { MAX_VALUE_BYTES, SecretValue } from '../../src/secret.js'
import type { ChangeReport, SecretEntry } from '../../src/store/admin.js'
import type { Statements } from '../../src/store/database.js'
import { createRootKey } from '../../src/store/keys.js'
import { sealRoot } from '../../src/store/recipients.js'
import { seal } from '../../src/store/seal.js'
import { KEPT_VERSIONS } from '../../src/store/setting.js'
import { changes, faultFrom, names, read, readAll, textOf, type TestStore } from '../support/store.js'

const MAIN = { environment: 'main' }
const HOUR = 3_600_000

/** Runs the suite. `make` gives an empty store at each call. */
export function storeContract(kind: string, make: () => Promise<TestStore>): void {
  describe(`store in ${kind}`, () => {
    describe('S1: set several', () => {
      it('S1: sets all, and each value comes back as it was', async () => {
        await using test = await make()
        const store = await test.open()
        const report = await store.admin.set(MAIN, changes({ A: '1', B: 'zwei\n' }))
        expect(report.changed.map(({ name }) => name)).toEqual(['A', 'B'])
        expect(await readAll(store)).toEqual({ A: '1', B: 'zwei\n' })
      })

      it.for([0, 1, 59, 60, 61, 124, 125, MAX_VALUE_BYTES])('S1: keeps any %i bytes', async (size) => {
        await using test = await make()
        const store = await test.open()
        const bytes = Uint8Array.from({ length: size }, (_, at) => (at * 7) % 256)
        await store.admin.set(MAIN, [{ name: names('A')[0] ?? never(), value: new SecretValue(bytes) }])
        const [held] = await read(store)
        expect(held?.value.use((lent) => Buffer.compare(lent, bytes))).toBe(0)
      })

      it('S1: sets nothing when one of them is too large or named twice', async () => {
        await using test = await make()
        const store = await test.open()
        const large = new SecretValue(new Uint8Array(MAX_VALUE_BYTES + 1))
        const [a = never(), b = never()] = changes({ A: '1', B: '2' })
        const fault = await faultFrom(
          store.admin.set(MAIN, [a, b, a, { ...b, value: large }]),
          'REQUEST_INVALID',
        )
        expect(fault.problems).toHaveLength(2)
        expect(await store.admin.list()).toEqual([])
      })

      it('S1: replaces, and other names stay', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ A: '1', B: '2' }))
        await store.admin.set(MAIN, changes({ A: '3' }))
        expect(await readAll(store)).toEqual({ A: '3', B: '2' })
      })

      it('S1: takes more names at once than one statement has room for', async () => {
        await using test = await make()
        const store = await test.open()
        const many = Object.fromEntries(Array.from({ length: 600 }, (_, at) => [`N${at}`, `${at}`]))
        await store.admin.set(MAIN, changes(many))
        expect(Object.keys(await readAll(store, { purpose: 'scan' }))).toHaveLength(600)
        expect(await store.admin.list({ max: 5 })).toHaveLength(5)
        await store.admin.unset(MAIN, names(...Object.keys(many)))
        expect(await store.admin.list()).toEqual([])
      })
    })

    describe('S2: environments', () => {
      it('S2: keeps environments apart, without falling back', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ A: 'main', ONLY: 'x' }))
        await store.admin.set({ environment: 'staging' }, changes({ A: 'staging' }))
        expect(await readAll(store, { environment: 'staging' })).toEqual({ A: 'staging' })
        await faultFrom(read(store, { environment: 'staging' }, ['ONLY']), 'SECRET_UNKNOWN')
        expect(await store.reader.names({ environment: 'nowhere', purpose: 'run' })).toEqual([])
      })

      it('S2: lists them, main always, and deletes one with all that is in it', async () => {
        await using test = await make()
        const store = await test.open()
        const staging = { environment: 'staging' }
        await store.admin.set(staging, changes({ A: '1' }))
        await store.admin.groups.create({ ...staging, name: 'db' }, changes({ B: '2', C: '3' }))
        expect(
          (await store.admin.environments()).map(({ name, secrets, groups }) => [name, secrets, groups]),
        ).toEqual([
          ['main', 0, 0],
          ['staging', 3, 1],
        ])
        expect(await store.admin.deleteEnvironment('staging')).toEqual({ secrets: 3, groups: 1 })
        expect(await store.admin.list()).toEqual([])
        await store.admin.set(staging, changes({ A: 'new' }))
        expect(await readAll(store, staging)).toEqual({ A: 'new' })
        expect(await store.admin.groups.list({})).toEqual([])
        expect((await store.admin.history(staging)).map(({ action }) => action)).toContain(
          'delete-environment',
        )
      })

      it('S2: suggests the environment that was meant', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set({ environment: 'staging' }, changes({ A: '1' }))
        const fault = await faultFrom(store.admin.deleteEnvironment('stagging'), 'SECRET_UNKNOWN')
        expect(fault.hint).toContain('staging')
        expect(fault.message).not.toContain('stagging')
      })

      it.for(['', 'a b', '../x', '.x', 'ä', 'x'.repeat(65)])(
        'S2: refuses the name %j without repeating it',
        async (name) => {
          await using test = await make()
          const store = await test.open()
          for (const attempt of [
            () => store.admin.set({ environment: name }, changes({ A: '1' })),
            () => store.admin.list({ environment: name }),
            () => store.admin.set({ ...MAIN, group: name }, changes({ A: '1' })),
            () => read(store, { environment: name }),
          ]) {
            const fault = await faultFrom(attempt(), 'REQUEST_INVALID')
            if (name !== '') expect(JSON.stringify(fault)).not.toContain(name)
          }
        },
      )
    })

    describe('S3: list', () => {
      it('S3: shows everything but the value', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ A: 'value-of-a' }))
        test.clock.pass(1000)
        const version = firstVersion(await store.admin.set(MAIN, changes({ A: 'value-two' })))
        const listed = await store.admin.list()
        expect(listed).toEqual([
          {
            name: 'A',
            environment: 'main',
            group: null,
            digest: expect.stringMatching(/^[0-9a-f]{12}$/) as string,
            status: 'live',
            exposure: 'everywhere',
            guarded: true,
            version,
            createdAt: new Date('2026-01-01T00:00:00Z'),
            createdBy: 'tester',
            updatedAt: new Date('2026-01-01T00:00:01Z'),
            lastUsedAt: null,
          },
        ])
      })

      it('S3: the digest tells whether one value changed, and nothing across names or environments', async () => {
        await using test = await make()
        const store = await test.open()
        const digest = async (environment: string, values: Record<string, string>): Promise<string | null> =>
          (await store.admin.set({ environment }, changes(values))).changed[0]?.digest ?? null
        const first = await digest('main', { A: 'same' })
        expect(await digest('main', { A: 'other' })).not.toBe(first)
        expect(await digest('main', { A: 'same' })).toBe(first)
        expect(await digest('main', { B: 'same' })).not.toBe(first)
        expect(await digest('staging', { A: 'same' })).not.toBe(first)
      })

      it('S3: gives pages, newest first', async () => {
        await using test = await make()
        const store = await test.open()
        for (const name of ['A', 'B', 'C', 'D']) {
          await store.admin.set(MAIN, changes({ [name]: 'x' }))
          test.clock.pass(1000)
        }
        const first = await store.admin.list({ max: 2 })
        expect(first.map(({ name }) => name)).toEqual(['D', 'C'])
        const rest = await store.admin.list({ max: 5, createdBefore: first[1]?.createdAt })
        expect(rest.map(({ name }) => name)).toEqual(['B', 'A'])
        await faultFrom(store.admin.list({ max: 0 }), 'REQUEST_INVALID')
      })

      it('S3: gives all pages of what was set by one call, environments and groups included', async () => {
        await using test = await make()
        const store = await test.open()
        const values = Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`N${at}`, 'x']))
        await store.admin.set(MAIN, changes(values))
        await store.admin.groups.create({ ...MAIN, name: 'g' }, changes(values))
        await store.admin.set({ environment: 'other' }, changes(values))
        test.clock.pass(1000)
        await store.admin.set({ environment: 'newer' }, changes(values))
        for (const [query, count] of [
          [{}, 36],
          [MAIN, 18],
          [{ ...MAIN, group: 'g' }, 9],
          [{ createdBefore: test.clock.now() }, 27],
        ] as const) {
          const all = await store.admin.list(query)
          const paged: SecretEntry[] = []
          for (;;) {
            const page = await store.admin.list({ ...query, max: 4, after: paged.at(-1) })
            expect(page.length).toBeLessThanOrEqual(4)
            if (page.length === 0) break
            paged.push(...page)
          }
          expect(paged).toHaveLength(count)
          expect(paged).toEqual(all)
        }
      })

      it('S3: gives no page of a length or a time that is none', async () => {
        await using test = await make()
        const { admin } = await test.open()
        const name = names('A')[0] ?? never()
        for (const max of [0, -1, 1.5, NaN]) {
          await faultFrom(admin.list({ max }), 'REQUEST_INVALID')
          await faultFrom(admin.groups.list({ max }), 'REQUEST_INVALID')
          await faultFrom(admin.history({ max }), 'REQUEST_INVALID')
          await faultFrom(admin.usage({ ...MAIN, name, max }), 'REQUEST_INVALID')
        }
        await faultFrom(admin.list({ createdBefore: new Date(NaN) }), 'REQUEST_INVALID')
        await faultFrom(admin.groups.list({ createdBefore: new Date(NaN) }), 'REQUEST_INVALID')
      })

      it('S3: setting to compare digests is limited for each name, whatever group, and recorded', async () => {
        await using test = await make()
        const store = await test.open({ changesPerHour: 3 })
        await store.admin.groups.create({ ...MAIN, name: 'g' }, changes({ PIN: '0' }))
        await store.admin.set(MAIN, changes({ PIN: '1' }))
        await store.admin.set(MAIN, changes({ PIN: '2' }), { stage: true })
        const fault = await faultFrom(
          store.admin.set(MAIN, changes({ PIN: '3', OTHER: 'x' })),
          'RATE_LIMITED',
        )
        expect(fault.message).toContain('PIN')
        await faultFrom(
          store.admin.groups.create({ ...MAIN, name: 'h' }, changes({ PIN: '4' })),
          'RATE_LIMITED',
        )
        expect(await store.admin.groups.list({})).toHaveLength(1)
        expect(await readAll(store)).toEqual({ PIN: '1' })
        const history = await store.admin.history({ ...MAIN, name: names('PIN')[0] })
        expect(history.filter(({ action }) => action === 'refused')).toHaveLength(2)
        await store.admin.set({ environment: 'other' }, changes({ PIN: '5' }))
        test.clock.pass(HOUR)
        await store.admin.set(MAIN, changes({ PIN: '6' }))
      })
    })

    describe('S4: unset', () => {
      it('S4: removes several', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ A: '1', B: '2', C: '3' }))
        await store.admin.unset(MAIN, names('A', 'B'))
        expect(await readAll(store)).toEqual({ C: '3' })
        expect((await store.admin.list()).map(({ name }) => name)).toEqual(['C'])
      })

      it('S4: lists all unknown names and removes none', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ TOKEN: '1' }))
        const fault = await faultFrom(
          store.admin.unset(MAIN, names('TOKEN', 'TOKENS', 'X9')),
          'SECRET_UNKNOWN',
        )
        expect(fault.problems.map(({ message }) => message)).toEqual([
          'There is no secret TOKENS in main.',
          'There is no secret X9 in main.',
        ])
        expect(fault.problems[0]?.hint).toBe('Did you mean TOKEN?')
        expect(await readAll(store)).toEqual({ TOKEN: '1' })
      })

      it('S4: tells what was missing with allowMissing', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ A: '1' }))
        const report = await store.admin.unset(MAIN, names('A', 'B'), { allowMissing: true })
        expect([report.changed.map(({ name }) => name), report.missing]).toEqual([['A'], ['B']])
      })

      it('S4: what was unset can be set again, as if it were new', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ A: '1' }, { exposure: 'build-only', guarded: false }))
        await store.admin.unset(MAIN, names('A'))
        await faultFrom(read(store, {}, ['A']), 'SECRET_UNKNOWN')
        await faultFrom(store.admin.unset(MAIN, names('A')), 'SECRET_UNKNOWN')
        test.clock.pass(1000)
        await store.admin.set(MAIN, changes({ A: '2' }))
        expect(await store.admin.list()).toMatchObject([
          { exposure: 'everywhere', guarded: true, createdAt: new Date('2026-01-01T00:00:01Z') },
        ])
      })
    })

    describe('S5: stage and deploy', () => {
      it('S5: keeps what is live until it is deployed, then changes all at once', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ A: 'old', GONE: 'x' }))
        await store.admin.groups.create({ ...MAIN, name: 'g' }, changes({ G: 'old' }))
        await store.admin.set(MAIN, changes({ A: 'new', B: 'new' }), { stage: true })
        await store.admin.unset(MAIN, names('GONE'), { stage: true })
        await store.admin.groups.update({ ...MAIN, name: 'g' }, changes({ G: 'new' }), { stage: true })
        expect(await readAll(store, { groups: ['g'] })).toEqual({ A: 'old', GONE: 'x', G: 'old' })
        expect(shape(await store.admin.list({ ...MAIN, group: null }))).toEqual([
          'A live',
          'A staged',
          'B staged',
          'GONE live',
          'GONE staged',
        ])
        const report = await store.admin.deploy('main')
        expect(report.changed.map(({ name, version }) => [name, version === null])).toEqual([
          ['A', false],
          ['B', false],
          ['GONE', true],
          ['G', false],
        ])
        expect(await readAll(store, { groups: ['g'] })).toEqual({ A: 'new', B: 'new', G: 'new' })
        expect((await store.admin.deploy('main')).changed).toEqual([])
      })

      it('S5: a live set gives up the staged change of that name and says so', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ A: 'staged', B: 'staged' }), { stage: true })
        const report = await store.admin.set(MAIN, changes({ A: 'live', C: 'live' }))
        expect(report.changed.map(({ discardedStaged }) => discardedStaged)).toEqual([true, false])
        await store.admin.deploy('main')
        expect(await readAll(store)).toEqual({ A: 'live', B: 'staged', C: 'live' })
        expect((await store.admin.history({ name: names('A')[0] })).map(({ action }) => action)).toContain(
          'discard',
        )
      })

      it('S5: refuses to deploy when a live version moved since, all of it, but not with force', async () => {
        await using test = await make()
        const store = await test.open()
        const first = firstVersion(await store.admin.set(MAIN, changes({ A: '1', B: '1', C: '1' })))
        await store.admin.set(MAIN, changes({ A: '2' }))
        await store.admin.set(MAIN, changes({ A: 'staged', B: 'staged', C: 'staged' }), { stage: true })
        await store.admin.rollback({ ...MAIN, name: names('A')[0] ?? never() }, first)
        await store.admin.unset(MAIN, names('B'))
        const fault = await faultFrom(store.admin.deploy('main'), 'STORE_CONFLICT')
        expect(fault.problems.map(({ message }) => message.split(' ')[0])).toEqual(['A', 'B'])
        expect(await readAll(store)).toEqual({ A: '1', C: '1' })
        await store.admin.deploy('main', { force: true })
        expect(await readAll(store)).toEqual({ A: 'staged', B: 'staged', C: 'staged' })
        const forced = (await store.admin.history()).filter(({ action }) => action === 'deploy-forced')
        expect(forced.map(({ name }) => name).sort()).toEqual(['A', 'B'])
      })

      it('S5: staging again counts from what is live now', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ A: '1' }))
        await store.admin.set(MAIN, changes({ A: 'x' }), { stage: true })
        await store.admin.unset(MAIN, names('A'))
        await store.admin.set(MAIN, changes({ A: 'y' }), { stage: true })
        await store.admin.deploy('main')
        expect(await readAll(store)).toEqual({ A: 'y' })
      })

      it('S5: unset gives up a change of a secret that never was live', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ A: 'x' }), { stage: true })
        const report = await store.admin.unset(MAIN, names('A'))
        expect(report.changed[0]?.discardedStaged).toBe(true)
        expect(await store.admin.list()).toEqual([])
      })
    })

    describe('S7: groups', () => {
      it('S7: creates, lists, updates by merging, tells and deletes', async () => {
        await using test = await make()
        const store = await test.open()
        const db = { ...MAIN, name: 'db' }
        expect(await store.admin.groups.create(db, changes({ USER: 'u', PASS: 'p' }))).toEqual({
          created: true,
        })
        await store.admin.groups.update(db, changes({ PASS: 'q', HOST: 'h' }))
        expect(await readAll(store, { groups: ['db'] })).toEqual({ USER: 'u', PASS: 'q', HOST: 'h' })
        expect(await readAll(store)).toEqual({})
        expect(await store.admin.groups.info(db)).toEqual({
          name: 'db',
          environment: 'main',
          keys: ['HOST', 'PASS', 'USER'],
          createdAt: test.clock.now(),
          createdBy: 'tester',
        })
        expect(await store.admin.groups.list({})).toHaveLength(1)
        expect(await store.admin.groups.delete(db)).toEqual({ deleted: true })
        await faultFrom(read(store, { groups: ['db'] }), 'SECRET_UNKNOWN')
        expect(await store.admin.list()).toEqual([])
      })

      it('S7: an existing group is an error, or stays as it is with allowExisting', async () => {
        await using test = await make()
        const store = await test.open()
        const db = { ...MAIN, name: 'db' }
        await store.admin.groups.create(db, changes({ A: '1' }))
        await faultFrom(store.admin.groups.create(db, changes({ A: '2' })), 'STORE_CONFLICT')
        expect(await store.admin.groups.create(db, changes({ A: '2' }), { allowExisting: true })).toEqual({
          created: false,
        })
        expect(await readAll(store, { groups: ['db'] })).toEqual({ A: '1' })
      })

      it('S7: an unknown group is an error that suggests, or nothing with allowMissing', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.groups.create({ ...MAIN, name: 'database' }, [])
        const near = { ...MAIN, name: 'databse' }
        for (const attempt of [
          () => store.admin.groups.info(near),
          () => store.admin.groups.update(near, changes({ A: '1' })),
          () => store.admin.groups.delete(near),
          () => store.admin.unset({ ...MAIN, group: 'databse' }, names('A')),
          () => read(store, { groups: ['databse'] }),
        ]) {
          expect((await faultFrom(attempt(), 'SECRET_UNKNOWN')).hint).toContain('database')
        }
        expect(await store.admin.groups.delete(near, { allowMissing: true })).toEqual({ deleted: false })
      })

      it('S7: two sources with one value for a name are one secret, with two values an error that lists them all', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ SAME: 's', A: '1' }, { guarded: false }))
        await store.admin.groups.create({ ...MAIN, name: 'g' }, changes({ SAME: 's', B: '2' }))
        await store.admin.groups.create({ ...MAIN, name: 'h' }, changes({ A: 'x', B: 'y' }))
        const held = await read(store, { groups: ['g'] })
        expect(held.map(({ name, group, guarded }) => [name, group, guarded])).toEqual([
          ['A', null, false],
          ['SAME', null, true],
          ['B', 'g', true],
        ])
        const fault = await faultFrom(read(store, { groups: ['g', 'h'] }), 'REQUEST_INVALID')
        expect(fault.problems.map(({ message }) => message)).toEqual([
          'A has one value in the environment and another in group h.',
          'B has one value in group g and another in group h.',
        ])
      })
    })

    describe('S9: exposure', () => {
      it('S9: leaves out what is for the other, and says so when it is named', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, [
          ...changes({ ALL: '1' }),
          ...changes({ BUILD: '2' }, { exposure: 'build-only' }),
          ...changes({ RUN: '3' }, { exposure: 'runtime-only', guarded: false }),
        ])
        expect(Object.keys(await readAll(store, { purpose: 'build' }))).toEqual(['ALL', 'BUILD'])
        expect(Object.keys(await readAll(store, { purpose: 'run' }))).toEqual(['ALL', 'RUN'])
        expect(Object.keys(await readAll(store, { purpose: 'scan' }))).toEqual(['ALL', 'BUILD', 'RUN'])
        expect(await store.reader.names({ ...MAIN, purpose: 'build' })).toEqual(['ALL', 'BUILD'])
        const fault = await faultFrom(read(store, { purpose: 'build' }, ['RUN']), 'SECRET_UNKNOWN')
        expect(fault.message).toContain('runtime-only')
        expect(await store.admin.list()).toMatchObject([
          { name: 'ALL', exposure: 'everywhere', guarded: true },
          { name: 'BUILD', exposure: 'build-only', guarded: true },
          { name: 'RUN', exposure: 'runtime-only', guarded: false },
        ])
      })

      it('S9: stays as it was when a new value does not say otherwise, staged ones included', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ A: '1' }, { exposure: 'build-only', guarded: false }))
        await store.admin.set(MAIN, changes({ A: '2' }))
        await store.admin.set(MAIN, changes({ A: '3' }, { guarded: true }), { stage: true })
        await store.admin.deploy('main')
        expect(await store.admin.list()).toMatchObject([{ exposure: 'build-only', guarded: true }])
      })

      it('S9: a live change is not as a staged one that it gives up would have been', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ A: '1' }, { exposure: 'build-only' }))
        const wide = { exposure: 'everywhere', guarded: false } as const
        await store.admin.set(MAIN, changes({ A: '2' }, wide), { stage: true })
        await store.admin.set(MAIN, changes({ A: '3' }))
        expect(await store.admin.list()).toMatchObject([
          { status: 'live', exposure: 'build-only', guarded: true },
        ])
      })
    })

    describe('S10: who sets cannot read', () => {
      it('S10: finds every record that was moved, mixed or made by others', async () => {
        for (const [what, tamper] of Object.entries(TAMPERINGS)) {
          await using test = await make()
          const store = await test.open()
          await store.admin.set(MAIN, changes({ A: 'value-of-a', B: 'value-of-b' }))
          await store.admin.set(MAIN, changes({ A: 'second-of-a' }))
          await store.admin.set({ environment: 'staging' }, changes({ A: 'staging-a' }))
          const tables = await test.tables()
          await tables.write(async (tx) => {
            for (const statement of tamper) await run(tx, statement)
          })
          await tables.close()
          const fault = await faultFrom(read(store, {}, ['A']), 'STORE_INVALID').catch((error: unknown) => {
            throw new Error(what, { cause: error })
          })
          expect(fault.detail['name'], what).toBe('A')
        }
      })

      it('S10: a value that someone else sealed to the public key is not read', async () => {
        await using test = await make()
        const store = await test.open()
        const version = firstVersion(await store.admin.set(MAIN, changes({ A: 'mine' })))
        const tables = await test.tables()
        await tables.write(async (tx) => {
          const { public_key: publicKey } = await tx
            .selectFrom('recipient')
            .select('public_key')
            .executeTakeFirstOrThrow()
          const place = { store: store.id, ...MAIN, group: '', name: 'A', version }
          const box = await seal(new Uint8Array(publicKey), place, SecretValue.fromText('theirs'))
          await sql`update sealed set box = ${box} where version = ${version}`.execute(tx)
        })
        await tables.close()
        await faultFrom(read(store), 'STORE_INVALID')
      })

      it('S10: a record that was tampered with can be unset and set again', async () => {
        for (const tamper of Object.values(TAMPERINGS)) {
          await using test = await make()
          const store = await test.open()
          await store.admin.set(MAIN, changes({ A: 'value-of-a', B: 'value-of-b' }))
          await store.admin.set(MAIN, changes({ A: 'second-of-a' }))
          await store.admin.set({ environment: 'staging' }, changes({ A: 'staging-a' }))
          const tables = await test.tables()
          await tables.write(async (tx) => {
            for (const statement of tamper) await run(tx, statement)
          })
          await tables.close()
          await store.admin.unset(MAIN, names('A'))
          await store.admin.set(MAIN, changes({ A: 'again' }))
          expect(await readAll(store, {}, ['A'])).toEqual({ A: 'again' })
        }
      })

      it('S10: a staged change that others put there is not deployed', async () => {
        for (const statement of [
          `update secret set staged_version = live where name = 'A'`,
          `update secret set staged = 'unset', staged_version = null where name = 'A'`,
          `update secret set staged_base = 'x' where name = 'A'`,
          `update secret set staged_code = null where name = 'A'`,
          `update secret set live = null where name = 'A'`,
        ]) {
          await using test = await make()
          const store = await test.open()
          await store.admin.set(MAIN, changes({ A: 'live' }))
          await store.admin.set(MAIN, changes({ A: 'staged' }), { stage: true })
          const tables = await test.tables()
          await tables.write((tx) => run(tx, statement))
          await tables.close()
          await faultFrom(store.admin.deploy('main', { force: true }), 'STORE_INVALID')
          await faultFrom(store.admin.list(), 'STORE_INVALID')
          await faultFrom(store.admin.set(MAIN, changes({ A: 'x' }), { stage: true }), 'STORE_INVALID')
        }
      })

      it('S10: unset does not take over a staged change that others put there', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ A: 'live' }))
        await store.admin.set(MAIN, changes({ A: 'staged' }), { stage: true })
        const tables = await test.tables()
        await tables.write((tx) => run(tx, `update secret set staged_version = live, staged_base = null`))
        await tables.close()
        await store.admin.unset(MAIN, names('A'))
        expect((await store.admin.deploy('main', { force: true })).changed).toEqual([])
        expect(await store.admin.list()).toEqual([])
      })

      it('S10: nothing is sealed as long as the database names a key that is not pinned', async () => {
        for (const statement of [
          `update recipient set public_key = (select public_key from recipient limit 1), key_id = '00000000000000000000000000000000'`,
          `insert into recipient select '11111111111111111111111111111111', public_key, state, root, created_at, created_by from recipient`,
          `delete from recipient`,
        ]) {
          await using test = await make()
          const store = await test.open()
          const tables = await test.tables()
          await tables.write((tx) => run(tx, statement))
          await tables.close()
          const fault = await faultFrom(store.admin.set(MAIN, changes({ A: 'x' })), 'IDENTITY_INVALID')
          expect(fault.hint).toContain('trust')
        }
      })

      it('S10: nothing is sealed to a recipient that someone else added', async () => {
        await using test = await make()
        await using other = await make()
        const store = await test.open()
        await other.open()
        const theirs = await other.tables()
        const row = await theirs.read((tx) =>
          tx.selectFrom('recipient').selectAll().executeTakeFirstOrThrow(),
        )
        await theirs.close()
        const tables = await test.tables()
        await tables.write((tx) => tx.insertInto('recipient').values(row).execute())
        await tables.close()
        await faultFrom(store.admin.set(MAIN, changes({ A: 'x' })), 'IDENTITY_INVALID')
        const fingerprints = (await store.identity.recipients()).map(({ fingerprint }) => fingerprint)
        await store.identity.trust(fingerprints)
        await store.admin.set(MAIN, changes({ A: 'x' }))
      })

      it('S10: a root key that someone else put there is not believed', async () => {
        await using test = await make()
        const store = await test.open()
        const tables = await test.tables()
        const { public_key: publicKey } = await tables.read((tx) =>
          tx.selectFrom('recipient').select('public_key').executeTakeFirstOrThrow(),
        )
        const root = await sealRoot(store.id, new Uint8Array(publicKey), createRootKey())
        await tables.write((tx) => sql`update recipient set root = ${root}`.execute(tx))
        await tables.close()
        await faultFrom(store.reader.keys(), 'IDENTITY_INVALID')
      })

      it('S10: a public key under the id of a pinned one is found', async () => {
        await using test = await make()
        await using other = await make()
        const store = await test.open()
        const [swapped] = await (await other.open()).identity.recipients()
        const tables = await test.tables()
        const bytes = Buffer.from(swapped?.publicKey.split('.')[1] ?? '', 'base64url')
        await tables.write((tx) =>
          tx
            .updateTable('recipient')
            .set({ public_key: bytes } as object)
            .execute(),
        )
        await tables.close()
        await faultFrom(store.admin.set(MAIN, changes({ A: 'x' })), 'IDENTITY_INVALID')
      })
    })

    describe('S11: versions and audit', () => {
      it('S11: each change is a version with a random id', async () => {
        await using test = await make()
        const store = await test.open()
        const ids = new Set<string>()
        for (const value of ['1', '2', '2']) {
          for (const { version } of (await store.admin.set(MAIN, changes({ A: value }))).changed)
            ids.add(version ?? '')
        }
        expect(ids.size).toBe(3)
        for (const id of ids) expect(id).toMatch(/^[0-9a-f]{24}$/)
        const versions = await store.admin.versions({ ...MAIN, name: names('A')[0] ?? never() })
        expect(versions.map(({ live, kept }) => [live, kept])).toEqual([
          [true, true],
          [false, true],
          [false, true],
        ])
      })

      it('S11: goes back to an earlier version, with its exposure', async () => {
        await using test = await make()
        const store = await test.open()
        const name = names('A')[0] ?? never()
        const first = firstVersion(
          await store.admin.set(MAIN, changes({ A: 'one' }, { exposure: 'build-only' })),
        )
        await store.admin.set(MAIN, changes({ A: 'two' }, { exposure: 'everywhere' }))
        await store.admin.unset(MAIN, [name])
        await store.admin.rollback({ ...MAIN, name }, first)
        const [held] = await read(store)
        expect([held?.version, held?.exposure, held === undefined ? '' : textOf(held.value)]).toEqual([
          first,
          'build-only',
          'one',
        ])
        await faultFrom(store.admin.rollback({ ...MAIN, name }, 'f'.repeat(24)), 'SECRET_UNKNOWN')
        await store.admin.set(MAIN, changes({ B: 'x' }))
        const other = await store.admin.versions({ ...MAIN, name: names('B')[0] ?? never() })
        await faultFrom(store.admin.rollback({ ...MAIN, name }, other[0]?.version ?? ''), 'SECRET_UNKNOWN')
      })

      it('S11: drops the oldest values, never the live or the staged one', async () => {
        await using test = await make()
        const store = await test.open()
        const name = names('A')[0] ?? never()
        const first = firstVersion(await store.admin.set(MAIN, changes({ A: '0' })))
        const second = firstVersion(await store.admin.set(MAIN, changes({ A: '1' })))
        await store.admin.rollback({ ...MAIN, name }, first)
        for (let at = 0; at < KEPT_VERSIONS + 3; at += 1)
          await store.admin.set(MAIN, changes({ A: `${at}` }), { stage: true })
        const versions = await store.admin.versions({ ...MAIN, name })
        expect(versions.filter(({ kept }) => kept)).toHaveLength(KEPT_VERSIONS + 1)
        expect(versions.find(({ live }) => live)).toMatchObject({ version: first, kept: true })
        await faultFrom(store.admin.rollback({ ...MAIN, name }, second), 'STORE_CONFLICT')
        expect(await readAll(store)).toEqual({ A: '0' })
      })

      it('S11: records each change and each read of a build or run, newest first', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ A: '1', B: '2' }), { how: 'import' })
        await read(store, { purpose: 'build' }, ['A'])
        await read(store, { purpose: 'scan' })
        await store.admin.unset(MAIN, names('A'))
        const history = await store.admin.history(MAIN)
        expect(history.map(({ action, name, detail, actor }) => [action, name, detail, actor])).toEqual([
          ['unset', 'A', null, 'tester'],
          ['read', null, 'scan of 2', 'tester'],
          ['read', 'A', 'build', 'tester'],
          ['set', 'B', 'import', 'tester'],
          ['set', 'A', 'import', 'tester'],
        ])
        expect(await store.admin.history({ ...MAIN, name: names('B')[0] })).toHaveLength(1)
        expect(await store.admin.history({ ...MAIN, max: 2 })).toHaveLength(2)
      })

      it('S11: a read shows as last use', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ A: '1', B: '2' }))
        test.clock.pass(5000)
        await read(store, { purpose: 'run' }, ['A'])
        const used = (await store.admin.list()).map(({ name, lastUsedAt }) => [name, lastUsedAt?.getTime()])
        expect(used).toEqual([
          ['A', test.clock.now().getTime()],
          ['B', undefined],
        ])
      })

      it('S11: nothing is read when the read cannot be recorded', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ A: '1' }))
        const tables = await test.tables()
        await tables.write((tx) => run(tx, 'drop table event'))
        await tables.close()
        await faultFrom(read(store), 'STORE_INVALID')
      })
    })

    describe('S12: which image used which', () => {
      it('S12: tells what to build again after a rotation', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ A: '1' }))
        const name = names('A')[0] ?? never()
        const use = async (id: string): Promise<void> => {
          const [held = never()] = await read(store)
          await store.usage.record({
            kind: 'build',
            id,
            environment: 'main',
            image: `sha256:${id}`,
            tags: ['app:1', 'app:latest'],
            used: [{ name, group: held.group, version: held.version }],
          })
          test.clock.pass(1000)
        }
        await use('one')
        await store.admin.set(MAIN, changes({ A: '2' }))
        await use('two')
        expect(
          (await store.admin.usage({ ...MAIN, name })).map(({ id, image, tags, current }) => [
            id,
            image,
            tags,
            current,
          ]),
        ).toEqual([
          ['two', 'sha256:two', ['app:1', 'app:latest'], true],
          ['one', 'sha256:one', ['app:1', 'app:latest'], false],
        ])
        expect(await store.admin.usage({ ...MAIN, name, max: 1 })).toHaveLength(1)
        expect(await store.admin.usage({ environment: 'staging', name })).toEqual([])
      })
    })

    describe('B5: steps, turns and earlier versions', () => {
      it('B5: remembers how a step was made last', async () => {
        await using test = await make()
        const { steps } = (await test.open()).keeping
        expect([...(await steps.recall(['a', 'b']))]).toEqual([])
        await steps.record([{ key: 'a', versions: ['v1', 'v2'], salt: '' }])
        await steps.record([
          { key: 'a', versions: ['v3'], salt: 'x' },
          { key: 'b', versions: [], salt: '' },
        ])
        await steps.record([])
        expect((await steps.recall(['a', 'c'])).get('a')).toEqual({ key: 'a', versions: ['v3'], salt: 'x' })
        expect([...(await steps.recall(['a', 'b', 'c'])).keys()].sort()).toEqual(['a', 'b'])
      })

      it('B5: opens every version that is kept but the live one, and records that it was read', async () => {
        await using test = await make()
        const store = await test.open({ changesPerHour: 100 })
        const valuesOf = async (): Promise<readonly string[]> =>
          (await store.keeping.earlier({ environment: 'main', purpose: 'build' }, new Set(names('A')))).map(
            ({ value }) => textOf(value),
          )
        await store.admin.set(MAIN, changes({ A: 'one', B: 'other' }))
        expect(await valuesOf()).toEqual([])
        for (const value of ['two', 'three']) await store.admin.set(MAIN, changes({ A: value }))
        expect(await valuesOf()).toEqual(['two', 'one'])
        const [first] = await store.admin.history({ name: names('A')[0] ?? never() })
        expect(first).toMatchObject({ action: 'read', name: 'A' })
        for (let at = 0; at < KEPT_VERSIONS; at += 1) await store.admin.set(MAIN, changes({ A: `v${at}` }))
        expect(await valuesOf()).toHaveLength(KEPT_VERSIONS - 1)
      })

      it('B5: an earlier version that was forged is refused', async () => {
        await using test = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ A: 'one' }))
        await store.admin.set(MAIN, changes({ A: 'two' }))
        const tables = await test.tables()
        await tables.write((tx) =>
          tx.updateTable('version').set({ guarded: 0 }).where('ordinal', '=', 1).execute(),
        )
        await tables.close()
        await faultFrom(
          store.keeping.earlier({ environment: 'main', purpose: 'build' }, new Set(names('A'))),
          'STORE_INVALID',
        )
      })

      it('B5: one has the turn of a name and the others wait, each for its own names only', async () => {
        await using test = await make()
        const [one, two] = [await test.open(), await test.open()]
        const { signal } = new AbortController()
        const order: string[] = []
        const first = await one.keeping.turns.take(['a', 'b'], { signal })
        const waiting = two.keeping.turns.take(['b', 'c'], { signal, onWait: () => order.push('waits') })
        await using _other = await two.keeping.turns.take(['d'], {
          signal,
          onWait: () => order.push('never'),
        })
        while (order.length === 0) await new Promise((done) => setTimeout(done, 10))
        order.push('given back')
        await first[Symbol.asyncDispose]()
        await using _second = await waiting
        expect(order).toEqual(['waits', 'given back'])
      })

      it('B5: the waiting for a turn can be ended, and then nothing is taken', async () => {
        await using test = await make()
        const store = await test.open()
        const { turns } = store.keeping
        const stop = new AbortController()
        const first = await turns.take(['a'], { signal: stop.signal })
        const waiting = turns.take(['a', 'b'], {
          signal: stop.signal,
          onWait: () => stop.abort(new Error('enough')),
        })
        await expect(waiting).rejects.toThrow('enough')
        await first[Symbol.asyncDispose]()
        await using _again = await turns.take(['a', 'b'], { signal: new AbortController().signal })
      })
    })

    describe('V6: records of build caches', () => {
      it('are known by their engine, once each, until they are forgotten', async () => {
        await using test = await make()
        const store = await test.open()
        await store.made.add('one', ['a', 'b', 'a'])
        await store.made.add('one', ['b', 'c'])
        await store.made.add('two', ['a'])
        await store.made.add('one', [])
        await store.made.forget('one', ['a', 'z'])
        await store.made.forget('one', [])
        expect([...(await store.made.of('one'))].sort()).toEqual(['b', 'c'])
        expect([...(await store.made.of('two'))]).toEqual(['a'])
        expect([...(await store.made.of('three'))]).toEqual([])
      })
    })

    describe('B7: retired mounts', () => {
      it('keeps ids for ever, and takes one twice', async () => {
        await using test = await make()
        const store = await test.open()
        expect([...(await store.retired.all())]).toEqual([])
        await store.retired.add(['s-1', 's-2', 's-1'])
        await store.retired.add(['s-2', 's-3'])
        await store.retired.add([])
        expect([...(await store.retired.all())].sort()).toEqual(['s-1', 's-2', 's-3'])
      })
    })

    describe('L7: verdicts', () => {
      it('L7: holds keys, and no others', async () => {
        await using test = await make()
        const store = await test.open()
        const keys = Array.from({ length: 1_200 }, (_, at) => `key-${at}`)
        await store.verdicts.add(keys)
        await store.verdicts.add(['key-1'])
        expect([...(await store.verdicts.has(['key-1', 'key-9999', 'key-1199']))].sort()).toEqual([
          'key-1',
          'key-1199',
        ])
        await faultFrom(store.verdicts.add(['not a key']), 'INTERNAL')
      })
    })

    describe('identities', () => {
      it('S10: rotates: everything is read with the new identity, and the old one opens nothing', async () => {
        await using test = await make()
        const store = await test.open()
        for (let at = 0; at < 3; at += 1) await store.admin.set(MAIN, changes({ A: `${at}`, B: 'b' }))
        const before = await store.identity.recipients()
        const oldIdentity = await identityText(test.home)
        const keys = await store.reader.keys()
        const mount = keys.mount.use((bytes) => Buffer.from(bytes).toString('hex'))
        const digest = (await store.admin.list()).find(({ name }) => name === 'A')?.digest
        const { fingerprint, resealed } = await store.identity.rotate()
        expect(resealed).toBe(6)
        expect(await store.identity.recipients()).toMatchObject([{ fingerprint, ready: true, pinned: true }])
        expect(before[0]?.fingerprint).not.toBe(fingerprint)
        expect(await readAll(store)).toEqual({ A: '2', B: 'b' })
        const again = await test.open()
        expect(await readAll(again)).toEqual({ A: '2', B: 'b' })
        await again.admin.set(MAIN, changes({ C: 'c' }))
        expect((await again.admin.list()).find(({ name }) => name === 'A')?.digest).toBe(digest)
        await faultFrom(
          read(await test.open({ env: { TRACELESS_IDENTITY: oldIdentity } })),
          'IDENTITY_INVALID',
        )
        const after = await again.reader.keys()
        expect(after.mount.use((bytes) => Buffer.from(bytes).toString('hex'))).toBe(mount)
      })

      it('S10: rotations that come at once lose nothing', async () => {
        await using test = await make()
        const stores = [await test.open(), await test.open(), await test.open()]
        const [first = never()] = stores
        await first.admin.set(MAIN, changes({ A: 'kept' }))
        await Promise.all(
          stores.map(async (store) => {
            for (let times = 0; times < 4; times += 1) await store.identity.rotate()
          }),
        )
        const again = await test.open()
        expect(await again.identity.recipients()).toMatchObject([{ ready: true, pinned: true }])
        expect(await readAll(again)).toEqual({ A: 'kept' })
        expect((await again.admin.history()).filter(({ action }) => action === 'add-recipient')).toHaveLength(
          12,
        )
      })

      it('S10: who opens only a part of the store makes no recipient that counts as one', async () => {
        await using test = await make()
        await using other = await make()
        const store = await test.open()
        const [whole = never()] = (await store.admin.set(MAIN, changes({ A: '1' }))).changed
        const second = await other.open()
        const { fingerprint } = await store.identity.addRecipient(await second.identity.exportPublic())
        await store.admin.set(MAIN, changes({ B: '2' }))
        const tables = await test.tables()
        await tables.write((tx) =>
          tx
            .deleteFrom('sealed')
            .where('version', '=', whole.version ?? '')
            .where('key_id', '!=', fingerprint)
            .execute(),
        )
        await tables.close()
        await faultFrom(store.identity.rotate(), 'IDENTITY_INVALID')
        const ready = (await store.identity.recipients()).filter((entry) => entry.ready)
        expect(ready).toHaveLength(2)
        const identity = (await identityText(other.home)).replace(/traceless-store-1\S*/g, '')
        const asOther = await test.open({ env: { TRACELESS_IDENTITY: identity } })
        expect(await readAll(asOther)).toEqual({ A: '1', B: '2' })
      })

      it('S10: several recipients: each reads everything, until it is removed', async () => {
        await using test = await make()
        await using other = await make()
        const store = await test.open()
        await store.admin.set(MAIN, changes({ A: 'before' }))
        const second = await other.open()
        const publicKey = await second.identity.exportPublic()
        const { fingerprint, resealed } = await store.identity.addRecipient(publicKey)
        expect(resealed).toBe(1)
        expect((await store.identity.addRecipient(publicKey)).resealed).toBe(0)
        await store.admin.set(MAIN, changes({ B: 'after' }))
        const identity = (await identityText(other.home)).replace(/traceless-store-1\S*/g, '')
        const asOther = await test.open({ env: { TRACELESS_IDENTITY: identity } })
        expect(await readAll(asOther)).toEqual({ A: 'before', B: 'after' })
        await store.identity.removeRecipient(fingerprint)
        await faultFrom(read(await test.open({ env: { TRACELESS_IDENTITY: identity } })), 'IDENTITY_INVALID')
        expect(await readAll(store)).toEqual({ A: 'before', B: 'after' })
        const [last = never()] = await store.identity.recipients()
        await faultFrom(store.identity.removeRecipient(last.fingerprint), 'STORE_CONFLICT')
      })

      it('S10: an identity that is pinned to another store is refused', async () => {
        await using test = await make()
        await using other = await make()
        await (await test.open()).admin.set(MAIN, changes({ A: 'x' }))
        await other.open()
        const identity = await identityText(other.home)
        const store = await test.open({ env: { TRACELESS_IDENTITY: identity } })
        await faultFrom(read(store), 'IDENTITY_INVALID')
      })

      it('S10: trusts new keys only when exactly the fingerprints of the store are named', async () => {
        await using test = await make()
        const store = await test.open()
        const [{ fingerprint } = never()] = await store.identity.recipients()
        await faultFrom(store.identity.trust(['0'.repeat(32)]), 'IDENTITY_INVALID')
        await faultFrom(store.identity.trust([fingerprint, '0'.repeat(32)]), 'IDENTITY_INVALID')
        await store.identity.trust([fingerprint])
        await store.admin.set(MAIN, changes({ A: 'x' }))
      })
    })

    it('writers come one after another, whoever they are', async () => {
      await using test = await make()
      const stores = [await test.open(), await test.open(), await test.open()]
      const sets = Array.from({ length: 30 }, (_, at) =>
        (stores[at % 3] ?? never()).admin.set(MAIN, changes({ SAME: `${at}` })),
      )
      const live = new Set((await Promise.all(sets)).map((report) => report.changed[0]?.version))
      expect(live.size).toBe(30)
      const name = names('SAME')[0] ?? never()
      const versions = await stores[0]?.admin.versions({ ...MAIN, name })
      expect(versions).toHaveLength(30)
      expect(versions?.map((version) => version.live)).toEqual([true, ...Array<boolean>(29).fill(false)])
      expect(await stores[0]?.admin.history({ ...MAIN, name })).toHaveLength(30)
    })

    it('two openings of one store see each other at once', async () => {
      await using test = await make()
      const [first, second] = [await test.open(), await test.open()]
      await first.admin.set(MAIN, changes({ A: '1' }))
      expect(await readAll(second)).toEqual({ A: '1' })
      await Promise.all(
        Array.from({ length: 20 }, (_, at) =>
          (at % 2 === 0 ? first : second).admin.set(MAIN, changes({ [`N${at}`]: `${at}` })),
        ),
      )
      expect(await first.admin.list()).toHaveLength(21)
    })
  })
}

/** Statements of someone who can write to the database and has no key. What is in force for A in main must not read. */
const TAMPERINGS: Readonly<Record<string, readonly string[]>> = {
  'another secret made live': [
    `update secret set live = (select live from secret where name = 'B') where name = 'A' and environment = 'main'`,
  ],
  'an earlier version made live': [
    `update secret set live = (select id from version where name = 'A' and environment = 'main' and ordinal = 1) where name = 'A' and environment = 'main'`,
  ],
  'the live mark of another secret': [
    `update secret set live = (select live from secret where name = 'B'), live_code = (select live_code from secret where name = 'B') where name = 'A' and environment = 'main'`,
  ],
  'the live mark of another environment': [
    `update secret set live = (select live from secret where environment = 'staging'), live_code = (select live_code from secret where environment = 'staging') where name = 'A' and environment = 'main'`,
  ],
  'a time that was changed': [`update secret set updated_at = '2025-01-01T00:00:00.000Z' where name = 'A'`],
  'exposure widened': [`update version set exposure = 'runtime-only' where name = 'A'`],
  'the guard taken away': [`update version set guarded = 0 where name = 'A'`],
  'a digest exchanged': [`update version set digest = '000000000000' where name = 'A'`],
  'an author exchanged': [`update version set created_by = 'someone' where name = 'A'`],
  'the bytes of another name': [
    `update sealed set box = (select box from sealed join version on version.id = sealed.version where name = 'B') where version = (select live from secret where name = 'A' and environment = 'main')`,
  ],
  'the bytes and code of another name': [
    `update sealed set box = (select box from sealed join version on version.id = sealed.version where name = 'B'), code = (select sealed.code from sealed join version on version.id = sealed.version where name = 'B') where version = (select live from secret where name = 'A' and environment = 'main')`,
  ],
  'the bytes of an earlier version': [
    `update sealed set box = (select box from sealed join version on version.id = sealed.version where name = 'A' and environment = 'main' and ordinal = 1) where version = (select live from secret where name = 'A' and environment = 'main')`,
  ],
  'a version moved in from another environment': [
    `delete from version where id = (select live from secret where name = 'A' and environment = 'main')`,
    `update version set environment = 'main', ordinal = 9 where environment = 'staging'`,
    `update secret set live = (select id from version where ordinal = 9) where name = 'A' and environment = 'main'`,
  ],
  'the version gone': [
    `delete from version where id = (select live from secret where name = 'A' and environment = 'main')`,
  ],
}

async function run(tx: Statements, statement: string): Promise<void> {
  await sql.raw(statement).execute(tx)
}

async function identityText(home: string): Promise<string> {
  return await readFile(`${home}/identity`, 'utf8')
}

const firstVersion = ({ changed }: ChangeReport): string => changed[0]?.version ?? never()

const shape = (entries: readonly SecretEntry[]): string[] =>
  entries.map(({ name, status }) => `${name} ${status}`)

function never(): never {
  throw new Error('there is nothing where the test put something')
}
