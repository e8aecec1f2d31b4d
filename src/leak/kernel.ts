/**
 * The search for fixed byte strings in one stretch of memory: what its two
 * implementations promise.
 *
 * @packageDocumentation
 */

import type { Viewer } from './view.js'

/** Which search runs. `wasm` needs SIMD, which Node has on any common machine; `plain` gives the same hits. */
export type KernelName = 'wasm' | 'plain'

/** Finds patterns in a text that comes in pieces. */
export interface Kernel extends Disposable {
  /** Where the text lies: what came before, and from {@link HISTORY_BYTES} on room for the next piece. */
  readonly text: Uint8Array
  /** Largest piece, in bytes. */
  readonly roomBytes: number
  /** The text is looked at in positions of the stream that this divides. */
  readonly stride: number
  /** Bytes that one look takes in. */
  readonly gramBytes: number
  /** Tells each pattern that begins at or after `begin`, agrees with the text as far as `end`, and is looked at there. */
  scan(range: ScanRange, found: FoundPattern): void
  /**
   * The view of a stream. What it gives may lie in the room of {@link Kernel.text}, valid until something else is put there.
   *
   * @param mode - where in a line the stream begins.
   */
  viewer(mode: number): Viewer
}

/** Positions in {@link Kernel.text}. `first` is the first to be looked at; the others follow at the stride. */
export interface ScanRange {
  readonly begin: number
  readonly first: number
  readonly end: number
}

/** Receives the number of a pattern and where it begins in {@link Kernel.text}. */
export type FoundPattern = (pattern: number, start: number) => void

/** Bytes before the next piece that can be looked back at. */
export const HISTORY_BYTES = 4096

/** Size of the room for the next piece unless another is asked for: with it a megabyte is read in one call. */
export const ROOM_BYTES = 1 << 20
