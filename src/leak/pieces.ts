/**
 * Pieces of a value in the complaint of a program that read it as part of an
 * address: a value with `/` in it, put into a URL as it is, makes its first
 * half a host or a port, and the parser prints that half.
 *
 * A piece is too common a word to be masked everywhere, so it is a needle
 * together with the words that stand before it.
 *
 * @packageDocumentation
 */

/** A piece after the words of a complaint. */
export interface Piece {
  /** The words and the piece. */
  readonly bytes: Uint8Array
  /** Length of the words, which stay. */
  readonly skip: number
}

/** Shortest piece that is masked, in bytes. */
const PIECE_BYTES = 3

/** Shortest needle of words and piece, in bytes: one shorter needle makes the search for all of them look twice as often. */
const NEEDLE_BYTES = 12

// Bytes that end a part of an address: https://www.rfc-editor.org/rfc/rfc3986#section-2.2 (gen-delims), and `\`.
const DELIMITERS = /[/?#@:[\]\\]/

const WORDS = [
  // Python's urllib.parse, http.client and urllib3.
  "integer value as '",
  "nonnumeric port: '",
  "host='",
  "Pool(host='",
  "Connection(host='",
  "to resolve '",
  "label '",
  // curl and git.
  'resolve host: ',
  "resolve host '",
  'resolve proxy: ',
  'look up ',
  'unable to look up ',
  // OpenSSH, GNU wget, getaddrinfo in Node, Go's net and net/url.
  'resolve hostname ',
  'resolve host address ',
  'Resolving ',
  'ENOTFOUND ',
  'EAI_AGAIN ',
  'lookup ',
  'tcp: lookup ',
  'udp: lookup ',
  'invalid port ":',
  'nvalid port: ',
] as const

/** The pieces of one value with each of the words. A value without a delimiter has none. */
export function piecesOf(value: Uint8Array): readonly Piece[] {
  const parts = Buffer.from(value).toString('latin1').split(DELIMITERS)
  if (parts.length === 1) return []
  const written = parts
    .filter(({ length }) => length >= PIECE_BYTES)
    .flatMap((part) => [part, part.toLowerCase()])
  return [...new Set(written)].flatMap((part) =>
    wordsBefore(part).map((words) => ({
      bytes: Buffer.from(words + part, 'latin1'),
      skip: words.length,
    })),
  )
}

/** Words that make a needle with a piece: of words that end in others the shorter ones, which say as much, where they are enough. */
function wordsBefore(part: string): readonly string[] {
  const enough = WORDS.filter(({ length }) => length + part.length >= NEEDLE_BYTES)
  return enough.filter((words) => !enough.some((other) => other !== words && words.endsWith(other)))
}
