/**
 * The one table of packed content: what is opened, what is recognised and not
 * opened (and so counts as unread), and what is opaque.
 *
 * Kinds are told by their first bytes, never by a name: `changelog.gz` may be
 * text and `data.bin` a zip. Brotli alone has no such bytes and goes by `.br`.
 *
 * Signatures: https://www.iana.org/assignments/media-types and the pages the
 * rows name; those without one are in https://github.com/file/file/tree/master/magic/Magdir.
 *
 * @packageDocumentation
 */

/** What is done with content of a kind. */
export type Treatment = 'open' | 'unread' | 'opaque'

/** One row of {@link KINDS}. */
export interface Kind {
  readonly name: string
  readonly treatment: Treatment
  /** Hexadecimal digits of the bytes that tell the kind; a dot stands for any digit. */
  readonly magic: string
  /** Offset of `magic` in the content, in bytes. */
  readonly at: number
}

const row = <const Name extends string, const T extends Treatment>(
  treatment: T,
  name: Name,
  magic: string,
  at = 0,
): { name: Name; treatment: T; magic: string; at: number } => ({ name, treatment, magic, at })

/** Names of the kinds that are opened. Brotli is one of them without being in {@link KINDS}. */
export type OpenedKind = Extract<(typeof KINDS)[number], { treatment: 'open' }>['name'] | 'brotli'

/** First match wins. */
export const KINDS = [
  row('open', 'gzip', '1f8b08'), // RFC 1952, section 2.3.1
  row('open', 'zip', '504b0304'), // https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.7
  row('open', 'zip', '504b0506'), // the same, 4.3.16: a zip without entries
  row('open', 'zip', '4a4d0100504b0304'), // a Java module: four bytes, then a zip
  row('open', 'zip', '2321'), // `#!`: a script, unless a zip follows its first line (Python's zipapp)
  row('open', 'zstd', '28b52ffd'), // RFC 8878, section 3.1.1
  row('open', 'zstd', '5.2a4d18'), // the same, section 3.1.2: a frame to skip
  row('open', 'xz', 'fd377a585a00'), // https://tukaani.org/xz/xz-file-format.txt, 2.1.1.1
  row('open', 'lzma', '5d0000..........ffffffff'), // lzma-specification.txt in https://www.7-zip.org/sdk.html
  row('open', 'lzma', '5d0000..............000000'),
  row('open', 'compress', '1f9d8.'), // https://git.savannah.gnu.org/cgit/gzip.git/tree/unlzw.c
  row('open', 'compress', '1f9d9.'),
  row('open', 'bzip2', '425a68..314159265359'),
  row('open', 'bzip2', '425a68..177245385090'), // bzip2 of nothing
  row('open', 'git-pack', '5041434b0000000.'), // https://git-scm.com/docs/gitformat-pack
  row('open', 'deb', '213c617263683e0a64656269616e2d62696e617279'), // deb(5): an `ar` archive
  row('open', 'tar', '7573746172', 257),
  row('open', 'tar', '0020', 154), // how a checksum ends, for the tars that are older than the magic
  row('open', 'zlib', '7801'), // RFC 1950, section 2.2, for the window every writer uses
  row('open', 'zlib', '785e'),
  row('open', 'zlib', '789c'),
  row('open', 'zlib', '78da'),

  row('unread', '7z', '377abcaf271c'),
  row('unread', 'rar', '526172211a07'),
  row('unread', 'lz4', '04224d18'),
  row('unread', 'lz4', '02214c18'),
  row('unread', 'lzip', '4c5a495001'),
  row('unread', 'lzop', '894c5a4f000d0a1a0a'),
  row('unread', 'snappy', 'ff060000734e61507059'),
  row('unread', 'squashfs', '68737173'),
  row('unread', 'cramfs', '453dcd28'),
  row('unread', 'cpio', '30373037303.'),
  row('unread', 'rpm', 'edabeedb'),
  row('unread', 'cab', '4d53434600000000'),
  row('unread', 'xar', '78617221001c'),
  row('unread', 'crx', '4372323400'),
  row('unread', 'wim', '4d5357494d000000'),
  row('unread', 'qcow', '514649fb'),
  row('unread', 'git-bundle', '23207632206769742062756e646c65'),
  row('unread', 'git-bundle', '23207633206769742062756e646c65'),

  row('opaque', 'png', '89504e470d0a1a0a'),
  row('opaque', 'jpeg', 'ffd8ff'),
  row('opaque', 'jpeg2000', '0000000c6a502020'),
  row('opaque', 'jpegxl', '0000000c4a584c20'),
  row('opaque', 'gif', '47494638'),
  row('opaque', 'riff', '52494646'), // WebP, WAV, AVI
  row('opaque', 'tiff', '49492a00'),
  row('opaque', 'tiff', '4d4d002a'),
  row('opaque', 'icns', '69636e73'),
  row('opaque', 'psd', '38425053'),
  row('opaque', 'mp4', '66747970', 4), // also QuickTime, HEIC, AVIF
  row('opaque', 'matroska', '1a45dfa3'), // also WebM
  row('opaque', 'ogg', '4f676753'),
  row('opaque', 'flac', '664c6143'),
  row('opaque', 'mp3', '494433'),
  row('opaque', 'pdf', '255044462d'),
  row('opaque', 'woff', '774f4646'),
  row('opaque', 'woff2', '774f4632'),
  row('opaque', 'parquet', '50415231'),
  row('opaque', 'orc', '4f5243'),
  row('opaque', 'hdf5', '894844460d0a1a0a'),
  row('opaque', 'avro', '4f626a01'),
] as const satisfies readonly Kind[]

