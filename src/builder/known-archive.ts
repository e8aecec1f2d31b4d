/**
 * An archive whose layers may have been proven before. A layer is left out of
 * the search only when its very bytes were hashed on their way here: what it
 * is said to be decides whether it is looked for in the records, and its hash
 * whether that counts.
 *
 * A packed layer is known by two digests, that of its bytes and that of its
 * content, because an image names the content. Both are part of its record, so
 * that packed bytes which are clean never stand for content that is another.
 *
 * @packageDocumentation
 */

import { createHash } from 'node:crypto'
import { ByteReader } from '../bytes/byte-reader.js'
import type { LayerClaims } from '../docker/archive-outline.js'
import type { ImageLayout, ImagePart, ImageParts } from '../docker/engine.js'
import { WHOLE_HEAD_BYTES, wholeKindOf } from '../leak/archive/whole.js'
import type { PartRead, ScanResult } from '../leak/findings.js'
import type { NeedleSet } from '../leak/needles.js'
import type { Verdicts } from '../leak/verdicts.js'
import {
  searchable,
  verdictsOn,
  type KeptVerdicts,
  type KnownLayers,
  type KnownParts,
  type LayoutLayer,
} from './known-layers.js'

/** Stands for all archives: their layers are named by what their bytes hash to here. */
const SOURCE = 'bytes hashed by the scan'

/** Which layer some bytes are. */
interface Identity {
  /** Digest of the bytes as they stand in the archive. */
  readonly bytes: string
  /** Digest of them after decompression. */
  readonly content: string
}

/**
 * The parts of an archive without the layers that were proven before; those are hashed.
 *
 * @param claims - what its layers say they are, where it could be looked into. Without it that is known of the layers
 * only that stand under their own digest and are not packed.
 */
export function knownArchive(
  parts: ImageParts,
  { kept, needles, claims }: { kept: KeptVerdicts; needles: NeedleSet; claims: LayerClaims },
): KnownParts {
  const verdicts = verdictsOn(SOURCE, { kept, needles })
  const archive = new Archive(parts, { verdicts, needles, claims })
  return {
    parts: {
      get hashed() {
        return parts.hashed
      },
      [Symbol.asyncIterator]: () => archive.unknownParts(),
      layouts: () => archive.layouts(),
    },
    known: archive,
  }
}

class Archive implements KnownLayers {
  readonly #parts: ImageParts
  readonly #verdicts: Verdicts
  readonly #needles: NeedleSet
  readonly #claims: LayerClaims
  readonly #seen = new Set<string>()
  readonly #missing = new Map<string, ReadonlySet<string>>()
  /** What was left out, by the id of its part; `null` where its bytes are not what they are said to be. */
  readonly #leftOut = new Map<string, Identity | null>()
  /** What bytes hash to that were handed to the search as something known or packed, by the id of their part. */
  readonly #hashed = new Map<string, { readonly identity: Identity; digest: string | undefined }>()

  constructor(
    parts: ImageParts,
    { verdicts, needles, claims }: { verdicts: Verdicts; needles: NeedleSet; claims: LayerClaims },
  ) {
    this.#parts = parts
    this.#verdicts = verdicts
    this.#needles = needles
    this.#claims = claims
  }

  async *unknownParts(): AsyncGenerator<ImagePart> {
    for await (const part of this.#parts) {
      // A member that stands twice under one name is not what the name says, whatever it hashes to.
      const isFirst = !this.#seen.has(part.id)
      this.#seen.add(part.id)
      if (!isFirst) this.#forget(part.id)
      if (part.kind === 'document' || !isFirst) {
        yield part
        continue
      }
      const reader = new ByteReader(part.bytes)
      await reader.fill(WHOLE_HEAD_BYTES)
      const isPacked = wholeKindOf(reader.peek()) !== undefined
      const identity = identityOf(part.id, { isPacked, claim: this.#claims.get(part.id) })
      const bytes = reader.take(Infinity)
      if (identity === undefined) {
        yield { ...part, bytes }
        continue
      }
      const names = await this.#missingOf(identity)
      if (names.size === 0)
        this.#leftOut.set(part.id, (await hashOf(bytes)) === identity.bytes ? identity : null)
      else {
        this.#missing.set(part.id, names)
        const isPartial = names.size < this.#needles.names.length
        yield { ...part, bytes: isPacked || isPartial ? this.#hashing(part.id, identity, bytes) : bytes }
      }
    }
  }

  missing(part: string): ReadonlySet<string> | undefined {
    return this.#missing.get(part)
  }

  stateOf({ part, digest }: LayoutLayer): 'proven' | 'other' | undefined {
    const identity = part === null ? undefined : this.#leftOut.get(part)
    if (identity === undefined) return undefined
    return identity?.content === digest ? 'proven' : 'other'
  }

  async keep(result: ScanResult, digestOf: (part: PartRead) => string | undefined): Promise<void> {
    await this.#verdicts.keep(result, digestOf)
    await this.#verdicts.keep(result, (part) => {
      const hashed = this.#hashed.get(part.id)
      if (hashed === undefined) return undefined
      const { identity, digest } = hashed
      return identity.bytes === digest && identity.content === digestOf(part)
        ? recordName(identity)
        : undefined
    })
  }

  /**
   * How the members fit together, and what is not what it is said to be though no image names it: all of it, or some
   * values in it, were not searched for because of what it is said to be.
   */
  layouts(): readonly ImageLayout[] {
    const layouts = this.#parts.layouts()
    const named = new Set(layouts.flatMap(({ layers }) => layers.map(({ part }) => part)))
    const unread = [
      ...[...this.#leftOut].filter(([, identity]) => identity === null),
      ...[...this.#hashed].filter(([, { identity, digest }]) => identity.bytes !== digest),
    ].flatMap(([part]) => (named.has(part) ? [] : [`${part} is not what its name says`]))
    return unread.length === 0 ? layouts : [...layouts, { image: '', layers: [], documents: [], unread }]
  }

  async #missingOf(identity: Identity): Promise<ReadonlySet<string>> {
    const name = recordName(identity)
    return searchable(await this.#verdicts.missing([name]), this.#needles).get(name) ?? new Set()
  }

  async *#hashing(
    part: string,
    identity: Identity,
    bytes: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    const row: { readonly identity: Identity; digest: string | undefined } = { identity, digest: undefined }
    this.#hashed.set(part, row)
    const hash = createHash('sha256')
    for await (const chunk of bytes) {
      hash.update(chunk)
      yield chunk
    }
    row.digest = `sha256:${hash.digest('hex')}`
  }

  #forget(part: string): void {
    if (this.#leftOut.has(part)) this.#leftOut.set(part, null)
    this.#hashed.delete(part)
    this.#missing.delete(part)
  }
}

/**
 * What a layer has to be to be known: its path or a claim says what its bytes hash to and, where it is packed, a claim what
 * its content does. `undefined` where that is not said.
 */
function identityOf(
  part: string,
  { isPacked, claim }: { readonly isPacked: boolean; readonly claim: string | undefined },
): Identity | undefined {
  const blob = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(part)?.[1]
  const bytes = blob === undefined ? (isPacked ? undefined : claim) : `sha256:${blob}`
  const content = isPacked ? claim : bytes
  return bytes === undefined || content === undefined ? undefined : { bytes, content }
}

const recordName = ({ bytes, content }: Identity): string =>
  bytes === content ? content : `${bytes} unpacked to ${content}`

async function hashOf(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of bytes) hash.update(chunk)
  return `sha256:${hash.digest('hex')}`
}
