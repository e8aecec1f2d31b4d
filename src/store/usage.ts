/**
 * Keeps which build or run used which version, and what the leak check has
 * proven. Neither holds a value: names, random ids and opaque keys.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import type { Database } from './database.js'
import { environmentName } from './names.js'
import { chunks } from './secret-rows.js'
import type { UsageRecorder } from './store.js'

/** Verdicts that are kept; the oldest go first. Each takes about 150 bytes. */
export const VERDICTS_KEPT = 200_000

/** Opaque keys of what was proven. A key that is held says "clean", and nothing says "not clean". */
export interface VerdictStore {
  /** Those of the keys that are held. */
  has(keys: readonly string[]): Promise<ReadonlySet<string>>
  /** Holds keys: 1 to 128 letters, digits, `-` and `_` each. Adding one again makes it young. */
  add(keys: readonly string[]): Promise<void>
}

/** Makes the recorder of a store. */
export function usageRecorder({ database, now }: { database: Database; now: () => Date }): UsageRecorder {
  return {
    async record({ id, kind, environment, image, tags = [], used }) {
      const place = environmentName(environment)
      await database.write(async (tx) => {
        await tx
          .insertInto('usage')
          .values({
            id,
            kind,
            environment: place,
            image: image ?? null,
            tags: JSON.stringify(tags),
            at: now().toISOString(),
          })
          .execute()
        for (const some of chunks(used)) {
          await tx
            .insertInto('usage_secret')
            .values(
              some.map(({ name, group, version }) => ({
                usage: id,
                environment: place,
                group_name: group ?? '',
                name,
                version,
              })),
            )
            .onConflict((conflict) => conflict.columns(['usage', 'version']).doNothing())
            .execute()
        }
      })
    },
  }
}

/** Makes the verdicts of a store. `limit` is {@link VERDICTS_KEPT}, a parameter for tests. */
export function verdictStore({
  database,
  now,
  limit = VERDICTS_KEPT,
}: {
  database: Database
  now: () => Date
  limit?: number
}): VerdictStore {
  return {
    async has(keys) {
      const held = new Set<string>()
      await database.read(async (tx) => {
        for (const some of chunks(keys)) {
          const rows = await tx.selectFrom('verdict').select('key').where('key', 'in', some).execute()
          for (const { key } of rows) held.add(key)
        }
      })
      return held
    },
    async add(keys) {
      if (!keys.every((key) => KEY.test(key))) {
        throw new Fault('INTERNAL', 'The key of a verdict is not valid.')
      }
      const at = now().toISOString()
      await database.write(async (tx) => {
        for (const some of chunks([...new Set(keys)])) {
          await tx
            .insertInto('verdict')
            .values(some.map((key) => ({ key, at })))
            .onConflict((conflict) => conflict.column('key').doUpdateSet({ at }))
            .execute()
        }
        const { count } = await tx
          .selectFrom('verdict')
          .select((is) => is.fn.countAll().as('count'))
          .executeTakeFirstOrThrow()
        const over = Number(count) - limit
        if (over <= 0) return
        const oldest = tx.selectFrom('verdict').select('key').orderBy('at').orderBy('key').limit(over)
        await tx.deleteFrom('verdict').where('key', 'in', oldest).execute()
      })
    },
  }
}

const KEY = /^[A-Za-z0-9_-]{1,128}$/
