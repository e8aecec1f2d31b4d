/**
 * The threads of a scan. One thread reads and knows where entries begin; the
 * others search what lies between. A tar is cut into pieces where entries
 * begin, each piece is sent to the thread that has the least to do, and what
 * the threads found is put together in the order of the pieces: the result is
 * that of one thread.
 *
 * @packageDocumentation
 */

import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { Budget } from '../archive/limits.js'
import type { Ledger } from '../findings.js'
import type { NeedleSet } from '../needles.js'
import { share, type FromThread, type SharedNeedles, type Task, type ToThread } from './messages.js'

/** How a scan uses threads. */
export interface TeamOptions {
  /** The thread's program; that beside this module unless given. */
  readonly program?: URL
  /** {@link threadsFor} the processors of the machine unless given. With one the scan is not shared out. */
  readonly threads?: number
  /** Layers of at least this many bytes are searched by threads: {@link LEAST_BYTES} unless given. */
  readonly leastBytes?: number
  /** A piece has at least this many bytes: {@link PIECE_BYTES} unless given. */
  readonly pieceBytes?: number
}

/** A smaller layer is searched before threads have started. */
export const LEAST_BYTES = 64 * 2 ** 20

/** Each thread takes some ten megabytes. */
export const MOST_THREADS = 8

/**
 * Of so few processors a scan in one thread keeps the second busy too, as Node unpacks and reads in threads of its own. With
 * threads beside those it took 1.5 times as long (1 GB with its archives, two processors).
 */
export const FEW_PROCESSORS = 2

/** Bytes of a piece. */
export const PIECE_BYTES = 4 * 2 ** 20

/** Bytes on their way to threads: more than the threads can be waiting for of one another's. */
const MOST_WAITING_BYTES = 24 * 2 ** 20

/** What a thread gave back. */
type Searched = Extract<FromThread, { type: 'searched' }>

class Thread {
  waitingBytes = 0
  readonly worker: Worker

  constructor(worker: Worker) {
    this.worker = worker
  }
}

/** One piece on its way to its thread. */
export interface PieceSender {
  send(type: 'bytes' | 'rest', bytes: Uint8Array): Promise<void>
  cut(isWhole: boolean): void
  end(): void
}

/** Threads for one set of needles. Close it. */
export class Team {
  readonly pieceBytes: number
  readonly #needles: SharedNeedles
  readonly #threads: readonly Thread[]
  readonly #searched = new Map<number, Searched>()
  #pieces = 0
  #failure: Error | undefined
  #wake = (): void => undefined

  constructor(needles: NeedleSet, budget: Budget, options: TeamOptions) {
    const { program = beside, threads = threadsFor() } = options
    this.pieceBytes = options.pieceBytes ?? PIECE_BYTES
    this.#needles = share(needles)
    const workerData: Task = { needles: this.#needles, limits: budget.limits, used: budget.used }
    this.#threads = Array.from({ length: threads }, () => {
      const thread = new Thread(new Worker(program, { workerData }))
      thread.worker.on('message', (message: FromThread) => {
        if (message.type === 'taken') thread.waitingBytes -= message.bytes
        else this.#searched.set(message.piece, message)
        this.#wake()
      })
      thread.worker.on('error', (error) => {
        this.#failure ??= error instanceof Error ? error : new Error('a thread of the scan failed')
        this.#wake()
      })
      return thread
    })
  }

  /** Begins a piece of a part. */
  open(part: string, origin: number, lead: Uint8Array): PieceSender {
    const piece = this.#pieces
    this.#pieces += 1
    const thread = this.#threads.reduce((least, other) =>
      other.waitingBytes < least.waitingBytes ? other : least,
    )
    const say = (message: ToThread, handed: ArrayBuffer[] = []): void =>
      thread.worker.postMessage(message, handed)
    say({ type: 'open', piece, part, origin, lead })
    return {
      send: async (type, bytes) => {
        // A copy that is handed over: the bytes themselves may be a view of what others read.
        const copy = new Uint8Array(bytes)
        thread.waitingBytes += copy.length
        say({ type, piece, bytes: copy }, [copy.buffer])
        await this.#until(() => this.#waitingBytes < MOST_WAITING_BYTES)
      },
      cut: (isWhole) => say({ type: 'cut', piece, isWhole }),
      end: () => say({ type: 'end', piece }),
    }
  }

  /** Waits for all pieces that have ended, and adds what was found. Gives the bytes of archives that were searched. */
  async collect(ledger: Ledger): Promise<number> {
    await this.#until(() => this.#searched.size === this.#pieces)
    let bytes = 0
    for (const [, searched] of [...this.#searched].sort(([a], [b]) => a - b)) {
      ledger.add(searched.rows)
      bytes += searched.bytes
    }
    this.#searched.clear()
    this.#pieces = 0
    return bytes
  }

  /** Ends the threads and wipes the needles they had. Threads that are still searching, because the scan was given up, are stopped. */
  async close(): Promise<void> {
    const isIdle = this.#pieces === 0 && this.#failure === undefined
    await Promise.all(
      this.#threads.map(({ worker }) => {
        if (!isIdle) return worker.terminate()
        const over = new Promise((resolve) => worker.once('exit', resolve))
        worker.postMessage({ type: 'over' } satisfies ToThread)
        return over
      }),
    )
    new Uint8Array(this.#needles.memory).fill(0)
  }

  get #waitingBytes(): number {
    return this.#threads.reduce((sum, { waitingBytes }) => sum + waitingBytes, 0)
  }

  async #until(holds: () => boolean): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure
      if (holds()) return
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}

const beside = new URL('./scan-worker.js', import.meta.url)

/** Whether threads can be started: not where the program runs from its source. */
export const canStart = ({ program = beside, threads = threadsFor() }: TeamOptions): boolean =>
  threads > 1 && existsSync(fileURLToPath(program))

/** Threads for so many processors: one for each, at most {@link MOST_THREADS}; one alone up to {@link FEW_PROCESSORS}. */
export const threadsFor = (processors = availableParallelism()): number =>
  processors <= FEW_PROCESSORS ? 1 : Math.min(processors, MOST_THREADS)
