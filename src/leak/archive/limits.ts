/**
 * How much is unpacked before it is called unread: archives in an image may
 * be hostile, and the time and memory of a search must not be theirs to
 * choose.
 *
 * @packageDocumentation
 */

import { Unreadable } from './unreadable.js'

/** Bounds on what is opened inside parts. What they stop is unread; the packed bytes themselves are always searched. */
export interface ArchiveLimits {
  /** Archives inside each other. A compressed file counts as one, a layer's own compression as none. */
  readonly depth: number
  /** Content of one archive or compressed file, in bytes. */
  readonly memberBytes: number
  /** Unpacked bytes for each packed byte. Counts only beyond {@link ArchiveLimits.freeBytes}. */
  readonly ratio: number
  /** Unpacked bytes of one archive that are allowed at any ratio: small files of zeros are common and cheap. */
  readonly freeBytes: number
  /** Content of all archives of one search together, in bytes. */
  readonly totalBytes: number
  /** Archives, and members of archives, of one search. */
  readonly count: number
  /** Archives that are read from their end (zip, git packs) up to this size stay in memory, in bytes; larger ones go to a file that has no name. */
  readonly heldBytes: number
  /** Content of one layer after decompression, in bytes. */
  readonly layerBytes: number
}

const MIB = 2 ** 20
const GIB = 2 ** 30

/** The limits where none are given. */
export const DEFAULT_LIMITS: ArchiveLimits = {
  depth: 6,
  memberBytes: 2 * GIB,
  ratio: 200,
  freeBytes: 64 * MIB,
  totalBytes: 32 * GIB,
  count: 1_000_000,
  heldBytes: 16 * MIB,
  layerBytes: 256 * GIB,
}

/** What is left of the limits of one search, whatever number of threads it has. */
export class Budget {
  readonly limits: ArchiveLimits
  /** Bytes and archives so far. Hand it to the budget of another thread, and the two are one. */
  readonly used: SharedArrayBuffer
  readonly #used: BigInt64Array

  constructor(limits: ArchiveLimits, used = new SharedArrayBuffer(16)) {
    this.limits = limits
    this.used = used
    this.#used = new BigInt64Array(used)
  }

  /**
   * Counts one archive or member of one.
   *
   * @param depth - how many archives it lies in, itself included.
   * @throws {@link Unreadable} `too-deep` or `too-many`.
   */
  enter(depth: number): void {
    if (depth > this.limits.depth) throw new Unreadable('too-deep')
    if (this.#add(COUNT, 1) > this.limits.count) throw new Unreadable('too-many')
  }

  /**
   * Counts `size` bytes as unpacked from `packed` bytes, which gave `before` bytes already.
   *
   * @throws {@link Unreadable} `too-large`, `too-dense` or `total-too-large`.
   */
  readonly spend = (size: number, before: number, packed: number): void => {
    const { memberBytes, freeBytes, ratio, totalBytes } = this.limits
    const total = this.#add(BYTES, size)
    if (before + size > memberBytes) throw new Unreadable('too-large')
    if (before + size > freeBytes && before + size > packed * ratio) throw new Unreadable('too-dense')
    if (total > totalBytes) throw new Unreadable('total-too-large')
  }

  #add(which: number, number: number): number {
    return Number(Atomics.add(this.#used, which, BigInt(number))) + number
  }
}

const BYTES = 0
const COUNT = 1
