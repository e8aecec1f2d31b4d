/**
 * How wide each of git's credentials reaches. Git asks a helper by URL, so two
 * logins on one host need two scopes; the wider a scope the better, because a
 * private dependency of a private dependency is another repository of the
 * same host.
 *
 * Scopes are the patterns of https://git-scm.com/docs/gitcredentials#_credential_contexts:
 * a path matches by whole segments.
 *
 * @packageDocumentation
 */

import type { Login } from './list.js'

/** Equal for logins that send the same user and password. */
export function loginKey({ user, password }: Pick<Login, 'user' | 'password'>): string {
  const keyed = (parts: Login['user']): readonly (string | readonly [string, boolean])[] =>
    parts.map((part) => (typeof part === 'string' ? part : [part.name, part.raw]))
  return JSON.stringify([keyed(user), password === undefined ? null : keyed(password)])
}

/**
 * The scope of each login: its origin where all logins there are the same, else as few segments of the path behind it
 * as tell them apart. `undefined` for a login whose whole path another login shares or goes on from.
 */
export function gitScopes(logins: readonly Login[]): ReadonlyMap<Login, string | undefined> {
  return new Map(
    [...grouped(logins, ({ origin }) => origin)].flatMap(([origin, group]) => scoped(group, origin, 0)),
  )
}

function scoped(
  logins: readonly Login[],
  scope: string,
  depth: number,
): readonly (readonly [Login, string | undefined])[] {
  if (new Set(logins.map(loginKey)).size === 1) return logins.map((login) => [login, scope])
  return [...grouped(logins, ({ segments }) => segments[depth])].flatMap(([segment, group]) =>
    segment === undefined
      ? group.map((login) => [login, undefined] as const)
      : scoped(group, `${scope}/${segment}`, depth + 1),
  )
}

/** Items by key, keys in the order in which they first come. */
export function grouped<T, K>(items: readonly T[], keyOf: (item: T) => K): ReadonlyMap<K, readonly T[]> {
  const groups = new Map<K, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
