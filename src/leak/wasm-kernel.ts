/**
 * The search in WebAssembly: lays out its memory and calls the module that is
 * built from kernel/assembly.
 *
 * @packageDocumentation
 */

import { HISTORY_BYTES, type FoundPattern, type Kernel, type ScanRange } from './kernel.js'
import { KERNEL } from './kernel/module.js'
import { rarestWindows } from './rarity.js'
import { RUN_FIELDS, type Viewed, type Viewer, type ViewState } from './view.js'

/** How the text is looked at, by the length of the shortest pattern. The places in the list are the module's. */
const KINDS = [
  { shortest: 39, stride: 32, gramBytes: 8 },
  { shortest: 23, stride: 16, gramBytes: 8 },
  { shortest: 20, stride: 16, gramBytes: 5 },
  { shortest: 15, stride: 8, gramBytes: 8 },
  { shortest: 12, stride: 8, gramBytes: 5 },
  { shortest: 7, stride: 4, gramBytes: 4 },
  { shortest: 6, stride: 4, gramBytes: 3 },
  { shortest: 5, stride: 2, gramBytes: 4 },
  { shortest: 4, stride: 1, gramBytes: 4 },
] as const

/** Bytes at the beginning of the memory that the module has its tables in: `TABLE` and `MANY_BITS` in kernel/assembly/search.ts. */
const TABLE_BYTES = 64 + 2 ** 20

/** Bytes after the text that a look may read: a vector of 16 and half of one. */
const PADDING_BYTES = 32

/** Bytes that are viewed at once. */
const VIEW_BYTES = 64 * 1024

/** What the module exports: see kernel/assembly. */
interface Exports {
  readonly layout: (heads: number, headBits: number, entries: number, patterns: number, grams: number) => void
  readonly index: (kind: number, pattern: number, offset: number) => void
  readonly scan: (kind: number, first: number, begin: number, end: number) => void
  readonly resume: (mode: number, outer: number, spaced: boolean) => void
  readonly modeAfter: () => number
  readonly outerAfter: () => number
  readonly spacedAfter: () => number
  readonly keptBytes: () => number
  readonly runRows: () => number
  readonly view: (input: number, size: number, out: number, runs: number, isLast: boolean) => number
}

/** The part of https://webassembly.github.io/spec/js-api/ that is used. Types for Node have none of it. */
interface WasmApi {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Memory: new (size: { initial: number }) => { readonly buffer: ArrayBuffer }
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ) => { readonly exports: unknown }
}

// Absent in an engine without a compiler (`node --jitless`).
const wasm = (globalThis as { WebAssembly?: WasmApi }).WebAssembly

/** Code without data, made once: an engine makes it quick while it runs, and anew for each module. */
const compiled = compile()

function compile(): object | undefined {
  if (wasm === undefined) return undefined
  try {
    return new wasm.Module(Buffer.from(KERNEL, 'base64'))
  } catch (error) {
    // An engine without SIMD.
    if (error instanceof Error && error.name === 'CompileError') return undefined
    throw error
  }
}

/** A kernel in WebAssembly, where the engine runs it. */
export function wasmKernel(patterns: readonly Uint8Array[], roomBytes: number): WasmKernel | undefined {
  if (wasm === undefined || compiled === undefined) return undefined
  return new WasmKernel({ wasm, compiled }, patterns, roomBytes)
}

/** A {@link Kernel} in WebAssembly. */
export class WasmKernel implements Kernel {
  readonly text: Uint8Array
  readonly roomBytes: number
  readonly stride: number
  readonly gramBytes: number
  readonly #kind: number
  readonly #memory: ArrayBuffer
  readonly #exports: Exports
  readonly #textAt: number
  readonly #viewInput: Uint8Array
  readonly #viewRunsAt: number
  /** How much a view took at most: memory beyond it was never written to. */
  #viewedBytes = 0
  #found: FoundPattern = () => undefined

