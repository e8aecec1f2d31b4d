/**
 * The search, in AssemblyScript (https://www.assemblyscript.org/). Any
 * occurrence of a pattern holds exactly one of some consecutive grams of it at
 * a position that the stride divides. So the text is looked at once a stride:
 * the gram there is hashed into tables of bytes, eight looks share a branch, and
 * what passes is looked up by its full hash and compared byte by byte. The
 * filter lets some false grams pass and stops no true one; the comparison is
 * exact.
 *
 * Grams of five bytes and more are looked up in two tables by different bits of
 * their hash: two tables that stay in a core's own cache stop more false grams
 * than one that does not, and what they have in common takes one operation.
 *
 * All memory is the caller's. The tables stand at a fixed place, the rest where
 * {@link layout} says.
 */

// @ts-expect-error: decorators are AssemblyScript's.
@external("host", "found")
declare function found(pattern: u32, start: u32): void

let heads: usize = 0
let headShift: u32 = 0
let entries: usize = 0
let patterns: usize = 0
let entryCount: u32 = 0
let gramCount: u32 = 0

/** Bytes of an entry: its key, the next entry + 1, the pattern, the gram's offset in it. */
const ENTRY: usize = 16
/** Bytes of a pattern's row: where its bytes are, and how many. */
const ROW: usize = 8

/** Where the tables of the filter stand, 2^20 bytes that the caller leaves free: a number in the code is quicker than one in a variable. */
const TABLE: usize = 64
/** Bits of a place in the tables for grams of five bytes and more: two of this size. */
const LONG_BITS: u32 = 18
const SECOND: usize = TABLE + (1 << LONG_BITS)
/** Bits of a place in the one table for shorter grams, where there are few of them and where there are many. */
const FEW_BITS: u32 = 19
const MANY_BITS: u32 = 20
/** Up to this many grams one table says enough. */
const FEW: u32 = 4096
const FEW_SHORT: u32 = 8192

/** Tells where the rest is: 2^headBits numbers, entries, rows of patterns. All of it is zero. */
export function layout(headsAt: usize, headBits: u32, entriesAt: usize, patternsAt: usize, grams: u32): void {
  heads = headsAt
  headShift = 32 - headBits
  entries = entriesAt
  patterns = patternsAt
  entryCount = 0
  gramCount = grams
}

// @ts-ignore: decorators are AssemblyScript's.
@inline
function hashLong(at: usize, mask: u64): u64 {
  return (load<u64>(at) & mask) * 0x9e3779b97f4a7c15
}

// @ts-ignore: decorators are AssemblyScript's.
@inline
function hashShort(at: usize, mask: u32): u32 {
  return (load<u32>(at) & mask) * 0x9e3779b1
}

/** The key of a gram that is told from others by 64 bits. */
// @ts-ignore: decorators are AssemblyScript's.
@inline
function keyOf(hash: u64): u32 {
  return u32(hash >> 32)
}

/**
 * What the tables hold for a gram, zero where it is none: the bits of the grams at its place in the one, and of these
 * those that are at its place in the other as well.
 */
// @ts-ignore: decorators are AssemblyScript's.
@inline
function passes(hash: u64, isFew: bool): u32 {
  const first = <u32>load<u8>(<usize>(hash >> (64 - LONG_BITS)), TABLE)
  if (isFew) return first
  return first & <u32>load<u8>(<usize>(hash >> (64 - 2 * LONG_BITS)) & ((1 << LONG_BITS) - 1), SECOND)
}

// @ts-ignore: decorators are AssemblyScript's.
@inline
function shortBits(isFew: bool): u32 {
  return isFew ? FEW_BITS : MANY_BITS
}

/** What the table holds for a gram: with few grams anything at its place says enough, with many only its own bit. */
// @ts-ignore: decorators are AssemblyScript's.
@inline
function passesShort(hash: u32, isFew: bool): u32 {
  const bits = shortBits(isFew)
  const slot = <u32>load<u8>(<usize>(hash >> (32 - bits)), TABLE)
  return isFew ? slot : (slot >> ((hash >> (29 - bits)) & 7)) & 1
}

/** The same for two hashes side by side. */
// @ts-ignore: decorators are AssemblyScript's.
@inline
function eitherPasses(hashes: u64, isFew: bool): u32 {
  return passesShort(u32(hashes), isFew) | passesShort(u32(hashes >> 32), isFew)
}

