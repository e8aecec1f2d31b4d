/**
 * Names of files as a report may show them: values in them are masked, and
 * what could steer a terminal or turn its text around is written as an escape.
 *
 * @packageDocumentation
 */

import type { NeedleSet } from './needles.js'
import { Redactor } from './redact.js'

/** Longest name that a report shows, in UTF-16 units. */
export const MAX_TEXT_LENGTH = 1024

// Controls of C0 and C1, marks of direction, line and paragraph separators, lone halves of a pair.
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Cs}]/gu

/** The same text without what could steer a terminal or turn its text around. */
export const printable = (text: string): string =>
  text.replace(UNPRINTABLE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)

/** The text of a name that stands as bytes in an archive. */
export function placeText(name: Uint8Array, needles: NeedleSet): string {
  const redactor = new Redactor(needles)
  // Masked as bytes: a name need not be UTF-8, and a value in it would not be the same after decoding.
  const masked = Buffer.concat([redactor.push(name), redactor.end()]).toString('utf8')
  const text = printable(masked)
  return text.length > MAX_TEXT_LENGTH ? `${text.slice(0, MAX_TEXT_LENGTH)}…` : text
}
