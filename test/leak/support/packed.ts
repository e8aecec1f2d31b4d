/** Packs bytes with the machine's own programs. They have to be installed. */

import { execFileSync } from 'node:child_process'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'

const by =
  (program: string, ...args: readonly string[]) =>
  (bytes: Uint8Array): Buffer =>
    execFileSync(program, args, { input: bytes, maxBuffer: 1 << 28 })

/** Compressors by the suffix of what they make. */
export const PACKERS: Readonly<Record<string, (bytes: Uint8Array) => Buffer>> = {
  gz: (bytes) => gzipSync(bytes),
  zlib: (bytes) => deflateSync(bytes),
  br: (bytes) => brotliCompressSync(bytes),
  zst: by('zstd', '-qc'),
  xz: by('xz', '-c'),
  lzma: by('xz', '--format=lzma', '-c'),
  bz2: by('bzip2', '-c'),
}

const ZIP = `
import io, sys, zipfile
out = io.BytesIO()
with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("a/member", b"filler " * 50 + sys.stdin.buffer.read())
    archive.writestr("b", b"second")
sys.stdout.buffer.write(out.getvalue())
`

/** A zip of two deflated members, of which `a/member` ends with the bytes. */
export const zipOf = by('python3', '-c', ZIP)

/** The same with a password. */
export const encryptedZipOf = (bytes: Uint8Array): Buffer =>
  by('sh', '-c', 'd=$(mktemp -d) && cat > $d/member && cd $d && zip -q -P password - member; rm -r $d')(bytes)

/** A pack of one blob. */
export const gitPackOf = by(
  'sh',
  '-c',
  'd=$(mktemp -d) && cd $d && git init -q . && git hash-object -w --stdin | git pack-objects -q --stdout; rm -r $d',
)
