/**
 * `traceless usage`: which builds and runs used a secret, and with that what
 * to build anew after it was changed.
 *
 * @packageDocumentation
 */

import { secretName } from '../secret.js'
import type { UsageEntry } from '../store/admin.js'
import { environmentOption, jsonOption, type AddCommand } from './command.js'
import { requireKnown } from './known-name.js'
import { environmentOf, maxOption, type PageFlags, type PlaceFlags } from './store-options.js'
import { printList, shortVersion, type Column } from './table.js'

const COLUMNS: readonly Column<UsageEntry>[] = [
  { title: 'At', cell: ({ at }) => at },
  { title: 'Kind', cell: ({ kind }) => kind },
  { title: 'Group', cell: ({ group }) => group },
  { title: 'Version', cell: ({ version }) => version, short: ({ version }) => shortVersion(version) },
  { title: 'Status', cell: ({ current }) => (current ? 'Live' : 'Outdated') },
  { title: 'Tags', cell: ({ tags }) => tags.join(' ') },
  {
    title: 'Image',
    cell: ({ image }) => image,
    short: ({ image }) => image?.replace(/^sha256:/, '').slice(0, 12) ?? '-',
  },
  { title: 'Id', cell: ({ id }) => id, short: ({ id }) => shortVersion(id) },
]

/** Adds the command. */
export const addUsage: AddCommand = (parent, app) => {
  parent
    .command('usage')
    .summary('builds and runs that used a secret')
    .description(
      'Lists the builds and runs that used a secret, newest first. What is outdated was made with a version that is not\nlive any more: build it anew after a rotation. Times are in UTC.',
    )
    .argument('<name>', 'the secret')
    .addOption(environmentOption())
    .addOption(maxOption())
    .addOption(jsonOption())
    .action(async (text: string, flags: PlaceFlags & PageFlags & { readonly json?: boolean }) => {
      const name = secretName(text)
      const environment = environmentOf(flags)
      const admin = await app.admin()
      const rows = await admin.usage({ environment, name, max: flags.max })
      if (rows.length === 0) await requireKnown(admin, { environment, name })
      await printList(app.io, rows, {
        columns: COLUMNS,
        json: flags.json,
        empty: 'No build and no run has used it.',
      })
      const outdated = rows.filter(({ current, image }) => !current && image !== null).length
      if (outdated > 0 && flags.json !== true && app.io.outIsTerminal) {
        app.io.err(
          `note: ${outdated} of these images hold what an outdated version fetched; build them anew.`,
        )
      }
    })
}
