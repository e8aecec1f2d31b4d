/** Where a value must not be: the embedded store. */

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import { expect, it } from 'vitest'
import { openStore } from '../../src/store/open.js'
import { openSqlite } from '../../src/store/sqlite.js'
import { filesBelow, traceContract } from '../contract/traces.js'
import { changes, temporaryFolder } from '../support/store.js'

/** A copy as SQLite itself makes one, by another program. */
const BACK_UP = 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("vacuum into ?", (sys.argv[2],))'

const run = promisify(execFile)

traceContract('SQLite', async () => {
  const folder = await temporaryFolder()
  const home = join(folder.path, 'home')
  const tables = (): ReturnType<typeof openSqlite> => openSqlite(join(home, 'store.db'))
  return {
    home,
    database: undefined,
    tables,
    async files(isOpen) {
      const files = await filesBelow(home)
      if (isOpen) expect(files.get(join(home, 'store.db-wal'))?.length).toBeGreaterThan(10_000)
      return files
    },
    async backup() {
      const path = join(folder.path, 'backup')
      await run('python3', ['-c', BACK_UP, join(home, 'store.db'), path])
      return await readFile(path)
    },
    [Symbol.asyncDispose]: folder[Symbol.asyncDispose],
  }
})

it('S10: tells nothing of a value by the size of what is sealed', async () => {
  await using folder = await temporaryFolder()
  await using store = await openStore({ home: folder.path, env: {} })
  await store.admin.set({ environment: 'main' }, changes({ A: 'x', B: 'x'.repeat(60) }))
  const database = await openSqlite(join(folder.path, 'store.db'))
  const { rows } = await database.read((tx) =>
    sql<{ size: number }>`select length(box) as size from sealed`.execute(tx),
  )
  await database.close()
  expect(new Set(rows.map(({ size }) => size)).size).toBe(1)
})
