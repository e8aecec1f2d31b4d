/**
 * `traceless environments`: list and delete environments.
 *
 * @packageDocumentation
 */

import type { EnvironmentEntry } from '../store/admin.js'
import { jsonOption, type AddCommand } from './command.js'
import { confirmLoss } from './confirm.js'
import { unknownEnvironment } from './known-name.js'
import { countText } from './print.js'
import { yesOption } from './store-options.js'
import { printJson, printList, type Column } from './table.js'

interface Flags {
  readonly json?: boolean
}

/** Adds the commands. */
export const addEnvironments: AddCommand = (parent, app) => {
  const environments = parent
    .command('environments')
    .aliases(['environment', 'envs'])
    .summary('list and delete environments')
    .description('Keeps sets of secrets apart. An environment comes to be when something is set in it.')
  addList(environments, app)
  addDelete(environments, app)
}

const COLUMNS: readonly Column<EnvironmentEntry>[] = [
  { title: 'Name', cell: ({ name }) => name },
  { title: 'Secrets', cell: ({ secrets }) => String(secrets) },
  { title: 'Groups', cell: ({ groups }) => String(groups) },
  { title: 'Created At', cell: ({ createdAt }) => createdAt },
  { title: 'Created By', cell: ({ createdBy }) => createdBy },
]

const addList: AddCommand = (parent, app) => {
  parent
    .command('list')
    .alias('ls')
    .summary('list environments')
    .description('Lists environments with the number of secrets and groups in each. Times are in UTC.')
    .addOption(jsonOption())
    .action(async (flags: Flags) => {
      const admin = await app.admin()
      const rows = await admin.environments()
      await printList(app.io, rows, { columns: COLUMNS, json: flags.json, empty: 'There is none yet.' })
    })
}

const addDelete: AddCommand = (parent, app) => {
  parent
    .command('delete')
    .summary('delete an environment with all that is in it')
    .description(
      'Deletes an environment with its secrets, groups and their versions, for good. The record stays.',
    )
    .argument('<name>', 'the environment')
    .addOption(yesOption())
    .addOption(jsonOption())
    .action(async (name: string, flags: Flags & { readonly yes?: boolean }) => {
      const { io } = app
      const admin = await app.admin()
      const all = await admin.environments()
      const found = all.find((entry) => entry.name === name)
      if (found === undefined) {
        throw unknownEnvironment(
          name,
          all.map((entry) => entry.name),
        )
      }
      await confirmLoss(io, {
        name,
        what: `This deletes ${name} with ${countText(found.secrets, 'secret')} and ${countText(found.groups, 'group')}, for good`,
        yes: flags.yes,
      })
      const deleted = await admin.deleteEnvironment(name)
      if (flags.json === true) printJson(io, deleted)
      else {
        io.out(
          `Deleted ${name} with ${countText(deleted.secrets, 'secret')} and ${countText(deleted.groups, 'group')}.`,
        )
      }
    })
}
