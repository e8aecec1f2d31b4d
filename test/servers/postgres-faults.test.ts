/** PostgreSQL that is of another format, read-only or full: a clear fault, nothing lost. */

import { execFile } from 'node:child_process'
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { migrate, STEPS } from '../../src/store/migrations.js'
import { openStore } from '../../src/store/open.js'
import { openPostgres } from '../../src/store/postgres.js'
import { openSqlite } from '../../src/store/sqlite.js'
import { fixture, formatContract } from '../contract/formats.js'
import { startPostgres, type Cluster } from '../support/postgres.js'
import { changes, faultFrom, readAll, temporaryFolder } from '../support/store.js'

const run = promisify(execFile)
const MAIN = { environment: 'main' }
let cluster: Cluster

beforeAll(async () => {
  cluster = await startPostgres()
})
afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
})

/** Tables of a fixture that came with each format have the same rows in both kinds of database. */
async function copyRows(home: string, url: string, format: number): Promise<void> {
  const from = await openSqlite(join(home, 'store.db'))
  const to = await openPostgres(url)
  await migrate(to, STEPS.slice(0, format))
  const tables = await from.read(async (tx) => {
    const { rows } = await sql<{
      name: string
    }>`select name from sqlite_master where type = 'table' and name not like 'sqlite_%' and name <> 'store_format'`.execute(
      tx,
    )
    return await Promise.all(
      rows.map(async ({ name }) => ({
        name,
        rows: (await sql<Record<string, unknown>>`select * from ${sql.table(name)}`.execute(tx)).rows,
      })),
    )
  })
  await from.close()
  await to.write(async (tx) => {
    for (const { name, rows } of tables) {
      for (const row of rows) {
        const columns = sql.join(Object.keys(row).map((column) => sql.ref(column)))
        const values = sql.join(
          Object.values(row).map((value) => (value instanceof Uint8Array ? Buffer.from(value) : value)),
        )
        await sql`insert into ${sql.table(name)} (${columns}) values (${values})`.execute(tx)
      }
    }
    await sql`select setval(pg_get_serial_sequence('event', 'id'), (select max(id) from event))`.execute(tx)
  })
  await to.close()
}

formatContract('PostgreSQL', async (format) => {
  const folder = await temporaryFolder()
  const { home, content } = await fixture(format, folder.path)
  const database = await cluster.createDatabase()
  await copyRows(home, database, format)
  return {
    home,
    content,
    database,
    tables: () => openPostgres(database),
    [Symbol.asyncDispose]: folder[Symbol.asyncDispose],
  }
})

it('reads and does not write where the database is read-only', async () => {
  await using folder = await temporaryFolder()
  const url = await cluster.createDatabase()
  await (await openStore({ home: folder.path, database: url, env: {} })).close()
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(
    `alter database ${new URL(url).pathname.slice(1)} set default_transaction_read_only = on`,
  )
  await client.end()
  await using store = await openStore({ home: folder.path, database: url, env: {} })
  const fault = await faultFrom(store.admin.set(MAIN, changes({ A: '1' })), 'STORE_UNAVAILABLE')
  expect(fault.message).toContain('read-only')
  expect(await store.admin.list()).toEqual([])
})

it('keeps what it acknowledged when the disk of the server is full', async () => {
  // Only root can make a small file system; the tests of engines run as root.
  const disk = await mkdtemp(join(tmpdir(), 'traceless-small-'))
  await run('mount', ['-t', 'tmpfs', '-o', 'size=160m', 'tmpfs', disk])
  try {
    await using folder = await temporaryFolder()
    await using small = await startPostgres(disk)
    const database = await small.createDatabase()
    await using store = await openStore({ home: folder.path, database, env: {}, changesPerHour: 10_000 })
    await store.admin.set(MAIN, changes({ A: 'before' }))
    const { bavail, bsize } = await statfs(disk)
    const ballast = join(disk, 'ballast')
    await writeFile(ballast, Buffer.alloc(bavail * bsize - (3 << 20)))
    let acknowledged = 'before'
    const fill = async (): Promise<never> => {
      for (let at = 0; ; at += 1) {
        const value = `${at} `.padEnd(400_000, String(at))
        await store.admin.set(MAIN, changes({ A: value, [`FILL_${at}`]: value }))
        acknowledged = value
      }
    }
    await faultFrom(fill(), 'STORE_UNAVAILABLE')
    expect(acknowledged).not.toBe('before')
    await rm(ballast)
    await small.crash()
    const again = await openStore({ home: folder.path, database, env: {} })
    expect((await readAll(again, {}, ['A']))['A'] === acknowledged).toBe(true)
    await again.admin.set(MAIN, changes({ A: 'after' }))
    await again.close()
  } finally {
    await run('umount', [disk])
    await rm(disk, { recursive: true })
  }
})
