/**
 * `npx tsx scripts/pairs.ts FILE…`: counts pairs of bytes in ordinary files and
 * writes how common each is, for the choice of what to search for. Any files
 * will do: a table that is off makes a search slower, never wrong. The one in
 * the repository comes from the base image of the tests and its build log.
 */

import { closeSync, openSync, readSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { BYTE_CLASSES, classOf, LEAST_BITS, STEP_BITS } from '../src/leak/rarity.js'

const counts = new Float64Array(BYTE_CLASSES ** 2).fill(0.01)
const buffer = new Uint8Array(1 << 20)
for (const file of process.argv.slice(2)) {
  const descriptor = openSync(file, 'r')
  let before = 0
  for (let size = readSync(descriptor, buffer); size > 0; size = readSync(descriptor, buffer)) {
    for (const byte of buffer.subarray(0, size)) {
      const own = classOf(byte)
      counts[before * BYTE_CLASSES + own] = (counts[before * BYTE_CLASSES + own] ?? 0) + 1
      before = own
    }
  }
  closeSync(descriptor)
}
const total = counts.reduce((sum, count) => sum + count, 0)
const table = new Uint8Array(Math.ceil(counts.length / 2))
for (const [pair, count] of counts.entries()) {
  const steps = Math.round((Math.log2(count / total) - LEAST_BITS) / STEP_BITS)
  table[pair >> 1] = (table[pair >> 1] ?? 0) | (Math.min(15, Math.max(0, steps)) << (4 * (pair & 1)))
}
const target = resolve(import.meta.dirname, '../src/leak/kernel/pairs.ts')
writeFileSync(
  target,
  `/**
 * How common pairs of bytes are in ordinary files, counted by scripts/pairs.ts. Not to be edited.
 *
 * @packageDocumentation
 */

/** Two pairs of classes a byte, in base64: see rarity.ts. */
export const PAIR_COMMONNESS =
  '${Buffer.from(table).toString('base64')}'
`,
)
console.log(`${target}: ${table.length} bytes`)
