/**
 * The events of a build as server-sent events
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html): each has its
 * number as its id, so that a client which lost the connection goes on behind
 * the last one it got, at any server.
 *
 * @packageDocumentation
 */

import type { BuildQueue } from '../queue/queue.js'
import type { BuildEntry, BuildRecords } from '../store/builds.js'

/** Longest silence of a stream, in milliseconds: proxies close what is silent for longer. */
export const COMMENT_MS = 15_000

/** Events that are read at once. */
const PAGE = 200

/** What a stream is made of. */
export interface EventStreamParts {
  readonly builds: Pick<BuildRecords, 'get' | 'eventsAfter'>
  readonly queue: Pick<BuildQueue, 'changes'>
  /** Whether whoever reads may still do so. */
  readonly isGood: () => Promise<boolean>
  readonly signal: AbortSignal
  /** What is told of the build at the end. */
  readonly shown: (build: BuildEntry) => unknown
  /** Default: {@link COMMENT_MS}, a parameter for tests. */
  readonly commentMs?: number
}

/** Streams the events behind a number, those to come too, and the build itself at its end. */
export async function* eventStream(
  { builds, queue, isGood, signal, shown, commentMs = COMMENT_MS }: EventStreamParts,
  id: string,
  after: number,
): AsyncGenerator<Uint8Array> {
  const stop = new AbortController()
  const until = AbortSignal.any([signal, stop.signal])
  const wakes = queue.changes(id, until)[Symbol.asyncIterator]()
  let seq = after
  let checkedAt = performance.now()
  let next = wakes.next()
  try {
    // What comes first tells the client that it is connected.
    yield bytes(': \n\n')
    for (;;) {
      const woken = await within(next, commentMs)
      if (woken === 'late') yield bytes(': \n\n')
      else if (woken.done === true) return
      else next = wakes.next()
      if (performance.now() - checkedAt >= commentMs) {
        if (!(await isGood())) return
        checkedAt = performance.now()
      }
      // Looked at before the events: what is told until the end is read after it is known.
      const build = await builds.get(id)
      if (build === null) return
      for (;;) {
        const page = await builds.eventsAfter(id, seq, PAGE)
        for (const entry of page) {
          yield bytes(`id: ${entry.seq}\ndata: ${JSON.stringify(entry.event)}\n\n`)
          seq = entry.seq
        }
        if (page.length < PAGE) break
      }
      if (build.endedAt !== null) {
        yield bytes(`event: end\ndata: ${JSON.stringify({ build: shown(build) })}\n\n`)
        return
      }
    }
  } finally {
    stop.abort()
    await next
    await wakes.return?.()
  }
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T | 'late'> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8')
