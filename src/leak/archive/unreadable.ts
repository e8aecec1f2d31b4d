/**
 * How a reader of an archive says that it cannot go on. It ends at the archive
 * it is about, as a row of the report.
 *
 * @packageDocumentation
 */

import type { UnreadReason } from '../findings.js'

/** Thrown inside this folder, never out of it. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable'
  readonly why: UnreadReason

  constructor(why: UnreadReason) {
    super(why)
    this.why = why
  }
}
