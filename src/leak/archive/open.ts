/**
 * Opens packed content by its kind.
 *
 * @packageDocumentation
 */

import { isTarHeader } from '../../bytes/tar-header.js'
import { openDeb } from './deb.js'
import { openGitPack } from './git-pack.js'
import type { At, Inside, Packed } from './inside.js'
import { isBrotliName, kindOf, type OpenedKind, type Treatment } from './kinds.js'
import { beginsLzma } from './lzma.js'
import { Unreadable } from './unreadable.js'
import { beginsZlib, unpack } from './unpack.js'
import { openZip } from './zip.js'

/** What packed content is, and what is done with it. */
export type Recognised =
  | { readonly treatment: 'open'; readonly name: OpenedKind }
  | { readonly treatment: Exclude<Treatment, 'open'>; readonly name: string }

/**
 * What kind of packed content begins with `head`. Weak signs are checked further, so that a text that begins like a
 * zlib stream stays a text.
 *
 * @param head - the first bytes of the content; more than 512 are not needed.
 * @param name - what the content is called, which tells Brotli.
 */
export function recognise(head: Uint8Array, name?: Uint8Array): Recognised | undefined {
  const kind = kindOf(head)
  if (kind === undefined) {
    return name !== undefined && isBrotliName(name) ? { treatment: 'open', name: 'brotli' } : undefined
  }
  if (kind.name === 'zlib' && !beginsZlib(head)) return undefined
  if (kind.name === 'lzma' && !beginsLzma(head)) return undefined
  if (kind.name === 'tar' && !isTarHeader(head)) return undefined
  if (kind.magic === '2321' && !Buffer.from(head).includes('\nPK\x03\x04', 0, 'latin1')) return undefined
  return kind
}

/**
 * Searches what is packed in `packed`.
 *
 * @param at - the depth counts the archive itself.
 * @throws {@link Unreadable} where it, or the rest of it, cannot be read.
 */
export async function open(kind: OpenedKind, packed: Packed, at: At, inside: Inside): Promise<void> {
  inside.budget.enter(at.depth)
  switch (kind) {
    case 'zip':
      await openZip(packed, at, inside)
      return
    case 'deb':
      await openDeb(packed, at, inside)
      return
    case 'git-pack':
      await openGitPack(packed, at, inside)
      return
    case 'tar':
      await inside.search(packed.chunks, at)
      return
    case 'gzip':
    case 'zlib':
    case 'brotli':
    case 'zstd':
    case 'xz':
    case 'lzma':
    case 'compress':
    case 'bzip2':
      if (kind === 'xz' && at.inXz === true) throw new Unreadable('too-deep')
      await inside.search(unpack(kind, packed, inside.budget.spend), {
        ...at,
        inXz: at.inXz === true || kind === 'xz',
      })
  }
}
