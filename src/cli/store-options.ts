/**
 * Options that several commands over the store have, and what they come to.
 *
 * @packageDocumentation
 */

import { Option, type Command } from 'commander'
import { Fault } from '../errors.js'
import type { SecretChange } from '../store/admin.js'
import { DEFAULT_ENVIRONMENT, type Exposure } from '../store/store.js'

/** Where a command works. */
export interface PlaceFlags {
  readonly env?: string
  readonly group?: string
}

/** How a value may be used; what is not given stays as it was. */
export interface UseFlags {
  readonly everywhere?: boolean
  readonly buildOnly?: boolean
  readonly runtimeOnly?: boolean
  readonly guarded?: boolean
  readonly unguarded?: boolean
}

/** Which part of a list is meant. */
export interface PageFlags {
  readonly max?: number
  readonly createdBefore?: Date
}

/** `--env` of a command that lists: without it, all environments are meant. */
export const listedEnvironmentOption = (): Option =>
  new Option('-e, --env <environment>', 'environment to list (default: TRACELESS_ENV, else all)')

/** `--group NAME` of a command that means one group. */
export const inGroupOption = (): Option => new Option('-g, --group <name>', 'secrets of this group')

/** `--stage` */
export const stageOption = (): Option =>
  new Option('--stage', 'leave what is live; "secrets deploy" makes the change live')

/** `--max N` */
export const maxOption = (): Option =>
  new Option('--max <number>', 'entries at most, newest first').argParser(parseCount)

/** `--created-before DATE` */
export const createdBeforeOption = (): Option =>
  new Option('--created-before <date>', 'only what is older, such as 2026-01-31 (UTC)').argParser(parseDate)

/** `--yes` of a command that cannot be undone. */
export const yesOption = (): Option => new Option('-y, --yes', 'do not ask')

/** Adds `--everywhere`, `--build-only`, `--runtime-only`, `--guarded` and `--unguarded`. */
export function addUseOptions(command: Command): Command {
  return command
    .addOption(new Option('--build-only', 'only builds may use it').conflicts(['runtimeOnly', 'everywhere']))
    .addOption(new Option('--runtime-only', 'only runs may use it').conflicts(['buildOnly', 'everywhere']))
    .addOption(new Option('--everywhere', 'builds and runs may use it (as a new secret)'))
    .addOption(
      new Option('--unguarded', 'plain configuration, which images are not searched for').conflicts(
        'guarded',
      ),
    )
    .addOption(new Option('--guarded', 'images are searched for it (as a new secret)'))
}

/** What the options say about each value of a command. */
export const useOf = (flags: UseFlags): Pick<SecretChange, 'exposure' | 'guarded'> => ({
  exposure: exposureOf(flags),
  guarded: flags.guarded === true ? true : flags.unguarded === true ? false : undefined,
})

function exposureOf({ buildOnly, runtimeOnly, everywhere }: UseFlags): Exposure | undefined {
  if (buildOnly === true) return 'build-only'
  if (runtimeOnly === true) return 'runtime-only'
  return everywhere === true ? 'everywhere' : undefined
}

/** The environment of a command that means one. */
export const environmentOf = ({ env = DEFAULT_ENVIRONMENT }: PlaceFlags): string => env

/** Environment and group of a command. */
export const placeOf = (
  flags: PlaceFlags,
): { readonly environment: string; readonly group: string | undefined } => ({
  environment: environmentOf(flags),
  group: flags.group,
})

function parseCount(text: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text)
  throw new Fault('REQUEST_INVALID', '--max takes a whole number above 0.')
}

/** ISO 8601: a day, or a time with its zone. Other texts mean different times in different places. */
function parseDate(text: string): Date {
  const date = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/.test(text)
    ? new Date(text)
    : undefined
  // Date.parse takes the 31st of a shorter month for a day of the next one.
  if (date !== undefined && !Number.isNaN(date.getTime()) && isDay(text.slice(0, 10))) return date
  throw new Fault('REQUEST_INVALID', '--created-before takes a day or a time.', {
    hint: 'Write 2026-01-31 or 2026-01-31T12:00Z.',
  })
}

function isDay(text: string): boolean {
  const day = new Date(text)
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text)
}
