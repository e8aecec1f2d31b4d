/**
 * `traceless groups`: named sets of secrets, which builds and runs take as a
 * whole with `--group`.
 *
 * @packageDocumentation
 */

import { Option } from 'commander'
import { Fault } from '../errors.js'
import type { GroupEntry } from '../store/admin.js'
import { printChange } from './change-text.js'
import { environmentOption, jsonOption, repeatable, type AddCommand } from './command.js'
import { confirmLoss } from './confirm.js'
import type { Io } from './io.js'
import { countText } from './print.js'
import { ASSIGNMENT_HELP, checkNames, readAssignments, wipe, type Assignment } from './secret-arguments.js'
import { readImport } from './secret-import.js'
import {
  addUseOptions,
  createdBeforeOption,
  environmentOf,
  listedEnvironmentOption,
  maxOption,
  stageOption,
  useOf,
  yesOption,
  type PageFlags,
  type UseFlags,
} from './store-options.js'
import { printJson, printList, type Column } from './table.js'

interface Flags {
  readonly env?: string
  readonly json?: boolean
}

interface ChangeFlags extends Flags, UseFlags {
  readonly stage?: boolean
  readonly dotenv?: string
  readonly fromJson?: string
}

/** Adds the commands. */
export const addGroups: AddCommand = (parent, app) => {
  const groups = parent
    .command('groups')
    .alias('group')
    .summary('keep secrets in named groups')
    .description('Keeps secrets in named groups, which builds and runs take as a whole with --group.')
  for (const add of [addCreate, addList, addInfo, addUpdate, addDelete]) add(groups, app)
}

const dotenvOption = (): Option =>
  new Option('--dotenv <file>', 'take the secrets of a dotenv file, "-" for standard input')

const fromJsonOption = (): Option =>
  new Option('--from-json <file>', 'take those of a JSON object of texts, "-" for standard input')

const addCreate: AddCommand = (parent, app) => {
  const command = parent
    .command('create')
    .summary('make a group with its first secrets')
    .description(`Makes a group with its first secrets, all or none.\n\n  ${ASSIGNMENT_HELP}`)
    .argument('<group>', 'name of the new group')
    .argument('[name=value...]', 'its secrets')
    .addOption(dotenvOption())
    .addOption(fromJsonOption())
    .option('--allow-existing', 'leave a group that is there as it is')
    .addOption(environmentOption())
    .addOption(stageOption())
  addUseOptions(command)
    .addOption(jsonOption())
    .action(
      async (name: string, words: string[], flags: ChangeFlags & { readonly allowExisting?: boolean }) => {
        const { io } = app
        const values = await valuesOf(words, flags, io)
        try {
          const admin = await app.admin()
          const environment = environmentOf(flags)
          const report = await admin.groups.create(
            { environment, name },
            values.map((given) => ({ ...given, ...useOf(flags) })),
            { allowExisting: flags.allowExisting === true, stage: flags.stage === true },
          )
          if (flags.json === true) printJson(io, report)
          else if (report.created) io.out(`Created group ${name} in ${environment}.`)
          else io.err(`note: group ${name} is there already; it was left as it is.`)
        } finally {
          wipe(values)
        }
      },
    )
}

const COLUMNS: readonly Column<GroupEntry>[] = [
  { title: 'Name', cell: ({ name }) => name },
  { title: 'Env', cell: ({ environment }) => environment },
  { title: 'Secrets', cell: ({ keys }) => keys.join(' ') },
  { title: 'Created At', cell: ({ createdAt }) => createdAt },
  { title: 'Created By', cell: ({ createdBy }) => createdBy },
]

const addList: AddCommand = (parent, app) => {
  parent
    .command('list')
    .alias('ls')
    .summary('list groups')
    .description('Lists the groups of all environments, or of one, newest first. Times are in UTC.')
    .addOption(listedEnvironmentOption())
    .addOption(maxOption())
    .addOption(createdBeforeOption())
    .addOption(jsonOption())
    .action(async (flags: Flags & PageFlags) => {
      const admin = await app.admin()
      const rows = await admin.groups.list({
        environment: flags.env,
        max: flags.max,
        createdBefore: flags.createdBefore,
      })
      await printList(app.io, rows, {
        columns: COLUMNS,
        json: flags.json,
        empty: 'There are no such groups. "traceless groups create" makes one.',
      })
    })
}

