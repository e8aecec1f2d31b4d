/**
 * Numbers among the options of a server.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import type { Pruned } from '../queue/disk-budget.js'

/** `--port`; 0 is any that is free. */
export const portNumber = (text: string): number => whole(text, '--port', { least: 0, most: 65_535 })

/** `--builds`; 0 leaves building to others. */
export const placesCount = (text: string): number => whole(text, '--builds', { least: 0, most: 64 })

/** `--retention` and `--expires`, in days. */
export const dayCount = (text: string): number => whole(text, 'Such a time', { least: 1, most: 36_500 })

const UNITS: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }

/** Bytes, such as `500M` or `20G`. @throws {@link Fault} `REQUEST_INVALID` */
export function sizeOf(text: string): number {
  const [, number = '', unit = ''] = /^([1-9]\d{0,8})([KMGT]?)$/.exec(text) ?? []
  if (number === '') throw new Fault('REQUEST_INVALID', 'A size is written as in 500M or 20G.')
  return Number(number) * (UNITS[unit] ?? 1)
}

/** What `--disk-budget` is for, in the help. */
export const DISK_BUDGET = 'bytes that builds may keep in the build cache of the engine, such as 50G'

/** What `--cgroup-parent` is for, in the help. */
export const CGROUP_PARENT = 'cgroup of the engine whose limits hold for the steps of builds'

/** What a pruning did, in a sentence. */
export const prunedText = ({ records, bytes, leftBytes }: Pruned): string =>
  `Dropped ${String(records)} records of the build cache, ${String(bytes)} bytes; ${String(leftBytes)} bytes of builds are left.`

function whole(
  text: string,
  what: string,
  { least, most }: { readonly least: number; readonly most: number },
): number {
  const number = /^\d{1,6}$/.test(text) ? Number(text) : -1
  if (number >= least && number <= most) return number
  throw new Fault('REQUEST_INVALID', `${what} takes a whole number from ${least} to ${most}.`)
}
