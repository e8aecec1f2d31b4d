/**
 * The queue of one process: it looks into the records, oldest build first,
 * whenever something changed there.
 *
 * @packageDocumentation
 */

import type { BuildRecords } from '../store/builds.js'
import { changesOf, LOOK_AGAIN_MS } from './changes.js'
import type { BuildQueue } from './queue.js'
import { Bell } from './wake.js'

/** Makes the queue over the records of a store. */
export function embeddedQueue(records: Pick<BuildRecords, 'waiting' | 'watch'>): BuildQueue {
  const stop = new AbortController()
  /** Builds that a loop of this queue has in hands. */
  const taken = new Set<string>()
  const bells = new Set<Bell>()
  const ringAll = (): void => {
    for (const bell of bells) bell.ring()
  }
  const close = async (): Promise<void> => stop.abort()
  return {
    announce: async () => ringAll(),
    async *take(signal) {
      const until = AbortSignal.any([signal, stop.signal])
      const bell = new Bell()
      bells.add(bell)
      using _watch = records.watch(() => bell.ring())
      try {
        while (!until.aborted) {
          // Those in hands may still be listed: whoever took one has not begun it yet.
          const listed = await records.waiting(taken.size + 1)
          const id = listed.find((each) => !taken.has(each))
          if (id === undefined) {
            await bell.wait(LOOK_AGAIN_MS, until)
            continue
          }
          taken.add(id)
          try {
            yield id
          } finally {
            taken.delete(id)
          }
        }
      } finally {
        bells.delete(bell)
      }
    },
    changes: (buildId, signal) => changesOf(records, buildId, AbortSignal.any([signal, stop.signal])),
    close,
    [Symbol.asyncDispose]: close,
  }
}