/** Follows a gram that passed the filter. */
function look(key: u32, at: usize, begin: usize, end: usize): void {
  let entry = load<u32>(heads + ((<usize>(key >> headShift)) << 2))
  while (entry != 0) {
    const e = entries + <usize>(entry - 1) * ENTRY
    if (load<u32>(e) == key) {
      const start = at - <usize>load<u32>(e, 12)
      if (start >= begin && agrees(load<u32>(e, 8), start, end)) found(load<u32>(e, 8), u32(start))
    }
    entry = load<u32>(e, 4)
  }
}

/** Whether a pattern and the text agree from `start` on, as far as the text goes. */
function agrees(pattern: u32, start: usize, end: usize): bool {
  const row = patterns + <usize>pattern * ROW
  const bytes = <usize>load<u32>(row)
  const length = min<usize>(<usize>load<u32>(row, 4), end - start)
  let at: usize = 0
  for (; at + 8 <= length; at += 8) if (load<u64>(bytes + at) != load<u64>(start + at)) return false
  for (; at < length; at += 1) if (load<u8>(bytes + at) != load<u8>(start + at)) return false
  return true
}

function enter(key: u32, pattern: u32, offset: u32): void {
  const head = heads + ((<usize>(key >> headShift)) << 2)
  const e = entries + <usize>entryCount * ENTRY
  store<u32>(e, key)
  store<u32>(e, load<u32>(head), 4)
  store<u32>(e, pattern, 8)
  store<u32>(e, offset, 12)
  entryCount += 1
  store<u32>(head, entryCount)
}

// @ts-ignore: decorators are AssemblyScript's.
@inline
function mark(cell: usize, bit: u32): void {
  store<u8>(cell, load<u8>(cell) | (<u8>1 << <u8>(bit & 7)))
}

const ALL: u64 = 0xffff_ffff_ffff_ffff
const FIVE: u64 = 0xff_ffff_ffff
const FOUR: u32 = 0xffff_ffff
const THREE: u32 = 0xff_ffff

// @ts-ignore: decorators are AssemblyScript's.
@inline
function indexLong(pattern: u32, offset: u32, stride: u32, mask: u64): void {
  const bytes = <usize>load<u32>(patterns + <usize>pattern * ROW)
  for (let gram: u32 = offset; gram < offset + stride; gram += 1) {
    const hash = hashLong(bytes + gram, mask)
    mark(TABLE + <usize>(hash >> (64 - LONG_BITS)), keyOf(hash))
    mark(SECOND + (<usize>(hash >> (64 - 2 * LONG_BITS)) & ((1 << LONG_BITS) - 1)), keyOf(hash))
    enter(keyOf(hash), pattern, gram)
  }
}

// @ts-ignore: decorators are AssemblyScript's.
@inline
function indexShort(pattern: u32, offset: u32, stride: u32, mask: u32): void {
  const bytes = <usize>load<u32>(patterns + <usize>pattern * ROW)
  const bits = shortBits(gramCount <= FEW_SHORT)
  for (let gram: u32 = offset; gram < offset + stride; gram += 1) {
    const hash = hashShort(bytes + gram, mask)
    mark(TABLE + <usize>(hash >> (32 - bits)), hash >> (29 - bits))
    enter(hash, pattern, gram)
  }
}

// @ts-ignore: decorators are AssemblyScript's.
@inline
function scanLong(first: usize, begin: usize, end: usize, stride: usize, mask: u64, gram: usize, isFew: bool): void {
  let at = first
  for (; at + 7 * stride + gram <= end; at += 8 * stride) {
    const passed =
      passes(hashLong(at, mask), isFew) |
      passes(hashLong(at + stride, mask), isFew) |
      passes(hashLong(at + 2 * stride, mask), isFew) |
      passes(hashLong(at + 3 * stride, mask), isFew) |
      passes(hashLong(at + 4 * stride, mask), isFew) |
      passes(hashLong(at + 5 * stride, mask), isFew) |
      passes(hashLong(at + 6 * stride, mask), isFew) |
      passes(hashLong(at + 7 * stride, mask), isFew)
    if (passed != 0) lookLong(at, at + 8 * stride, begin, end, stride, mask)
  }
  lookLong(at, end < gram ? 0 : end - gram + 1, begin, end, stride, mask)
}

/** Looks from `first` to before `stop`, where something passed or too little text is left for eight looks. */
// @ts-ignore: decorators are AssemblyScript's.
@inline
function lookLong(first: usize, stop: usize, begin: usize, end: usize, stride: usize, mask: u64): void {
  for (let at = first; at < stop; at += stride) {
    const hash = hashLong(at, mask)
    if (passes(hash, false) != 0) look(keyOf(hash), at, begin, end)
  }
}

