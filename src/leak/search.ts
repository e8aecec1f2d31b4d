/**
 * One search through all parts: raw bytes past the matcher, a walk beside
 * them that knows the places, and whatever the walk recognises as packed is
 * opened and searched in the same way.
 *
 * @packageDocumentation
 */

import { ByteReader } from '../bytes/byte-reader.js'
import { FIELD } from '../bytes/tar-header.js'
import { HEAD_BYTES, TarWalk, whereIn, type TarEntry, type TarWants } from '../bytes/tar-walk.js'
import { held, WHOLE_BYTES, within, type At, type Inside, type Packed, type Spot } from './archive/inside.js'
import { isBrotliName, kindOf } from './archive/kinds.js'
import type { Budget } from './archive/limits.js'
import { open, recognise, type Recognised } from './archive/open.js'
import { Unreadable } from './archive/unreadable.js'
import type { Finding, Ledger, Place, UnreadReason } from './findings.js'
import { Lead } from './lead.js'
import { Matcher, type Hit } from './match.js'
import type { Needle, NeedleSet } from './needles.js'
import { leadBytes, Pass, type Searcher } from './pass.js'
import { placeText } from './place-text.js'

/** A stretch of a searched stream: an archive begins in it at `base`. */
interface Stretch {
  readonly pass: Pass
  readonly base: number
  /** Where the stretch begins in the archive that it is a piece of; absent where it is all of it. */
  readonly origin?: number
}

/** A piece of a tar, cut where entries begin. */
export interface TarPiece {
  /** Offset of its first byte in the tar. */
  readonly origin: number
  /** What stands before it, as far as a search looks back. */
  readonly lead: Uint8Array
  readonly bytes: AsyncIterable<Uint8Array>
  /** What stands behind it, as far as an occurrence may go on. */
  readonly rest: AsyncIterable<Uint8Array>
  /** Whether the tar ends with it. Asked when `rest` has ended. */
  readonly isWhole: () => boolean
}

const WANTS: TarWants = {
  content: (bytes, at, length) => kindOf(bytes, at, length) !== undefined,
  name: isBrotliName,
}
const SLASH = 0x2f

/** What the searches of one scan share. */
export interface SearchContext {
  readonly budget: Budget
  readonly ledger: Ledger
  /** What is masked in names: all values, also those that a search leaves out. */
  readonly masked: NeedleSet
  readonly signal: AbortSignal | undefined
}

/** A search for one set of needles. */
export class Search implements Inside {
  readonly budget: Budget
  readonly ledger: Ledger
  /** Names of the values that are searched for: not of those that are too short. */
  readonly names: readonly string[]
  /** Bytes searched so far. */
  bytes = 0
  /** What is searched for. */
  readonly needles: NeedleSet
  readonly #masked: NeedleSet
  readonly #signal: AbortSignal | undefined
  readonly #leadBytes: number
  readonly #hasSlash: boolean
  readonly #idle: Searcher[] = []
  readonly #shown = new WeakMap<Spot, Place>()

  constructor(needles: NeedleSet, { budget, ledger, masked, signal }: SearchContext) {
    this.budget = budget
    this.ledger = ledger
    this.needles = needles
    this.#masked = masked
    this.#signal = signal
    this.#leadBytes = leadBytes(needles)
    this.#hasSlash = needles.needles.some(({ bytes }) => bytes.includes(SLASH))
    const tooShort = new Set(needles.tooShort.map(({ name }) => name))
    this.names = needles.names.filter((name) => !tooShort.has(name))
  }

  async search(content: AsyncIterable<Uint8Array>, at: At): Promise<void> {
    await this.stream(content, at.spot, 'content', async (reader, pass) => {
      await reader.fill(HEAD_BYTES)
      const kind = recognise(reader.peek().subarray(0, HEAD_BYTES))
      if (kind?.name === 'tar') await this.walk(reader, { pass, base: 0 }, at)
      else if (kind !== undefined)
        await this.packed(kind, { whole: undefined, chunks: reader.take(Infinity) }, at)
      await reader.discard(Infinity)
      if (kind?.treatment === 'opaque') this.opaque(kind.name, reader.position)
    })
  }

