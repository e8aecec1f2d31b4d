/** B5: a holder that lives keeps its turn however long it works; one that is gone loses it. */

import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Database } from '../../src/store/database.js'
import { migrate } from '../../src/store/migrations.js'
import { openSqlite } from '../../src/store/sqlite.js'
import { stepMemory } from '../../src/store/steps.js'
import { turnsOf } from '../../src/store/turns.js'
import { temporaryFolder, testClock } from '../support/store.js'

const SILENT_MS = 600
const { signal } = new AbortController()

async function database(folder: string): Promise<Database> {
  const opened = await openSqlite(join(folder, 'store.db'))
  await migrate(opened)
  return opened
}

it('B5: the turn of a holder that is gone is taken, not before it was silent for long enough', async () => {
  await using folder = await temporaryFolder()
  const opened = await database(folder.path)
  // Its beats never come: as those of a process that was killed.
  await turnsOf(opened, { beatMs: 1_000_000 }).take(['a'], { signal })
  const begun = performance.now()
  const turn = await turnsOf(opened, { silentMs: SILENT_MS }).take(['a'], { signal })
  expect(performance.now() - begun).toBeGreaterThan(SILENT_MS)
  await turn[Symbol.asyncDispose]()
  await opened.close()
})

it('B5: a holder that lives keeps its turn', async () => {
  await using folder = await temporaryFolder()
  const opened = await database(folder.path)
  const first = await turnsOf(opened, { beatMs: 50 }).take(['a'], { signal })
  const state = { taken: false }
  const waiting = turnsOf(opened, { silentMs: SILENT_MS })
    .take(['a'], { signal })
    .then((turn) => {
      state.taken = true
      return turn
    })
  await new Promise((done) => setTimeout(done, 3 * SILENT_MS))
  expect(state.taken).toBe(false)
  await first[Symbol.asyncDispose]()
  await (await waiting)[Symbol.asyncDispose]()
  expect(await opened.read((tx) => tx.selectFrom('turn').selectAll().execute())).toEqual([])
  await opened.close()
})

it('B5: forgets the oldest steps above the limit, and reads a damaged row as no versions', async () => {
  await using folder = await temporaryFolder()
  const opened = await database(folder.path)
  const clock = testClock()
  const steps = stepMemory({ database: opened, now: () => clock.now(), limit: 2 })
  for (const key of ['a', 'b', 'a', 'c']) {
    await steps.record([{ key, versions: [key], salt: '' }])
    clock.pass(1)
  }
  expect([...(await steps.recall(['a', 'b', 'c'])).keys()].sort()).toEqual(['a', 'c'])
  await opened.write((tx) => tx.updateTable('made_step').set({ versions: '{' }).execute())
  expect((await steps.recall(['a'])).get('a')?.versions).toEqual([])
  await opened.close()
})
