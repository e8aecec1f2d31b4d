/**
 * The values that a command looks for in something else: those of an
 * environment and its groups, of a dotenv file, or both.
 *
 * @packageDocumentation
 */

import type { Command } from 'commander'
import type { SecretValue } from '../secret.js'
import type { Store } from '../store/open.js'
import { DEFAULT_ENVIRONMENT } from '../store/store.js'
import type { App } from './app.js'
import { wipe } from './secret-arguments.js'
import { readImport } from './secret-import.js'

/** Options that say which values. */
export interface HeldFlags {
  readonly env?: string
  readonly group?: readonly string[]
  readonly dotenv?: string
  readonly secretsStdin?: boolean
}

/** Values to look for. The caller disposes them. */
export interface HeldValues {
  readonly values: readonly { readonly name: string; readonly value: SecretValue }[]
  /** Names of those that are not looked for, because they are plain configuration. */
  readonly unguarded: readonly string[]
  /** The store that some of them are from; `undefined` where a file has them all. */
  readonly store: Store | undefined
}

/**
 * Reads the values. A file alone needs no store: it is opened when no file is given, or when `--env` or `--group` name
 * something in it as well.
 */
export async function heldValues(flags: HeldFlags, command: Command, app: App): Promise<HeldValues> {
  const files = [flags.dotenv, flags.secretsStdin === true ? '-' : undefined].filter(
    (file) => file !== undefined,
  )
  const given: HeldValues['values'][number][] = []
  try {
    for (const file of files) given.push(...(await readImport(file, 'dotenv', app.io)))
    const asked = command.getOptionValueSource('env') === 'cli' || flags.group !== undefined
    if (files.length > 0 && !asked) return { values: given, unguarded: [], store: undefined }
    const store = await app.store()
    const scope = {
      environment: flags.env ?? DEFAULT_ENVIRONMENT,
      groups: flags.group ?? [],
      purpose: 'scan',
    } as const
    const held = await store.reader.read(scope, 'all')
    wipe(held.filter(({ guarded }) => !guarded))
    return {
      values: [...given, ...held.filter(({ guarded }) => guarded)],
      unguarded: held.filter(({ guarded }) => !guarded).map(({ name }) => name),
      store,
    }
  } catch (error) {
    wipe(given)
    throw error
  }
}