const addInfo: AddCommand = (parent, app) => {
  parent
    .command('info')
    .summary('show what is in a group')
    .description('Shows the names of the secrets in a group, and who made it.')
    .argument('<group>', 'name of the group')
    .option('--require <name>', 'fail unless the group has that secret (repeatable)', repeatable)
    .addOption(environmentOption())
    .addOption(jsonOption())
    .action(async (name: string, flags: Flags & { readonly require?: readonly string[] }) => {
      const { io } = app
      const required = checkNames(flags.require ?? [])
      const admin = await app.admin()
      const entry = await admin.groups.info({ environment: environmentOf(flags), name })
      const missing = required.filter((key) => !entry.keys.includes(key))
      if (missing.length > 0) {
        throw new Fault('SECRET_UNKNOWN', `Group ${entry.name} has no ${missing.join(', ')}.`)
      }
      if (flags.json === true) printJson(io, entry)
      else await printList(io, [entry], { columns: COLUMNS, json: false, empty: '' })
    })
}

const addUpdate: AddCommand = (parent, app) => {
  const command = parent
    .command('update')
    .summary('set secrets of a group and keep its others')
    .description(`Sets secrets of a group, all or none, and keeps its others.\n\n  ${ASSIGNMENT_HELP}`)
    .argument('<group>', 'name of the group')
    .argument('[name=value...]', 'its secrets')
    .addOption(dotenvOption())
    .addOption(fromJsonOption())
    .addOption(environmentOption())
    .addOption(stageOption())
  addUseOptions(command)
    .addOption(jsonOption())
    .action(async (name: string, words: string[], flags: ChangeFlags) => {
      const values = await valuesOf(words, flags, app.io)
      try {
        const staged = flags.stage === true
        const admin = await app.admin()
        const report = await admin.groups.update(
          { environment: environmentOf(flags), name },
          values.map((given) => ({ ...given, ...useOf(flags) })),
          { stage: staged },
        )
        printChange(app.io, report, {
          flags: { ...flags, group: name },
          verb: staged ? 'Staged' : 'Set',
          staged,
          nothing: 'nothing was given to set.',
        })
      } finally {
        wipe(values)
      }
    })
}

const addDelete: AddCommand = (parent, app) => {
  parent
    .command('delete')
    .summary('delete a group with its secrets')
    .description('Deletes a group with its secrets and their versions, for good. The record stays.')
    .argument('<group>', 'name of the group')
    .option('--allow-missing', 'do not fail when there is none')
    .addOption(environmentOption())
    .addOption(yesOption())
    .addOption(jsonOption())
    .action(
      async (name: string, flags: Flags & { readonly allowMissing?: boolean; readonly yes?: boolean }) => {
        const { io } = app
        const admin = await app.admin()
        const group = { environment: environmentOf(flags), name }
        const allowMissing = flags.allowMissing === true
        const there = (await admin.groups.list({ environment: group.environment })).find(
          (entry) => entry.name === name,
        )
        if (there !== undefined) {
          await confirmLoss(io, {
            name,
            what: `This deletes group ${name} of ${group.environment} with ${countText(there.keys.length, 'secret')}, for good`,
            yes: flags.yes,
          })
        }
        const { deleted } = await admin.groups.delete(group, { allowMissing })
        if (flags.json === true) printJson(io, { deleted })
        else if (deleted) io.out(`Deleted group ${name} of ${group.environment}.`)
        else io.err('note: there is no such group, as allowed.')
      },
    )
}

/** Values from arguments and files. @throws {@link Fault} `REQUEST_INVALID` where two of them read standard input. */
async function valuesOf(
  words: readonly string[],
  { dotenv, fromJson }: ChangeFlags,
  io: Io,
): Promise<readonly Assignment[]> {
  const readers = [dotenv === '-', fromJson === '-', words.some((word) => /^[^=]*=-$/.test(word))]
  if (readers.filter(Boolean).length > 1) {
    throw new Fault('REQUEST_INVALID', 'Standard input can be read once only.')
  }
  const values: Assignment[] = []
  try {
    if (dotenv !== undefined) values.push(...(await readImport(dotenv, 'dotenv', io)))
    if (fromJson !== undefined) values.push(...(await readImport(fromJson, 'json', io)))
    values.push(...(await readAssignments(words, io)))
    return values
  } catch (error) {
    wipe(values)
    throw error
  }
}
