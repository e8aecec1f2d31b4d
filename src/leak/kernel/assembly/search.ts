/**
 * The search, in AssemblyScript (https://www.assemblyscript.org/). Any
 * occurrence of a pattern holds exactly one of some consecutive grams of it at
 * a position that the stride divides. So the text is looked at once a stride:
 * the gram there is hashed into a table of bytes, eight looks share a branch,
 * and what passes is looked up by its full hash and compared byte by byte. The
 * filter lets some false grams pass and stops no true one; the comparison is
 * exact.
 *
 * All memory is the caller's. Pointers come by {@link layout}.
 */

// @ts-expect-error: decorators are AssemblyScript's.
@external("host", "found")
declare function found(pattern: u32, start: u32): void

let table: usize = 0
/** Bits of a hash that are not used for the table, with the three of the tag. */
let spare: u32 = 0
let heads: usize = 0
let headShift: u32 = 0
let entries: usize = 0
let patterns: usize = 0
let entryCount: u32 = 0

/** Bytes of an entry: its key, the next entry + 1, the pattern, the gram's offset in it. */
const ENTRY: usize = 16
/** Bytes of a pattern's row: where its bytes are, and how many. */
const ROW: usize = 8

/** Tells where things are: a table of 2^tableBits bytes, 2^headBits numbers, entries, rows of patterns. All of it is zero. */
export function layout(
  tableAt: usize,
  tableBits: u32,
  headsAt: usize,
  headBits: u32,
  entriesAt: usize,
  patternsAt: usize,
): void {
  table = tableAt
  spare = 32 - tableBits - 3
  heads = headsAt
  headShift = 32 - headBits
  entries = entriesAt
  patterns = patternsAt
  entryCount = 0
}

// @ts-ignore: decorators are AssemblyScript's.
@inline
function hashLong(at: usize, mask: u64): u32 {
  return u32(((load<u64>(at) & mask) * 0x9e3779b97f4a7c15) >> 32)
}

// @ts-ignore: decorators are AssemblyScript's.
@inline
function hashShort(at: usize, mask: u32): u32 {
  return (load<u32>(at) & mask) * 0x9e3779b1
}

// @ts-ignore: decorators are AssemblyScript's.
@inline
function slot(hash: u32): u32 {
  return load<u8>(table + (hash >> (spare + 3)))
}

/** The bit of a hash in its slot: a second filter, for a table that is so full that most slots have something. */
// @ts-ignore: decorators are AssemblyScript's.
@inline
function bit(hash: u32): u32 {
  return (slot(hash) >> ((hash >> spare) & 7)) & 1
}

// @ts-ignore: decorators are AssemblyScript's.
@inline
function passes(hash: u32, isDense: bool): u32 {
  return isDense ? bit(hash) : slot(hash)
}

