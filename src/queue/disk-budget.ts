/**
 * Keeps what a worker's builds leave in its engine's build cache within a
 * budget. Only records that builds of this store made are counted and dropped:
 * what others keep on that engine is theirs to look after.
 *
 * @packageDocumentation
 */

import { bytesOf, recordsToPrune } from '../docker/cache-budget.js'
import type { Engine } from '../docker/engine.js'
import { notingEngine, unlessAway } from '../docker/made-records.js'
import type { MadeRecords } from '../store/made-records.js'

/** What one pruning did. */
export interface Pruned {
  readonly records: number
  readonly bytes: number
  /** Bytes that our records take now. */
  readonly leftBytes: number
}

/** A budget, and what it is kept with. */
export interface DiskBudgetParts {
  readonly made: MadeRecords
  /** Bytes that records of ours may take. */
  readonly budgetBytes: number
  /** Told whenever something went. */
  readonly onPruned: (pruned: Pruned) => void
}

/** Keeps one engine within its budget. */
export interface DiskBudget {
  /** The engine that builds: it notes what its builds make. */
  readonly engine: Engine
  /**
   * Drops what is too much. One pruning at a time; a question that comes meanwhile waits for it. An engine or store that is
   * away now is asked again after the next build.
   */
  readonly keep: () => Promise<void>
}

/** How long one pruning may take, in milliseconds. */
const PRUNE_MS = 120_000

/** Makes the budget of an engine. */
export function diskBudget(engine: Engine, { made, budgetBytes, onPruned }: DiskBudgetParts): DiskBudget {
  const { id } = engine.info
  const prune = async (): Promise<void> => {
    const signal = AbortSignal.timeout(PRUNE_MS)
    const [records, known] = await Promise.all([engine.records(signal), made.of(id)])
    const there = new Set(records.map((record) => record.id))
    await made.forget(
      id,
      [...known].filter((record) => !there.has(record)),
    )
    const chosen = recordsToPrune(records, { ours: known, budgetBytes })
    if (chosen.length === 0) return
    const gone = await engine.pruneRecords(chosen, signal)
    await made.forget(
      id,
      gone.map((record) => record.id),
    )
    const freed = bytesOf(records, new Set(gone.map((record) => record.id)))
    if (gone.length > 0)
      onPruned({ records: gone.length, bytes: freed, leftBytes: bytesOf(records, known) - freed })
  }
  let last: Promise<void> = Promise.resolve()
  return {
    engine: notingEngine(engine, (ids) => made.add(id, ids)),
    keep: () => (last = last.then(() => unlessAway(prune()))),
  }
}
