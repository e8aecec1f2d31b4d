/**
 * Where the bytes of a view stand in the stream: the way back from a value that
 * was seen whole to the pieces of it that were printed.
 *
 * @packageDocumentation
 */

import { RUN_FIELDS, type Viewed } from './view.js'

/** Bytes that stand together, by their positions in the stream. */
export interface Part {
  readonly start: number
  readonly end: number
  /** Whether they are digits of a dump. */
  readonly isDump: boolean
}

/** The runs of one call of a viewer. */
interface Block {
  /** Positions of its first byte: in the view, and in the stream. */
  readonly viewed: number
  readonly base: number
  readonly length: number
  readonly rows: Int32Array
}

/** The runs of the last bytes of a view. */
export class Runs {
  #blocks: Block[] = []
  /** Bytes of the view so far. */
  length = 0

  /**
   * Adds what was viewed next.
   *
   * @param base - position in the stream of the first byte of the input.
   */
  add({ bytes, runs }: Viewed, base: number): void {
    if (bytes.length === 0) return
    this.#blocks.push({ viewed: this.length, base, length: bytes.length, rows: runs.slice() })
    this.length += bytes.length
  }

  /** Drops what is before a position in the view. */
  forget(viewed: number): void {
    let first = 0
    for (
      let block = this.#blocks[0];
      block !== undefined && block.viewed + block.length <= viewed;
      first += 1
    ) {
      block = this.#blocks[first + 1]
    }
    if (first > 0) this.#blocks.splice(0, first)
  }

  /** The position in the stream of a byte of the view. */
  positionOf(viewed: number): number {
    return this.parts(viewed, viewed + 1)[0]?.start ?? Infinity
  }

  /** A stretch of the view, in the stream. */
  parts(start: number, end: number): readonly Part[] {
    const parts: { start: number; end: number; isDump: boolean }[] = []
    for (const { viewed, base, length, rows } of this.#blocks) {
      if (viewed >= end || viewed + length <= start) continue
      const [from, to] = [Math.max(0, start - viewed), Math.min(length, end - viewed)]
      for (let row = rowAt(rows, from); row < rows.length && (rows[row] ?? 0) < to; row += RUN_FIELDS) {
        const run = rows[row] ?? 0
        const offset = base + (rows[row + 1] ?? 0) - run
        const part = {
          start: offset + Math.max(from, run),
          end: offset + Math.min(to, rows[row + RUN_FIELDS] ?? length),
          isDump: rows[row + 2] === 1,
        }
        const last = parts.at(-1)
        // A run that was cut by the end of a chunk goes on.
        if (last?.end === part.start && last.isDump === part.isDump) last.end = part.end
        else parts.push(part)
      }
    }
    return parts
  }
}

/** The row of the run that holds a byte. */
function rowAt(rows: Int32Array, byte: number): number {
  let low = 0
  let high = rows.length / RUN_FIELDS
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if ((rows[middle * RUN_FIELDS] ?? 0) <= byte) low = middle
    else high = middle
  }
  return low * RUN_FIELDS
}
