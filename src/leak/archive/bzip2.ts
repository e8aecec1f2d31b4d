/**
 * Unpacks bzip2, block by block.
 *
 * Written here because the packages there are cannot be given hostile input:
 * a run length that overflows keeps them busy for ever, and 113 bytes of input
 * made one of them take 1.8 GB. Format: https://github.com/dsnet/compress/blob/master/doc/bzip2-format.pdf,
 * where the section numbers below point to.
 *
 * @packageDocumentation
 */

import { ByteReader } from '../../bytes/byte-reader.js'
import { requirePadding } from './padding.js'
import { Unreadable } from './unreadable.js'

/**
 * More than the largest packed block, in bytes: 18,002 groups of 50 symbols of 20 bits, and the tables (2.2.3). When
 * that much is buffered, a block that does not end is damaged and not cut off.
 */
const MAX_BLOCK_BYTES = 2_300_000
const BLOCK_MAGIC = 0x314159265359
const END_MAGIC = 0x177245385090
const MAX_CODE_BITS = 20
const GROUP_SIZE = 50
/** A run is written in binary digits of 1 and 2; with this many it is longer than any block. */
const MAX_RUN_DIGITS = 21
const PIECE_BYTES = 64 * 1024

/**
 * The content of a bzip2 stream, or of several one after another.
 *
 * @throws {@link Unreadable} `truncated`, `damaged`, `unknown-method` for blocks of bzip2 before 0.9.5, `trailing-data`.
 */
export async function* bunzip2(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(source)
  for (let first = true; ; first = false) {
    await reader.fill(4)
    const [b, z, h, digit = 0] = reader.peek()
    const level = digit - 0x30
    if (b !== 0x42 || z !== 0x5a || h !== 0x68 || level < 1 || level > 9) {
      if (first) throw new Unreadable('damaged')
      return requirePadding(reader.take(Infinity))
    }
    reader.skip(4)
    yield* blocks(reader, level * 100_000)
  }
}

async function* blocks(reader: ByteReader, capacity: number): AsyncGenerator<Uint8Array> {
  let odd = 0
  let streamCheck = 0
  for (;;) {
    const isMore = await reader.fill(MAX_BLOCK_BYTES)
    const bits = new Bits(reader.peek(), odd, isMore)
    const magic = bits.read(24) * 0x1000000 + bits.read(24)
    const check = bits.read(16) * 0x10000 + bits.read(16)
    if (magic === END_MAGIC) {
      if (check !== streamCheck) throw new Unreadable('damaged')
      reader.skip(Math.ceil(bits.position / 8))
      return
    }
    if (magic !== BLOCK_MAGIC) throw new Unreadable('damaged')
    const block = readBlock(bits, capacity)
    reader.skip(bits.position >> 3)
    odd = bits.position & 7
    if ((yield* unpackBlock(block)) !== check) throw new Unreadable('damaged')
    streamCheck = (((streamCheck << 1) | (streamCheck >>> 31)) ^ check) >>> 0
  }
}

/** A block whose symbols were decoded: `bytes` holds the last column of the sorted rotations. */
interface Block {
  readonly bytes: Uint8Array
  readonly origin: number
}

/** Bits, the highest of a byte first. */
class Bits {
  readonly #bytes: Uint8Array
  readonly #isMore: boolean
  #at: number
  #held = 0
  #count = 0

  /**
   * @param odd - bits of the first byte that were used before.
   * @param isMore - whether the stream goes on behind `bytes`.
   */
  constructor(bytes: Uint8Array, odd: number, isMore: boolean) {
    this.#bytes = bytes
    this.#isMore = isMore
    this.#at = 0
    if (odd > 0) this.read(odd)
  }

  /** Bits used so far. */
  get position(): number {
    return this.#at * 8 - this.#count
  }

