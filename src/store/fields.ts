/**
 * Several fields as one run of bytes that can be read in one way only. What is
 * authenticated or used as associated data goes through here: without lengths,
 * `("ab", "c")` and `("a", "bc")` would be the same bytes.
 *
 * @packageDocumentation
 */

/**
 * Joins fields, each after its length in bytes (4 bytes, highest first). Text becomes UTF-8.
 *
 * Injective: two different lists of fields never give the same bytes.
 */
export function joinFields(...fields: readonly (string | Uint8Array)[]): Buffer {
  const parts: Uint8Array[] = []
  for (const field of fields) {
    const bytes = typeof field === 'string' ? Buffer.from(field, 'utf8') : field
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    parts.push(length, bytes)
  }
  return Buffer.concat(parts)
}
