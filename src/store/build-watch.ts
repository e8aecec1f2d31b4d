/**
 * Who waits for news of builds, and how it reaches them: within a process by a
 * call, between processes by the database's signals where it has them.
 *
 * @packageDocumentation
 */

import type { Database, Statements } from './database.js'

/** News of builds. */
export interface Changes extends Disposable {
  /** Runs a change of one build and tells of it once it is kept. */
  change<T>(id: string, work: (tx: Statements) => Promise<T>): Promise<T>
  /** Tells of a build that changed. */
  tell(id: string): void
  watch(onChange: (id: string | null) => void): Disposable
}

/** Makes the news of a database. Other processes are listened to while anyone watches. */
export function buildChanges(database: Database): Changes {
  const watchers = new Set<(id: string | null) => void>()
  let listening: Disposable | undefined
  const tell = (id: string | null): void => {
    for (const watcher of [...watchers]) watcher(id)
  }
  const unlisten = (): void => {
    listening?.[Symbol.dispose]()
    listening = undefined
  }
  return {
    tell,
    async change(id, work) {
      const result = await database.writeRows(async (tx) => {
        const done = await work(tx)
        await database.signals?.send(tx, id)
        return done
      })
      tell(id)
      return result
    },
    watch(onChange) {
      // One function may watch twice.
      const watcher = (id: string | null): void => onChange(id)
      watchers.add(watcher)
      listening ??= database.signals?.listen(tell)
      return {
        [Symbol.dispose]: () => {
          watchers.delete(watcher)
          if (watchers.size === 0) unlisten()
        },
      }
    },
    [Symbol.dispose]() {
      watchers.clear()
      unlisten()
    },
  }
}
