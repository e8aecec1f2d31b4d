/** L7: the verdicts that are kept are the youngest. */

import { join } from 'node:path'
import { expect, it } from 'vitest'
import { migrate } from '../../src/store/migrations.js'
import { openSqlite } from '../../src/store/sqlite.js'
import { verdictStore } from '../../src/store/usage.js'
import { temporaryFolder, testClock } from '../support/store.js'

it('L7: drops the oldest verdicts above the limit, and one that was added again is young', async () => {
  await using folder = await temporaryFolder()
  const database = await openSqlite(join(folder.path, 'store.db'))
  await migrate(database)
  const clock = testClock()
  const verdicts = verdictStore({ database, now: () => clock.now(), limit: 3 })
  for (const key of ['a', 'b', 'c']) {
    await verdicts.add([key])
    clock.pass(1)
  }
  expect([...(await verdicts.has(['a', 'b', 'c']))].sort()).toEqual(['a', 'b', 'c'])
  await verdicts.add(['a'])
  clock.pass(1)
  await verdicts.add(['d'])
  expect([...(await verdicts.has(['a', 'b', 'c', 'd']))].sort()).toEqual(['a', 'c', 'd'])
  await database.close()
})
