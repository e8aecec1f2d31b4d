/**
 * Signing in: the token is tried, the public keys of the store are pinned, and
 * both are kept in the home.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import { SecretValue } from '../secret.js'
import type { Home } from '../store/home.js'
import { dateOrNull, objectOf, textOf, textsOf } from './answer.js'
import { connectTo, type Connection, type ServerOptions } from './connection.js'
import { readKnownServer, writeKnownServer, type ServerPins } from './known-servers.js'
import { readServerKeys } from './server-keys.js'

/** Who a token stands for, as the server tells. */
export interface Me {
  readonly token: {
    readonly id: string
    readonly name: string
    readonly scopes: readonly string[]
    /** `null` for all. */
    readonly environments: readonly string[] | null
    readonly expiresAt: Date | null
  }
  readonly storeId: string
  readonly version: string
}

/** What signing in came to. */
export interface SignedIn extends ServerPins {
  readonly server: string
  readonly me: Me
}

/** Asks who the token stands for. @throws {@link Fault} `UNAUTHORIZED` for one that is not good. */
export async function readMe({ json }: Connection): Promise<Me> {
  const answer = await json({ path: '/me' })
  const token = objectOf(answer['token'])
  const { environments } = token
  return {
    token: {
      id: textOf(token['id']),
      name: textOf(token['name']),
      scopes: textsOf(token['scopes']),
      environments: environments === null ? null : textsOf(environments),
      expiresAt: dateOrNull(token['expiresAt']),
    },
    storeId: textOf(objectOf(answer['store'])['id']),
    version: textOf(objectOf(answer['server'])['version']),
  }
}

/**
 * Signs in.
 *
 * @param trusted - fingerprints that the person compared. Without them, the keys of a server that is met for the first
 * time are believed, and those of a known one must not have changed.
 * @throws {@link Fault} `UNAUTHORIZED`; `IDENTITY_INVALID` for other keys than those that are pinned or trusted.
 */
export async function signIn(
  options: ServerOptions,
  { home, trusted = [] }: { readonly home: Home; readonly trusted?: readonly string[] },
): Promise<SignedIn> {
  using connection = connectTo(options)
  const me = await readMe(connection)
  const recipients = await recipientsFor(connection)
  using before = await readKnownServer(home, connection.server)
  const pinned = trusted.length > 0 ? trusted : (before?.recipients ?? [])
  const strangers = pinned.length === 0 ? [] : recipients.filter((keyId) => !pinned.includes(keyId))
  const moved = trusted.length === 0 && before !== null && before.storeId !== me.storeId
  if (strangers.length > 0 || moved) {
    throw new Fault(
      'IDENTITY_INVALID',
      'The public keys of the server are not those that are pinned or trusted here.',
      {
        hint: 'Compare the fingerprints with "traceless identity list" on the server; if they are right, name each with --trust FINGERPRINT.',
        detail: { pinned, found: recipients },
      },
    )
  }
  // A token that may not ask for the keys takes nothing from what was pinned before.
  const pins = { storeId: me.storeId, recipients: recipients.length === 0 ? pinned : recipients }
  using token =
    typeof options.token === 'string'
      ? SecretValue.fromText(options.token)
      : options.token.use((bytes) => new SecretValue(bytes))
  await writeKnownServer(home, connection.server, { ...pins, token })
  return { ...pins, server: connection.server, me }
}

async function recipientsFor(connection: Connection): Promise<readonly string[]> {
  try {
    return (await readServerKeys(connection)).recipients.map(({ keyId }) => keyId)
  } catch (error) {
    if (error instanceof Fault && error.code === 'FORBIDDEN') return []
    throw error
  }
}
