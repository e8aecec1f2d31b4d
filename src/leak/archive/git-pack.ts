/**
 * Opens a git pack: what an editable install from a repository leaves behind.
 *
 * Whole objects are unpacked and searched. Of an object that is written as its
 * difference to another the difference is: text that came in with that version
 * stands in it, text that both share stands in the other. As a value could lie
 * across such a seam, differences are counted as opaque.
 * Format: https://git-scm.com/docs/gitformat-pack
 *
 * @packageDocumentation
 */

import { createInflate } from 'node:zlib'
import { once } from '../../bytes/once.js'
import { hold, stretch, type Held } from './hold.js'
import { within, type At, type Inside, type Packed } from './inside.js'
import { through } from './through.js'
import { inflatedWhole } from './unpack.js'
import { Unreadable } from './unreadable.js'

const HEADER_BYTES = 12
const TYPES: Readonly<Record<number, string>> = {
  1: 'commit',
  2: 'tree',
  3: 'blob',
  4: 'tag',
  6: 'git-delta',
  7: 'git-delta',
}
/** The type and size before an object, and what a difference is to: at most this many bytes. */
const MAX_PREFIX_BYTES = 64
/** Objects up to this many packed bytes are tried in one call. */
const WINDOW_BYTES = 16 * 1024
/** The checksum at the end: SHA-1 or SHA-256. */
const TRAILERS = [20, 32]

/**
 * Searches the objects of a pack.
 *
 * @throws {@link Unreadable} `damaged`, `truncated` or `trailing-data`.
 */
export async function openGitPack(packed: Packed, at: At, inside: Inside): Promise<void> {
  await using held = await hold(packed.chunks, inside.budget.limits)
  const header = Buffer.from(await held.read(0, HEADER_BYTES))
  if (header.length < HEADER_BYTES) throw new Unreadable('truncated')
  let next = HEADER_BYTES
  for (let left = header.readUInt32BE(8); left > 0; left -= 1) {
    inside.budget.enter(at.depth)
    const { name, from } = readPrefix(await held.read(next, next + MAX_PREFIX_BYTES), next)
    const spot = within(at.spot, Buffer.from(`${name} at ${String(next)}`))
    let length: number | undefined
    const content = inflated(held, from, { inside, onEnd: (used) => (length = used) })
    await inside.search(content, { ...at, spot })
    if (length === undefined) throw new Unreadable('damaged')
    if (name === 'git-delta') inside.opaque(name, length)
    next = from + length
  }
  if (!TRAILERS.includes(held.size - next))
    throw new Unreadable(next > held.size ? 'truncated' : 'trailing-data')
}

/** What stands before the packed bytes of the object at `at`, and where these begin. */
function readPrefix(bytes: Uint8Array, at: number): { name: string; from: number } {
  const type = ((bytes[0] ?? 0) >> 4) & 7
  const name = TYPES[type]
  if (name === undefined) throw new Unreadable('damaged')
  let length = endOfNumber(bytes, 0)
  // The base of a difference: by its distance, or by its id.
  if (type === 6) length = endOfNumber(bytes, length)
  if (type === 7) length += 20
  return { name, from: at + length }
}

/** Numbers are written in groups of seven bits; all but the last have the eighth bit set. */
function endOfNumber(bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.length; at += 1) if ((bytes[at] ?? 0) < 0x80) return at + 1
  throw new Unreadable('damaged')
}

async function* inflated(
  held: Held,
  from: number,
  { inside, onEnd }: { readonly inside: Inside; readonly onEnd: (used: number) => void },
): AsyncGenerator<Uint8Array> {
  const { spend } = inside.budget
  const whole = inflatedWhole(await held.read(from, from + WINDOW_BYTES))
  if (whole !== undefined) {
    spend(whole.content.length, 0, whole.length)
    onEnd(whole.length)
    yield* once(whole.content)
    return
  }
  let before = 0
  for await (const chunk of through(stretch(held, from, held.size), createInflate(), onEnd)) {
    // How many packed bytes it took is known at its end only, so the free bytes bound it, not the ratio.
    spend(chunk.length, before, held.size - from)
    before += chunk.length
    yield chunk
  }
}
