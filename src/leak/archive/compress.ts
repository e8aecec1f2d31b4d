/**
 * Unpacks what `compress` wrote (`.Z`), which test data of scientific packages
 * still are.
 *
 * Format: `compress` in POSIX names the algorithm only; the layout of the codes
 * is that of compress 4.0 and of gzip's `unlzw.c`,
 * https://git.savannah.gnu.org/cgit/gzip.git/tree/unlzw.c.
 *
 * @packageDocumentation
 */

import { ByteReader } from '../../bytes/byte-reader.js'
import { Unreadable } from './unreadable.js'

const HEADER_BYTES = 3
const FIRST_BITS = 9
const MOST_BITS = 16
/** In the third byte: how wide codes get, whether there is a code that clears the table, and what no program sets. */
const BITS_MASK = 0x1f
const BLOCK_MASK = 0x80
const RESERVED_MASK = 0x60
const CLEAR = 256

/** Codes are written eight at a time: so many bytes as a code has bits. */
const GROUP = 8

/** Content that is handed on at once, in bytes. */
const PIECE_BYTES = 64 * 1024

/**
 * The content of one stream. It has no end of its own, so what follows it is taken for more of it.
 *
 * @throws {@link Unreadable} `truncated` where the header is cut off, `damaged`, or `unknown-method`.
 */
export async function* uncompress(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(source)
  if (!(await reader.fill(HEADER_BYTES))) throw new Unreadable('truncated')
  const [, , flags = 0] = reader.peek()
  reader.skip(HEADER_BYTES)
  const mostBits = flags & BITS_MASK
  // Programs disagree about codes that may not grow.
  if ((flags & RESERVED_MASK) !== 0 || mostBits > MOST_BITS || mostBits <= FIRST_BITS) {
    throw new Unreadable('unknown-method')
  }
  const table = new Table(mostBits, (flags & BLOCK_MASK) !== 0)
  for (;;) {
    const bits = table.bits
    const isWhole = await reader.fill(bits)
    const group = reader.peek().subarray(0, bits)
    if (group.length === 0) break
    for (let code = 0; code < GROUP && (code + 1) * bits <= group.length * 8; code += 1) {
      table.take(codeAt(group, code * bits, bits))
      // What is left of a group is padding once codes have another width.
      if (table.isRealigned) break
    }
    reader.skip(group.length)
    if (table.written >= PIECE_BYTES) yield table.content()
    if (!isWhole) break
  }
  if (table.written > 0) yield table.content()
}

/** A code of `bits` bits from a bit on, the lowest bit first. */
function codeAt(bytes: Uint8Array, from: number, bits: number): number {
  const at = from >> 3
  const three = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16)
  return (three >> (from & 7)) & ((1 << bits) - 1)
}

/** The strings that codes stand for, and what was written so far. */
class Table {
  bits = FIRST_BITS
  /** Whether the last code changed the width or cleared the table. */
  isRealigned = false
  readonly #mostBits: number
  readonly #isBlocked: boolean
  readonly #first: number
  /** For each code the one it goes on from, and its last byte. */
  readonly #prefixes: Uint16Array
  readonly #suffixes: Uint8Array
  /** The string of one code, from its end. */
  readonly #reversed: Uint8Array
  #free: number
  #previous = -1
  /** First byte of the last string. */
  #lead = 0
  #content = new Uint8Array(2 * PIECE_BYTES)
  written = 0

  constructor(mostBits: number, isBlocked: boolean) {
    this.#mostBits = mostBits
    this.#isBlocked = isBlocked
    this.#first = isBlocked ? CLEAR + 1 : CLEAR
    this.#free = this.#first
    this.#prefixes = new Uint16Array(1 << mostBits)
    this.#suffixes = Uint8Array.from({ length: 1 << mostBits }, (_, code) => (code < 256 ? code : 0))
    this.#reversed = new Uint8Array(1 << mostBits)
  }

  take(code: number): void {
    this.isRealigned = false
    if (code === CLEAR && this.#isBlocked) {
      this.#free = this.#first
      this.#previous = -1
      this.bits = FIRST_BITS
      this.isRealigned = true
      return
    }
    const isFirst = this.#previous === -1
    // The string of a code that is only now made is the last one and its own first byte.
    const isNew = !isFirst && code === this.#free
    if (isFirst ? code > 255 : code > this.#free) throw new Unreadable('damaged')
    let length = 0
    let at = code
    if (isNew) {
      this.#reversed[length] = this.#lead
      length += 1
      at = this.#previous
    }
    for (; at > 255; at = this.#prefixes[at] ?? 0) {
      this.#reversed[length] = this.#suffixes[at] ?? 0
      length += 1
    }
    this.#lead = at
    this.#write(at)
    for (let left = length - 1; left >= 0; left -= 1) this.#write(this.#reversed[left] ?? 0)
    if (!isFirst && this.#free < 1 << this.#mostBits) {
      this.#prefixes[this.#free] = this.#previous
      this.#suffixes[this.#free] = this.#lead
      this.#free += 1
    }
    this.#previous = code
    if (this.#free > (1 << this.bits) - 1 && this.bits < this.#mostBits) {
      this.bits += 1
      this.isRealigned = true
    }
  }

  /** What was written since it was asked for last. */
  content(): Uint8Array {
    const content = this.#content.slice(0, this.written)
    this.written = 0
    return content
  }

  #write(byte: number): void {
    if (this.written === this.#content.length) {
      const grown = new Uint8Array(2 * this.written)
      grown.set(this.#content)
      this.#content = grown
    }
    this.#content[this.written] = byte
    this.written += 1
  }
}
