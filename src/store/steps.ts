/**
 * Remembers how steps that mount secrets were made, so that a later build can
 * ask for the very same step again though a secret was changed since, and so
 * that a step which was told to run again stays the one that is reused.
 *
 * Nothing rests on these rows being right: they say which step to ask for, and
 * a step that was made otherwise is not there under that name.
 *
 * @packageDocumentation
 */

import type { Database } from './database.js'
import { chunks } from './secret-rows.js'

/** Steps that are remembered; the oldest go first. Each takes about 200 bytes. */
export const STEPS_KEPT = 50_000

/** A mount of a step, and what the step was made with. */
export interface MadeStep {
  /** Opaque key of mount and step. */
  readonly key: string
  /** Ids of the versions, in an order that is the key's own. */
  readonly versions: readonly string[]
  /** Tells a step that was told to run again from the one before; empty for one that never was. */
  readonly salt: string
}

/** The steps that a store remembers. */
export interface StepMemory {
  /** Those of the keys that are remembered. */
  recall(keys: readonly string[]): Promise<ReadonlyMap<string, MadeStep>>
  /** Remembers steps in the place of what was known under their keys. */
  record(steps: readonly MadeStep[]): Promise<void>
}

/** Makes the memory of a store. `limit` is {@link STEPS_KEPT}, a parameter for tests. */
export function stepMemory({
  database,
  now,
  limit = STEPS_KEPT,
}: {
  database: Database
  now: () => Date
  limit?: number
}): StepMemory {
  return {
    async recall(keys) {
      const found = new Map<string, MadeStep>()
      await database.read(async (tx) => {
        for (const some of chunks(keys)) {
          const rows = await tx.selectFrom('made_step').selectAll().where('key', 'in', some).execute()
          for (const { key, versions, salt } of rows)
            found.set(key, { key, versions: textsOf(versions), salt })
        }
      })
      return found
    },
    async record(steps) {
      if (steps.length === 0) return
      const at = now().toISOString()
      await database.write(async (tx) => {
        for (const { key, salt, versions: ids } of steps) {
          const columns = { versions: JSON.stringify(ids), salt, at }
          await tx
            .insertInto('made_step')
            .values({ key, ...columns })
            .onConflict((conflict) => conflict.column('key').doUpdateSet(columns))
            .execute()
        }
        const { count } = await tx
          .selectFrom('made_step')
          .select((is) => is.fn.countAll().as('count'))
          .executeTakeFirstOrThrow()
        const over = Number(count) - limit
        if (over <= 0) return
        const oldest = tx.selectFrom('made_step').select('key').orderBy('at').orderBy('key').limit(over)
        await tx.deleteFrom('made_step').where('key', 'in', oldest).execute()
      })
    },
  }
}

/** What is no list of texts counts as no versions: the row is only a hint. */
function textsOf(json: string): readonly string[] {
  try {
    const parsed: unknown = JSON.parse(json)
    return Array.isArray(parsed) && parsed.every((text) => typeof text === 'string') ? parsed : []
  } catch (error) {
    if (error instanceof SyntaxError) return []
    throw error
  }
}
