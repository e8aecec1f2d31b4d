/**
 * Names that are not known, and those that were probably meant.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import type { SecretName } from '../secret.js'
import type { SecretAdmin } from '../store/admin.js'
import { nearest } from '../suggest.js'

/**
 * Checks that an environment, or one of its groups, has a secret of that name: what has no entries yet is not the same
 * as what is not there.
 *
 * @throws {@link Fault} `SECRET_UNKNOWN`
 */
export async function requireKnown(
  admin: SecretAdmin,
  { environment, name }: { readonly environment: string; readonly name: SecretName },
): Promise<void> {
  const known = new Set((await admin.list({ environment })).map((entry) => entry.name))
  if (known.has(name)) return
  const meant = nearest(name, known)
  throw new Fault('SECRET_UNKNOWN', `There is no secret ${name} in ${environment}.`, {
    hint: meant === undefined ? 'See "traceless secrets list".' : `Did you mean ${meant}?`,
  })
}

/** An environment that is not there. What was typed is not repeated. */
export function unknownEnvironment(typed: string, known: readonly string[]): Fault {
  const meant = nearest(typed, known)
  return new Fault('SECRET_UNKNOWN', 'There is no environment of that name.', {
    hint: meant === undefined ? 'See "traceless environments list".' : `Did you mean ${meant}?`,
  })
}
