/**
 * Needles made ready for a search, once for all streams: the byte strings that
 * the kernel looks for, and what each of them may belong to.
 *
 * @packageDocumentation
 */

import { anchorsOf } from './broken.js'
import { HISTORY_BYTES, ROOM_BYTES, type Kernel, type KernelName } from './kernel.js'
import type { Needle } from './needles.js'
import { PlainKernel } from './plain-kernel.js'
import { wasmKernel } from './wasm-kernel.js'

/** How needles are searched for. */
export interface SearchOptions {
  /** `false`: in one piece only. Unless given, needles that are broken up are found as their form allows. */
  readonly broken?: boolean
  /** The fastest that there is unless given. */
  readonly kernel?: KernelName | undefined
  /** Largest piece that is searched at once, in bytes: {@link ROOM_BYTES} unless given. */
  readonly roomBytes?: number
}

/** Bytes of a needle that the kernel compares; the rest is compared as it comes. */
const HEAD_BYTES = 128

/** History of a search that finds needles in one piece only: a head, and the eight bytes that a look takes in. */
const WHOLE_HISTORY_BYTES = 256

/** What begins, or may be part of something, where the kernel finds one of its patterns. */
export interface Target {
  /** The needle's number. */
  readonly needle: number
  /** Offset of the pattern in a needle that may be broken up; `undefined` where the needle begins here in one piece. */
  readonly offset: number | undefined
}

function kernelFor(patterns: readonly Uint8Array[], name: KernelName | undefined, roomBytes: number): Kernel {
  const wasm = name === 'plain' ? undefined : wasmKernel(patterns, roomBytes)
  if (wasm === undefined && name === 'wasm')
    throw new TypeError('this engine does not run the WebAssembly kernel')
  return wasm ?? new PlainKernel(patterns, roomBytes)
}

/** Needles ready to be searched for. */
export class Program implements Disposable {
  readonly kernel: Kernel
  /** Bytes of a stream that have to be known before the ones that are searched. */
  readonly historyBytes: number
  readonly needles: readonly Needle[]
  readonly patterns: readonly Uint8Array[]
  /** For each pattern. */
  readonly targets: readonly (readonly Target[])[]

  constructor(needles: readonly Needle[], options: SearchOptions = {}) {
    const { broken = true, kernel, roomBytes = ROOM_BYTES } = options
    const numbers = new Map<string, number>()
    const patterns: Uint8Array[] = []
    const targets: Target[][] = []
    const add = (bytes: Uint8Array, target: Target): void => {
      const key = Buffer.from(bytes).toString('latin1')
      const number = numbers.get(key) ?? patterns.push(bytes) - 1
      numbers.set(key, number)
      ;(targets[number] ??= []).push(target)
    }
    for (const [number, needle] of needles.entries()) {
      const anchors = broken && needle.breaks !== undefined ? anchorsOf(needle) : []
      for (const { bytes, offset } of anchors) add(bytes, { needle: number, offset })
      if (anchors.length === 0 && needle.breaks !== 'dump') {
        add(new Uint8Array(needle.bytes.subarray(0, HEAD_BYTES)), { needle: number, offset: undefined })
      }
    }
    this.historyBytes = broken ? HISTORY_BYTES : WHOLE_HISTORY_BYTES
    this.needles = needles
    this.patterns = patterns
    this.targets = targets
    this.kernel = kernelFor(patterns, kernel, roomBytes)
  }

  [Symbol.dispose](): void {
    this.kernel[Symbol.dispose]()
    for (const pattern of this.patterns) pattern.fill(0)
  }
}
