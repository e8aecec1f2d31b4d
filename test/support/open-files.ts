/**
 * What this process has open, for tests that nothing is left so.
 *
 * @packageDocumentation
 */

import { readdirSync, readlinkSync } from 'node:fs'

/** Paths of the open files; one that was deleted ends in ` (deleted)`. */
export function openFiles(): readonly string[] {
  return readdirSync('/proc/self/fd').flatMap((descriptor) => {
    try {
      return [readlinkSync(`/proc/self/fd/${descriptor}`)]
    } catch {
      // It was closed since the folder was read.
      return []
    }
  })
}
