/**
 * Turns: of several processes that want the same names, one works and the
 * others wait. A holder counts a number up while it lives; who waits and sees
 * that number stand still for long enough, by a clock of its own, takes over.
 * So a holder that was killed holds nobody up for ever, and clocks that differ
 * do no harm.
 *
 * @packageDocumentation
 */

import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '../errors.js'
import type { Database } from './database.js'

/** How often a holder says that it lives, in milliseconds. */
export const BEAT_MS = 2_000

/** How long a holder may be silent before its turn is taken, in milliseconds. */
export const SILENT_MS = 15_000

/** Pause between two looks of one who waits, in milliseconds. */
const LOOK_MS = 200

/** Hands out turns. */
export interface Turns {
  /**
   * Waits until no other holder has any of the names, and takes them all at once, so that nobody waits for somebody who
   * waits. Dispose what is returned to give them back.
   *
   * @param names - any texts; they are stored as they are.
   * @param options - `onWait` is called once when there is somebody to wait for; `signal` ends the waiting with its reason.
   */
  take(
    names: readonly string[],
    options: { readonly signal: AbortSignal; readonly onWait?: () => void },
  ): Promise<AsyncDisposable>
}

/** Makes the turns of a store. `beatMs` and `silentMs` are {@link BEAT_MS} and {@link SILENT_MS}, parameters for tests. */
export function turnsOf(
  database: Database,
  { beatMs = BEAT_MS, silentMs = SILENT_MS }: { beatMs?: number; silentMs?: number } = {},
): Turns {
  return {
    async take(names, { signal, onWait }) {
      const wanted = [...new Set(names)]
      if (wanted.length === 0) return { [Symbol.asyncDispose]: () => Promise.resolve() }
      const holder = randomUUID()
      const silence = new Silence(silentMs)
      for (let waits = false; !(await attempt(database, { wanted, holder, silence })); waits = true) {
        if (!waits) onWait?.()
        await paused(LOOK_MS, signal)
      }
      const beats = setInterval(() => void beat(database, holder), beatMs)
      beats.unref()
      return {
        async [Symbol.asyncDispose]() {
          clearInterval(beats)
          await database.write((tx) => tx.deleteFrom('turn').where('holder', '=', holder).execute())
        },
      }
    },
  }
}

/** Takes all names or none. */
async function attempt(
  database: Database,
  { wanted, holder, silence }: { wanted: readonly string[]; holder: string; silence: Silence },
): Promise<boolean> {
  const others = await database.read((tx) =>
    tx.selectFrom('turn').selectAll().where('name', 'in', wanted).execute(),
  )
  const gone = others.filter((other) => silence.isOver(other))
  if (gone.length < others.length) return false
  return await database.write(async (tx) => {
    for (const { name, holder: before, beats } of gone) {
      await tx
        .deleteFrom('turn')
        .where('name', '=', name)
        .where('holder', '=', before)
        .where('beats', '=', beats)
        .execute()
    }
    // Somebody may have come in between.
    const taken = await tx.selectFrom('turn').select('name').where('name', 'in', wanted).execute()
    if (taken.length > 0) return false
    await tx
      .insertInto('turn')
      .values(wanted.map((name) => ({ name, holder, beats: 0 })))
      .execute()
    return true
  })
}

/** A store that does not answer now may answer at the next beat. */
async function beat(database: Database, holder: string): Promise<void> {
  try {
    await database.write((tx) =>
      tx
        .updateTable('turn')
        .set((column) => ({ beats: column('beats', '+', 1) }))
        .where('holder', '=', holder)
        .execute(),
    )
  } catch (error) {
    if (!(error instanceof Fault)) throw error
  }
}

async function paused(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  await sleep(ms, undefined, { signal }).catch(() => undefined)
  signal.throwIfAborted()
}

/** How long holders have said nothing, by this process's own clock. */
class Silence {
  readonly #limitMs: number
  readonly #seen = new Map<string, { readonly beats: number; readonly at: number }>()

  constructor(limitMs: number) {
    this.#limitMs = limitMs
  }

  isOver({ holder, beats }: { readonly holder: string; readonly beats: number }): boolean {
    const before = this.#seen.get(holder)
    if (before?.beats === beats) return performance.now() - before.at > this.#limitMs
    this.#seen.set(holder, { beats, at: performance.now() })
    return false
  }
}
