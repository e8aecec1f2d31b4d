/**
 * Values that no other test, log or image can contain by chance.
 *
 * @packageDocumentation
 */

import { randomBytes, randomInt } from 'node:crypto'

/** A token as Git hosts give them: letters and digits, 192 bits. Its first characters say which test it belongs to. */
export const randomToken = (prefix = 'tok'): string => `${prefix}${randomBytes(24).toString('hex')}`

/** A password with each of the 95 printable characters of ASCII once, in random order. */
export function printablePassword(): string {
  const characters = Array.from({ length: 95 }, (_, index) => String.fromCharCode(0x20 + index))
  for (let last = characters.length - 1; last > 0; last -= 1) {
    const other = randomInt(last + 1)
    ;[characters[last], characters[other]] = [characters[other] ?? '', characters[last] ?? '']
  }
  return characters.join('')
}
