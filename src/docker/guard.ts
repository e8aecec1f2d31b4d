/**
 * An engine whose answers are waited for only while a signal lives. What it is
 * asked goes through libraries that wait for ever for an engine which is frozen;
 * so every answer has an end here, whether or not they know of one.
 *
 * @packageDocumentation
 */

import type { Engine, ImageParts } from './engine.js'

/** How long a question that the signal ended may take to end by itself, in milliseconds: it may have to clean up. */
const GRACE_MS = 300

/** The same engine, each answer of which ends with the signal. Containers are left as they are. */
export function guardedEngine(engine: Engine, signal: AbortSignal): Engine {
  const until = <T>(work: Promise<T>): Promise<T> => endedBy(signal, work)
  return {
    ...engine,
    inspect: (reference) => until(engine.inspect(reference, signal)),
    pull: (reference, options) => until(engine.pull(reference, options)),
    build: (input, own) => guarded(engine.build(input, own), signal),
    parts: async (images, options) => guardedParts(await until(engine.parts(images, options)), signal),
    readFile: (image, file) => until(engine.readFile(image, file)),
    tag: (image, reference) => until(engine.tag(image, reference)),
    push: (image, reference, options) => until(engine.push(image, reference, options)),
    archive: (image, options) => until(engine.archive(image, options)),
    removeUntagged: (image) => until(engine.removeUntagged(image)),
    dropRecords: (which, own) => until(engine.dropRecords(which, own)),
    pruneRecords: (ids, own) => until(engine.pruneRecords(ids, own)),
    records: (own) => until(engine.records(own)),
  }
}

/** Waits for work until a signal is aborted, and a little longer; then for nothing any more. */
export async function endedBy<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  let onAbort = (): void => undefined
  const end = new Promise<never>((_resolve, reject) => {
    onAbort = () => {
      timer = setTimeout(() => reject(signal.reason as Error), GRACE_MS)
    }
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([work, end])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}

function guardedParts(parts: ImageParts, signal: AbortSignal): ImageParts {
  return {
    hashed: parts.hashed,
    layouts: () => parts.layouts(),
    async *[Symbol.asyncIterator]() {
      for await (const part of guarded(parts, signal)) yield { ...part, bytes: guarded(part.bytes, signal) }
    },
  }
}

/** A stream each step of which ends with the signal, leaving included. */
async function* guarded<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]()
  let ended = false
  try {
    for (;;) {
      const next = await endedBy(signal, iterator.next())
      if (next.done === true) {
        ended = true
        return
      }
      yield next.value
    }
  } finally {
    if (!ended) {
      const left = Promise.resolve(iterator.return?.())
      // What the stream itself threw is told already.
      await endedBy(signal, left).catch(() => undefined)
    }
  }
}
