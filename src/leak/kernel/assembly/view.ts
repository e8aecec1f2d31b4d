/**
 * The view of a text, in AssemblyScript: what `view.ts` two folders up says in
 * plain words, byte for byte. State goes in and out by {@link resume} and the
 * functions below it, so that any number of streams share one module.
 */

const START: u32 = 0
const TEXT: u32 = 1
const COLUMNS: u32 = 2
const DIGITS: u32 = 3
const ASIDE: u32 = 4
const ESCAPE: u32 = 5
const SEQUENCE: u32 = 6
const STRING: u32 = 7
const STRING_END: u32 = 8

/** Bytes that may be needed to tell what kind of line begins. */
const LOOKAHEAD: i32 = 32
/** Numbers for each run. */
const RUN_FIELDS: u32 = 3

let mode: u32 = 0
let outer: u32 = 0
let spaced: bool = false

let input: usize = 0
let size: usize = 0
let last: bool = false
let out: usize = 0
let kept: usize = 0
let runs: usize = 0
let runCount: u32 = 0
let follows: usize = 0

export function resume(modeNow: u32, outerNow: u32, spacedNow: bool): void {
  mode = modeNow
  outer = outerNow
  spaced = spacedNow
}

export function modeAfter(): u32 {
  return mode
}

export function outerAfter(): u32 {
  return outer
}

export function spacedAfter(): bool {
  return spaced
}

/** Bytes written to `out` by the last call. */
export function keptBytes(): usize {
  return kept
}

/** Rows written to `runs` by the last call. */
export function runRows(): u32 {
  return runCount
}

/** Views bytes, and gives how many. Up to 15 bytes more than it keeps are written to `out`. */
export function view(inputAt: usize, inputSize: usize, outAt: usize, runsAt: usize, isLast: bool): usize {
  input = inputAt
  size = inputSize
  out = outAt
  runs = runsAt
  last = isLast
  kept = 0
  runCount = 0
  follows = usize.MAX_VALUE
  let at: usize = 0
  while (at < size) {
    if (mode == TEXT) at = plain(at)
    if (at >= size) break
    const next = step(at)
    if (next < 0) break
    at = <usize>next
  }
  return at
}

/**
 * Keeps bytes of a text in blocks of 16, and passes over what most logs have between their lines: line ends, blanks,
 * prefixes, control sequences. Gives the first position that is left to {@link step}; there the mode is a text's, as it is
 * at the line feed or the escape before anything that is not decided here. All state is local: a variable of the module
 * would be written to memory at every block.
 */
function plain(from: usize): usize {
  const text = input
  const room = out
  const limit = size
  let at = from
  let count = kept
  let next = follows
  let row = runs + <usize>(runCount * RUN_FIELDS * 4)
  const feeds = i8x16.splat(0x0a)
  const returns = i8x16.splat(0x0d)
  const escapes = i8x16.splat(0x1b)
  const slashes = i8x16.splat(0x5c)
  while (at + 16 <= limit) {
    const block = v128.load(text + at)
    const special = v128.or(
      v128.or(i8x16.eq(block, feeds), i8x16.eq(block, returns)),
      v128.or(i8x16.eq(block, escapes), i8x16.eq(block, slashes)),
    )
    const stops = <u32>i8x16.bitmask(special)
    // Whether a run begins here: not where the block begins with something special.
    if (at != next && (stops & 1) == 0) {
      writeRun(row, count, at, 0)
      row += <usize>(RUN_FIELDS * 4)
    }
    v128.store(room + count, block)
    // A branch and no sum: what comes next is foreseen, and need not wait for the block.
    if (stops == 0) {
      count += 16
      at += 16
      next = at
      continue
    }
    const clean = <usize>ctz<u32>(stops)
    if (clean > 0) {
      count += clean
      at += clean
      next = at
    }
    const byte = load<u8>(text + at)
    const after = byte == 0x0a ? afterLineStart(at + 1) : byte == 0x0d ? at + 1 : byte == 0x1b ? afterSequence(at) : 0
    if (after == 0) break
    at = after
  }
  kept = count
  follows = next
  runCount = u32(row - runs) / (RUN_FIELDS * 4)
  return at
}

/** Position of the first byte of a line that is a text; 0 where that is not certain. */
function afterLineStart(from: usize): usize {
  let at = from
  while (at + <usize>LOOKAHEAD <= size) {
    const byte = <u32>load<u8>(input + at)
    if (isBlank(byte) || byte == 0x0d || byte == 0x0a) at += 1
    else if (byte == 0x1b) {
      at = afterSequence(at)
      if (at == 0) return 0
    } else if (byte == 0x23) {
      head = input + at
      headSize = LOOKAHEAD
      const prefix = logPrefix()
      if (prefix == 0) return at
      at += <usize>prefix
    } else return beginsText(byte, <u32>load<u8>(input + at + 1)) ? at : 0
  }
  return 0
}