interface Signature {
  readonly kind: (typeof KINDS)[number]
  readonly at: number
  /** For each byte the bits that count. */
  readonly masks: Uint8Array
  /** What these must be. */
  readonly bits: Uint8Array
}

const bytesOf = (digits: string): Uint8Array => Uint8Array.from(Buffer.from(digits, 'hex'))

const SIGNATURES: readonly Signature[] = KINDS.map((kind) => ({
  kind,
  at: kind.at,
  masks: bytesOf(kind.magic.replace(/[^.]/g, 'f').replaceAll('.', '0')),
  bits: bytesOf(kind.magic.replaceAll('.', '0')),
}))

/** Signatures by the byte they begin with. Most files begin with a byte that no row has. */
const NEAR: readonly (readonly Signature[] | undefined)[] = Array.from({ length: 0x100 }, (_, byte) => {
  const begun = SIGNATURES.filter(
    ({ at, masks: [mask = 0], bits: [first] }) => at === 0 && (byte & mask) === first,
  )
  return begun.length === 0 ? undefined : begun
})
const FAR = SIGNATURES.filter(({ at }) => at > 0)

/** The kind of the content whose first `length` bytes stand in `bytes` from `at` on; 512 of them are enough. `undefined` for any other content. */
export function kindOf(
  bytes: Uint8Array,
  at = 0,
  length = bytes.length - at,
): (typeof KINDS)[number] | undefined {
  const end = at + length
  // Asked of every file of a layer: loops, as a function for each signature takes longer than the rest of the walk.
  const near = NEAR[bytes[at] ?? 0]
  if (near !== undefined) {
    for (const signature of near) if (bears(bytes, at, end, signature)) return signature.kind
  }
  for (const signature of FAR) if (bears(bytes, at, end, signature)) return signature.kind
  return undefined
}

function bears(bytes: Uint8Array, at: number, end: number, signature: Signature): boolean {
  const from = at + signature.at
  const { masks, bits } = signature
  if (from + masks.length > end) return false
  for (let index = 0; index < masks.length; index += 1) {
    if (((bytes[from + index] ?? 0) & (masks[index] ?? 0)) !== bits[index]) return false
  }
  return true
}

/** Whether the name in `bytes` from `at` to the first NUL, or for `length` bytes, ends in `.br`. */
export function isBrotliName(bytes: Uint8Array, at = 0, length = bytes.length - at): boolean {
  const nul = bytes.indexOf(0, at)
  const end = nul === -1 || nul > at + length ? at + length : nul
  return end - at > 3 && bytes[end - 3] === 0x2e && bytes[end - 2] === 0x62 && bytes[end - 1] === 0x72
}
