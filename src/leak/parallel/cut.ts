/**
 * Cuts a tar into pieces on its way by and sends them to threads.
 *
 * @packageDocumentation
 */

import { ByteReader } from '../../bytes/byte-reader.js'
import { TarWalk, type TarFlaw } from '../../bytes/tar-walk.js'
import { spanOf } from '../broken.js'
import { HISTORY_BYTES } from '../kernel.js'
import type { NeedleSet } from '../needles.js'
import type { PieceSender, Team } from './team.js'

/** How far behind a piece an occurrence that starts in it may go on, with the lines that tell whether it is one, in bytes. */
export const restBytes = ({ needles }: NeedleSet): number =>
  needles.reduce((most, needle) => Math.max(most, spanOf(needle)), 0) + 2 * HISTORY_BYTES

/** Larger rests would be searched twice too often: a layer is searched by one thread then. */
export const MOST_REST_BYTES = 2 ** 20

/** What can be said of a tar without searching it. */
export interface CutTar {
  readonly entries: number
  readonly flaw: TarFlaw | undefined
}

/** Sends a tar to the threads. */
export async function cutTar(
  source: AsyncIterable<Uint8Array>,
  { team, part, rest }: { readonly team: Team; readonly part: string; readonly rest: number },
): Promise<CutTar> {
  const cutter = new Cutter(team, part, rest)
  const reader = new ByteReader(cutter.through(source, () => walk.boundary))
  const walk: TarWalk = new TarWalk(reader, { content: () => false, name: () => false })
  const walked = await walkAll(walk, reader)
  // What follows the archive, or what is none, is searched all the same.
  await reader.discard(Infinity)
  return walked
}

async function walkAll(walk: TarWalk, reader: ByteReader): Promise<CutTar> {
  for (;;) {
    const stop = walk.next()
    if (stop.kind === 'damaged') return { entries: walk.entries, flaw: stop.why }
    if (stop.kind === 'bytes' && !(await reader.fill(stop.count)))
      return { entries: walk.entries, flaw: walk.finish() }
  }
}

/** Decides where to cut: a chunk is sent when the walk has gone over it. */
class Cutter {
  readonly #team: Team
  readonly #part: string
  readonly #rest: number
  /** Position of the chunk that is held. */
  #position = 0
  #held: Uint8Array = new Uint8Array(0)
  /** What stands before the chunk that is held. */
  #before: Uint8Array = new Uint8Array(0)
  #piece: PieceSender
  #begin = 0
  /** Pieces that were cut, with the bytes behind them that they have yet to get. */
  #cut: { readonly piece: PieceSender; left: number }[] = []

  constructor(team: Team, part: string, rest: number) {
    this.#team = team
    this.#part = part
    this.#rest = rest
    this.#piece = team.open(part, 0, this.#before)
  }

  async *through(source: AsyncIterable<Uint8Array>, boundary: () => number): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      this.#held = chunk
      yield chunk
      // Who asks for the next one has walked over this one, and its memory is the source's once it is asked.
      await this.#flush(boundary())
    }
    this.#piece.cut(true)
    this.#piece.end()
    for (const { piece } of this.#cut) piece.end()
  }

  /** Sends the chunk that is held, and cuts in it where an entry begins at `boundary` and the piece is long enough. */
  async #flush(boundary: number): Promise<void> {
    const held = this.#held
    const at = boundary - this.#position
    await this.#sendRests(held)
    if (at >= 0 && at < held.length && boundary - this.#begin >= this.#team.pieceBytes) {
      await this.#send(held.subarray(0, at))
      this.#piece.cut(false)
      this.#cut.push({ piece: this.#piece, left: this.#rest })
      const lead = Buffer.concat([this.#before, held.subarray(0, at)]).subarray(-HISTORY_BYTES)
      this.#piece = this.#team.open(this.#part, boundary, new Uint8Array(lead))
      this.#begin = boundary
      await this.#sendRests(held.subarray(at), this.#cut.slice(-1))
      await this.#send(held.subarray(at))
    } else await this.#send(held)
    this.#before = new Uint8Array(
      Buffer.concat([this.#before, held.subarray(-HISTORY_BYTES)]).subarray(-HISTORY_BYTES),
    )
    this.#position += held.length
    this.#held = new Uint8Array(0)
  }

  async #send(bytes: Uint8Array): Promise<void> {
    if (bytes.length > 0) await this.#piece.send('bytes', bytes)
  }

  async #sendRests(bytes: Uint8Array, to = this.#cut): Promise<void> {
    for (const one of to) {
      const share = bytes.subarray(0, one.left)
      if (share.length > 0) await one.piece.send('rest', share)
      one.left -= share.length
      if (one.left === 0) one.piece.end()
    }
    this.#cut = this.#cut.filter(({ left }) => left > 0)
  }
}
