/** A store that is damaged, too new, too old, full or in a place that cannot be written: a clear fault, nothing lost. */

import { cp, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'kysely'
import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.js'
import type { Database } from '../../src/store/database.js'
import { homeAt } from '../../src/store/home.js'
import { createIdentityFile } from '../../src/store/identity.js'
import { migrate, STEPS } from '../../src/store/migrations.js'
import { openStore, type Store } from '../../src/store/open.js'
import { postgresFault } from '../../src/store/postgres.js'
import { loadDriver, openSqlite, sqliteFault } from '../../src/store/sqlite.js'
import { fixture, formatContract } from '../contract/formats.js'
import { changes, faultFrom, readAll, temporaryFolder } from '../support/store.js'
import { storeWorker } from '../support/worker.js'

const MAIN = { environment: 'main' }

const open = (home: string): Promise<Store> => openStore({ home, env: {} })

formatContract('SQLite', async (format) => {
  const folder = await temporaryFolder()
  const { home, content } = await fixture(format, folder.path)
  return {
    home,
    content,
    database: undefined,
    tables: () => openSqlite(join(home, 'store.db')),
    [Symbol.asyncDispose]: folder[Symbol.asyncDispose],
  }
})

describe('formats', () => {
  it('refuses a store of a later version and leaves its file as it is', async () => {
    await using folder = await temporaryFolder()
    const store = await open(folder.path)
    await store.close()
    const tables = await openSqlite(join(folder.path, 'store.db'))
    await tables.write((tx) => sql`update store_format set format = ${STEPS.length + 1}`.execute(tx))
    await tables.close()
    const before = await readFile(join(folder.path, 'store.db'))
    const fault = await faultFrom(open(folder.path), 'STORE_INVALID')
    expect(fault.message).toContain('later version')
    expect(before.equals(await readFile(join(folder.path, 'store.db')))).toBe(true)
  })

  it('takes a step once when two processes come at the same time', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'store.db')
    const databases = await Promise.all(Array.from({ length: 4 }, () => openSqlite(path)))
    await Promise.all(databases.map((database) => migrate(database)))
    await Promise.all(databases.map((database) => database.close()))
  })

  it('takes all steps or none', async () => {
    await using folder = await temporaryFolder()
    const database = await openSqlite(join(folder.path, 'store.db'))
    const failing = [...STEPS, () => Promise.reject(new TypeError('stop'))]
    await expect(migrate(database, failing)).rejects.toThrow('stop')
    expect(await tableNames(database)).toEqual([])
    expect(await migrate(database, STEPS.slice(0, 1))).toBe(0)
    expect(await migrate(database)).toBe(1)
    expect(await migrate(database)).toBe(STEPS.length)
    await database.close()
  })
})

async function tableNames(database: Database): Promise<string[]> {
  const { rows } = await database.read((tx) =>
    sql<{ name: string }>`select name from sqlite_master`.execute(tx),
  )
  return rows.map(({ name }) => name)
}

describe('damage', () => {
  it('never gives a wrong value, whichever page is damaged', async () => {
    await using folder = await temporaryFolder()
    const whole = join(folder.path, 'whole')
    const store = await open(whole)
    const values = Object.fromEntries(
      Array.from({ length: 40 }, (_, at) => [`NAME${at}`, `value-${at}`.repeat(8)]),
    )
    await store.admin.set(MAIN, changes(values))
    await store.close()
    const bytes = await readFile(join(whole, 'store.db'))
    const ends = new Set<string>()
    for (let page = 0; page < bytes.length / 4096; page += 1) {
      const home = join(folder.path, `page-${page}`)
      // Without the files beside it, which go when the driver gets round to it.
      await cp(whole, home, { recursive: true, filter: (path) => !path.includes('store.db-') })
      const damaged = Buffer.from(bytes)
      // The middle of the page, where rows are, and its head, where the tree is.
      for (const at of [8, 2048, 3900]) damaged.fill(0xa5, page * 4096 + at, page * 4096 + at + 60)
      await writeFile(join(home, 'store.db'), damaged)
      const end = await attempt(home)
      if (end instanceof Fault) ends.add(end.code)
      else expect(end, `page ${page}`).toEqual(values)
    }
    expect([...ends]).toContain('STORE_INVALID')
    expect(
      [...ends].filter((code) => !['STORE_INVALID', 'SECRET_UNKNOWN', 'IDENTITY_INVALID'].includes(code)),
    ).toEqual([])
  })

  it('refuses a file that is no database, and leaves it', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'store.db')
    await writeFile(path, 'this is no database, whatever its name says; '.repeat(200))
    const before = await readFile(path)
    await faultFrom(open(folder.path), 'STORE_INVALID')
    expect(before.equals(await readFile(path))).toBe(true)
  })

  it('says so when tables are gone', async () => {
    await using folder = await temporaryFolder()
    await (await open(folder.path)).close()
    const tables = await openSqlite(join(folder.path, 'store.db'))
    await tables.write((tx) => sql`drop table version`.execute(tx))
    await tables.close()
    await using store = await open(folder.path)
    await faultFrom(store.admin.set(MAIN, changes({ A: '1' })), 'STORE_INVALID')
  })
})

