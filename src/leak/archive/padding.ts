/**
 * What may follow an archive: zeros, as tapes and block devices leave them.
 *
 * @packageDocumentation
 */

import { isZero } from '../../bytes/tar-header.js'
import { Unreadable } from './unreadable.js'

/** @throws {@link Unreadable} `trailing-data` for anything but zeros. */
export async function requirePadding(rest: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of rest) if (!isZero(chunk, 0, chunk.length)) throw new Unreadable('trailing-data')
}