  async look(content: AsyncIterable<Uint8Array>, at: At): Promise<void> {
    const reader = new ByteReader(content)
    await reader.fill(HEAD_BYTES)
    const kind = recognise(reader.peek().subarray(0, HEAD_BYTES))
    if (kind !== undefined) await this.packed(kind, { whole: undefined, chunks: reader.take(Infinity) }, at)
  }

  unread(spot: Spot, why: UnreadReason): void {
    this.ledger.unread(this.#placeOf(spot), why)
  }

  opaque(kind: string, bytes: number): void {
    this.ledger.opaque(kind, bytes)
  }

  /**
   * Searches a stream while `read` looks at its structure; all of it is searched, whatever `read` leaves.
   *
   * @param where - where the occurrences lie that `read` did not take from the pass.
   */
  async stream<T>(
    content: AsyncIterable<Uint8Array>,
    spot: Spot,
    where: Finding['where'],
    read: (reader: ByteReader, pass: Pass) => Promise<T>,
  ): Promise<T> {
    return this.passing(spot, where, async (pass) => {
      const reader = new ByteReader(pass.ahead(this.#guarded(content, spot)))
      try {
        const result = await read(reader, pass)
        await reader.discard(Infinity)
        return result
      } finally {
        await reader.close()
      }
    })
  }

  /** Searches a piece of a tar. What is wrong with the whole of it, and how long it is, is told by who cut it up. */
  async piece({ origin, lead, bytes, rest, isWhole }: TarPiece, at: At): Promise<void> {
    const searcher = this.#searcher()
    const pass = new Pass(searcher, lead.length)
    pass.push(lead)
    const reader = new ByteReader(pass.ahead(bytes, { rest, isWhole }))
    await this.walk(reader, { pass, base: lead.length, origin }, at)
    await reader.discard(Infinity)
    for (const hit of pass.before(Infinity)) {
      this.found(hit, at.spot, 'header', hit.start - lead.length + origin)
    }
    this.#return(searcher)
  }

  /** Has others search a tar by {@link Search.piece}, and reports what is wrong with the whole of it. Gives the number of its entries. */
  async pieces(
    content: AsyncIterable<Uint8Array>,
    spot: Spot,
    read: (
      checked: AsyncIterable<Uint8Array>,
    ) => Promise<{ entries: number; flaw: UnreadReason | undefined; bytes: number }>,
  ): Promise<number> {
    const { entries, flaw, bytes } = await read(this.#guarded(this.#counted(content), spot))
    if (flaw !== undefined) this.unread(spot, flaw)
    this.bytes += bytes
    return entries
  }

  /** Lends a pass for one stream, and reports what is left waiting in it. */
  async passing<T>(spot: Spot, where: Finding['where'], run: (pass: Pass) => Promise<T>): Promise<T> {
    const searcher = this.#searcher()
    const pass = new Pass(searcher)
    const result = await run(pass)
    for (const hit of pass.before(Infinity)) this.found(hit, spot, where, hit.start)
    this.bytes += pass.bytes
    this.#return(searcher)
    return result
  }

  /**
   * Walks the tar that the reader stands at, places what is found in it, opens what is packed in it.
   *
   * @returns the number of its entries.
   */
  async walk(reader: ByteReader, { pass, base, origin }: Stretch, at: At): Promise<number> {
    const walk = new TarWalk(reader, WANTS)
    for (;;) {
      walk.watch = pass.next - base
      const stop = walk.next()
      switch (stop.kind) {
        case 'bytes': {
          if (await reader.fill(stop.count)) break
          const flaw = walk.finish()
          if (flaw !== undefined && origin === undefined) this.unread(at.spot, flaw)
          return walk.entries
        }
        case 'damaged':
          if (origin === undefined) this.unread(at.spot, stop.why)
          return walk.entries
        case 'split':
          await this.#splitName(stop.entry, at, origin)
          break
        case 'watched': {
          const { entry } = stop
          const spot = within(at.spot, entry.path)
          for (const hit of pass.before(base + entry.end)) {
            const offset = hit.start - base
            const where = whereIn(entry, offset)
            this.found(
              hit,
              spot,
              where,
              where === 'content' ? offset - entry.content : offset + (origin ?? 0),
            )
          }
          break
        }
        case 'content':
          await this.#member(stop.entry, reader, { pass, base }, at)
      }
    }
  }

  /** Deals with packed content by its kind. */
  async packed(kind: Recognised, packed: Packed, at: At): Promise<void> {
    if (kind.treatment === 'open') {
      await this.#attempt(at.spot, () => open(kind.name, packed, { ...at, depth: at.depth + 1 }, this))
    } else if (kind.treatment === 'unread') this.unread(at.spot, 'not-opened')
  }

  /** Reports one occurrence. */
  found(hit: Hit, spot: Spot, where: Finding['where'], offset: number): void {
    const { secret, form } = this.#needleOf(hit)
    this.ledger.found({ ...this.#placeOf(spot), secret, form, where, offset })
  }

  /** Name of the secret that was found. */
  secretOf(hit: Hit): string {
    return this.#needleOf(hit).secret
  }

  /** Names are made fit to show only where there is something to tell: most archives have nothing in them. */
  #placeOf(spot: Spot): Place {
    const known = this.#shown.get(spot)
    if (known !== undefined) return known
    const [path, ...inner] = spot.steps.map((step) => placeText(step, this.#masked))
    const place: Place = {
      part: spot.part,
      ...(path === undefined ? {} : { path }),
      ...(inner.length === 0 ? {} : { inner }),
    }
    this.#shown.set(spot, place)
    return place
  }

  #needleOf({ needle }: Hit): Needle {
    const found = this.needles.needles[needle]
    if (found === undefined) throw new RangeError('a hit of a needle that is not in the set')
    return found
  }

  async #member(entry: TarEntry, reader: ByteReader, { pass, base }: Stretch, at: At): Promise<void> {
    const kind = recognise(reader.peek().subarray(0, Math.min(entry.size, HEAD_BYTES)), entry.path)
    if (kind === undefined) return
    if (kind.treatment === 'opaque') {
      this.opaque(kind.name, entry.size)
      return
    }
    const inner: At = { ...at, spot: within(at.spot, entry.path) }
    if (kind.name === 'tar') {
      // Its bytes pass the matcher already, as bytes of the archive around it.
      await this.#attempt(inner.spot, async () => {
        this.budget.enter(inner.depth + 1)
        const stretch: Stretch = { pass, base: base + entry.content }
        await this.walk(new ByteReader(reader.take(entry.size)), stretch, {
          ...inner,
          depth: inner.depth + 1,
        })
      })
      return
    }
    const isWhole = entry.size <= WHOLE_BYTES && (await reader.fill(entry.size))
    const packed: Packed = isWhole
      ? held(reader.peek().subarray(0, entry.size))
      : { whole: undefined, chunks: reader.take(entry.size) }
    await this.packed(kind, packed, inner)
  }

  /** Searches a name that its header holds in two pieces, for what lies across their joint; the pieces pass the matcher anyway. */
  async #splitName(entry: TarEntry, at: At, origin = 0): Promise<void> {
    if (!this.#hasSlash) return
    const spot = within(at.spot, entry.path)
    await this.passing(spot, 'name', (pass) => {
      pass.push(entry.path)
      pass.end()
      for (const hit of pass.before(entry.joint + 1)) {
        if (hit.end > entry.joint)
          this.found(hit, spot, 'name', origin + entry.header + FIELD.prefix[0] + hit.start)
      }
      for (const _ of pass.before(Infinity));
      return Promise.resolve()
    })
  }

  #searcher(): Searcher {
    return this.#idle.pop() ?? { matcher: new Matcher(this.needles), lead: new Lead(this.#leadBytes) }
  }

  #return(searcher: Searcher): void {
    searcher.matcher.reset()
    searcher.lead.reset()
    this.#idle.push(searcher)
  }

  async *#counted(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      this.bytes += chunk.length
      yield chunk
    }
  }

  /** Ends a stream that cannot be read on as a row of the report. */
  async *#guarded(source: AsyncIterable<Uint8Array>, spot: Spot): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of source) {
        this.#signal?.throwIfAborted()
        yield chunk
      }
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      this.unread(spot, error.why)
    }
  }

  async #attempt(spot: Spot, read: () => Promise<void>): Promise<void> {
    try {
      await read()
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      this.unread(spot, error.why)
    }
  }
}