/** All values of main, or the fault on the way there. An empty store in place of a damaged one would be a loss. */
async function attempt(home: string): Promise<Record<string, string> | Fault> {
  try {
    await using store = await open(home)
    await store.admin.list()
    const read = await readAll(store)
    return read
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
}

describe('places', () => {
  it('S10: opens nothing with another identity, and says whose it is', async () => {
    await using folder = await temporaryFolder()
    const home = join(folder.path, 'home')
    const store = await open(home)
    await store.admin.set(MAIN, changes({ A: '1' }))
    await store.close()
    const other = homeAt(join(folder.path, 'other'))
    await createIdentityFile(other)
    await writeFile(join(home, 'identity'), await readFile(other.identity), { mode: 0o600 })
    await using again = await open(home)
    await again.admin.set(MAIN, changes({ B: '2' }))
    const fault = await faultFrom(readAll(again), 'IDENTITY_INVALID')
    expect(fault.detail['recipients']).toHaveLength(1)
  })

  it('S10: a home without identity and writer keys opens nothing of a store', async () => {
    await using folder = await temporaryFolder()
    const store = await open(join(folder.path, 'home'))
    await store.close()
    await mkdir(join(folder.path, 'bare'))
    await cp(join(folder.path, 'home', 'store.db'), join(folder.path, 'bare', 'store.db'))
    await faultFrom(open(join(folder.path, 'bare')), 'IDENTITY_INVALID')
  })

  it('S10: an identity that is pinned to other stores does not open this one, even if it could', async () => {
    await using folder = await temporaryFolder()
    const store = await open(join(folder.path, 'home'))
    await store.admin.set(MAIN, changes({ A: '1' }))
    await store.close()
    const bare = join(folder.path, 'bare')
    await mkdir(bare)
    await cp(join(folder.path, 'home', 'store.db'), join(bare, 'store.db'))
    const text = await readFile(join(folder.path, 'home', 'identity'), 'utf8')
    const key = /^traceless-identity-1\.\S+$/m.exec(text)?.[0] ?? ''
    const elsewhere = `${key} traceless-store-1.${'0'.repeat(32)}.${'1'.repeat(32)}`
    await faultFrom(openStore({ home: bare, env: { TRACELESS_IDENTITY: elsewhere } }), 'IDENTITY_INVALID')
    const wrongRoot = `${key} traceless-store-1.${store.id}.${'1'.repeat(32)}`
    await faultFrom(openStore({ home: bare, env: { TRACELESS_IDENTITY: wrongRoot } }), 'IDENTITY_INVALID')
    await using unpinned = await openStore({ home: bare, env: { TRACELESS_IDENTITY: key } })
    expect(await readAll(unpinned)).toEqual({ A: '1' })
  })

  it('does not write into a folder that is read-only', async () => {
    await using folder = await temporaryFolder()
    const home = join(folder.path, 'home')
    await (await open(home)).close()
    const start = await storeWorker(folder.path)
    // What root may do anyway, it may not without this capability.
    const under =
      process.getuid?.() === 0
        ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search', '--inh-caps=-all']
        : []
    const readOnly = ['sh', '-c', 'chmod 500 "$0"; chmod 400 "$0/store.db"; exec "$@"', home, ...under]
    await using worker = start(['set', home, ''], { under: readOnly })
    await worker.printed(1)
    expect(worker.lines).toEqual([expect.stringMatching(/^fault STORE_UNAVAILABLE /)])
  })

  // As another process has it that makes good what a killed one left.
  it('waits for a file that somebody else has for himself', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'store.db')
    await (await openSqlite(path)).close()
    const openConnection = await loadDriver()
    const other = openConnection(path, { timeout: 0 })
    for (const sql of ['pragma locking_mode = exclusive', 'create table held (x)']) other.exec(sql)
    const state = { closed: false }
    const closing = setTimeout(() => {
      state.closed = true
      other.close()
    }, 200)
    const opened = await openSqlite(path)
    clearTimeout(closing)
    await opened.close()
    expect(state.closed).toBe(true)
  })

  it('keeps what it acknowledged when the disk is full', async () => {
    await using folder = await temporaryFolder()
    const home = join(folder.path, 'home')
    await (await open(home)).close()
    const start = await storeWorker(folder.path)
    const room = Math.ceil((await stat(join(home, 'store.db'))).size / 512) + 100
    await using worker = start(['set', home, ''], {
      under: ['sh', '-c', `ulimit -f ${room}; exec "$@"`, 'sh'],
    })
    await worker.ended()
    expect(worker.lines.at(-1)).toMatch(/^fault STORE_UNAVAILABLE /)
    const last = worker.lines.at(-2) ?? '0'
    expect(Number(last)).toBeGreaterThan(0)
    await using store = await open(home)
    expect(await readAll(store, { environment: 'set' })).toEqual({ LEFT: last, RIGHT: last })
    await store.admin.set({ environment: 'set' }, changes({ LEFT: 'on', RIGHT: 'on' }))
  })

  it.for(['/proc/nothing', '/proc/nothing/below', '/dev/null', '/dev/null/below'])(
    'ends where no folder can be made: %s',
    async (home) => {
      await faultFrom(open(home), 'STORE_UNAVAILABLE')
    },
  )

  it('waits for the disk with each change, which no killed process shows but a power cut would', async () => {
    await using folder = await temporaryFolder()
    const database = await openSqlite(join(folder.path, 'store.db'))
    const pragma = async (name: string): Promise<unknown> =>
      (await database.read((tx) => sql<Record<string, unknown>>`pragma ${sql.raw(name)}`.execute(tx))).rows
    // 2 is FULL: https://www.sqlite.org/pragma.html#pragma_synchronous
    expect([await pragma('synchronous'), await pragma('journal_mode')]).toEqual([
      [{ synchronous: 2 }],
      [{ journal_mode: 'wal' }],
    ])
    await database.close()
  })

  it('makes the database for its owner alone', async () => {
    await using folder = await temporaryFolder()
    await using store = await open(folder.path)
    await store.admin.set(MAIN, changes({ A: '1' }))
    for (const file of ['store.db', 'store.db-wal', 'store.db-shm']) {
      expect((await stat(join(folder.path, file))).mode & 0o777, file).toBe(0o600)
    }
  })

  it('names its state by what the driver answers, and passes on what is not the driver', () => {
    const error = (code: string, errcode?: number): Error =>
      Object.assign(new Error('words'), { code, errcode })
    expect(sqliteFault(error('ERR_SQLITE_ERROR', 13))?.message).toContain('full')
    expect(sqliteFault(error('ERR_SQLITE_ERROR', 10 | (3 << 8)))?.message).toContain('disk failed')
    expect(sqliteFault(error('ERR_SQLITE_ERROR', 8))?.message).toContain('read-only')
    expect(sqliteFault(error('ERR_SQLITE_ERROR', 77))?.message).toContain('77')
    expect(sqliteFault(error('ENOENT'))).toBeNull()
    expect(sqliteFault(new TypeError('bug'))).toBeNull()
    expect(postgresFault(error('53100'))?.message).toContain('full')
    expect(postgresFault(error('08006'))?.message).toContain('lost')
    expect(postgresFault(error('42P01'))?.code).toBe('STORE_INVALID')
    expect(postgresFault(error('42501'))?.code).toBe('STORE_UNAVAILABLE')
    expect(postgresFault(error('22000'))?.message).toContain('22000')
    expect(postgresFault(new Error('Connection terminated'))?.code).toBe('STORE_UNAVAILABLE')
    expect(postgresFault(new TypeError('bug'))).toBeNull()
    expect(postgresFault(new Fault('REQUEST_INVALID', 'x'))).toBeNull()
  })
})
