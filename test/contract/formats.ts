/** What was written by an earlier version is read for ever, and what a later one wrote is left alone. */

import { chmod, cp, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { sql } from 'kysely'
import { describe, expect, it } from 'vitest'
import type { Database } from '../../src/store/database.js'
import { migrate, STEPS } from '../../src/store/migrations.js'
import { openStore } from '../../src/store/open.js'
import { openSqlite } from '../../src/store/sqlite.js'
import { faultFrom, readAll } from '../support/store.js'

const FIXTURES = resolve(import.meta.dirname, '../../fixtures/store')

/** What a fixture holds. */
export interface Content {
  readonly main: Record<string, string>
  readonly staging: Record<string, string>
  readonly group: Record<string, string>
  readonly staged: Record<string, string>
}

/** A store of an earlier format. */
export interface FormatPlace extends AsyncDisposable {
  readonly home: string
  readonly content: Content
  readonly database: string | undefined
  tables(): Promise<Database>
}

/** A copy of a fixture; the version control system keeps no modes, so the files get theirs here. */
export async function fixture(format: number, folder: string): Promise<{ home: string; content: Content }> {
  const home = join(folder, 'home')
  await cp(join(FIXTURES, `format-${format}`), home, { recursive: true })
  const content = JSON.parse(await readFile(join(home, 'content.json'), 'utf8')) as Content
  for (const file of ['identity', `stores/${await storeIdOf(home)}/writer`])
    await chmod(join(home, file), 0o600)
  return { home, content }
}

async function storeIdOf(home: string): Promise<string> {
  const database = await openSqlite(join(home, 'store.db'))
  const { id } = await database.read((tx) => tx.selectFrom('store').select('id').executeTakeFirstOrThrow())
  await database.close()
  return id
}

/** Makes the tests. `make` gives a store of that format as the version of then left it. */
export function formatContract(kind: string, make: (format: number) => Promise<FormatPlace>): void {
  describe(`formats in ${kind}`, () => {
    it.for(STEPS.map((_, at) => at + 1))(
      'opens a store of format %i, and it is of the newest afterwards',
      async (format) => {
        await using place = await make(format)
        const { home, content, database } = place
        await using store = await openStore({ home, database, env: {} })
        expect(await readAll(store)).toEqual(content.main)
        expect(await readAll(store, { environment: 'staging' })).toEqual(content.staging)
        expect(await readAll(store, { groups: ['db'] })).toEqual({ ...content.main, ...content.group })
        await store.admin.deploy('main')
        expect(await readAll(store)).toEqual({ ...content.main, ...content.staged })
        await store.verdicts.add(['a'])
        await store.identity.rotate()
        expect(await readAll(store, {}, ['TOKEN'])).toEqual({ TOKEN: content.staged['TOKEN'] })
        const tables = await place.tables()
        expect(await migrate(tables)).toBe(STEPS.length)
        await tables.close()
      },
    )

    it('refuses a store of a later version and leaves it as it is', async () => {
      await using place = await make(STEPS.length)
      const { home, content, database } = place
      const setFormat = async (format: number): Promise<void> => {
        const tables = await place.tables()
        await tables.write((tx) => sql`update store_format set format = ${format}`.execute(tx))
        await tables.close()
      }
      await setFormat(STEPS.length + 1)
      const fault = await faultFrom(openStore({ home, database, env: {} }), 'STORE_INVALID')
      expect(fault.message).toContain('later version')
      await setFormat(STEPS.length)
      await using store = await openStore({ home, database, env: {} })
      expect(await readAll(store)).toEqual(content.main)
    })
  })
}
