/**
 * `traceless token`: who may call the server, decided on its host.
 *
 * @packageDocumentation
 */

import { Option } from 'commander'
import { Fault } from '../errors.js'
import { SCOPES, type Scope, type TokenEntry } from '../store/tokens.js'
import { jsonOption, repeatable, type AddCommand } from './command.js'
import { dayCount } from './serve-options.js'
import { printJson, printList, type Column } from './table.js'

interface CreateFlags {
  readonly scope?: readonly string[]
  readonly env?: readonly string[]
  readonly expires?: number
  readonly json?: boolean
}

/** Adds the commands. */
export const addToken: AddCommand = (parent, app) => {
  const token = parent
    .command('token')
    .aliases(['tokens'])
    .summary('make, list and revoke tokens of the server')
    .description(
      'Keeps the tokens with which the server is called. Works on the host of the server, without it.',
    )
  addCreate(token, app)
  addList(token, app)
  addRevoke(token, app)
}

const addCreate: AddCommand = (parent, app) => {
  parent
    .command('create')
    .summary('make a token')
    .description(
      'Makes a token and prints it, this once: the store keeps a hash of it. Standard output holds the token and nothing\nelse.',
    )
    .argument('<name>', 'how it is listed and recorded')
    .addOption(
      new Option('--scope <scope>', 'what it may do (repeatable)').choices([...SCOPES]).argParser(scopeOf),
    )
    .option('--for <environment>', 'an environment it is for (repeatable; default: all)', repeatable)
    .option('--expires <days>', 'days that it is good for (default: until it is revoked)', dayCount)
    .addOption(jsonOption())
    .action(async (name: string, flags: Omit<CreateFlags, 'env'> & { readonly for?: readonly string[] }) => {
      const { tokens } = await app.store()
      const made = await tokens.create({
        name,
        scopes: (flags.scope ?? []) as readonly Scope[],
        environments: flags.for ?? null,
        expiresAt: flags.expires === undefined ? null : new Date(Date.now() + flags.expires * 24 * 3_600_000),
        createdBy: 'host',
      })
      using text = made.text
      const shown = text.use((bytes) => Buffer.from(bytes).toString('latin1'))
      if (flags.json === true) printJson(app.io, { ...made.token, text: shown })
      else app.io.out(shown)
    })
}

const COLUMNS: readonly Column<TokenEntry>[] = [
  { title: 'Id', cell: ({ id }) => id },
  { title: 'Name', cell: ({ name }) => name },
  { title: 'Scopes', cell: ({ scopes }) => scopes.join(' ') },
  { title: 'Env', cell: ({ environments }) => environments?.join(' ') ?? 'all' },
  { title: 'Created At', cell: ({ createdAt }) => createdAt },
  { title: 'Expires At', cell: ({ expiresAt }) => expiresAt },
  { title: 'Last Used', cell: ({ lastUsedAt }) => lastUsedAt },
  { title: 'Revoked At', cell: ({ revokedAt }) => revokedAt },
]

const addList: AddCommand = (parent, app) => {
  parent
    .command('list')
    .alias('ls')
    .summary('list tokens')
    .description('Lists tokens, newest first, without their texts. Times are in UTC.')
    .addOption(jsonOption())
    .action(async (flags: { readonly json?: boolean }) => {
      const { tokens } = await app.store()
      const rows = await tokens.list()
      await printList(app.io, rows, { columns: COLUMNS, json: flags.json, empty: 'There is none yet.' })
    })
}

const addRevoke: AddCommand = (parent, app) => {
  parent
    .command('revoke')
    .summary('revoke a token for good')
    .description('Revokes a token: the server refuses it from the next request on.')
    .argument('<id>', 'its id, as the list shows it')
    .addOption(jsonOption())
    .action(async (id: string, flags: { readonly json?: boolean }) => {
      const { tokens } = await app.store()
      if (!(await tokens.revoke(id))) {
        throw new Fault('NOT_FOUND', 'There is no token of that id that is good.', {
          hint: 'See "traceless token list".',
        })
      }
      if (flags.json === true) printJson(app.io, { revoked: true })
      else app.io.out('The token is revoked.')
    })
}

function scopeOf(text: string, before: readonly string[] | undefined): string[] {
  if (SCOPES.some((scope) => scope === text)) return repeatable(text, before)
  throw new Fault('REQUEST_INVALID', 'That is no scope.', { hint: `Scopes: ${SCOPES.join(', ')}.` })
}
