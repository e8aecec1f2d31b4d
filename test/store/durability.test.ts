/** What was acknowledged stays: SQLite. */

import { join } from 'node:path'
import { sql } from 'kysely'
import { expect, it } from 'vitest'
import { openSqlite } from '../../src/store/sqlite.js'
import { KILL_ROUNDS, killRounds } from '../contract/durability.js'
import { temporaryFolder } from '../support/store.js'
import { storeWorker } from '../support/worker.js'

it(
  `loses nothing that was acknowledged in ${KILL_ROUNDS} rounds of kill -9`,
  async () => {
    await using folder = await temporaryFolder()
    const home = join(folder.path, 'home')
    await killRounds({
      rounds: KILL_ROUNDS,
      home,
      start: await storeWorker(folder.path),
      check: async () => {
        const database = await openSqlite(join(home, 'store.db'))
        const { rows } = await database.read((tx) =>
          sql<{ integrity_check: string }>`pragma integrity_check`.execute(tx),
        )
        await database.close()
        expect(rows).toEqual([{ integrity_check: 'ok' }])
      },
    })
  },
  KILL_ROUNDS * 2_000,
)
