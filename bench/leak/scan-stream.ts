/**
 * The memory of a scan as a process: `node scan-stream.js BYTES` makes a tar of
 * that size while it is scanned, and prints how much was read and the most
 * memory that was in use, in KiB. `0` tells what Node takes without a scan.
 *
 * @packageDocumentation
 */

import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { scanImage } from '../../src/builder/scan-image.js'
import { needlesFor } from '../../src/leak/needles.js'
import { Chance } from './needle-sets.js'

const total = Number(process.argv[2])
const BLOCK = 512
const FILE_BYTES = 1 << 20
const CHUNK_BYTES = 64 << 10

/** A header of a file as POSIX's ustar has it: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html */
function header(name: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK)
  block.write(name, 0)
  block.write('0000644\0', 100)
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  block.write('        0', 148)
  block.write('ustar\x0000', 257)
  const sum = block.reduce((all, byte) => all + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

/** Files of random bytes, and every eighth one packed. */
async function* tar(): AsyncGenerator<Buffer> {
  const chance = new Chance(3)
  const plain = chance.bytes(FILE_BYTES)
  const packed = gzipSync(Buffer.alloc(FILE_BYTES, 'some text that is packed well, '))
  for (let made = 0, number = 0; made < total; number += 1) {
    const content = number % 8 === 7 ? packed : plain
    yield header(`files/${number}`, content.length)
    for (let at = 0; at < content.length; at += CHUNK_BYTES) yield content.subarray(at, at + CHUNK_BYTES)
    const padding = (BLOCK - (content.length % BLOCK)) % BLOCK
    if (padding > 0) yield Buffer.alloc(padding)
    made += BLOCK + content.length + padding
  }
  yield Buffer.alloc(2 * BLOCK)
}

let read = 0
if (total > 0) {
  const chance = new Chance(4)
  using needles = needlesFor(
    Array.from({ length: 20 }, (_, at) => ({ name: `S${at}`, value: chance.bytes(20) })),
  )
  const report = await scanImage({ kind: 'stream', name: 'generated', bytes: tar() }, { needles })
  if (report.verdict !== 'clean') throw new Error(report.reasons.join(' '))
  read = report.bytes
}
// Not the system's count for the process: that one begins with the memory of the program that started it.
const [, most = ''] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
console.log(`${read} ${most}`)
