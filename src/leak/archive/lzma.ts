/**
 * Unpacks LZMA in the format that stood before xz (`.lzma`, "LZMA alone"),
 * which Python's `lzma` and `joblib` still write. xz-decompress knows the newer
 * one only.
 *
 * Format and names of the parts of the decoder: lzma-specification.txt in the
 * LZMA SDK, https://www.7-zip.org/sdk.html.
 *
 * @packageDocumentation
 */

import { ByteReader } from '../../bytes/byte-reader.js'
import { requirePadding } from './padding.js'
import { Unreadable } from './unreadable.js'

/** Properties, size of the dictionary, size of the content; then five bytes that the range decoder begins with. */
const HEADER_BYTES = 13
const BEGIN_BYTES = 5

/** Largest dictionary, in bytes. `xz --lzma1 -9` takes 64 MiB. */
const MAX_DICTIONARY_BYTES = 2 ** 27
const LEAST_DICTIONARY_BYTES = 4096

/** A packet takes no more of the input: `LZMA_REQUIRED_INPUT_MAX` in LzmaDec.c of the SDK. */
const PACKET_BYTES = 20

/** Content that is handed on at once, in bytes. */
const PIECE_BYTES = 64 * 1024

const TOP = 2 ** 24
const MODEL_BITS = 11
const HALF = 1 << (MODEL_BITS - 1)
const MOVE_BITS = 5

const STATES = 12
const POSITION_STATES = 16
const LITERALS = 0x300
const ALIGN_BITS = 4
const FULL_DISTANCES = 128
const END_MODEL = 14
const LEAST_MATCH = 2
/** Probabilities of a decoder of lengths: two choices, then 8 for each position, 8 for each, and 256. */
const LENGTHS = 2 + POSITION_STATES * 8 * 2 + 256

/** Where the probabilities of each kind begin in one array. */
const AT = (() => {
  let next = 0
  const take = (count: number): number => {
    next += count
    return next - count
  }
  return {
    isMatch: take(STATES * POSITION_STATES),
    isRep: take(STATES),
    isRep0: take(STATES),
    isRep1: take(STATES),
    isRep2: take(STATES),
    isRep0Long: take(STATES * POSITION_STATES),
    slots: take(4 * 64),
    special: take(1 + FULL_DISTANCES - END_MODEL),
    align: take(1 << ALIGN_BITS),
    lengths: take(LENGTHS),
    repLengths: take(LENGTHS),
    literals: next,
  }
})()

/** Whether a stream may begin here: the range decoder begins with a zero. Weak, but there is no other sign than the header. */
export const beginsLzma = (head: Uint8Array): boolean =>
  head.length >= HEADER_BYTES + BEGIN_BYTES && head[HEADER_BYTES] === 0

/**
 * The content of one stream.
 *
 * @throws {@link Unreadable} `truncated`, `damaged`, `trailing-data` or `window-too-large`.
 */
export async function* unlzma(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(source)
  if (!(await reader.fill(HEADER_BYTES + BEGIN_BYTES))) throw new Unreadable('truncated')
  const header = Uint8Array.from(reader.peek().subarray(0, HEADER_BYTES + BEGIN_BYTES))
  reader.skip(header.length)
  const view = new DataView(header.buffer)
  const size = view.getBigUint64(5, true)
  const decoder = new Decoder(view)
  const total = size === 2n ** 64n - 1n ? Infinity : Number(size)
  let told = 0
  while (!decoder.isOver) {
    const isWhole = decoder.written === total
    // Where the size is known, an end marker may follow and need not.
    if (isWhole && decoder.isSettled) break
    const isLast = !(await reader.fill(PACKET_BYTES))
    const used = decoder.run(reader.peek(), { isLast, until: Math.min(total, told + PIECE_BYTES), isWhole })
    if (used > reader.buffered) throw new Unreadable('truncated')
    reader.skip(used)
    if (decoder.written > total) throw new Unreadable('damaged')
    if (decoder.written - told >= PIECE_BYTES || decoder.written === total) {
      yield* decoder.content(told)
      told = decoder.written
    }
  }
  yield* decoder.content(told)
  if (!decoder.isSettled) throw new Unreadable('damaged')
  if (total !== Infinity && decoder.written !== total) throw new Unreadable('truncated')
  return requirePadding(reader.take(Infinity))
}