/** Position behind a control sequence that is whole; 0 where it is something else. */
function afterSequence(from: usize): usize {
  let at = from + 1
  if (at >= size || load<u8>(input + at) != 0x5b) return 0
  at += 1
  while (at < size && load<u8>(input + at) >= 0x20 && load<u8>(input + at) <= 0x3f) at += 1
  return at < size && load<u8>(input + at) >= 0x40 && load<u8>(input + at) <= 0x7e ? at + 1 : 0
}

// @ts-ignore: decorators are AssemblyScript's.
@inline
function isBlank(byte: u32): bool {
  return byte == 0x20 || byte == 0x09
}

/** Whether a line that begins with these bytes is a text whatever follows: see {@link start}. */
// @ts-ignore: decorators are AssemblyScript's.
@inline
function beginsText(first: u32, second: u32): bool {
  return !isHex(first) || (!isHex(second) && second != 0x78)
}

// @ts-ignore: decorators are AssemblyScript's.
@inline
function writeRun(row: usize, keptBefore: usize, at: usize, isDump: u32): void {
  store<u32>(row, u32(keptBefore))
  store<u32>(row, u32(at), 4)
  store<u32>(row, isDump, 8)
}

function begin(at: usize, isDump: u32): void {
  writeRun(runs + <usize>(runCount * RUN_FIELDS * 4), kept, at, isDump)
  runCount += 1
}

function keep(byte: u32, at: usize, isDump: u32): void {
  if (at != follows) begin(at, isDump)
  store<u8>(out + kept, u8(byte))
  kept += 1
  follows = at + 1
}

/** Takes a byte, others with it, or the decision what kind of line begins. Gives the next position, or -1 where more must come first. */
function step(at: usize): isize {
  const byte = <u32>load<u8>(input + at)
  const next = <isize>(at + 1)
  if (byte == 0x0a) {
    mode = START
    return next
  }
  if (mode >= ESCAPE) return escape(byte, at)
  if (byte == 0x1b) {
    outer = mode
    mode = ESCAPE
    return next
  }
  if (byte == 0x0d || mode == ASIDE) return next
  if (mode == START) return start(byte, at)
  return mode == TEXT ? text(byte, at) : digit(byte, at)
}

function text(byte: u32, at: usize): isize {
  if (byte == 0x5c) {
    if (at + 1 == size) {
      if (!last) return -1
    } else {
      const after = load<u8>(input + at + 1)
      if (after == 0x6e || after == 0x72 || after == 0x0a) {
        mode = START
        return <isize>(at + 2)
      }
    }
  }
  keep(byte, at, 0)
  return <isize>(at + 1)
}

function digit(byte: u32, at: usize): isize {
  const next = <isize>(at + 1)
  if (byte == 0x20) {
    if (mode == COLUMNS && spaced) mode = ASIDE
    spaced = true
    return next
  }
  spaced = false
  if (byte == 0x30) {
    if (at + 1 == size) {
      if (!last) return -1
    } else if (load<u8>(input + at + 1) == 0x78) return <isize>(at + 2)
  }
  if (isHex(byte)) keep(byte, at, 1)
  else if (byte != 0x3a && byte != 0x2d && byte != 0x2c) mode = ASIDE
  return next
}

function escape(byte: u32, at: usize): isize {
  const next = <isize>(at + 1)
  if (mode == STRING) {
    if (byte == 0x1b) mode = STRING_END
    else if (byte == 0x07) mode = outer
    return next
  }
  if (mode == SEQUENCE) {
    if (byte >= 0x20 && byte <= 0x3f) return next
    mode = outer
    return byte >= 0x40 && byte <= 0x7e ? next : <isize>at
  }
  if (byte >= 0x20 && byte <= 0x2f) return next
  if (byte == 0x5b) mode = SEQUENCE
  else if (byte == 0x5d || byte == 0x50 || byte == 0x58 || byte == 0x5e || byte == 0x5f) mode = STRING
  else mode = outer
  return byte >= 0x30 && byte <= 0x7e ? next : <isize>at
}