/** Follows a gram that passed the filter. */
function look(hash: u32, at: usize, begin: usize, end: usize): void {
  if (bit(hash) == 0) return
  let entry = load<u32>(heads + ((<usize>(hash >> headShift)) << 2))
  while (entry != 0) {
    const e = entries + <usize>(entry - 1) * ENTRY
    if (load<u32>(e) == hash) {
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

function enter(hash: u32, pattern: u32, offset: u32): void {
  const cell = table + (hash >> (spare + 3))
  store<u8>(cell, load<u8>(cell) | (<u8>1 << <u8>((hash >> spare) & 7)))
  const head = heads + ((<usize>(hash >> headShift)) << 2)
  const e = entries + <usize>entryCount * ENTRY
  store<u32>(e, hash)
  store<u32>(e, load<u32>(head), 4)
  store<u32>(e, pattern, 8)
  store<u32>(e, offset, 12)
  entryCount += 1
  store<u32>(head, entryCount)
}

const ALL: u64 = 0xffff_ffff_ffff_ffff
const FIVE: u64 = 0xff_ffff_ffff
const FOUR: u32 = 0xffff_ffff
const THREE: u32 = 0xff_ffff

// @ts-ignore: decorators are AssemblyScript's.
@inline
function indexLong(pattern: u32, offset: u32, stride: u32, mask: u64): void {
  const bytes = <usize>load<u32>(patterns + <usize>pattern * ROW)
  for (let gram: u32 = offset; gram < offset + stride; gram += 1) enter(hashLong(bytes + gram, mask), pattern, gram)
}

// @ts-ignore: decorators are AssemblyScript's.
@inline
function indexShort(pattern: u32, offset: u32, stride: u32, mask: u32): void {
  const bytes = <usize>load<u32>(patterns + <usize>pattern * ROW)
  for (let gram: u32 = offset; gram < offset + stride; gram += 1) enter(hashShort(bytes + gram, mask), pattern, gram)
}

// @ts-ignore: decorators are AssemblyScript's.
@inline
function scanLong(first: usize, begin: usize, end: usize, stride: usize, mask: u64, gram: usize, isDense: bool): void {
  let at = first
  for (; at + 7 * stride + gram <= end; at += 8 * stride) {
    const passed =
      passes(hashLong(at, mask), isDense) |
      passes(hashLong(at + stride, mask), isDense) |
      passes(hashLong(at + 2 * stride, mask), isDense) |
      passes(hashLong(at + 3 * stride, mask), isDense) |
      passes(hashLong(at + 4 * stride, mask), isDense) |
      passes(hashLong(at + 5 * stride, mask), isDense) |
      passes(hashLong(at + 6 * stride, mask), isDense) |
      passes(hashLong(at + 7 * stride, mask), isDense)
    if (passed == 0) continue
    for (let step: usize = 0; step < 8; step += 1) {
      look(hashLong(at + step * stride, mask), at + step * stride, begin, end)
    }
  }
  for (; at + gram <= end; at += stride) look(hashLong(at, mask), at, begin, end)
}

// @ts-ignore: decorators are AssemblyScript's.
@inline
function scanShort(first: usize, begin: usize, end: usize, stride: usize, mask: u32, gram: usize): void {
  for (let at = first; at + gram <= end; at += stride) {
    const hash = hashShort(at, mask)
    if (slot(hash) != 0) look(hash, at, begin, end)
  }
}

// @ts-ignore: decorators are AssemblyScript's.
@inline
function lane(place: i32, tag: i32, isDense: bool): u32 {
  const found = <u32>load<u8>(table + <usize>place)
  return isDense ? (found >> tag) & 1 : found
}

/** Stride 4: the four lanes of a vector are the next four looks. */
// @ts-ignore: decorators are AssemblyScript's.
@inline
function scanLanes(first: usize, begin: usize, end: usize, mask: u32, gram: usize, isDense: bool): void {
  const masks = i32x4.splat(mask)
  const factors = i32x4.splat(0x9e3779b1)
  const sevens = i32x4.splat(7)
  let at = first
  for (; at + 28 + gram <= end; at += 32) {
    const low = i32x4.mul(v128.and(v128.load(at), masks), factors)
    const high = i32x4.mul(v128.and(v128.load(at, 16), masks), factors)
    const lowSlots = i32x4.shr_u(low, spare + 3)
    const highSlots = i32x4.shr_u(high, spare + 3)
    const lowTags = v128.and(i32x4.shr_u(low, spare), sevens)
    const highTags = v128.and(i32x4.shr_u(high, spare), sevens)
    const passed =
      lane(i32x4.extract_lane(lowSlots, 0), i32x4.extract_lane(lowTags, 0), isDense) |
      lane(i32x4.extract_lane(lowSlots, 1), i32x4.extract_lane(lowTags, 1), isDense) |
      lane(i32x4.extract_lane(lowSlots, 2), i32x4.extract_lane(lowTags, 2), isDense) |
      lane(i32x4.extract_lane(lowSlots, 3), i32x4.extract_lane(lowTags, 3), isDense) |
      lane(i32x4.extract_lane(highSlots, 0), i32x4.extract_lane(highTags, 0), isDense) |
      lane(i32x4.extract_lane(highSlots, 1), i32x4.extract_lane(highTags, 1), isDense) |
      lane(i32x4.extract_lane(highSlots, 2), i32x4.extract_lane(highTags, 2), isDense) |
      lane(i32x4.extract_lane(highSlots, 3), i32x4.extract_lane(highTags, 3), isDense)
    if (passed == 0) continue
    for (let step: usize = 0; step < 32; step += 4) look(hashShort(at + step, mask), at + step, begin, end)
  }
  scanShort(at, begin, end, 4, mask, gram)
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
  // More than one slot of sixty-four: eight looks would find something every eighth time.
  if (entryCount > (<u32>1 << (29 - spare)) >> 6) return scanKind(kind, first, begin, end, true)
  scanKind(kind, first, begin, end, false)
}

// @ts-ignore: decorators are AssemblyScript's.
@inline
function scanKind(kind: u32, first: usize, begin: usize, end: usize, isDense: bool): void {
  switch (kind) {
    case 0:
      return scanLong(first, begin, end, 32, ALL, 8, isDense)
    case 1:
      return scanLong(first, begin, end, 16, ALL, 8, isDense)
    case 2:
      return scanLong(first, begin, end, 16, FIVE, 5, isDense)
    case 3:
      return scanLong(first, begin, end, 8, ALL, 8, isDense)
    case 4:
      return scanLong(first, begin, end, 8, FIVE, 5, isDense)
    case 5:
      return scanLanes(first, begin, end, FOUR, 4, isDense)
    case 6:
      return scanLanes(first, begin, end, THREE, 3, isDense)
    case 7:
      return scanShort(first, begin, end, 2, FOUR, 4)
    default:
      return scanShort(first, begin, end, 1, FOUR, 4)
  }
}