class Decoder {
  /** Bytes of content so far. */
  written = 0
  isOver = false
  readonly #window: Uint8Array
  readonly #dictionaryBytes: number
  readonly #probabilities: Uint16Array
  readonly #literalContext: number
  readonly #literalPosition: number
  readonly #positionMask: number
  #input: Uint8Array = new Uint8Array(0)
  #at = 0
  #range = 0xffffffff
  #code: number
  #state = 0
  #reps: [number, number, number, number] = [0, 0, 0, 0]

  constructor(header: DataView) {
    const properties = header.getUint8(0)
    if (properties >= 9 * 5 * 5) throw new Unreadable('damaged')
    this.#literalContext = properties % 9
    this.#literalPosition = Math.floor(properties / 9) % 5
    this.#positionMask = (1 << Math.floor(properties / 45)) - 1
    this.#dictionaryBytes = Math.max(LEAST_DICTIONARY_BYTES, header.getUint32(1, true))
    if (this.#dictionaryBytes > MAX_DICTIONARY_BYTES) throw new Unreadable('window-too-large')
    // What was not handed on yet must not be overwritten.
    this.#window = new Uint8Array(this.#dictionaryBytes + 2 * PIECE_BYTES)
    const literals = LITERALS << (this.#literalContext + this.#literalPosition)
    this.#probabilities = new Uint16Array(AT.literals + literals).fill(HALF)
    if (header.getUint8(HEADER_BYTES) !== 0) throw new Unreadable('damaged')
    this.#code = header.getUint32(HEADER_BYTES + 1)
  }

  /** Whether the range decoder is where a stream may end. */
  get isSettled(): boolean {
    return this.#code === 0
  }

  /**
   * Decodes packets while they are sure to be in `input` whole.
   *
   * @returns how many bytes were used: more than there are where the input ends too early.
   */
  run(
    input: Uint8Array,
    { isLast, until, isWhole }: { isLast: boolean; until: number; isWhole: boolean },
  ): number {
    this.#input = input
    this.#at = 0
    const safe = isLast ? input.length : input.length - PACKET_BYTES
    do {
      if (!this.#packet(isWhole ? 0 : until)) this.isOver = true
    } while (!this.isOver && this.#at <= safe && this.written < until)
    return this.#at
  }

  /** What was written since `from`, as copies. */
  *content(from: number): Generator<Uint8Array> {
    for (let at = from; at < this.written;) {
      const start = at % this.#window.length
      const end = Math.min(this.#window.length, start + this.written - at)
      yield this.#window.slice(start, end)
      at += end - start
    }
  }

  /** Decodes one packet. `false` for the end marker. */
  #packet(until: number): boolean {
    const position = this.written & this.#positionMask
    const at = (this.#state << 4) + position
    if (this.#bit(AT.isMatch + at) === 0) {
      if (until === 0) throw this.#flaw()
      this.#literal()
      return true
    }
    let length: number
    if (this.#bit(AT.isRep + this.#state) === 0) {
      const [first, second, third] = this.#reps
      length = this.#length(AT.lengths, position)
      this.#state = this.#state < 7 ? 7 : 10
      const distance = this.#distance(length)
      this.#reps = [distance, first, second, third]
      if (distance === 0xffffffff) return false
    } else {
      if (this.written === 0) throw this.#flaw()
      if (this.#bit(AT.isRep0 + this.#state) === 0) {
        if (this.#bit(AT.isRep0Long + at) === 0) {
          this.#state = this.#state < 7 ? 9 : 11
          this.#copy(1, until)
          return true
        }
      } else this.#chooseRep()
      length = this.#length(AT.repLengths, position)
      this.#state = this.#state < 7 ? 8 : 11
    }
    this.#copy(length + LEAST_MATCH, until)
    return true
  }

  #chooseRep(): void {
    const [first, second, third, fourth] = this.#reps
    if (this.#bit(AT.isRep1 + this.#state) === 0) this.#reps = [second, first, third, fourth]
    else if (this.#bit(AT.isRep2 + this.#state) === 0) this.#reps = [third, first, second, fourth]
    else this.#reps = [fourth, first, second, third]
  }

  #copy(length: number, until: number): void {
    const distance = this.#reps[0] + 1
    if (distance > this.written || distance > this.#dictionaryBytes) throw this.#flaw()
    if (until === 0) throw this.#flaw()
    for (let left = length; left > 0; left -= 1) this.#write(this.#back(distance))
  }

  #literal(): void {
    const previous = this.written > 0 ? this.#back(1) : 0
    const low = (this.written & ((1 << this.#literalPosition) - 1)) << this.#literalContext
    const base = AT.literals + LITERALS * (low + (previous >> (8 - this.#literalContext)))
    let symbol = 1
    if (this.#state >= 7) {
      let match = this.#reps[0] + 1 > this.written ? 0 : this.#back(this.#reps[0] + 1)
      while (symbol < 0x100) {
        const matched = (match >> 7) & 1
        match = (match << 1) & 0xff
        const bit = this.#bit(base + ((1 + matched) << 8) + symbol)
        symbol = (symbol << 1) | bit
        if (matched !== bit) break
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.#bit(base + symbol)
    this.#write(symbol & 0xff)
    this.#state = this.#state < 4 ? 0 : this.#state < 10 ? this.#state - 3 : this.#state - 6
  }

  #length(base: number, position: number): number {
    if (this.#bit(base) === 0) return this.#tree(base + 2 + (position << 3), 3)
    if (this.#bit(base + 1) === 0) return 8 + this.#tree(base + 2 + (POSITION_STATES + position) * 8, 3)
    return 16 + this.#tree(base + 2 + POSITION_STATES * 16, 8)
  }

  #distance(length: number): number {
    const slot = this.#tree(AT.slots + (Math.min(length, 3) << 6), 6)
    if (slot < 4) return slot
    const bits = (slot >> 1) - 1
    const distance = ((2 | (slot & 1)) << bits) >>> 0
    if (slot < END_MODEL) return distance + this.#reverseTree(AT.special + distance - slot, bits)
    const direct = this.#direct(bits - ALIGN_BITS) * (1 << ALIGN_BITS)
    return (distance + direct + this.#reverseTree(AT.align, ALIGN_BITS)) >>> 0
  }

  #tree(base: number, bits: number): number {
    let symbol = 1
    for (let bit = 0; bit < bits; bit += 1) symbol = (symbol << 1) + this.#bit(base + symbol)
    return symbol - (1 << bits)
  }

  #reverseTree(base: number, bits: number): number {
    let node = 1
    let symbol = 0
    for (let index = 0; index < bits; index += 1) {
      const bit = this.#bit(base + node)
      node = (node << 1) + bit
      symbol |= bit << index
    }
    return symbol
  }

  #direct(bits: number): number {
    let result = 0
    for (let left = bits; left > 0; left -= 1) {
      this.#range >>>= 1
      const isOne = this.#code >= this.#range
      if (isOne) this.#code -= this.#range
      this.#normalize()
      result = result * 2 + Number(isOne)
    }
    return result
  }

  #bit(at: number): 0 | 1 {
    const probability = this.#probabilities[at] ?? HALF
    const bound = (this.#range >>> MODEL_BITS) * probability
    if (this.#code < bound) {
      this.#probabilities[at] = probability + (((1 << MODEL_BITS) - probability) >> MOVE_BITS)
      this.#range = bound
      this.#normalize()
      return 0
    }
    this.#probabilities[at] = probability - (probability >> MOVE_BITS)
    this.#code -= bound
    this.#range -= bound
    this.#normalize()
    return 1
  }

  #normalize(): void {
    if (this.#range >= TOP) return
    this.#range = (this.#range << 8) >>> 0
    // Beyond the end zeros are read: that it was the end is told by how many bytes were used.
    this.#code = ((this.#code << 8) | (this.#input[this.#at] ?? 0)) >>> 0
    this.#at += 1
  }

  /** What is wrong where no packet can be. */
  #flaw(): Unreadable {
    return new Unreadable(this.#at > this.#input.length ? 'truncated' : 'damaged')
  }

  #back(distance: number): number {
    return this.#window[(this.written - distance) % this.#window.length] ?? 0
  }

  #write(byte: number): void {
    this.#window[this.written % this.#window.length] = byte
    this.written += 1
  }
}
