/**
 * What a home knows of servers: the token of a person who signed in, and the
 * public keys that values may be sealed to there. Each server has one file,
 * for its owner alone.
 *
 * @packageDocumentation
 */

import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '../errors.js'
import { SecretValue } from '../secret.js'
import { codeOf, readKeyFile, writeFileWhole, type Home } from '../store/home.js'

/** What is pinned of the store behind a server. */
export interface ServerPins {
  readonly storeId: string
  /** Key ids of those that values may be sealed to. Empty where the token may not ask for them. */
  readonly recipients: readonly string[]
}

/** What a home knows of one server. Dispose wipes the token. */
export interface KnownServer extends ServerPins, Disposable {
  readonly token: SecretValue
}

const ID = /^[0-9a-f]{32}$/

/**
 * Reads what the home knows of a server; `null` where nobody signed in.
 *
 * @param server - the address as `serverAddress` gives it.
 * @throws {@link Fault} `IDENTITY_INVALID` when others may read the file or it is not one of ours.
 */
export async function readKnownServer(home: Home, server: string): Promise<KnownServer | null> {
  const path = fileOf(home, server)
  using file = await readKeyFile(path)
  if (file === null) return null
  const known = file.use((bytes) => parse(Buffer.from(bytes).toString('utf8'), server))
  if (known !== null) return known
  throw new Fault('IDENTITY_INVALID', `${path} is not what "traceless login" writes.`, {
    hint: 'Delete it and sign in again.',
  })
}

/** Keeps a token and pins. */
export async function writeKnownServer(
  home: Home,
  server: string,
  { token, storeId, recipients }: ServerPins & { readonly token: SecretValue },
): Promise<void> {
  const text = token.use((bytes) => Buffer.from(bytes).toString('latin1'))
  const bytes = Buffer.from(`${JSON.stringify({ version: 1, server, storeId, recipients, token: text })}\n`)
  try {
    await writeFileWhole(fileOf(home, server), bytes, { replace: true })
  } finally {
    bytes.fill(0)
  }
}

/** Forgets a server, token and pins. @returns whether there was something to forget. */
export async function forgetServer(home: Home, server: string): Promise<boolean> {
  try {
    await rm(fileOf(home, server))
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

/** The address is no file name, and nobody needs to read it from one. */
const fileOf = (home: Home, server: string): string =>
  join(home.folder, 'servers', createHash('sha256').update(server).digest('hex').slice(0, 32))

function parse(text: string, server: string): KnownServer | null {
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
  if (typeof data !== 'object' || data === null) return null
  const { server: of, storeId, recipients, token } = data as Readonly<Record<string, unknown>>
  if (of !== server || !isId(storeId) || typeof token !== 'string') return null
  if (!Array.isArray(recipients) || !recipients.every(isId)) return null
  const held = SecretValue.fromText(token)
  return { storeId, recipients, token: held, [Symbol.dispose]: () => held[Symbol.dispose]() }
}

const isId = (value: unknown): value is string => typeof value === 'string' && ID.test(value)
