/**
 * Comparing versions of engines.
 *
 * @packageDocumentation
 */

import semver from 'semver'

/** Whether a version is that one or newer. Debian's `20.10.24+dfsg1` counts as `20.10.24`. */
export function isAtLeast(version: string, since: string): boolean {
  const coerced = semver.coerce(version)
  return coerced !== null && semver.gte(coerced, since)
}
