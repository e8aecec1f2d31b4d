/**
 * Who calls: the token of a request, and what it may do.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import { SecretValue } from '../secret.js'
import type { Scope, TokenEntry, Tokens } from '../store/tokens.js'
import { sessionOf } from './session.js'

/** Someone with a good token. */
export interface Caller {
  readonly token: TokenEntry
  /** As the record shows whoever did something. */
  readonly actor: string
  may(scope: Scope): boolean
  mayIn(environment: string): boolean
  /** @throws {@link Fault} `FORBIDDEN` */
  requireIn(environment: string): void
  /** Whether the token still is good: it can be revoked while an answer is under way. */
  isGood(): Promise<boolean>
}

/** Texts longer than this are no tokens, and are not hashed. */
const MAX_TOKEN_LENGTH = 200

/**
 * The caller of a request: its bearer token, else the token of its session.
 *
 * @throws {@link Fault} `UNAUTHORIZED`, the same for every reason; `FORBIDDEN` for a change that a page of another origin
 * may have sent with the session of a browser.
 */
export async function findCaller(tokens: Pick<Tokens, 'find'>, request: Request): Promise<Caller> {
  const bearer = bearerOf(request)
  const text = bearer ?? sessionOf(request)
  if (text === null || text.length > MAX_TOKEN_LENGTH) throw unauthorized()
  const find = async (): Promise<TokenEntry | null> => {
    using value = SecretValue.fromText(text)
    return await tokens.find(value)
  }
  const token = await find()
  if (token === null) throw unauthorized()
  const mayIn = (environment: string): boolean => token.environments?.includes(environment) ?? true
  return {
    token,
    actor: `${token.name} (token ${token.id})`,
    may: (scope) => token.scopes.includes(scope) || token.scopes.includes('admin'),
    mayIn,
    requireIn(environment) {
      if (!mayIn(environment)) throw new Fault('FORBIDDEN', 'That token is not for this environment.')
    },
    isGood: async () => (await find()) !== null,
  }
}

function bearerOf({ headers }: Request): string | null {
  const header = headers.get('authorization')
  if (header === null) return null
  const match = /^Bearer ([A-Za-z0-9_-]+)$/i.exec(header)
  // A header that is there and wrong is no reason to look at the session.
  return match?.[1] ?? ''
}

const unauthorized = (): Fault =>
  new Fault('UNAUTHORIZED', 'A token is needed that this server knows and that has not expired.', {
    hint: 'Make one with "traceless token create" on the host of the server.',
  })
