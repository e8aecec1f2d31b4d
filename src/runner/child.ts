/**
 * A local program between a person and its output's redactor: on a
 * pseudo-terminal where the person has one, on plain pipes otherwise.
 *
 * @packageDocumentation
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Fault } from '../errors.js'
import type { NeedleSet } from '../leak/needles.js'
import { createRedactStream } from '../leak/redact-stream.js'
import { KEYBOARD_SIGNALS, type Console, type Terminal } from './console.js'
import { findProgram } from './program.js'
import { loadPty, type StartPty } from './pty.js'

/** A program to run. */
export interface ChildSpec {
  /** The program as it was named, and its arguments. */
  readonly command: readonly [name: string, ...args: string[]]
  /** All variables it gets, and no others. */
  readonly variables: Readonly<Record<string, string>>
  readonly cwd: string
}

/** A shell's exit status for a program that a signal has ended is this and the signal's number. */
export const SIGNAL_STATUS = 128

/**
 * Runs a program to its end.
 *
 * @returns its exit status; 128 and the number of the signal where one ended it.
 * @throws {@link Fault} `COMMAND_NOT_FOUND`, `COMMAND_NOT_EXECUTABLE`.
 */
export async function runChild(
  spec: ChildSpec,
  { needles, console }: { readonly needles: NeedleSet; readonly console: Console },
): Promise<number> {
  const file = await findProgram(spec.command[0], spec)
  if (console.terminal !== undefined) {
    const startPty = await loadPty()
    if (startPty !== null) {
      return runOnTerminal({ ...spec, file }, { needles, console, terminal: console.terminal, startPty })
    }
    console.notice('note: there is no terminal for the command on this platform.')
  }
  return runOnPipes({ ...spec, file }, { needles, console })
}

interface FoundSpec extends ChildSpec {
  readonly file: string
}

async function runOnPipes(
  { file, command: [name, ...args], variables, cwd }: FoundSpec,
  { needles, console }: { readonly needles: NeedleSet; readonly console: Console },
): Promise<number> {
  const child = spawn(file, args, {
    argv0: name,
    cwd,
    env: variables,
    stdio: [console.inheritStdin ? 'inherit' : 'pipe', 'pipe', 'pipe'],
  })
  const ended = endOf(child)
  using _ = console.relaySignals((signal) => {
    if (!console.sharesTerminal || !KEYBOARD_SIGNALS.has(signal)) child.kill(signal)
  })
  const { stdin, stdout, stderr } = child
  if (stdin !== null) feed(console.stdin, stdin)
  const [status] = await Promise.all([
    ended,
    stdout === null ? undefined : showMasked(stdout, console.stdout, needles),
    stderr === null ? undefined : showMasked(stderr, console.stderr, needles),
  ])
  return status
}

async function endOf(child: ChildProcess): Promise<number> {
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    return code ?? SIGNAL_STATUS + (signal === null ? 0 : constants.signals[signal])
  } catch (error) {
    // Node's error holds the whole command line.
    if (error instanceof Error && 'syscall' in error) {
      throw new Fault('COMMAND_NOT_EXECUTABLE', 'The system could not start the command.')
    }
    throw error
  }
}

async function runOnTerminal(
  { file, command: [, ...args], variables, cwd }: FoundSpec,
  {
    needles,
    console,
    terminal,
    startPty,
  }: {
    readonly needles: NeedleSet
    readonly console: Console
    readonly terminal: Terminal
    readonly startPty: StartPty
  },
): Promise<number> {
  const program = startPty({ file, args, variables, cwd, size: terminal.size() })
  using _raw = terminal.raw()
  using _size = terminal.onResize((size) => program.resize(size))
  using _signals = console.relaySignals((signal) => program.kill(signal))
  const type = (bytes: Uint8Array): void => program.write(bytes)
  console.stdin.on('data', type)
  try {
    const [{ exitCode, signal }] = await Promise.all([
      program.ended,
      showMasked(program.output, console.stdout, needles),
    ])
    return signal === 0 ? exitCode : SIGNAL_STATUS + signal
  } finally {
    console.stdin.off('data', type)
    console.stdin.pause()
  }
}

/** Gives a stream out through a redactor, and leaves the other end open for what comes next. */
export async function showMasked(from: Readable, to: Writable, needles: NeedleSet): Promise<void> {
  await pipeline(from, createRedactStream(needles), to, { end: false })
}

/** Gives input to a program, which may end before it has read all of it. */
export function feed(from: Readable, to: Writable): void {
  to.on('error', () => from.unpipe(to))
  from.pipe(to)
}
