/**
 * Reads one tar header: its numbers, its names, and the extended headers that
 * stand before it.
 *
 * Formats: v7, ustar, GNU (long names, base-256 numbers) and PAX, as in
 * https://www.gnu.org/software/tar/manual/html_node/Standard.html and
 * https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html.
 *
 * @packageDocumentation
 */

/** Size of a tar block, in bytes. */
export const BLOCK = 512

/** Where the fields of a header lie: `[offset, length]`. */
export const FIELD = {
  name: [0, 100],
  size: [124, 12],
  checksum: [148, 8],
  type: [156, 1],
  link: [157, 100],
  magic: [257, 5],
  prefix: [345, 155],
} as const satisfies Record<string, readonly [number, number]>

/** Type flags of links: hard ones lead to an entry of the same archive, symbolic ones to a path. */
export const LINK = 0x31
export const SYMLINK = 0x32

/** What the extended headers before an entry say of it. */
export interface Extended {
  path?: Uint8Array
  link?: Uint8Array
  size?: number
  /** Where in the archive a name or the target of a link stands. */
  readonly texts: { readonly from: number; readonly to: number; readonly where: 'name' | 'link' }[]
}

/** Whether the block that begins at `at` is a header whose checksum is right. */
export function isTarHeader(bytes: Uint8Array, at = 0): boolean {
  if (bytes.length < at + BLOCK) return false
  const [from, length] = FIELD.checksum
  const stated = tarNumber(bytes, at + from, length)
  // The field itself counts as blanks.
  let unsigned = length * 0x20
  let signed = unsigned
  for (let index = 0; index < BLOCK; index += 1) {
    if (index >= from && index < from + length) continue
    const byte = bytes[at + index] ?? 0
    unsigned += byte
    signed += byte > 0x7f ? byte - 0x100 : byte
  }
  // Some old programs summed signed bytes: computeChecksum in https://go.dev/src/archive/tar/format.go.
  return stated !== undefined && !isZero(bytes, at, BLOCK) && (stated === unsigned || stated === signed)
}

/** Whether `length` bytes from `at` are all zero. */
export function isZero(bytes: Uint8Array, at: number, length: number): boolean {
  for (let index = at; index < at + length; index += 1) if (bytes[index] !== 0) return false
  return true
}

/**
 * A number field: octal digits between blanks and NULs, or base 256 where the first bit is set. `undefined` for what
 * can be no size: other characters, a negative number, one that JavaScript cannot count exactly.
 */
export function tarNumber(bytes: Uint8Array, from: number, length: number): number | undefined {
  const end = from + length
  const first = bytes[from] ?? 0
  let value = 0
  if (first >= 0x80) {
    if ((first & 0x40) !== 0) return undefined
    value = first & 0x3f
    for (let index = from + 1; index < end; index += 1) value = value * 0x100 + (bytes[index] ?? 0)
    return Number.isSafeInteger(value) ? value : undefined
  }
  let index = from
  while (index < end && bytes[index] === 0x20) index += 1
  for (; index < end; index += 1) {
    const digit = (bytes[index] ?? 0) - 0x30
    if (digit < 0 || digit > 7) break
    value = value * 8 + digit
  }
  for (; index < end; index += 1) if (bytes[index] !== 0 && bytes[index] !== 0x20) return undefined
  return value
}

/** A copy of a text field, which ends at a NUL or with the field. */
export function tarText(bytes: Uint8Array, from: number, length: number): Uint8Array {
  const field = bytes.subarray(from, from + length)
  const end = field.indexOf(0)
  return Uint8Array.from(end === -1 ? field : field.subarray(0, end))
}

/** A copy of the full name in a header: with its prefix, where the format has one. */
export function tarPath(bytes: Uint8Array, at: number): Uint8Array {
  const name = tarText(bytes, at + FIELD.name[0], FIELD.name[1])
  if (!hasPrefix(bytes, at)) return name
  return Buffer.concat([tarText(bytes, at + FIELD.prefix[0], FIELD.prefix[1]), Buffer.from('/'), name])
}

/** Whether the name is split over two fields. GNU's format has times where the prefix would be; its magic ends in blanks. */
export const hasPrefix = (bytes: Uint8Array, at: number): boolean =>
  bytes[at + FIELD.prefix[0]] !== 0 && bytes[at + FIELD.magic[0] + FIELD.magic[1]] === 0

/** Whether the block bears the magic of ustar, GNU or PAX. */
export const hasMagic = (bytes: Uint8Array, at: number): boolean =>
  bytes[at + 257] === 0x75 &&
  bytes[at + 258] === 0x73 &&
  bytes[at + 259] === 0x74 &&
  bytes[at + 260] === 0x61 &&
  bytes[at + 261] === 0x72

/**
 * Takes in one extended header.
 *
 * @param type - its type flag: `x` or `X` for PAX records, `L` for a long name, `K` for a long target of a link; any other changes nothing.
 * @param offset - where `content` begins in the archive.
 * @returns whether it was well formed.
 */
export function extend(into: Extended, type: string, content: Uint8Array, offset: number): boolean {
  if (type === 'x' || type === 'X') return extendByRecords(into, content, offset)
  if (type !== 'L' && type !== 'K') return true
  const text = tarText(content, 0, content.length)
  into.texts.push({ from: offset, to: offset + text.length, where: type === 'L' ? 'name' : 'link' })
  into[type === 'L' ? 'path' : 'link'] = text
  return true
}

function extendByRecords(into: Extended, content: Uint8Array, offset: number): boolean {
  let at = 0
  while (at < content.length) {
    const blank = content.indexOf(0x20, at)
    const digits = Buffer.from(content.subarray(at, blank)).toString('latin1')
    const end = at + Number(digits)
    const equals = content.indexOf(0x3d, blank)
    if (blank === -1 || equals === -1 || !/^[1-9]\d{0,9}$/.test(digits)) return false
    if (end > content.length || equals >= end || content[end - 1] !== 0x0a) return false
    const keyword = Buffer.from(content.subarray(blank + 1, equals)).toString('latin1')
    const value = content.subarray(equals + 1, end - 1)
    if (keyword === 'path' || keyword === 'GNU.sparse.name' || keyword === 'linkpath') {
      const where = keyword === 'linkpath' ? 'link' : 'name'
      into.texts.push({ from: offset + equals + 1, to: offset + end - 1, where })
      into[where === 'link' ? 'link' : 'path'] = Uint8Array.from(value)
    } else if (keyword === 'size') {
      const size = Buffer.from(value).toString('latin1')
      if (!/^\d{1,15}$/.test(size)) return false
      into.size = Number(size)
    }
    at = end
  }
  return true
}
