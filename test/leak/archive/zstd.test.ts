/** Frames written by hand. What `zstd` itself writes is read in ../hostile.test.ts and ../corpus.test.ts. */

import { describe, expect, it } from 'vitest'
import { Unreadable } from '../../../src/leak/archive/unreadable.js'
import { unzstd } from '../../../src/leak/archive/zstd.js'
import { inPieces } from '../../support/pieces.js'

const MAGIC = '28b52ffd'
const TEXT = 'raw text'
const raw = Buffer.from(TEXT).toString('hex')
/** Three bytes before a block: whether it is the last, its type, its size. */
const block = (type: number, size: number, isLast = true): string => {
  const field = Buffer.alloc(3)
  field.writeUIntLE((size << 3) | (type << 1) | Number(isLast), 0, 3)
  return field.toString('hex')
}
const RAW = block(0, TEXT.length) + raw
/** Descriptor and a window of 1 KiB. */
const PLAIN = '0000'

async function unpacked(digits: string | Buffer, size?: number): Promise<string> {
  const pieces: Uint8Array[] = []
  try {
    const bytes = typeof digits === 'string' ? Buffer.from(digits, 'hex') : digits
    for await (const piece of unzstd(inPieces(bytes, size))) pieces.push(piece)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return `! ${error.why}`
  }
  return Buffer.concat(pieces).toString('latin1')
}

describe('unzstd', () => {
  it.for<[what: string, digits: string, expected: string]>([
    ['a raw block', MAGIC + PLAIN + RAW, TEXT],
    ['a repeated byte', `${MAGIC}${PLAIN}${block(1, 5)}61`, 'aaaaa'],
    ['several blocks', `${MAGIC}${PLAIN}${block(0, TEXT.length, false)}${raw}${block(1, 3)}62`, `${TEXT}bbb`],
    ['an empty block', `${MAGIC}${PLAIN}${block(0, 0)}`, ''],
    ['a checksum', `${MAGIC}0400${RAW}00000000`, TEXT],
    ['a single segment', `${MAGIC}2008${RAW}`, TEXT],
    ['the size of the content in two bytes', `${MAGIC}40000000${RAW}`, TEXT],
    ['a dictionary that is none', `${MAGIC}030000000000${RAW}`, TEXT],
    ['two frames', (MAGIC + PLAIN + RAW).repeat(2), TEXT.repeat(2)],
    ['a frame to be skipped', `5d2a4d1804000000ffffffff${MAGIC}${PLAIN}${RAW}`, TEXT],
    ['zeros behind it', MAGIC + PLAIN + RAW + '00'.repeat(20), TEXT],
    ['few zeros behind it', MAGIC + PLAIN + RAW + '0000', TEXT],
    ['something behind it', MAGIC + PLAIN + RAW + '0a'.repeat(20), '! trailing-data'],
    ['something short behind it', `${MAGIC}${PLAIN}${RAW}0a`, '! trailing-data'],
    ['a dictionary', `${MAGIC}010007${RAW}`, '! unknown-method'],
    ['a bit that is reserved', `${MAGIC}0800${RAW}`, '! unknown-method'],
    ['a block of no type', MAGIC + PLAIN + block(3, 1), '! damaged'],
    [
      'a block larger than one can be',
      `${MAGIC}0058${block(0, 131_073)}${'61'.repeat(131_073)}`,
      '! damaged',
    ],
    ['a repeated byte more often than can be', `${MAGIC}0058${block(1, 131_073)}61`, '! damaged'],
    ['a compressed block that is none', `${MAGIC}${PLAIN}${block(2, 4)}ffffffff`, '! damaged'],
    ['a window of 128 MiB', `${MAGIC}0088${RAW}`, TEXT],
    ['a larger window', `${MAGIC}0089${RAW}`, '! window-too-large'],
    ['an absurd window', `${MAGIC}00ff${RAW}`, '! window-too-large'],
    ['an absurd single segment', `${MAGIC}e0ffffffffffffff7f${RAW}`, '! window-too-large'],
    ['another magic', `27b52ffd${PLAIN}${RAW}`, '! damaged'],
    ['nothing', '', '! truncated'],
  ])('reads %s', async ([, digits, expected]) => {
    for (const size of [1, 7, Infinity]) expect(await unpacked(digits, size)).toBe(expected)
  })

  it('tells a frame that is cut anywhere', async () => {
    const skip = '502a4d180400000001020304'
    for (const whole of [
      MAGIC + PLAIN + RAW,
      `${MAGIC}0400${RAW}00000000`,
      skip + MAGIC + PLAIN + RAW,
      skip,
    ]) {
      const bytes = Buffer.from(whole, 'hex')
      for (let length = 0; length < bytes.length; length += 1) {
        // Between two frames is an end too.
        const isEnd = length === skip.length / 2 && whole.startsWith(skip)
        expect(await unpacked(bytes.subarray(0, length)), String(length)).toMatch(
          isEnd ? /^$/ : /^! (?:truncated|trailing-data)$/,
        )
      }
    }
  })
})
