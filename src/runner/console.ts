/**
 * The standard streams as a program that stands in for another one sees them.
 * A test gives its own and needs no process and no terminal.
 *
 * @packageDocumentation
 */

import type { Readable, Writable } from 'node:stream'

/** Size of a terminal, in characters. */
export interface TerminalSize {
  readonly columns: number
  readonly rows: number
}

/** The terminal that standard input and standard output both are. */
export interface Terminal {
  size(): TerminalSize
  /** Calls back whenever the size has changed, until disposed. */
  onResize(listener: (size: TerminalSize) => void): Disposable
  /** Hands every key to the program as it is typed, without echo, until disposed. */
  raw(): Disposable
}

/** Where a program's input comes from and its output goes. */
export interface Console {
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable
  /** Whether a local program can simply be given our own standard input. */
  readonly inheritStdin: boolean
  readonly terminal: Terminal | undefined
  /**
   * Whether any stream is a terminal: then Ctrl-C reaches every program that runs in front of it, and a child must not get
   * it a second time.
   */
  readonly sharesTerminal: boolean
  /** Prints one line for people on standard error. */
  notice(text: string): void
  /** Hands the signals we get to `take` instead of ending us, until disposed. */
  relaySignals(take: (signal: NodeJS.Signals) => void): Disposable
}

/** Signals that a keyboard sends, and that a terminal therefore gives to the whole group of processes. */
export const KEYBOARD_SIGNALS: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT'])