/** Looks from `first` to where a gram ends before `stop`. Not part of the loop over eight looks, which is quicker the fewer variables it has. */
function lookShort(first: usize, stop: usize, begin: usize, end: usize, stride: usize, mask: u32, gram: usize, isFew: bool): void {
  const bits = shortBits(isFew)
  for (let at = first; at + gram <= stop; at += stride) {
    const hash = hashShort(at, mask)
    const slot = <u32>load<u8>(<usize>(hash >> (32 - bits)), TABLE)
    if (((slot >> ((hash >> (29 - bits)) & 7)) & 1) != 0) look(hash, at, begin, end)
  }
}

/** Stride 4: the four lanes of a vector are the next four looks. */
// @ts-ignore: decorators are AssemblyScript's.
@inline
function scanLanes(first: usize, begin: usize, end: usize, mask: u32, gram: usize, isFew: bool): void {
  const masks = i32x4.splat(mask)
  const factors = i32x4.splat(0x9e3779b1)
  let at = first
  for (; at + 28 + gram <= end; at += 32) {
    const low = i32x4.mul(v128.and(v128.load(at), masks), factors)
    const high = i32x4.mul(v128.and(v128.load(at, 16), masks), factors)
    const passed =
      eitherPasses(i64x2.extract_lane(low, 0), isFew) |
      eitherPasses(i64x2.extract_lane(low, 1), isFew) |
      eitherPasses(i64x2.extract_lane(high, 0), isFew) |
      eitherPasses(i64x2.extract_lane(high, 1), isFew)
    if (passed != 0) lookShort(at, at + 28 + gram, begin, end, 4, mask, gram, isFew)
  }
  lookShort(at, end, begin, end, 4, mask, gram, isFew)
}

/** Enters the grams of a pattern that begin at `offset` and the following ones, as many as the stride. */
export function index(kind: u32, pattern: u32, offset: u32): void {
  switch (kind) {
    case 0:
      return indexLong(pattern, offset, 32, ALL)
    case 1:
      return indexLong(pattern, offset, 16, ALL)
    case 2:
      return indexLong(pattern, offset, 16, FIVE)
    case 3:
      return indexLong(pattern, offset, 8, ALL)
    case 4:
      return indexLong(pattern, offset, 8, FIVE)
    case 5:
      return indexShort(pattern, offset, 4, FOUR)
    case 6:
      return indexShort(pattern, offset, 4, THREE)
    case 7:
      return indexShort(pattern, offset, 2, FOUR)
    default:
      return indexShort(pattern, offset, 1, FOUR)
  }
}

/** Looks at `first` and every stride after it, while a gram ends before `end`. Eight bytes after `end` are read and not used. */
export function scan(kind: u32, first: usize, begin: usize, end: usize): void {
  switch (kind) {
    case 0:
      return gramCount <= FEW ? scanLong(first, begin, end, 32, ALL, 8, true) : scanLong(first, begin, end, 32, ALL, 8, false)
    case 1:
      return gramCount <= FEW ? scanLong(first, begin, end, 16, ALL, 8, true) : scanLong(first, begin, end, 16, ALL, 8, false)
    case 2:
      return gramCount <= FEW ? scanLong(first, begin, end, 16, FIVE, 5, true) : scanLong(first, begin, end, 16, FIVE, 5, false)
    case 3:
      return gramCount <= FEW ? scanLong(first, begin, end, 8, ALL, 8, true) : scanLong(first, begin, end, 8, ALL, 8, false)
    case 4:
      return gramCount <= FEW ? scanLong(first, begin, end, 8, FIVE, 5, true) : scanLong(first, begin, end, 8, FIVE, 5, false)
    case 5:
      return gramCount <= FEW_SHORT ? scanLanes(first, begin, end, FOUR, 4, true) : scanLanes(first, begin, end, FOUR, 4, false)
    case 6:
      return gramCount <= FEW_SHORT ? scanLanes(first, begin, end, THREE, 3, true) : scanLanes(first, begin, end, THREE, 3, false)
    case 7:
      return lookShort(first, end, begin, end, 2, FOUR, 4, gramCount <= FEW_SHORT)
    default:
      return lookShort(first, end, begin, end, 1, FOUR, 4, gramCount <= FEW_SHORT)
  }
}
