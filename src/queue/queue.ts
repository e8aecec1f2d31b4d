/**
 * How a build that waits finds a worker. The records of builds are the truth: a
 * queue only says when and where to look, and whoever takes a build begins it
 * in the records, where one of several wins. A queue that forgets or repeats
 * costs time and nothing else.
 *
 * @packageDocumentation
 */

/** Brings builds to workers. */
export interface BuildQueue extends AsyncDisposable {
  /** Says that a build waits. Saying it again changes nothing. */
  announce(buildId: string): Promise<void>
  /**
   * Ids of builds that wait, one at a time, until the signal is aborted: asking for the next says that the last one is
   * done with, leaving the loop gives it back. One loop is one place of a worker; several loops share the builds.
   */
  take(signal: AbortSignal): AsyncIterable<string>
  /** Wakes whenever a build may have changed or told something new, at once for the first time. */
  changes(buildId: string, signal: AbortSignal): AsyncIterable<void>
  close(): Promise<void>
}
