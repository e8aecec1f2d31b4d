/**
 * Tokens of a server: random texts that are stored hashed, each with what it
 * may do, where, and until when.
 *
 * @packageDocumentation
 */

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { Fault } from '../errors.js'
import { SecretValue } from '../secret.js'
import type { Database } from './database.js'
import { environmentName } from './names.js'
import type { TokenTable } from './schema.js'

/** What a token may do. `admin` may do everything. */
export const SCOPES = [
  'secrets:write',
  'secrets:list',
  'secrets:deploy',
  'builds:submit',
  'builds:read',
  'admin',
] as const

/** One of {@link SCOPES}. */
export type Scope = (typeof SCOPES)[number]

/** A token as lists show it: never its text. */
export interface TokenEntry {
  /** 16 random hex digits. */
  readonly id: string
  readonly name: string
  readonly scopes: readonly Scope[]
  /** `null` for all. */
  readonly environments: readonly string[] | null
  readonly createdAt: Date
  readonly createdBy: string
  readonly expiresAt: Date | null
  /** To the minute. */
  readonly lastUsedAt: Date | null
  readonly revokedAt: Date | null
}

/** A token that is asked for. */
export interface NewToken {
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly environments?: readonly string[] | null | undefined
  readonly expiresAt?: Date | null | undefined
  readonly createdBy: string
}

/** Keeps tokens. */
export interface Tokens {
  /**
   * Makes a token. Its text is in the answer and nowhere else; the caller disposes it.
   *
   * @throws {@link Fault} `REQUEST_INVALID`
   */
  create(token: NewToken): Promise<{ readonly token: TokenEntry; readonly text: SecretValue }>
  /** The token of that text; `null` where there is none, or it is revoked or expired. */
  find(text: SecretValue): Promise<TokenEntry | null>
  /** Newest first, the revoked ones too. */
  list(): Promise<readonly TokenEntry[]>
  /** Revokes a token for good. @returns false where there is none of that id that was good. */
  revoke(id: string): Promise<boolean>
}

/** What the text of a token begins with, so that it is recognised where it does not belong. */
export const TOKEN_PREFIX = 'tls_'

/** Bytes of randomness in a token. */
const TOKEN_BYTES = 32

/** Longest name, in characters. */
const MAX_NAME_LENGTH = 100

/** How exactly the last use is known, in milliseconds: a row is not written for every call. */
const USE_STEP_MS = 60_000

const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._@/-]*$/u

/** Makes the tokens of a store. */
export function tokenStore({ database, now }: { database: Database; now: () => Date }): Tokens {
  return {
    async create({ name, scopes, environments = null, expiresAt = null, createdBy }) {
      checkToken({ name, scopes, expiresAt, now: now() })
      const text = newText()
      const hash = hashOf(text)
      const row: TokenTable = {
        id: randomBytes(8).toString('hex'),
        name,
        mark: markOf(hash),
        hash,
        scopes_json: JSON.stringify([...new Set(scopes)]),
        environments_json:
          environments === null ? null : JSON.stringify([...new Set(environments.map(environmentName))]),
        created_at: now().toISOString(),
        created_by: createdBy,
        expires_at: expiresAt?.toISOString() ?? null,
        last_used_at: null,
        revoked_at: null,
      }
      await database.write((tx) => tx.insertInto('token').values(row).execute())
      return { token: entryOf(row), text }
    },
    async find(text) {
      const hash = hashOf(text)
      const rows = await database.read((tx) =>
        tx.selectFrom('token').selectAll().where('mark', '=', markOf(hash)).execute(),
      )
      const at = now()
      const row = rows.find((each) => isSameHash(each.hash, hash))
      if (row?.revoked_at !== null) return null
      if (row.expires_at !== null && new Date(row.expires_at) <= at) return null
      if (row.last_used_at === null || at.getTime() - Date.parse(row.last_used_at) >= USE_STEP_MS) {
        const last_used_at = at.toISOString()
        await database.writeRows((tx) =>
          tx.updateTable('token').set({ last_used_at }).where('id', '=', row.id).execute(),
        )
        row.last_used_at = last_used_at
      }
      return entryOf(row)
    },
    async list() {
      const rows = await database.read((tx) =>
        tx.selectFrom('token').selectAll().orderBy('created_at', 'desc').orderBy('id').execute(),
      )
      return rows.map(entryOf)
    },
    async revoke(id) {
      const { numUpdatedRows } = await database.write((tx) =>
        tx
          .updateTable('token')
          .set({ revoked_at: now().toISOString() })
          .where('id', '=', id)
          .where('revoked_at', 'is', null)
          .executeTakeFirstOrThrow(),
      )
      return numUpdatedRows > 0n
    },
  }
}

function checkToken({
  name,
  scopes,
  expiresAt,
  now,
}: Pick<NewToken, 'name' | 'scopes'> & { readonly expiresAt: Date | null; readonly now: Date }): void {
  if (name.length > MAX_NAME_LENGTH || !NAME.test(name)) {
    throw new Fault('REQUEST_INVALID', 'The name of a token is not valid.', {
      hint: `It has letters, digits, spaces and . _ @ / -, and at most ${MAX_NAME_LENGTH} characters.`,
    })
  }
  if (scopes.length === 0) {
    throw new Fault('REQUEST_INVALID', 'A token needs a scope.', { hint: `Scopes: ${SCOPES.join(', ')}.` })
  }
  if (expiresAt !== null && !(expiresAt > now)) {
    throw new Fault('REQUEST_INVALID', 'A token cannot have expired before it is made.')
  }
}

function newText(): SecretValue {
  const bytes = randomBytes(TOKEN_BYTES)
  const text = SecretValue.fromText(`${TOKEN_PREFIX}${bytes.toString('base64url')}`)
  bytes.fill(0)
  return text
}

/** Plain SHA-256 is enough: what is hashed has 256 random bits. */
const hashOf = (text: SecretValue): Buffer => text.use((bytes) => createHash('sha256').update(bytes).digest())

/** What is looked up tells no more than a part of the hash, and the rest is compared in constant time. */
const markOf = (hash: Buffer): string => hash.toString('hex', 0, 8)

const isSameHash = (kept: Uint8Array, hash: Buffer): boolean =>
  kept.length === hash.length && timingSafeEqual(kept, hash)

const entryOf = (row: TokenTable): TokenEntry => ({
  id: row.id,
  name: row.name,
  scopes: JSON.parse(row.scopes_json) as Scope[],
  environments: row.environments_json === null ? null : (JSON.parse(row.environments_json) as string[]),
  createdAt: new Date(row.created_at),
  createdBy: row.created_by,
  expiresAt: dateOrNull(row.expires_at),
  lastUsedAt: dateOrNull(row.last_used_at),
  revokedAt: dateOrNull(row.revoked_at),
})

const dateOrNull = (text: string | null): Date | null => (text === null ? null : new Date(text))
