/** Feeds bytes to a scan, whole or in pieces. */

import { needlesFor, type NeedleSet } from '../../../src/leak/needles.js'
import { scan, type ScanOptions, type ScanPart } from '../../../src/leak/scan.js'
import type { Finding, ScanResult } from '../../../src/leak/findings.js'
import { inPieces } from '../../support/pieces.js'

/** The value that tests plant. It has no property that a form would need to escape, but a slash. */
export const VALUE = 'tl_9vQ/4mXr2Zp8KdW'

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  await Promise.resolve()
  yield* items
}

export const layer = (bytes: Uint8Array, size?: number): ScanPart => ({
  id: 'sha256:layer',
  kind: 'layer',
  sizeBytes: bytes.length,
  bytes: inPieces(bytes, size),
})

export const document = (bytes: Uint8Array | string, size?: number): ScanPart => ({
  id: 'config',
  kind: 'document',
  sizeBytes: undefined,
  bytes: inPieces(Buffer.from(bytes), size),
})

const NEEDLES = needlesFor([{ name: 'TOKEN', value: Buffer.from(VALUE) }])

/** Scans parts, for {@link VALUE} under the name `TOKEN` unless there are other needles. */
export async function scanFor(
  parts: ScanPart | readonly ScanPart[],
  { needles = NEEDLES, ...options }: ScanOptions & { needles?: NeedleSet } = {},
): Promise<ScanResult> {
  return scan(each('kind' in parts ? [parts] : parts), needles, options)
}

/** `where path > inner` of each finding, without those of the forms a test does not speak of. */
export const places = (result: ScanResult, form = 'raw'): readonly string[] =>
  result.findings.filter((finding) => finding.form === form).map(placeOf)

export const placeOf = ({ where, path, inner = [] }: Pick<Finding, 'where' | 'path' | 'inner'>): string =>
  [`${where} ${path ?? '-'}`, ...inner].join(' > ')
