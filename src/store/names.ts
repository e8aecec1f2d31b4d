/**
 * Names of environments and groups. Like the names of secrets they are checked
 * at the edge and never repeated when they are wrong.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'

/** Longest name of an environment or group, in characters. */
export const MAX_PLACE_NAME_LENGTH = 64

const PLACE_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/

/**
 * Checks the name of an environment.
 *
 * @throws {@link Fault} `REQUEST_INVALID`
 */
export const environmentName = (text: string): string => placeName(text, 'an environment')

/**
 * Checks the name of a group.
 *
 * @throws {@link Fault} `REQUEST_INVALID`
 */
export const groupName = (text: string): string => placeName(text, 'a group')

function placeName(text: string, what: string): string {
  if (!PLACE_NAME.test(text)) {
    throw new Fault('REQUEST_INVALID', `The name of ${what} is not valid.`, {
      hint: `It has letters, digits, ".", "_" and "-", starts with a letter, digit or "_", and is at most ${MAX_PLACE_NAME_LENGTH} characters long.`,
    })
  }
  return text
}
