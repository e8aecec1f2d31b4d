/** S10: rotating and adding recipients, ended at every step and begun again. */

import { appendFile, readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import type { Database } from '../../src/store/database.js'
import { homeAt } from '../../src/store/home.js'
import { openStore, type Store } from '../../src/store/open.js'
import { openKeys } from '../../src/store/opening.js'
import { readPins } from '../../src/store/pins.js'
import { recordSeal } from '../../src/store/records.js'
import { identityAdmin, type IdentityAdmin } from '../../src/store/rotation.js'
import { openSqlite } from '../../src/store/sqlite.js'
import { secretAdmin } from '../../src/store/store-admin.js'
import { changes, faultFrom, names, readAll, temporaryFolder } from '../support/store.js'

const MAIN = { environment: 'main' }

/** A rotation's own view of the database, where something happens before each transaction that writes. */
async function adminWith(
  store: Store,
  before: (write: number) => Promise<void> | void,
): Promise<{ admin: IdentityAdmin } & AsyncDisposable> {
  const database = await openSqlite(store.home.database)
  let writes = 0
  const watched: Database = {
    ...database,
    async write(work) {
      writes += 1
      await before(writes)
      return await database.write(work)
    },
  }
  const admin = identityAdmin({
    database: watched,
    storeId: store.id,
    home: store.home,
    variables: {},
    actor: 'tester',
    now: () => new Date(),
  })
  return { admin, [Symbol.asyncDispose]: () => database.close() }
}

class Killed extends Error {}

describe('S10: rotation', () => {
  it('goes on where it ended, whichever transaction was its last', async () => {
    let ended = 0
    for (let last = 0; ended === last; last += 1) {
      await using folder = await temporaryFolder()
      await using store = await openStore({ home: folder.path, env: {}, changesPerHour: 1000 })
      const values = Object.fromEntries(Array.from({ length: 120 }, (_, at) => [`N${at}`, `value ${at}`]))
      await store.admin.set(MAIN, changes(values))
      const [before] = await store.identity.recipients()
      await using cut = await adminWith(store, (write) => {
        if (write > last) throw new Killed()
      })
      await cut.admin.rotate().catch((error: unknown) => {
        if (!(error instanceof Killed)) throw error
        ended += 1
      })
      await store.admin.set(MAIN, changes({ NEW: 'set between' }))
      expect(await readAll(store, { purpose: 'scan' }), `ended after ${last}`).toEqual({
        ...values,
        NEW: 'set between',
      })
      await store.identity.rotate()
      const after = await store.identity.recipients()
      expect(after).toMatchObject([{ ready: true, pinned: true }])
      expect(after[0]?.fingerprint).not.toBe(before?.fingerprint)
      await using again = await openStore({ home: folder.path, env: {} })
      expect(await readAll(again, { purpose: 'scan' })).toEqual({ ...values, NEW: 'set between' })
      expect(await readFile(store.home.nextIdentity).catch(() => null)).toBeNull()
    }
    expect(ended).toBeGreaterThan(5)
  }, 120_000)

  it('does not bring back what was deleted while it sealed', async () => {
    await using folder = await temporaryFolder()
    await using store = await openStore({ home: folder.path, env: {} })
    await store.admin.set({ environment: 'gone' }, changes({ A: 'x' }))
    await store.admin.set(MAIN, changes({ A: 'y' }))
    await using watched = await adminWith(store, async (write) => {
      if (write === 2) await store.admin.deleteEnvironment('gone')
    })
    expect((await watched.admin.rotate()).resealed).toBe(1)
    const database = await openSqlite(store.home.database)
    const boxes = await database.read((tx) => tx.selectFrom('sealed').selectAll().execute())
    await database.close()
    expect(boxes).toHaveLength(1)
    expect(await readAll(store)).toEqual({ A: 'y' })
  })

  it('keeps the old key of an identity that opens another store as well', async () => {
    await using folder = await temporaryFolder()
    const first = homeAt(folder.path)
    await using store = await openStore({ home: first.folder, env: {} })
    await store.admin.set(MAIN, changes({ A: '1' }))
    const pinned = `traceless-store-1.${'a'.repeat(32)}.${'b'.repeat(32)}`
    const before = /^traceless-identity-1\.\S+$/m.exec(await readFile(first.identity, 'utf8'))?.[0] ?? 'none'
    await appendFile(first.identity, `${pinned}\n`)
    await store.identity.rotate()
    const text = await readFile(first.identity, 'utf8')
    expect(text).toContain(before)
    expect(text).toContain(pinned)
    expect(text.match(/^traceless-identity-1\./gm)).toHaveLength(2)
    expect(await readAll(store)).toEqual({ A: '1' })
  })

  it('is refused where the identity is not a file of the home', async () => {
    await using folder = await temporaryFolder()
    await using store = await openStore({ home: folder.path, env: {} })
    const identity = await readFile(store.home.identity, 'utf8')
    await using other = await openStore({ home: folder.path, env: { TRACELESS_IDENTITY: identity } })
    await faultFrom(other.identity.rotate(), 'IDENTITY_INVALID')
    expect(await readFile(store.home.identity, 'utf8')).toBe(identity)
  })

  it('does not count a recipient as one before everything is sealed to it', async () => {
    await using folder = await temporaryFolder()
    await using other = await temporaryFolder()
    await using store = await openStore({ home: folder.path, env: {} })
    await using second = await openStore({ home: other.path, env: {} })
    await store.admin.set(MAIN, changes({ A: '1' }))
    const publicKey = await second.identity.exportPublic()
    await using cut = await adminWith(store, (write) => {
      if (write > 1) throw new Killed()
    })
    await expect(cut.admin.addRecipient(publicKey)).rejects.toThrow(Killed)
    const [own, joining] = (await store.identity.recipients()).toSorted(
      (a, b) => Number(b.ready) - Number(a.ready),
    )
    expect([own?.ready, joining?.ready]).toEqual([true, false])
    await faultFrom(store.identity.removeRecipient(own?.fingerprint ?? ''), 'STORE_CONFLICT')
    expect((await store.identity.addRecipient(publicKey)).resealed).toBe(1)
    await store.identity.removeRecipient(own?.fingerprint ?? '')
    await faultFrom(readAll(store), 'IDENTITY_INVALID')
  })

  it('what is set while a recipient joins is sealed to it as well', async () => {
    await using folder = await temporaryFolder()
    await using other = await temporaryFolder()
    await using store = await openStore({ home: folder.path, env: {} })
    await using second = await openStore({ home: other.path, env: {} })
    const publicKey = await second.identity.exportPublic()
    const database = await openSqlite(store.home.database)
    using opened = await openKeys({ database, storeId: store.id, home: store.home, variables: {} })
    let looks = 0
    const admin = secretAdmin({
      database,
      records: recordSeal(store.id, opened.keys.record),
      digestKey: opened.keys.digest,
      // Asked for when the recipients are known and nothing is sealed yet.
      async pins() {
        looks += 1
        if (looks === 1) await store.identity.addRecipient(publicKey)
        return (await readPins(store.home, store.id)) ?? { root: '', recipients: [] }
      },
      actor: 'tester',
      now: () => new Date(),
      changesPerHour: 60,
    })
    await admin.set(MAIN, changes({ A: 'between' }))
    const boxes = await database.read((tx) => tx.selectFrom('sealed').select('key_id').execute())
    await database.close()
    expect(boxes).toHaveLength(2)
    expect(looks).toBe(2)
    expect(await readAll(store)).toEqual({ A: 'between' })
  })

  it('rotates after a forged record was unset, and not before', async () => {
    await using folder = await temporaryFolder()
    await using store = await openStore({ home: folder.path, env: {} })
    await store.admin.set(MAIN, changes({ A: '1', B: '2' }))
    const database = await openSqlite(store.home.database)
    await database.write((tx) =>
      tx
        .updateTable('sealed')
        .set({ box: Buffer.from('forged') } as object)
        .execute(),
    )
    await database.close()
    await faultFrom(store.identity.rotate(), 'STORE_INVALID')
    await store.admin.unset(MAIN, names('A', 'B'))
    await store.admin.set(MAIN, changes({ A: '3' }))
    await store.identity.rotate()
    expect(await readAll(store)).toEqual({ A: '3' })
  })
})
