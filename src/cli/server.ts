/**
 * Which server a command means, and with which token: `--server`, else
 * `TRACELESS_SERVER`; `TRACELESS_TOKEN`, else what `traceless login` kept.
 *
 * @packageDocumentation
 */

import { Option, type Command } from 'commander'
import { Fault } from '../errors.js'
import type { Connection } from '../remote/connection.js'
import type { ServerPins } from '../remote/known-servers.js'
import type { App } from './app.js'
import type { Io } from './io.js'

/** Families of commands that can work on a server. The others open values, or are about this machine. */
const SERVED = new Set(['build', 'builds', 'secrets', 'groups', 'environments', 'usage', 'history'])

/** A server that is meant. */
export interface MeantServer {
  readonly connection: Connection
  /** Where values given at hand may go. */
  readonly pins: () => Promise<ServerPins | null>
}

/**
 * Adds `--server` to every command. One that cannot work on a server takes it too, and does not show it: what it then
 * says is more than that there is no such option.
 */
export function addServerOption(program: Command, app: App): void {
  for (const family of program.commands) {
    for (const command of leaves(family)) {
      if (command.registeredArguments.some((argument) => argument.name() === 'url')) continue
      command.addOption(serverOption(SERVED.has(family.name())))
    }
  }
  program.hook('preAction', (_program, command) => {
    const given: unknown = command.getOptionValue('server')
    if (typeof given === 'string') app.useServer(given)
  })
}

const serverOption = (shown: boolean): Option => {
  const option = new Option(
    '--server <url>',
    'work on that server (default: TRACELESS_SERVER, else this machine)',
  )
  return shown ? option : option.hideHelp()
}

const leaves = (command: Command): readonly Command[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(leaves)

/** The fault for a command that a server cannot carry out. */
export const localOnly = (): Fault =>
  new Fault(
    'REQUEST_INVALID',
    'This command opens values, and a server gives none out: it works on the store of this machine.',
    {
      hint: 'Leave out --server and unset TRACELESS_SERVER to use that store.',
    },
  )

/** The fault for a command that needs a server. */
export const serverNeeded = (what: string): Fault =>
  new Fault('REQUEST_INVALID', `${what}, and none is named.`, {
    hint: 'Name it with --server URL, or in TRACELESS_SERVER.',
  })

/** Whether `http:` may go to other machines. */
export const allowsPlainHttp = ({ env }: Io): boolean => env['TRACELESS_ALLOW_HTTP'] === '1'

/**
 * Opens the connection. Nothing is sent.
 *
 * @throws {@link Fault} `REQUEST_INVALID` for an address that is none, `UNAUTHORIZED` without a token.
 */
export async function openServer(io: Io, address: string): Promise<MeantServer> {
  const [{ serverAddress }, { connectTo }, { pinsOf }, { readKnownServer }, { homeOf }] = await Promise.all([
    import('../remote/address.js'),
    import('../remote/connection.js'),
    import('../remote/client.js'),
    import('../remote/known-servers.js'),
    import('../store/home.js'),
  ])
  const allowPlainHttp = allowsPlainHttp(io)
  const server = serverAddress(address, { allowPlainHttp })
  using known = await readKnownServer(homeOf(io.env), server)
  const given = io.env['TRACELESS_TOKEN'] ?? ''
  const token = given === '' ? known?.token : given
  if (token === undefined) {
    throw new Fault('UNAUTHORIZED', 'There is no token for that server.', {
      hint: `Sign in with "traceless login ${server}", or set TRACELESS_TOKEN.`,
    })
  }
  const connection = connectTo({ server, token, allowPlainHttp })
  const pinned = (io.env['TRACELESS_PIN'] ?? '').split(/[\s,]+/).filter((text) => text !== '')
  const recipients = pinned.length === 0 ? undefined : pinned
  return { connection, pins: () => pinsOf(connection, { recipients, env: io.env }) }
}
