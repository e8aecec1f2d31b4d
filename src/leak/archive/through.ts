/**
 * Runs bytes through one of Node's decompressors as a pipeline step that never
 * reads on behind its consumer's back: when the step ends, however it ends,
 * nobody is reading the source any more. A pipe would leave a read under way,
 * and the source here is often a stretch of a larger stream.
 *
 * @packageDocumentation
 */

import type { Transform } from 'node:stream'
import { once } from '../../bytes/once.js'
import { requirePadding } from './padding.js'
import { Unreadable } from './unreadable.js'

/** A decompressor of node:zlib. */
export interface Engine extends Transform {
  /** Packed bytes it has used so far. */
  readonly bytesWritten: number
}

/**
 * The unpacked bytes of `source`.
 *
 * @param onEnd - told how many packed bytes the stream had. Without it nothing but zeros may follow the stream.
 * @throws {@link Unreadable} `truncated`, `damaged`, or `trailing-data` where something but zeros follows the end. What
 * was unpacked before comes first.
 */
export async function* through(
  source: AsyncIterable<Uint8Array>,
  engine: Engine,
  onEnd?: (used: number) => void,
): AsyncGenerator<Uint8Array> {
  let written = 0
  let over = false
  /** What the engine left of the last chunk that it was given, because its stream had ended. */
  let left: Uint8Array = new Uint8Array(0)
  let release = (): void => undefined
  engine.once('close', () => {
    over = true
    release()
  })
  const packed = source[Symbol.asyncIterator]()
  const feed = async (): Promise<void> => {
    while (!over) {
      const step = await packed.next()
      if (step.done === true) {
        engine.end()
        return
      }
      const chunk = step.value
      written += chunk.length
      await new Promise<void>((resolve) => {
        release = resolve
        engine.write(chunk, () => resolve())
      })
      // The next chunk is not asked for then: it may be what follows the stream, and this one ends being valid.
      if (engine.bytesWritten < written) {
        left = chunk.subarray(chunk.length - (written - engine.bytesWritten))
        return
      }
    }
  }
  const feeding = feed().catch((error: unknown) => {
    engine.destroy(error instanceof Error ? error : new Error('the source failed'))
  })
  try {
    for await (const chunk of engine) yield chunk as Uint8Array
  } catch (error) {
    throw unreadable(error)
  } finally {
    over = true
    engine.destroy()
    release()
    await feeding
  }
  if (onEnd !== undefined) {
    onEnd(engine.bytesWritten)
    return
  }
  await requirePadding(once(left))
  await requirePadding({ [Symbol.asyncIterator]: () => packed })
}

/** What an error of node:zlib means; any other error as it is. Codes: https://nodejs.org/api/zlib.html#zlib-constants. */
export function unreadable(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return error
  if (error.code === 'Z_BUF_ERROR') return new Unreadable('truncated')
  if (/^(?:Z_|ERR__ERROR_|ERR_PADDING_|ERR_BROTLI)/.test(error.code)) return new Unreadable('damaged')
  return error
}
