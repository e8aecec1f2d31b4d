/**
 * What the threads of a scan say to each other. Bytes are handed over, never
 * shared, but for the needles: they lie in one shared piece of memory, so that
 * a value is not copied into messages and is wiped in one place.
 *
 * @packageDocumentation
 */

import type { ArchiveLimits } from '../archive/limits.js'
import type { ScanResult } from '../findings.js'
import { NeedleSet, type Needle, type TooShort } from '../needles.js'

/** A {@link NeedleSet} in shared memory. */
export interface SharedNeedles {
  readonly names: readonly string[]
  readonly needles: readonly (Omit<Needle, 'bytes'> & { readonly from: number; readonly to: number })[]
  readonly tooShort: readonly TooShort[]
  readonly minimumBytes: number
  readonly memory: SharedArrayBuffer
}

/** What a thread is started with. */
export interface Task {
  readonly needles: SharedNeedles
  readonly limits: ArchiveLimits
  readonly used: SharedArrayBuffer
}

/** To a thread. The messages of one piece come in this order: `open`, `bytes`, `cut`, `rest`, `end`. */
export type ToThread =
  | {
      readonly type: 'open'
      readonly piece: number
      readonly part: string
      readonly origin: number
      readonly lead: Uint8Array
    }
  | { readonly type: 'bytes' | 'rest'; readonly piece: number; readonly bytes: Uint8Array }
  /** `isWhole`: the tar ends here, so nothing of it follows. */
  | { readonly type: 'cut'; readonly piece: number; readonly isWhole: boolean }
  | { readonly type: 'end'; readonly piece: number }
  /** Nothing more comes, for any thread. */
  | { readonly type: 'over' }

/** From a thread. */
export type FromThread =
  /** So many bytes were taken in. */
  | { readonly type: 'taken'; readonly bytes: number }
  | {
      readonly type: 'searched'
      readonly piece: number
      readonly rows: Pick<ScanResult, 'findings' | 'unread' | 'opaque'>
      /** Bytes of the archives in it that were searched. */
      readonly bytes: number
    }

/** Copies needles into shared memory. Wipe it when the threads have ended. */
export function share(set: NeedleSet): SharedNeedles {
  const all = [...new Set([...set.needles, ...set.masked])]
  const memory = new SharedArrayBuffer(all.reduce((sum, { bytes }) => sum + bytes.length, 0))
  const bytes = new Uint8Array(memory)
  let at = 0
  const needles = all.map(({ bytes: own, ...needle }) => {
    bytes.set(own, at)
    const from = at
    at += own.length
    return { ...needle, from, to: at }
  })
  return { names: set.names, needles, tooShort: set.tooShort, minimumBytes: set.minimumBytes, memory }
}

/** The needles in shared memory as a set. To dispose it wipes that memory. */
export function shared({ names, needles, tooShort, minimumBytes, memory }: SharedNeedles): NeedleSet {
  return new NeedleSet(
    names,
    needles.map(({ from, to, ...needle }) => ({ ...needle, bytes: new Uint8Array(memory, from, to - from) })),
    minimumBytes,
    tooShort,
  )
}