  constructor(
    { wasm, compiled }: { readonly wasm: WasmApi; readonly compiled: object },
    patterns: readonly Uint8Array[],
    roomBytes: number,
  ) {
    const shortest = patterns.reduce((least, { length }) => Math.min(least, length), Infinity)
    this.#kind = KINDS.findIndex((kind) => shortest >= kind.shortest)
    const { stride, gramBytes } = KINDS[this.#kind] ?? KINDS[0]
    this.stride = stride
    this.gramBytes = gramBytes
    this.roomBytes = roomBytes

    const grams = patterns.length * stride
    const headBits = Math.max(10, Math.ceil(Math.log2(2 * grams + 1)))
    const plan = new Plan()
    const heads = plan.take(4 * 2 ** headBits)
    const entries = plan.take(16 * grams)
    const rows = plan.take(8 * patterns.length)
    const bytes = patterns.map(({ length }) => plan.take(length + 8))
    this.#textAt = plan.take(HISTORY_BYTES + roomBytes + PADDING_BYTES)
    const viewInputAt = plan.take(VIEW_BYTES + PADDING_BYTES)
    this.#viewRunsAt = plan.take(4 * RUN_FIELDS * VIEW_BYTES)

    const memory = new wasm.Memory({ initial: plan.pages })
    this.#memory = memory.buffer
    const found = (pattern: number, start: number): void => this.#found(pattern, start - this.#textAt)
    const instance = new wasm.Instance(compiled, {
      env: { memory },
      host: { found },
    })
    this.#exports = instance.exports as Exports
    this.text = new Uint8Array(this.#memory, this.#textAt, HISTORY_BYTES + roomBytes)
    this.#viewInput = new Uint8Array(this.#memory, viewInputAt, VIEW_BYTES)

    const all = new Uint8Array(this.#memory)
    const row = new Uint32Array(this.#memory, rows, 2 * patterns.length)
    for (const [number, pattern] of patterns.entries()) {
      all.set(pattern, bytes[number])
      row.set([bytes[number] ?? 0, pattern.length], 2 * number)
    }
    this.#exports.layout(heads, headBits, entries, rows, grams)
    const windows = rarestWindows(patterns, { stride, gramBytes })
    for (const number of patterns.keys()) this.#exports.index(this.#kind, number, windows[number] ?? 0)
  }

  scan({ begin, first, end }: ScanRange, found: FoundPattern): void {
    this.#found = found
    const at = this.#textAt
    this.#exports.scan(this.#kind, at + first, at + begin, at + end)
  }

  viewer(mode: number): Viewer {
    const state: ViewState = { mode, outer: mode, spaced: false }
    return { take: (input, isLast) => this.#view(state, input, isLast) }
  }

  /** Overwrites patterns and text. What no view wrote to stays so: a system gives memory at the first byte, whatever that is. */
  [Symbol.dispose](): void {
    const wipe = (from: number, bytes: number): void => void new Uint8Array(this.#memory, from, bytes).fill(0)
    wipe(0, this.#viewInput.byteOffset)
    wipe(this.#viewInput.byteOffset, this.#viewedBytes)
    wipe(this.#viewRunsAt, 4 * RUN_FIELDS * this.#viewedBytes)
  }

  #view(state: ViewState, input: Uint8Array, isLast: boolean): Viewed {
    const { resume, view, modeAfter, outerAfter, spacedAfter, keptBytes, runRows } = this.#exports
    const size = Math.min(input.length, VIEW_BYTES, this.roomBytes)
    this.#viewedBytes = Math.max(this.#viewedBytes, size)
    this.#viewInput.set(size === input.length ? input : input.subarray(0, size))
    resume(state.mode, state.outer, state.spaced)
    const out = this.#textAt + HISTORY_BYTES
    const taken = view(
      this.#viewInput.byteOffset,
      size,
      out,
      this.#viewRunsAt,
      isLast && size === input.length,
    )
    state.mode = modeAfter()
    state.outer = outerAfter()
    state.spaced = spacedAfter() !== 0
    return {
      taken,
      bytes: this.text.subarray(HISTORY_BYTES, HISTORY_BYTES + keptBytes()),
      runs: new Int32Array(this.#memory, this.#viewRunsAt, RUN_FIELDS * runRows()),
    }
  }
}

/** Hands out memory from the front, in lines of 64 bytes. */
class Plan {
  #end = TABLE_BYTES

  get pages(): number {
    return Math.ceil(this.#end / 65_536)
  }

  take(bytes: number): number {
    const at = this.#end
    this.#end = (at + bytes + 63) & ~63
    return at
  }
}
