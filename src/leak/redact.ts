/**
 * Removes values from a byte stream as it passes, whatever way the stream is
 * cut into chunks.
 *
 * The class is the whole algorithm and touches no clock, no stream and no
 * console. It holds back only bytes that can still become the beginning of a
 * needle: a line without one leaves at once.
 *
 * @packageDocumentation
 */

import { Channel, OPEN_BYTES, type Stretch } from './channel.js'
import type { KernelName } from './kernel.js'
import type { NeedleSet } from './needles.js'
import { USER_INFO, UserInfoSearch } from './user-info.js'

/** What a run of secret bytes becomes; in a named mark the name follows in parentheses. */
export const MARK = '***'

/** How long a stream may be silent before what is held back is shown, in milliseconds: see {@link Redactor.flush}. */
export const SILENCE_MS = 250

/** How a redactor works. */
export interface RedactOptions {
  /** `named`: the mark tells the secret's name, `***(NAME)`. */
  readonly mark?: 'plain' | 'named'
  /** The fastest search that there is unless given. */
  readonly kernel?: KernelName
}

type OwnStretch = { -readonly [K in keyof Stretch]: Stretch[K] }

/** Redacts one stream. */
export class Redactor {
  readonly #isNamed: boolean
  readonly #kernel: KernelName | undefined
  readonly #channels: Channel[] = []
  readonly #userInfo = new UserInfoSearch()
  /** Bytes that have not been given, and where they begin in the stream. */
  #held: Uint8Array = NOTHING
  #given = 0
  #stretches: OwnStretch[] = []
  /** For each secret, the last stretch of the kind `secret`. */
  readonly #latest = new Map<string, OwnStretch>()
  /** The secret whose mark was written last, while nothing else was. */
  #marked: string | undefined

  constructor(needles: NeedleSet, options: RedactOptions = {}) {
    this.#isNamed = options.mark === 'named'
    this.#kernel = options.kernel
    this.add(needles)
  }

  /** Masks these needles too, from the bytes that are held back on. */
  add(needles: NeedleSet): void {
    const channel = new Channel(needles, { position: this.#given, kernel: this.#kernel }, (stretch) =>
      this.#add(stretch),
    )
    this.#channels.push(channel)
    channel.push(this.#held, false)
  }

  /** Whether bytes are held back. */
  get holding(): boolean {
    return this.#held.length > 0
  }

  /**
   * Takes the next bytes and gives those that are settled. The result can be a part of the chunk itself, so use it
   * before you write to the chunk again.
   */
  push(chunk: Uint8Array): Uint8Array {
    this.#take(chunk, false)
    return this.#give(this.#openFrom(1))
  }

  /**
   * Gives what is held back, but for the beginning of a needle of four bytes and more. For a stream that falls silent:
   * a prompt is shown, and a value that goes on afterwards is masked from there on.
   */
  flush(): Uint8Array {
    return this.#give(this.#openFrom(OPEN_BYTES))
  }

  /** Gives the last bytes. The redactor is spent. */
  end(): Uint8Array {
    this.#take(NOTHING, true)
    return this.#give(Infinity)
  }

  #take(chunk: Uint8Array, isLast: boolean): void {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    for (const channel of this.#channels) channel.push(chunk, isLast)
    const onUserInfo = (start: number, end: number): void =>
      this.#add({ secret: USER_INFO, start, end, kind: 'secret' })
    this.#userInfo.push(chunk, onUserInfo)
    if (isLast) this.#userInfo.end(onUserInfo)
  }

  /** A value of equal bytes is found at every byte: what overlaps becomes one stretch at once. */
  #add(stretch: Stretch): void {
    const last = this.#latest.get(stretch.secret)
    if (last !== undefined && last.end > this.#given && isOneWith(last, stretch)) {
      last.start = Math.min(last.start, stretch.start)
      last.end = Math.max(last.end, stretch.end)
      return
    }
    const own = { ...stretch }
    this.#stretches.push(own)
    if (own.kind === 'secret') this.#latest.set(own.secret, own)
  }

