/**
 * Searches the parts of an image for values: every byte of every part, names
 * and texts as they are meant, and what is packed in archives.
 *
 * @packageDocumentation
 */

import { createHash } from 'node:crypto'
import { ByteReader } from '../bytes/byte-reader.js'
import { HEAD_BYTES } from '../bytes/tar-walk.js'
import { held, within, type At, type Spot } from './archive/inside.js'
import { kindOf } from './archive/kinds.js'
import { Budget, DEFAULT_LIMITS, type ArchiveLimits } from './archive/limits.js'
import { recognise } from './archive/open.js'
import { unpack } from './archive/unpack.js'
import { Unreadable } from './archive/unreadable.js'
import { decodedTexts } from './document.js'
import { Ledger, type PartRead, type ScanResult } from './findings.js'
import type { NeedleSet } from './needles.js'
import { cutTar, restBytes } from './parallel/cut.js'
import type { Team, TeamOptions } from './parallel/team.js'
import { Threads } from './parallel/threads.js'
import { Search } from './search.js'

/** One piece of an image: the shape of `ImagePart` in docker/engine.ts. */
export interface ScanPart {
  readonly id: string
  /** `layer`: a tar, possibly packed with gzip or zstd. `document`: configuration, manifests and other small blobs. */
  readonly kind: 'layer' | 'document'
  readonly sizeBytes: number | undefined
  /** Chunks of any size. Each is valid until the next one is asked for. */
  readonly bytes: AsyncIterable<Uint8Array>
  /** Whether they come out of xz, of which only one can be open at a time: see {@link At.inXz}. */
  readonly inXz?: boolean
}

/** How to scan. */
export interface ScanOptions {
  /** Ends the scan: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** What is opened at most; {@link DEFAULT_LIMITS} unless given. */
  readonly limits?: Partial<ArchiveLimits> | undefined
  /**
   * Needles for a part, where not all of them are wanted: see {@link Verdicts.missing}. Names stay masked with the whole
   * set.
   */
  readonly needlesOf?: ((part: string) => NeedleSet | undefined) | undefined
  /**
   * Whether a layer is hashed for {@link PartRead.sha256}; asked for each. Hashing takes three times as long as the search
   * itself; the default is not to.
   */
  readonly hash?: (() => boolean) | undefined
  /** How threads are used; as {@link TeamOptions} says unless given. */
  readonly threads?: TeamOptions | undefined
  /** Called for every chunk, with the bytes of the part read so far, before decompression. */
  readonly onProgress?: ((progress: { readonly part: string; readonly bytes: number }) => void) | undefined
}

/** Largest document whose strings are decoded, in bytes. A larger one is searched as it stands. */
export const MAX_DOCUMENT_BYTES = 32 * 2 ** 20

/**
 * Searches all parts, each read to its end before the next one is asked for. Memory stays below some tens of
 * megabytes whatever the parts hold.
 *
 * What cannot be read is a row of the result, not an error; errors are those of the parts' own streams.
 */
export async function scan(
  parts: AsyncIterable<ScanPart>,
  needles: NeedleSet,
  options: ScanOptions = {},
): Promise<ScanResult> {
  const ledger = new Ledger()
  const budget = new Budget({ ...DEFAULT_LIMITS, ...options.limits })
  const searches = new Map<NeedleSet, Search>()
  const searchFor = (wanted: NeedleSet): Search => {
    const known = searches.get(wanted)
    if (known !== undefined) return known
    const search = new Search(wanted, { budget, ledger, masked: needles, signal: options.signal })
    searches.set(wanted, search)
    return search
  }
  await using threads = new Threads(needles, budget, options.threads ?? {})
  const read: PartRead[] = []
  for await (const part of parts) {
    const wanted = options.needlesOf?.(part.id) ?? needles
    const search = searchFor(wanted)
    const bytes = reported(part, options.onProgress)
    if (part.kind === 'document') read.push(await scanDocument(search, { ...part, bytes }))
    else {
      const team = wanted === needles ? threads.for(part.sizeBytes) : undefined
      read.push(await scanLayer(search, { ...part, bytes, hash: options.hash?.() ?? false, team }))
    }
  }
  const bytes = [...searches.values()].reduce((sum, search) => sum + search.bytes, 0)
  return { parts: read, ...ledger.rows(), bytes }
}

