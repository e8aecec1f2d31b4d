/**
 * What a change of the store came to, in words: names, never values.
 *
 * @packageDocumentation
 */

import type { ChangeReport } from '../store/admin.js'
import type { Io } from './io.js'
import { environmentOf, type PlaceFlags } from './store-options.js'
import { printJson } from './table.js'

/** How a change is told. */
export interface ChangeStyle {
  readonly flags: PlaceFlags & { readonly json?: boolean }
  /** What was done, such as `Set`. */
  readonly verb: string
  /** Whether it is only staged. */
  readonly staged?: boolean
  /** Told when there was nothing to change. */
  readonly nothing?: string
}

/** Prints what was changed on standard output, and what is to know about it on standard error. */
export function printChange(
  io: Io,
  { changed, missing }: ChangeReport,
  { flags, verb, staged = false, nothing }: ChangeStyle,
): void {
  if (flags.json === true) {
    printJson(io, { changed, missing })
    return
  }
  if (changed.length > 0) {
    const texts = changed.map(({ name, group }) =>
      group === null || group === flags.group ? name : `${name} (group ${group})`,
    )
    io.out(`${verb} ${texts.join(', ')} in ${placeText(flags)}.`)
    if (staged) io.err('hint: "traceless secrets deploy" makes staged changes live.')
  } else if (nothing !== undefined) io.err(`note: ${nothing}`)
  if (missing.length > 0) io.err(`note: not there, as allowed: ${missing.join(', ')}`)
  const discarded = changed.filter(({ discardedStaged }) => discardedStaged).map(({ name }) => name)
  if (discarded.length > 0) io.err(`note: a staged change was given up: ${discarded.join(', ')}`)
}

/** `main`, or `group NAME of main`. */
export const placeText = (flags: PlaceFlags): string =>
  `${flags.group === undefined ? '' : `group ${flags.group} of `}${environmentOf(flags)}`
