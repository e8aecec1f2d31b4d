/**
 * What happened to a secret: `history`, `versions`, and `rollback`, which
 * makes an earlier version live again.
 *
 * @packageDocumentation
 */

import { secretName } from '../secret.js'
import type { HistoryEntry, SecretAdmin, SecretRef, VersionEntry } from '../store/admin.js'
import { printChange } from './change-text.js'
import { environmentOption, jsonOption, type AddCommand } from './command.js'
import { requireKnown } from './known-name.js'
import {
  environmentOf,
  inGroupOption,
  maxOption,
  placeOf,
  type PageFlags,
  type PlaceFlags,
} from './store-options.js'
import { exposureText, printList, shortVersion, type Column } from './table.js'

interface Flags extends PlaceFlags {
  readonly json?: boolean
}

const HISTORY: readonly Column<HistoryEntry>[] = [
  { title: 'At', cell: ({ at }) => at },
  { title: 'By', cell: ({ actor }) => actor },
  { title: 'Action', cell: ({ action }) => action },
  { title: 'Name', cell: ({ name }) => name },
  { title: 'Group', cell: ({ group }) => group },
  { title: 'Version', cell: ({ version }) => version, short: ({ version }) => shortVersion(version) },
  { title: 'How', cell: ({ detail }) => detail },
]

/** Adds `history`. */
export const addHistory: AddCommand = (parent, app) => {
  parent
    .command('history')
    .summary('who changed and read secrets, and when')
    .description(
      'Lists what happened to a secret, or to all of an environment, newest first, reads included.\nTimes are in UTC.',
    )
    .argument('[name]', 'the secret (default: all of the environment)')
    .addOption(environmentOption())
    .addOption(inGroupOption())
    .addOption(maxOption())
    .addOption(jsonOption())
    .action(async (text: string | undefined, flags: Flags & PageFlags) => {
      const name = text === undefined ? undefined : secretName(text)
      const environment = environmentOf(flags)
      const admin = await app.admin()
      const rows = await admin.history({ environment, group: flags.group, name, max: flags.max })
      if (rows.length === 0 && name !== undefined) await requireKnown(admin, { environment, name })
      await printList(app.io, rows, {
        columns: HISTORY,
        json: flags.json,
        empty: 'Nothing has happened yet.',
      })
    })
}

const VERSIONS: readonly Column<VersionEntry>[] = [
  { title: 'Version', cell: ({ version }) => version, short: ({ version }) => shortVersion(version) },
  { title: 'Status', cell: statusText },
  { title: 'Digest', cell: ({ digest }) => digest },
  { title: 'Exposure', cell: exposureText },
  { title: 'Created At', cell: ({ createdAt }) => createdAt },
  { title: 'Created By', cell: ({ createdBy }) => createdBy },
]

function statusText({ live, staged, kept }: VersionEntry): string {
  if (live) return 'Live'
  if (staged) return 'Staged'
  return kept ? 'Kept' : 'Value dropped'
}

/** Adds `versions`. */
export const addVersions: AddCommand = (parent, app) => {
  parent
    .command('versions')
    .summary('versions that a secret had')
    .description('Lists the versions of a secret, newest first, and which of them can be brought back.')
    .argument('<name>', 'the secret')
    .addOption(environmentOption())
    .addOption(inGroupOption())
    .addOption(jsonOption())
    .action(async (text: string, flags: Flags) => {
      const name = secretName(text)
      const admin = await app.admin()
      const rows = await admin.versions({ ...placeOf(flags), name })
      await printList(app.io, rows, { columns: VERSIONS, json: flags.json, empty: 'It had no version yet.' })
    })
}

/** Adds `rollback`. */
export const addRollback: AddCommand = (parent, app) => {
  parent
    .command('rollback')
    .summary('make an earlier version of a secret live again')
    .description('Makes an earlier version of a secret live again. "secrets versions NAME" lists them.')
    .argument('<name>', 'the secret')
    .requiredOption('--to <version>', 'the version, or the first 8 digits of it')
    .addOption(environmentOption())
    .addOption(inGroupOption())
    .addOption(jsonOption())
    .action(async (text: string, flags: Flags & { readonly to: string }) => {
      const secret = { ...placeOf(flags), name: secretName(text) }
      const admin = await app.admin()
      const report = await admin.rollback(secret, await wholeVersion(admin, secret, flags.to))
      printChange(app.io, report, { flags, verb: 'Rolled back' })
    })
}

/** The version that begins like `given`; `given` itself where that is none or several, for the store to refuse. */
async function wholeVersion(admin: SecretAdmin, secret: SecretRef, given: string): Promise<string> {
  if (!/^[0-9a-f]{8,23}$/.test(given)) return given
  const versions = await admin.versions(secret)
  const [match, ...others] = versions.map(({ version }) => version).filter((id) => id.startsWith(given))
  return match === undefined || others.length > 0 ? given : match
}
