/**
 * Credentials in an address, whosever they are: what stands between `http://`
 * or `https://` and the last `@` of the authority
 * (https://www.rfc-editor.org/rfc/rfc3986#section-3.2). `git+https://` is an
 * address like any other. It is a rule for logs: a leak check that counted it
 * would report every example in a manual.
 *
 * @packageDocumentation
 */

/** Longest authority that is looked at, in bytes. */
export const MAX_AUTHORITY_BYTES = 4096

/** The secret's name in a named mark. */
export const USER_INFO = 'URL'

const SEPARATOR = '://'
const SCHEME = /https?$/i
// `git` is no secret, a mask is none any more, and a name in braces stands for one.
const HARMLESS = /^(?:git|\*+(?::\*+)?|(?:\$\{\w+\}|\$<\w+>)(?::(?:\$\{\w+\}|\$<\w+>))?)$/

/** Finds user-info in a stream. */
export class UserInfoSearch {
  /** Last bytes before the ones to come, for a scheme that is cut. */
  #tail = ''
  #authority = ''
  #begin: number | undefined
  #position = 0

  /** Where an authority begins that has not ended; infinite where there is none. */
  get from(): number {
    return this.#begin ?? Infinity
  }

  /** Searches the next bytes and tells where user-info stands in the stream. */
  push(chunk: Uint8Array, found: (start: number, end: number) => void): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    let at = this.#begin === undefined ? this.#seek(bytes, 1 - SEPARATOR.length) : 0
    while (this.#begin !== undefined) {
      const most = at + MAX_AUTHORITY_BYTES - this.#authority.length
      const end = endOfAuthority(bytes, at, most)
      const isCut = end === bytes.length && end < most
      this.#authority += bytes.toString('latin1', at, end)
      if (isCut) break
      this.#decide(this.#begin, found)
      // The colon that ends an authority may be that of the next separator.
      at = this.#seek(bytes, end - 1)
    }
    this.#tail = (this.#tail + bytes.toString('latin1', Math.max(0, bytes.length - TAIL_BYTES))).slice(
      -TAIL_BYTES,
    )
    this.#position += bytes.length
  }

  /** Tells that nothing follows, which ends an authority too. */
  end(found: (start: number, end: number) => void): void {
    if (this.#begin !== undefined) this.#decide(this.#begin, found)
  }

  /**
   * Opens the authority after the next separator that follows one of the schemes, but for authorities that end in these
   * bytes and have no `@`. Gives where it begins in these bytes.
   *
   * @param least - where the separator may begin: below zero in the bytes before.
   */
  #seek(bytes: Buffer, least: number): number {
    const seam = this.#tail + bytes.toString('latin1', 0, SEPARATOR.length - 1)
    for (let from = least; ;) {
      const across = from < 0 ? seam.indexOf(SEPARATOR, this.#tail.length + from) - this.#tail.length : 0
      const isAcross = across < 0 && across >= from
      const separator = isAcross ? across : nextSeparator(bytes, Math.max(0, from))
      if (separator === -1 && !isAcross) return bytes.length
      from = separator + SEPARATOR.length
      if (SCHEME.test(this.#before(bytes, separator))) {
        this.#open(from)
        return from
      }
    }
  }

  /** The last text before a position of these bytes. */
  #before(bytes: Buffer, at: number): string {
    const own = bytes.toString('latin1', Math.max(0, at - TAIL_BYTES), Math.max(0, at))
    return at >= TAIL_BYTES ? own : this.#tail.slice(0, at < 0 ? at : undefined) + own
  }

  #open(at: number): void {
    this.#begin = this.#position + at
    this.#authority = ''
  }

  #decide(begin: number, found: (start: number, end: number) => void): void {
    const at = this.#authority.lastIndexOf('@')
    if (at > 0 && !HARMLESS.test(this.#authority.slice(0, at))) found(begin, begin + at)
    this.#begin = undefined
  }
}

const TAIL_BYTES = 8
const AT = 0x40
const COLON = 0x3a
const SLASH = 0x2f

/**
 * The next separator from `from` on whose authority has an `@` or goes on to the end of the bytes; -1 where there is none.
 * Looks for the `@`, which is rarer in a log than a separator.
 */
function nextSeparator(bytes: Uint8Array, from: number): number {
  for (let first = from; ;) {
    const found = bytes.indexOf(AT, first)
    const within = found === -1 ? bytes.length : found
    const begin = beginOfAuthority(bytes, from, within)
    const separator = begin - SEPARATOR.length
    if (
      separator >= from &&
      bytes[separator] === COLON &&
      bytes[separator + 1] === SLASH &&
      bytes[begin - 1] === SLASH
    )
      return separator
    if (found === -1) return -1
    first = endOfAuthority(bytes, found, bytes.length)
  }
}

/** First byte of what may be one authority together with the byte before `to`, not before `from`. */
function beginOfAuthority(bytes: Uint8Array, from: number, to: number): number {
  let at = to
  while (at > from && ENDS[bytes[at - 1] ?? 0] === 0) at -= 1
  return at
}

/** First byte from `from` on that no authority holds, or `to`. */
function endOfAuthority(bytes: Uint8Array, from: number, to: number): number {
  const most = Math.min(to, bytes.length)
  let at = from
  while (at < most && ENDS[bytes[at] ?? 0] === 0) at += 1
  return at
}

/** 1 for a byte that ends an authority: blanks and controls, and quotes and angle brackets, which end an address in any text. */
const ENDS = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte <= 0x20 || byte === 0x7f || '/?#"\'<>`\\'.includes(String.fromCharCode(byte)) ? 1 : 0,
)