async function scanLayer(
  search: Search,
  {
    id,
    bytes,
    inXz = false,
    hash,
    team,
  }: ScanPart & { readonly hash: boolean; readonly team: Team | undefined },
): Promise<PartRead> {
  const at: At = { spot: { part: id, steps: [] }, depth: 0, inXz }
  const content = new Content(search.budget.limits.layerBytes, hash)
  const entries = async (tar: AsyncIterable<Uint8Array>): Promise<number> =>
    team === undefined
      ? search.stream(content.through(tar), at.spot, 'header', (reader, pass) =>
          search.walk(reader, { pass, base: 0 }, at),
        )
      : search.pieces(content.through(tar), at.spot, async (checked) => {
          const { entries, flaw } = await cutTar(checked, { team, part: id, rest: restBytes(search.needles) })
          return { entries, flaw, bytes: await team.collect(search.ledger) }
        })

  const reader = new ByteReader(bytes)
  try {
    await reader.fill(HEAD_BYTES)
    const kind = kindOf(reader.peek())?.name
    // Packed bytes are searched as they are too: their headers have room for names and comments.
    const count =
      kind === 'gzip' || kind === 'zstd'
        ? await search.stream(reader.take(Infinity), at.spot, 'header', (packed) =>
            entries(unpack(kind, { whole: undefined, chunks: packed.take(Infinity) }, content.spend)),
          )
        : await entries(reader.take(Infinity))
    return { id, bytes: content.bytes, entries: count, searched: search.names, sha256: content.digest() }
  } finally {
    await reader.close()
  }
}

async function scanDocument(search: Search, { id, bytes, inXz = false }: ScanPart): Promise<PartRead> {
  const spot: Spot = { part: id, steps: [] }
  const kept: Uint8Array[] = []
  return search.passing(spot, 'document', async (pass) => {
    for await (const chunk of pass.ahead(bytes)) {
      if (pass.bytes <= MAX_DOCUMENT_BYTES) kept.push(Uint8Array.from(chunk))
    }
    const document = Buffer.concat(kept)
    const kind = recognise(document.subarray(0, HEAD_BYTES))
    if (kind !== undefined) await search.packed(kind, held(document), { spot, depth: 0, inXz })
    else if (pass.bytes > MAX_DOCUMENT_BYTES) search.unread(spot, 'document-too-large')
    else {
      const seen = await searchTexts(search, document.toString('utf8'), spot)
      // What was found with its way in the document is not told a second time without it.
      for (const hit of pass.before(Infinity)) {
        if (!seen.has(search.secretOf(hit))) search.found(hit, spot, 'document', hit.start)
      }
    }
    return { id, bytes: pass.bytes, entries: 0, searched: search.names, sha256: undefined }
  })
}

/** Searches each text of a document by itself. Gives the names of the secrets that were found. */
async function searchTexts(search: Search, json: string, spot: Spot): Promise<ReadonlySet<string>> {
  const seen = new Set<string>()
  for (const { way, text } of decodedTexts(json)) {
    const here = within(spot, Buffer.from(way.join('/')))
    await search.passing(here, 'document', (pass) => {
      pass.push(Buffer.from(text))
      pass.end()
      for (const hit of pass.before(Infinity)) {
        seen.add(search.secretOf(hit))
        search.found(hit, here, 'document', hit.start)
      }
      return Promise.resolve()
    })
  }
  return seen
}

async function* reported(part: ScanPart, onProgress: ScanOptions['onProgress']): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of part.bytes) {
    bytes += chunk.length
    onProgress?.({ part: part.id, bytes })
    yield chunk
  }
}

/** Counts, bounds and hashes the bytes of a layer as they pass. */
class Content {
  bytes = 0
  readonly #limit: number
  readonly #hash: ReturnType<typeof createHash> | undefined
  #whole = false

  constructor(limit: number, hash: boolean) {
    this.#limit = limit
    this.#hash = hash ? createHash('sha256') : undefined
  }

  async *through(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      this.bytes += chunk.length
      this.#hash?.update(chunk)
      yield chunk
    }
    this.#whole = true
  }

  readonly spend = (size: number, before: number): void => {
    if (before + size > this.#limit) throw new Unreadable('too-large')
  }

  digest(): string | undefined {
    return this.#whole ? this.#hash && `sha256:${this.#hash.digest('hex')}` : undefined
  }
}
