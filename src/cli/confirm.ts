/**
 * Asks before something is lost for good. Only a terminal can be asked; a
 * script says `--yes`.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import type { Io } from './io.js'

/** What is about to be lost. */
export interface Loss {
  /** What a person types to go on. */
  readonly name: string
  /** What goes, as a sentence without its end: `This deletes …`. */
  readonly what: string
  /** `--yes` was given. */
  readonly yes: boolean | undefined
}

/**
 * Goes on when a person typed the name, or `--yes` was given.
 *
 * @throws {@link Fault} `REQUEST_INVALID` without a terminal and `--yes`, `CANCELLED` for another answer, which is not
 * repeated.
 */
export async function confirmLoss(io: Io, { name, what, yes }: Loss): Promise<void> {
  if (yes === true) return
  if (!io.stdin.isTTY || !io.errIsTerminal) {
    throw new Fault('REQUEST_INVALID', `${what}, and there is no terminal to ask at.`, {
      hint: 'If that is meant, say --yes.',
    })
  }
  io.err(`${what}.`)
  if ((await io.ask(`Type ${name} to go on`)) !== name) {
    throw new Fault('CANCELLED', 'That is not the name; nothing was changed.')
  }
}