/** What begins at the first byte of a line that is neither blank nor part of an escape sequence. */
function start(byte: u32, at: usize): isize {
  if (isBlank(byte)) return <isize>(at + 1)
  head = input + at
  headSize = <i32>min<usize>(size - at, LOOKAHEAD)
  if (byte == 0x23) {
    const prefix = logPrefix()
    if (prefix < 0) return -1
    if (prefix > 0) return <isize>at + <isize>prefix
  }
  spaced = false
  if (!isHex(byte)) {
    mode = TEXT
    return <isize>at
  }
  const skip = dump()
  return skip < 0 ? -1 : <isize>at + <isize>skip
}

let head: usize = 0
let headSize: i32 = 0

/** Stands for a byte that has not come. */
const MISSING: i32 = -1

/** A byte of the head. The end of a stream ends its last line. */
function headAt(at: i32): i32 {
  if (at < headSize) return <i32>load<u8>(head + <usize>at)
  return last && at == headSize ? 0x0a : MISSING
}

function isHex(byte: u32): bool {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66)
}

function isHexAt(at: i32): bool {
  const byte = headAt(at)
  return byte >= 0 && isHex(<u32>byte)
}

/** Position after up to nine decimal digits. */
function afterNumber(from: i32): i32 {
  let at = from
  while (at < from + 9 && headAt(at) >= 0x30 && headAt(at) <= 0x39) at += 1
  return at
}

/** Length of `#7 0.123 `; 0 where it is none, -1 where more must come. */
function logPrefix(): i32 {
  let at = 0
  for (let part = 0; part < 3; part += 1) {
    const end = afterNumber(at + 1)
    const byte = headAt(end)
    if (byte == MISSING) return -1
    if (end == at + 1 || byte != (part == 1 ? 0x2e : 0x20)) return 0
    at = end
  }
  return at + 1
}

/** Sets the mode of a line that begins with a digit. Gives the length of what stands before the first byte of the dump, or -1. */
function dump(): i32 {
  let count = 1
  while (count < 17 && isHexAt(count)) count += 1
  mode = TEXT
  const byte = headAt(count)
  if (count < 17 && byte == MISSING) return wait()
  if (count >= 6 && count <= 16) return offset(count, byte)
  if (count == 2) return pairs()
  if (count == 1 && byte == 0x78 && headAt(0) == 0x30) return prefixed()
  return 0
}

function wait(): i32 {
  mode = START
  return -1
}

function digits(): i32 {
  mode = DIGITS
  return 0
}

/** After an offset: `: ` or up to three spaces and a byte. */
function offset(count: i32, byte: i32): i32 {
  if (byte == 0x3a) {
    const after = headAt(count + 1)
    if (after == MISSING) return wait()
    if (after != 0x20) return 0
    mode = COLUMNS
    return count + 2
  }
  let at = count
  while (at < count + 4 && headAt(at) == 0x20) at += 1
  if (at == count || at == count + 4) return 0
  for (let place = 0; place < 3; place += 1) {
    const next = headAt(at + place)
    if (next == MISSING) return wait()
    if (place < 2 ? !isHex(<u32>next) : next != 0x20 && next != 0x0a && next != 0x0d) return 0
  }
  mode = DIGITS
  return at
}

function isSeparator(byte: i32): bool {
  return byte == 0x20 || byte == 0x3a || byte == 0x2d
}

/** Pairs of digits: four with one separator, or up to three that fill the line. */
function pairs(): i32 {
  const separator = headAt(2)
  let isEven = true
  for (let pair = 1; pair < 4; pair += 1) {
    const byte = headAt(pair * 3 - 1)
    if (byte == MISSING) return wait()
    if (byte == 0x0a || byte == 0x0d) return digits()
    if (!isSeparator(byte)) return 0
    isEven = isEven && byte == separator
    if (pair == 3 && !isEven) return 0
    for (let place = 0; place < 2; place += 1) {
      const next = headAt(pair * 3 + place)
      if (next == MISSING) return wait()
      if (!isHex(<u32>next)) return 0
    }
  }
  return digits()
}

/** `0x67` with another one behind it, or alone on its line. */
function prefixed(): i32 {
  for (let place = 2; place < 4; place += 1) {
    const byte = headAt(place)
    if (byte == MISSING) return wait()
    if (!isHex(<u32>byte)) return 0
  }
  let at = 4
  const byte = headAt(at)
  if (byte == 0x0a || byte == 0x0d) return digits()
  if (byte == MISSING) return wait()
  if (byte != 0x2c) return 0
  at += 1
  if (headAt(at) == 0x20) at += 1
  if (headAt(at) == MISSING) return wait()
  if (headAt(at) != 0x30) return 0
  if (headAt(at + 1) == MISSING) return wait()
  return headAt(at + 1) == 0x78 ? digits() : 0
}
