/**
 * The redactor as a step in a pipeline: an async generator, and a stream of
 * Node. Both show what is held back once the source falls silent.
 *
 * @packageDocumentation
 */

import { Transform } from 'node:stream'
import type { NeedleSet } from './needles.js'
import { Redactor, SILENCE_MS, type RedactOptions } from './redact.js'

/** Redacts a stream. Chunks come out as soon as they are settled; empty ones do not. */
export async function* redact(
  source: AsyncIterable<Uint8Array>,
  needles: NeedleSet,
  options: RedactOptions = {},
): AsyncGenerator<Uint8Array> {
  const redactor = new Redactor(needles, options)
  const chunks = source[Symbol.asyncIterator]()
  let isOver = false
  try {
    while (!isOver) {
      const next = chunks.next()
      const isSilent = redactor.holding && (await isSilentFor(next, SILENCE_MS))
      const shown = isSilent ? redactor.flush() : NOTHING
      if (shown.length > 0) yield shown
      const step = await next
      isOver = step.done === true
      const settled = step.done === true ? redactor.end() : redactor.push(step.value)
      if (settled.length > 0) yield settled
    }
  } finally {
    if (!isOver) await chunks.return?.()
  }
}

/** Redacts a stream of Node, such as the output of a process. Takes and gives bytes. */
export function createRedactStream(needles: NeedleSet, options: RedactOptions = {}): Transform {
  const redactor = new Redactor(needles, options)
  let timer: NodeJS.Timeout | undefined
  const give = (stream: Transform, bytes: Uint8Array): void => {
    if (bytes.length > 0) stream.push(bytes)
  }
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      clearTimeout(timer)
      give(this, redactor.push(chunk))
      if (redactor.holding) timer = setTimeout(() => give(this, redactor.flush()), SILENCE_MS)
      done()
    },
    flush(done) {
      clearTimeout(timer)
      give(this, redactor.end())
      done()
    },
    destroy(error, done) {
      clearTimeout(timer)
      done(error)
    },
  })
}

const NOTHING = new Uint8Array(0)

/** Whether a promise takes longer than that. What it ends with is its reader's matter. */
async function isSilentFor(next: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(true), ms)
  })
  try {
    return await Promise.race([next.then(isFalse, isFalse), silence])
  } finally {
    clearTimeout(timer)
  }
}

const isFalse = (): boolean => false
