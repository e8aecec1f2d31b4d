/**
 * Whether a list may go on: names that nobody knows, and problems as a fault.
 *
 * @packageDocumentation
 */

import { faultOf, type Problem } from '../errors.js'
import type { SecretName } from '../secret.js'
import { nearest } from '../suggest.js'
import type { RequirementList } from './list.js'

/**
 * Problems for names that are not known, one for each place, with the nearest known name as a hint.
 *
 * @param known - all names there are.
 */
export function unknownNames(
  { mentions }: Pick<RequirementList, 'mentions'>,
  known: Iterable<SecretName>,
): readonly Problem[] {
  const names = new Set(known)
  return mentions
    .filter(({ name }) => !names.has(name))
    .map(({ name, file, line, column }) => {
      const meant = nearest(name, names)
      return {
        code: 'SECRET_UNKNOWN',
        message: `There is no secret ${name}.`,
        hint: meant === undefined ? undefined : `Did you mean ${meant}?`,
        file,
        line,
        column,
      }
    })
}

/**
 * Lets a list without problems pass.
 *
 * @throws {@link Fault} with all problems: `REQUIREMENTS_INVALID`, or what {@link faultOf} makes of several codes.
 */
export function requireSound({ problems }: { readonly problems: readonly Problem[] }): void {
  if (problems.length > 0) throw faultOf(problems)
}