  /** The next bits as a number, at most 24. */
  read(count: number): number {
    while (this.#count < count) {
      const byte = this.#bytes[this.#at]
      if (byte === undefined) throw new Unreadable(this.#isMore ? 'damaged' : 'truncated')
      this.#at += 1
      this.#held = ((this.#held << 8) | byte) & 0x7fffffff
      this.#count += 8
    }
    this.#count -= count
    return (this.#held >>> this.#count) & ((1 << count) - 1)
  }
}

/** Reads one block after its checksum: tables, then symbols (2.2.3 and 2.2.4). */
function readBlock(bits: Bits, capacity: number): Block {
  if (bits.read(1) === 1) throw new Unreadable('unknown-method')
  const origin = bits.read(24)
  const used = usedBytes(bits)
  const tableCount = bits.read(3)
  const selectorCount = bits.read(15)
  if (used.length === 0 || tableCount < 2 || tableCount > 6 || selectorCount === 0)
    throw new Unreadable('damaged')
  const selectors = readSelectors(bits, selectorCount, tableCount)
  const endSymbol = used.length + 1
  const tables = Array.from({ length: tableCount }, () => new Code(readLengths(bits, endSymbol + 1)))

  const bytes = new Uint8Array(capacity)
  let count = 0
  let run = 0
  let digits = 0
  for (const selector of selectors) {
    const table = tables[selector]
    for (let index = 0; index < GROUP_SIZE; index += 1) {
      const symbol = table?.read(bits) ?? endSymbol
      if (symbol <= 1) {
        if (digits === MAX_RUN_DIGITS) throw new Unreadable('damaged')
        run += (symbol + 1) << digits
        digits += 1
        continue
      }
      if (digits > 0) {
        if (count + run > capacity) throw new Unreadable('damaged')
        bytes.fill(used[0] ?? 0, count, count + run)
        count += run
        run = 0
        digits = 0
      }
      if (symbol === endSymbol) {
        if (origin >= count) throw new Unreadable('damaged')
        return { bytes: bytes.subarray(0, count), origin }
      }
      if (count === capacity) throw new Unreadable('damaged')
      const byte = used[symbol - 1] ?? 0
      used.copyWithin(1, 0, symbol - 1)
      used[0] = byte
      bytes[count] = byte
      count += 1
    }
  }
  throw new Unreadable('damaged')
}

/** The byte values that occur in the block, in order: a map of 16 times 16 bits. */
function usedBytes(bits: Bits): Uint8Array {
  const rows = bits.read(16)
  const used: number[] = []
  for (let row = 0; row < 16; row += 1) {
    if ((rows & (0x8000 >> row)) === 0) continue
    const columns = bits.read(16)
    for (let column = 0; column < 16; column += 1) {
      if ((columns & (0x8000 >> column)) !== 0) used.push(row * 16 + column)
    }
  }
  return Uint8Array.from(used)
}

/** Which table each group of symbols uses, written as distances in a list that moves the last one used to its front. */
function readSelectors(bits: Bits, count: number, tableCount: number): Uint8Array {
  const order = Array.from({ length: tableCount }, (_, index) => index)
  const selectors = new Uint8Array(count)
  for (let index = 0; index < count; index += 1) {
    let distance = 0
    while (bits.read(1) === 1) {
      distance += 1
      if (distance === tableCount) throw new Unreadable('damaged')
    }
    const [selector = 0] = order.splice(distance, 1)
    order.unshift(selector)
    selectors[index] = selector
  }
  return selectors
}

/** Lengths of the codes of one table, each written as its difference to the one before. */
function readLengths(bits: Bits, symbolCount: number): Uint8Array {
  const lengths = new Uint8Array(symbolCount)
  let length = bits.read(5)
  for (let symbol = 0; symbol < symbolCount; symbol += 1) {
    for (;;) {
      if (length < 1 || length > MAX_CODE_BITS) throw new Unreadable('damaged')
      if (bits.read(1) === 0) break
      length += bits.read(1) === 0 ? 1 : -1
    }
    lengths[symbol] = length
  }
  return lengths
}

/** A canonical prefix code: codes of one length are consecutive numbers, in the order of their symbols. */
class Code {
  /** For each length the first number that is no code of this length. */
  readonly #ends = new Int32Array(MAX_CODE_BITS + 1)
  /** For each length what to add to a code for its place in `#symbols`. */
  readonly #shifts = new Int32Array(MAX_CODE_BITS + 1)
  readonly #symbols: Uint16Array
  readonly #shortest: number

  constructor(lengths: Uint8Array) {
    this.#symbols = new Uint16Array(lengths.length)
    this.#shortest = Math.min(...lengths)
    let next = 0
    let placed = 0
    for (let length = 1; length <= MAX_CODE_BITS; length += 1) {
      this.#shifts[length] = placed - next
      for (const [symbol, own] of lengths.entries()) {
        if (own !== length) continue
        this.#symbols[placed] = symbol
        placed += 1
        next += 1
      }
      this.#ends[length] = next
      next *= 2
    }
  }

  read(bits: Bits): number {
    let code = bits.read(this.#shortest)
    for (let length = this.#shortest; length <= MAX_CODE_BITS; length += 1) {
      if (code < (this.#ends[length] ?? 0)) return this.#symbols[code + (this.#shifts[length] ?? 0)] ?? 0
      code = code * 2 + bits.read(1)
    }
    throw new Unreadable('damaged')
  }
}

/** Undoes the sorting of the rotations and the first run-length code (2.2.1 and 2.2.2). Gives the checksum of what came out. */
function* unpackBlock({ bytes, origin }: Block): Generator<Uint8Array, number> {
  const next = successors(bytes)
  let piece = new Uint8Array(PIECE_BYTES)
  let filled = 0
  let check = 0xffffffff
  let row = next[origin] ?? 0
  let last = -1
  let alike = 0
  for (let left = bytes.length; left > 0; left -= 1) {
    const byte = bytes[row] ?? 0
    row = next[row] ?? 0
    // Four bytes alike are followed by the number of further ones.
    const isCount = alike === 4
    const copies = isCount ? byte : 1
    const value = isCount ? last : byte
    alike = isCount ? 0 : byte === last ? alike + 1 : 1
    last = value
    for (let copy = 0; copy < copies; copy += 1) {
      if (filled === PIECE_BYTES) {
        yield piece
        piece = new Uint8Array(PIECE_BYTES)
        filled = 0
      }
      piece[filled] = value
      filled += 1
      check = ((check << 8) ^ (CHECKS[(check >>> 24) ^ value] ?? 0)) >>> 0
    }
  }
  yield piece.subarray(0, filled)
  return ~check >>> 0
}

/** For each place in the last column, the place of the byte that follows it in the text. */
function successors(bytes: Uint8Array): Uint32Array {
  const starts = new Uint32Array(0x101)
  for (const byte of bytes) starts[byte + 1] = (starts[byte + 1] ?? 0) + 1
  for (let byte = 1; byte <= 0x100; byte += 1) starts[byte] = (starts[byte] ?? 0) + (starts[byte - 1] ?? 0)
  const next = new Uint32Array(bytes.length)
  for (let place = 0; place < bytes.length; place += 1) {
    const byte = bytes[place] ?? 0
    const start = starts[byte] ?? 0
    next[start] = place
    starts[byte] = start + 1
  }
  return next
}

/** CRC-32 with the polynomial 0x04c11db7, highest bit first (2.1). */
const CHECKS = Uint32Array.from({ length: 0x100 }, (_, byte) => {
  let check = byte << 24
  for (let bit = 0; bit < 8; bit += 1) check = (check << 1) ^ (check < 0 ? 0x04c11db7 : 0)
  return check >>> 0
})
