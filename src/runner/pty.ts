/**
 * A pseudo-terminal for a local program, so that it behaves as if nobody stood
 * between it and the person. The owner of node-pty, which is loaded when it is
 * needed and may be missing where no binary of it was built.
 *
 * @packageDocumentation
 */

import { closeSync, constants, openSync } from 'node:fs'
import { PassThrough, type Readable } from 'node:stream'
import type { TerminalSize } from './console.js'

/** A program on a pseudo-terminal. */
export interface PtyProcess {
  /** Everything it prints. Standard output and standard error are one. */
  readonly output: Readable
  /** How it ended: an exit status, and the number of the signal that ended it or 0. */
  readonly ended: Promise<{ readonly exitCode: number; readonly signal: number }>
  write(bytes: Uint8Array): void
  resize(size: TerminalSize): void
  kill(signal: NodeJS.Signals): void
}

/** What to start. */
export interface PtySpec {
  readonly file: string
  readonly args: readonly string[]
  readonly variables: Readonly<Record<string, string>>
  readonly cwd: string
  readonly size: TerminalSize
}

/** The part of node-pty that is used; its own types know text only, and we read and write bytes. */
interface PtyModule {
  spawn(file: string, args: readonly string[], options: PtyOptions): Pty
}
interface PtyOptions {
  readonly cols: number
  readonly rows: number
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly encoding: null
}
interface Pty {
  readonly pid: number
  /** Path of the program's end of the terminal. */
  readonly ptsName: string
  onData(listener: (bytes: Uint8Array) => void): void
  onExit(listener: (end: { exitCode: number; signal?: number }) => void): void
  write(bytes: Uint8Array): void
  resize(columns: number, rows: number): void
  kill(signal: string): void
  pause(): void
  resume(): void
}

/** Starts programs on pseudo-terminals. */
export type StartPty = (spec: PtySpec) => PtyProcess

/** Bytes of output that wait for a slow reader before the program is made to wait. */
const WAITING_BYTES = 1 << 20

/**
 * How often, in milliseconds, and how many times to look for the end of the program after a child of ours has ended. The
 * system tells of the end of a child before it is forgotten, and does not tell which one it was.
 */
const LOOK = { everyMs: 5, times: 30 } as const

/** How long a terminal is silent before all that was printed on it has been read, in milliseconds. */
const SILENCE_MS = 20

/** @returns `null` where this platform has no pseudo-terminals for us. */
export async function loadPty(): Promise<StartPty | null> {
  let module: unknown
  try {
    module = await import('@lydell/node-pty')
  } catch (error) {
    // An optional dependency: npm leaves it out where there is no binary for the platform.
    if (error instanceof Error && 'code' in error) return null
    throw error
  }
  return (spec) => start(module as PtyModule, spec)
}

function start(module: PtyModule, { file, args, variables, cwd, size }: PtySpec): PtyProcess {
  const pty = module.spawn(file, args, {
    cols: size.columns,
    rows: size.rows,
    cwd,
    env: variables,
    encoding: null,
  })
  const output = new PassThrough({ highWaterMark: WAITING_BYTES })
  const lifeline = keepOpen(pty)
  pty.onData((bytes) => {
    lifeline.heard()
    if (!output.write(bytes)) lifeline.wait()
  })
  output.on('drain', lifeline.flow)
  const ended = new Promise<{ exitCode: number; signal: number }>((resolve) => {
    pty.onExit(({ exitCode, signal = 0 }) => {
      lifeline.close()
      output.end()
      resolve({ exitCode, signal })
    })
  })
  return {
    output,
    ended,
    write: (bytes) => pty.write(bytes),
    resize: ({ columns, rows }) => pty.resize(columns, rows),
    kill: (signal) => pty.kill(signal),
  }
}

interface Lifeline {
  /** Makes the program wait, unless it has ended. */
  readonly wait: () => void
  /** Lets the program go on. */
  readonly flow: () => void
  /** Tells that something was read. */
  readonly heard: () => void
  readonly close: () => void
}

/**
 * Keeps the program's end of the terminal open until everything it printed was read. When the last one closes it, libuv
 * takes the first read that does not fill its buffer for the end (`uv__stream_io` in
 * https://github.com/libuv/libuv/blob/v1.x/src/unix/stream.c), which every read of a terminal is, and up to 64 KiB are
 * lost; and of a paused stream, Node drops what it holds. node-pty itself closes 200 ms after the program's end.
 */
function keepOpen(pty: Pty): Lifeline {
  const descriptor = openSync(pty.ptsName, constants.O_RDWR | constants.O_NOCTTY)
  let isOpen = true
  let hasEnded = false
  let looking: NodeJS.Timeout | undefined
  let silence: NodeJS.Timeout | undefined
  const close = (): void => {
    if (!isOpen) return
    isOpen = false
    process.off('SIGCHLD', look)
    clearInterval(looking)
    clearTimeout(silence)
    closeSync(descriptor)
  }
  const ended = (): void => {
    clearInterval(looking)
    hasEnded = true
    pty.resume()
    silence = setTimeout(close, SILENCE_MS)
  }
  const look = (): void => {
    let times = 0
    clearInterval(looking)
    looking = setInterval(() => {
      times += 1
      if (!isRunning(pty.pid)) ended()
      else if (times === LOOK.times) clearInterval(looking)
    }, LOOK.everyMs)
  }
  process.on('SIGCHLD', look)
  return {
    wait: () => {
      if (!hasEnded) pty.pause()
    },
    flow: () => pty.resume(),
    heard: () => silence?.refresh(),
    close,
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false
    throw error
  }
}
