/**
 * `traceless login` and `traceless logout`: a token for a server, kept in the
 * home for its owner alone.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import type { SecretValue } from '../secret.js'
import { jsonOption, repeatable, type AddCommand } from './command.js'
import { valueFromStdin, type Io } from './io.js'
import { allowsPlainHttp } from './server.js'
import { printJson } from './table.js'

interface LoginFlags {
  readonly trust?: readonly string[]
  readonly json?: boolean
}

/** Adds `login`. */
export const addLogin: AddCommand = (parent, app) => {
  parent
    .command('login')
    .summary('keep a token for a server')
    .description(
      'Asks for a token without showing it, or reads it from standard input, tries it, pins the public keys of the\nserver, and keeps both in the home. Commands use it with --server URL or TRACELESS_SERVER.',
    )
    .argument('<url>', 'address of the server')
    .option('--trust <fingerprint>', 'a public key that you compared (repeatable)', repeatable)
    .addOption(jsonOption())
    .action(async (url: string, flags: LoginFlags) => {
      const { io } = app
      const [{ serverAddress }, { signIn }, { homeOf }] = await Promise.all([
        import('../remote/address.js'),
        import('../remote/sign-in.js'),
        import('../store/home.js'),
      ])
      const allowPlainHttp = allowsPlainHttp(io)
      // Before the token is asked for: nobody should type one for an address that is none.
      const server = serverAddress(url, { allowPlainHttp })
      using token = await readToken(io)
      const signedIn = await signIn(
        { server, token, allowPlainHttp },
        { home: homeOf(io.env), trusted: flags.trust ?? [] },
      )
      if (flags.json === true) {
        printJson(io, signedIn)
        return
      }
      const { me, recipients } = signedIn
      io.out(`Signed in to ${server} as ${me.token.name} (${me.token.scopes.join(', ')}).`)
      if (recipients.length > 0) {
        io.err(`pinned: ${recipients.join(' ')}`)
        io.err('hint: these are to be the fingerprints that "traceless identity list" shows on the server.')
      }
      io.err(`hint: commands use it with --server ${server}, or where TRACELESS_SERVER is set to that.`)
    })
}

/** Adds `logout`. */
export const addLogout: AddCommand = (parent, app) => {
  parent
    .command('logout')
    .summary('forget the token for a server')
    .description(
      'Deletes the token and the pins of a server from the home. The token stays good: revoke it there.',
    )
    .argument('<url>', 'address of the server')
    .action(async (url: string) => {
      const [{ serverAddress }, { forgetServer }, { homeOf }] = await Promise.all([
        import('../remote/address.js'),
        import('../remote/known-servers.js'),
        import('../store/home.js'),
      ])
      const server = serverAddress(url, { allowPlainHttp: allowsPlainHttp(app.io) })
      const there = await forgetServer(homeOf(app.io.env), server)
      if (there) app.io.out(`Signed out of ${server}.`)
      else app.io.err(`note: nobody was signed in to ${server} here.`)
    })
}

/** A token, without the line break that `echo` and editors end it with. */
async function readToken(io: Io): Promise<SecretValue> {
  using typed = io.stdin.isTTY ? await io.askHidden('Token') : await valueFromStdin(io)
  const { SecretValue } = await import('../secret.js')
  const token = typed.use((bytes) => {
    let end = bytes.length
    while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d || bytes[end - 1] === 0x20))
      end -= 1
    return new SecretValue(bytes.subarray(0, end))
  })
  if (token.size > 0) return token
  throw new Fault('REQUEST_INVALID', 'No token was given.')
}
