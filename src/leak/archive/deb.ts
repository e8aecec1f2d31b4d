/**
 * Opens a Debian package: an `ar` archive with two packed tars in it. The
 * members' own bytes were searched as bytes of the file.
 * Format: https://manpages.debian.org/deb.5
 *
 * @packageDocumentation
 */

import { ByteReader } from '../../bytes/byte-reader.js'
import { within, type At, type Inside, type Packed } from './inside.js'
import { Unreadable } from './unreadable.js'

const MAGIC_BYTES = 8
const HEADER_BYTES = 60

/**
 * Searches the members of a Debian package.
 *
 * @throws {@link Unreadable} `damaged` or `truncated`.
 */
export async function openDeb(packed: Packed, at: At, inside: Inside): Promise<void> {
  const reader = new ByteReader(packed.chunks)
  await reader.discard(MAGIC_BYTES)
  while (await reader.fill(HEADER_BYTES)) {
    const header = Buffer.from(reader.peek().subarray(0, HEADER_BYTES)).toString('latin1')
    const [, name, size] = /^(.{16}).{32}(\d{1,10}) *`\n$/s.exec(header) ?? []
    if (name === undefined || size === undefined) throw new Unreadable('damaged')
    reader.skip(HEADER_BYTES)
    inside.budget.enter(at.depth)
    // Members begin at even offsets.
    const end = reader.position + Number(size)
    const spot = within(at.spot, Buffer.from(name.replace(/[ /]+$/, ''), 'latin1'))
    await inside.look(reader.take(Number(size)), { ...at, spot })
    await reader.discard(end + (end % 2) - reader.position)
    if (reader.position < end) throw new Unreadable('truncated')
  }
  if (reader.buffered > 0) throw new Unreadable('trailing-data')
}
