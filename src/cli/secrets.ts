/**
 * `traceless secrets`: set, list, remove, stage, deploy and import secrets.
 *
 * @packageDocumentation
 */

import type { SecretEntry } from '../store/admin.js'
import { printChange } from './change-text.js'
import { environmentOption, jsonOption, type AddCommand } from './command.js'
import { addHistory, addRollback, addVersions } from './history.js'
import { ASSIGNMENT_HELP, checkNames, readAssignments, wipe } from './secret-arguments.js'
import { readImport } from './secret-import.js'
import {
  addUseOptions,
  createdBeforeOption,
  environmentOf,
  inGroupOption,
  listedEnvironmentOption,
  maxOption,
  placeOf,
  stageOption,
  useOf,
  type PageFlags,
  type PlaceFlags,
  type UseFlags,
} from './store-options.js'
import { exposureText, printList, shortVersion, type Column } from './table.js'
import { addUsage } from './usage.js'

interface Flags extends PlaceFlags {
  readonly json?: boolean
}

interface ChangeFlags extends Flags, UseFlags {
  readonly stage?: boolean
}

/** Adds the commands. */
export const addSecrets: AddCommand = (parent, app) => {
  const secrets = parent
    .command('secrets')
    .alias('secret')
    .summary('set, list and remove secrets')
    .description('Keeps secrets. Values go in and are never shown again.')
  const adders = [
    addSet,
    addList,
    addUnset,
    addDeploy,
    addImport,
    addHistory,
    addVersions,
    addRollback,
    addUsage,
  ]
  for (const add of adders) add(secrets, app)
}

const addSet: AddCommand = (parent, app) => {
  const command = parent
    .command('set')
    .summary('set secrets, all or none')
    .description(`Sets secrets, all or none.\n\n  ${ASSIGNMENT_HELP}`)
    .argument('<name=value...>', 'secrets to set')
    .addOption(environmentOption())
    .addOption(inGroupOption())
    .addOption(stageOption())
  addUseOptions(command)
    .addOption(jsonOption())
    .action(async (words: string[], flags: ChangeFlags) => {
      const values = await readAssignments(words, app.io)
      try {
        const staged = flags.stage === true
        const admin = await app.admin()
        const report = await admin.set(
          placeOf(flags),
          values.map((given) => ({ ...given, ...useOf(flags) })),
          { stage: staged },
        )
        printChange(app.io, report, { flags, verb: staged ? 'Staged' : 'Set', staged })
      } finally {
        wipe(values)
      }
    })
}

const COLUMNS: readonly Column<SecretEntry>[] = [
  { title: 'Name', cell: ({ name }) => name },
  { title: 'Env', cell: ({ environment }) => environment },
  { title: 'Group', cell: ({ group }) => group },
  { title: 'Digest', cell: ({ digest }) => digest },
  { title: 'Status', cell: statusText },
  { title: 'Exposure', cell: exposureText },
  { title: 'Version', cell: ({ version }) => version, short: ({ version }) => shortVersion(version) },
  { title: 'Created At', cell: ({ createdAt }) => createdAt },
  { title: 'Created By', cell: ({ createdBy }) => createdBy },
  { title: 'Updated At', cell: ({ updatedAt }) => updatedAt },
  { title: 'Last Used', cell: ({ lastUsedAt }) => lastUsedAt },
]

function statusText({ status, version }: SecretEntry): string {
  if (status === 'live') return 'Live'
  return version === null ? 'Staged removal' : 'Staged'
}

const addList: AddCommand = (parent, app) => {
  parent
    .command('list')
    .alias('ls')
    .summary('list secrets, without their values')
    .description(
      'Lists the secrets of all environments, or of one, newest first; times are in UTC.\nThe digest shows whether the value of one secret changed. It tells nothing across names and environments.',
    )
    .addOption(listedEnvironmentOption())
    .addOption(inGroupOption())
    .addOption(maxOption())
    .addOption(createdBeforeOption())
    .addOption(jsonOption())
    .action(async (flags: Flags & PageFlags) => {
      const admin = await app.admin()
      const rows = await admin.list({
        environment: flags.env,
        group: flags.group,
        max: flags.max,
        createdBefore: flags.createdBefore,
      })
      await printList(app.io, rows, {
        columns: COLUMNS,
        json: flags.json,
        empty: 'There are no such secrets. "traceless secrets set NAME" sets one.',
      })
    })
}

const addUnset: AddCommand = (parent, app) => {
  parent
    .command('unset')
    .alias('rm')
    .summary('remove secrets, all or none')
    .description('Removes secrets, all or none. "secrets rollback" brings one back.')
    .argument('<name...>', 'secrets to remove')
    .addOption(environmentOption())
    .addOption(inGroupOption())
    .addOption(stageOption())
    .option('--allow-missing', 'do not fail for a name that is not there')
    .addOption(jsonOption())
    .action(async (words: string[], flags: ChangeFlags & { readonly allowMissing?: boolean }) => {
      const names = checkNames(words)
      const staged = flags.stage === true
      const admin = await app.admin()
      const report = await admin.unset(placeOf(flags), names, {
        stage: staged,
        allowMissing: flags.allowMissing === true,
      })
      const verb = staged ? 'Staged the removal of' : 'Removed'
      printChange(app.io, report, { flags, verb, staged })
    })
}

const addDeploy: AddCommand = (parent, app) => {
  parent
    .command('deploy')
    .summary('make all staged changes of an environment live')
    .description(
      'Makes all staged changes of an environment live at once, those of its groups too. When the live version of one is\nnot the one that its change was based on, nothing is deployed.',
    )
    .addOption(environmentOption())
    .option('--force', 'replace also what has moved since it was staged; the record shows it')
    .addOption(jsonOption())
    .action(async (flags: Flags & { readonly force?: boolean }) => {
      const admin = await app.admin()
      const report = await admin.deploy(environmentOf(flags), { force: flags.force === true })
      printChange(app.io, report, { flags, verb: 'Deployed', nothing: 'nothing was staged.' })
    })
}

const addImport: AddCommand = (parent, app) => {
  const command = parent
    .command('import')
    .summary('set the secrets of a dotenv or JSON file, all or none')
    .description(
      'Sets every secret of a dotenv file, all or none. A line that parsers read in different ways is refused.',
    )
    .argument('[file]', '"-" for standard input', '-')
    .option('--from-json', 'the file is a JSON object of texts')
    .addOption(environmentOption())
    .addOption(inGroupOption())
    .addOption(stageOption())
  addUseOptions(command)
    .addOption(jsonOption())
    .action(async (file: string, flags: ChangeFlags & { readonly fromJson?: boolean }) => {
      const values = await readImport(file, flags.fromJson === true ? 'json' : 'dotenv', app.io)
      try {
        const staged = flags.stage === true
        const admin = await app.admin()
        const report = await admin.set(
          placeOf(flags),
          values.map((given) => ({ ...given, ...useOf(flags) })),
          { stage: staged, how: 'import' },
        )
        const verb = staged ? 'Staged' : 'Imported'
        printChange(app.io, report, { flags, verb, staged, nothing: 'there is no secret in it.' })
      } finally {
        wipe(values)
      }
    })
}