  /** Where in the stream the first byte is that may still have to be masked. */
  #openFrom(least: number): number {
    return this.#channels.reduce(
      (first, channel) => Math.min(first, channel.openFrom(least)),
      this.#userInfo.from,
    )
  }

  #give(until: number): Uint8Array {
    const count = Math.max(0, Math.min(this.#held.length, until - this.#given))
    const settled = this.#held.subarray(0, count)
    const masked = this.#stretches.some(({ start }) => start < this.#given + count)
    const out = masked ? this.#mask(settled) : settled
    if (!masked && count > 0) this.#marked = undefined
    // A copy: the chunk is the caller's again after the call.
    this.#held = count === this.#held.length ? NOTHING : new Uint8Array(this.#held.subarray(count))
    this.#given += count
    if (this.#stretches.length > 0) this.#stretches = this.#stretches.filter(({ end }) => end > this.#given)
    return out
  }

  #mask(settled: Uint8Array): Uint8Array {
    this.#stretches = this.#stretches.flatMap((stretch) => this.#cutAside(stretch))
    // Only the bytes between the first and the last stretch are looked at one by one.
    const [first, last] = this.#stretches.reduce(
      ([from, to], { start, end }) => [Math.min(from, start), Math.max(to, end)],
      [Infinity, 0],
    )
    const [begin, end] = [this.#bounded(first, settled.length), this.#bounded(last, settled.length)]
    const owners = this.#owners(begin, end)
    const out: Uint8Array[] = []
    let from = 0
    if (begin > 0) this.#marked = undefined
    for (let at = begin; at < end; at += 1) {
      const owner = owners[at - begin] ?? NOBODY
      if (owner > NOBODY) {
        if (at > from) out.push(settled.subarray(from, at))
        from = at + 1
        this.#mark(this.#stretches[owner - 1]?.secret ?? '', out)
      } else if (owner === NOBODY || settled[at] === LF) this.#marked = undefined
    }
    if (end < settled.length) this.#marked = undefined
    out.push(settled.subarray(from))
    return Buffer.concat(out)
  }

  /** A position of the stream as one in the bytes that are held. */
  #bounded(position: number, most: number): number {
    return Math.max(0, Math.min(most, position - this.#given))
  }

  #mark(secret: string, out: Uint8Array[]): void {
    const isNew = this.#isNamed ? this.#marked !== secret : this.#marked === undefined
    if (isNew) out.push(Buffer.from(this.#isNamed ? `${MARK}(${secret})` : MARK, 'utf8'))
    this.#marked = secret
  }

  /**
   * For each byte from `from` to before `to` whose it is: 1 + the place of a stretch, {@link NOBODY} or {@link BETWEEN}. The
   * stretch that begins first counts.
   */
  #owners(from: number, to: number): Int32Array {
    this.#stretches.sort((a, b) => b.start - a.start || a.end - b.end)
    const owners = new Int32Array(to - from)
    for (const isBetween of [true, false]) {
      for (const [number, { start, end, kind }] of this.#stretches.entries()) {
        if ((kind === 'between') !== isBetween) continue
        const first = this.#bounded(start, to) - from
        owners.fill(isBetween ? BETWEEN : number + 1, Math.max(0, first), this.#bounded(end, to) - from)
      }
    }
    return owners
  }

  /** Ends an `aside` stretch at the end of its line, where that has come. */
  #cutAside(stretch: OwnStretch): readonly OwnStretch[] {
    if (stretch.kind !== 'aside') return [stretch]
    const from = Math.max(0, stretch.start - this.#given)
    const feed = this.#held.indexOf(LF, from)
    if (feed === -1) return [stretch]
    const lineEnd = this.#given + (feed > from && this.#held[feed - 1] === CR ? feed - 1 : feed)
    if (lineEnd >= stretch.end) return [{ ...stretch, kind: 'secret' }]
    const secret: OwnStretch = { ...stretch, end: lineEnd, kind: 'secret' }
    return stretch.end === Infinity ? [secret] : [secret, { ...stretch, start: lineEnd, kind: 'between' }]
  }
}

const NOTHING = new Uint8Array(0)
const NOBODY = 0
const BETWEEN = -1
const LF = 0x0a
const CR = 0x0d

const isOneWith = (last: Stretch, next: Stretch): boolean =>
  next.kind === 'secret' && next.start <= last.end && next.end >= last.start

/** Redacts a text that is whole: a name, a sentence of an error. */
export function redactText(text: string, needles: NeedleSet, options: RedactOptions = {}): string {
  const redactor = new Redactor(needles, options)
  return Buffer.concat([redactor.push(Buffer.from(text, 'utf8')), redactor.end()]).toString('utf8')
}
