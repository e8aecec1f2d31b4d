/**
 * The news of one build, as a stream that wakes its reader.
 *
 * @packageDocumentation
 */

import type { BuildRecords } from '../store/builds.js'
import { Bell } from './wake.js'

/** How long news that were missed may go unseen, in milliseconds: a connection that hears them can be gone. */
export const LOOK_AGAIN_MS = 2_000

/** Wakes whenever a build may have changed, see `BuildQueue.changes`. */
export async function* changesOf(
  records: Pick<BuildRecords, 'watch'>,
  buildId: string,
  signal: AbortSignal,
): AsyncGenerator<void> {
  const bell = new Bell()
  using _watch = records.watch((id) => {
    if (id === null || id === buildId) bell.ring()
  })
  while (!signal.aborted) {
    yield
    await bell.wait(LOOK_AGAIN_MS, signal)
  }
}
