/**
 * What an opener of one kind of archive is given, and what it can ask of the
 * search that called it. Openers and search call each other through this
 * file, so neither has to import the other.
 *
 * @packageDocumentation
 */

import { once } from '../../bytes/once.js'
import type { UnreadReason } from '../findings.js'
import type { Budget } from './limits.js'

/** Packed content. */
export interface Packed {
  /** Its bytes, where they are in memory: content of up to {@link WHOLE_BYTES}. */
  readonly whole: Uint8Array | undefined
  /** Its bytes. Can be read once. */
  readonly chunks: AsyncIterable<Uint8Array>
  /** How many bytes of content the archive says that it has. It need not be true. */
  readonly statedBytes?: number
}

/** Up to this many packed bytes are unpacked in one call: thousands of small files make up most of an image's archives, and a stream for each would cost more than its content. */
export const WHOLE_BYTES = 256 * 1024

/** A place while the search is there: names are still the bytes that stand in the archives. */
export interface Spot {
  /** Id of the part. */
  readonly part: string
  /** The path in the part, then one step for each archive in an archive. */
  readonly steps: readonly Uint8Array[]
}

/** Where content lies, and inside how many archives. */
export interface At {
  readonly spot: Spot
  readonly depth: number
  /** Whether one of them is xz, of which only one can be open at a time. */
  readonly inXz?: boolean
}

/** The search, as an opener sees it. */
export interface Inside {
  readonly budget: Budget
  /** Searches content and opens what is packed in it. {@link Unreadable} thrown by `content` ends it as a row of the report. */
  search(content: AsyncIterable<Uint8Array>, at: At): Promise<void>
  /** Opens what is packed in content whose bytes were searched already, as part of the archive around it. */
  look(content: AsyncIterable<Uint8Array>, at: At): Promise<void>
  unread(spot: Spot, why: UnreadReason): void
  opaque(kind: string, bytes: number): void
}

/** The spot of a member of an archive. The name is kept: no view of a buffer that lives longer. */
export const within = ({ part, steps }: Spot, name: Uint8Array): Spot => ({ part, steps: [...steps, name] })

/** Packed bytes that are in memory. */
export const held = (bytes: Uint8Array): Packed => ({
  whole: bytes.length <= WHOLE_BYTES ? bytes : undefined,
  chunks: once(bytes),
})
