/**
 * All words with which the CLI speaks about failures, and how results are laid
 * out. Rules: results go to standard output, everything else to standard error;
 * sentences; no colour where there is no terminal; nothing that may be a value.
 *
 * @packageDocumentation
 */

import { Fault, FAULTS, problemText } from '../errors.js'
import type { Io } from './io.js'

/** Prints a failure and gives the exit status. An error that is no fault of ours is told without its words. */
export function printFailure(error: unknown, io: Io, json: boolean): number {
  const fault = asFault(error)
  if (json) io.err(JSON.stringify({ error: fault }))
  else {
    io.err(`error ${fault.code}: ${fault.message}`)
    // A single problem is the message itself, but for its place.
    if (fault.problems.length > 1) for (const problem of fault.problems) io.err(`  ${problemText(problem)}`)
    for (const line of detailLines(fault)) io.err(`  ${line}`)
    if (fault.hint !== undefined) io.err(`hint: ${fault.hint}`)
  }
  return FAULTS[fault.code].exit
}

/** A fault as it is; anything else as an internal one, whose cause stays inside. */
export function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error
  const kind = error instanceof Error ? error.name : typeof error
  return new Fault('INTERNAL', `Something unexpected happened (${kind}).`, {
    hint: 'This is a defect of the program. Set TRACELESS_STACK=1 to see where it happened, without any text of the error.',
    cause: error,
  })
}

/** Function names and lines of an error's stack, without its message: a message can hold another program's words. */
export function stackOf(error: unknown): readonly string[] {
  if (!(error instanceof Error) || error.stack === undefined) return []
  return error.stack.split('\n').filter((line) => /^\s+at /.test(line))
}

function detailLines(fault: Fault): readonly string[] {
  return Object.values(fault.detail).flatMap((value) =>
    Array.isArray(value) ? (value as readonly string[]) : [],
  )
}

/** Whether somebody who looks at a terminal wants colours: https://no-color.org. */
export const wantsColor = ({ env }: Pick<Io, 'env'>): boolean =>
  (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'

/** Bytes for people: `1.5 MB`. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${String(bytes)} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = ''
  for (const next of units) {
    if (value < 1000) break
    value /= 1000
    unit = next
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`
}

/** A time span for people: `1.5 s`. */
export const durationText = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

/** A number with its noun: `1 secret`, `2 secrets`. */
export const countText = (number: number, noun: string): string =>
  `${number} ${noun}${number === 1 ? '' : 's'}`
