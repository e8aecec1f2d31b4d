/** The scan against a slow reference that knows where everything was put and searches it with indexOf. */

import { deflateSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { needlesFor } from '../../src/leak/needles.js'
import { layer, placeOf, scanFor, VALUE } from './support/scan.js'
import { paxRecords, tarEntry } from './support/tar.js'

const runs = (normally: number, soaking: number): { numRuns: number } => ({
  numRuns: process.env['TRACELESS_SOAK'] === '1' ? soaking : normally,
})

/** Where a value can begin or end by chance: few letters, so that near misses and overlaps are common. */
const letters = fc.string({ unit: fc.constantFrom('a', 'b', '/'), minLength: 6, maxLength: 14 })

/** A piece of content: the value, most of it, or something else. */
const piece = (value: string): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constant(value),
    fc.constant(value.slice(0, -1)),
    fc.constant(value.slice(1)),
    fc.nat(value.length - 1).map((at) => `${value.slice(0, at)}c${value.slice(at + 1)}`),
    fc.constantFrom('', 'a', '\n', '/'),
    fc.nat(700).map((length) => '.'.repeat(length)),
  )

const content = (value: string): fc.Arbitrary<Buffer> =>
  fc.array(piece(value), { maxLength: 6 }).map((pieces) => Buffer.from(pieces.join('')))

interface File {
  readonly format: 'ustar' | 'prefix' | 'pax' | 'gnu'
  readonly packed: 'plain' | 'gzip' | 'zlib'
  readonly content: Buffer
}

const file = (value: string): fc.Arbitrary<File> =>
  fc.record({
    format: fc.constantFrom('ustar', 'prefix', 'pax', 'gnu'),
    packed: fc.constantFrom('plain', 'plain', 'gzip', 'zlib'),
    content: content(value),
  })

const PACK = { plain: (bytes: Buffer): Buffer => bytes, gzip: gzipSync, zlib: deflateSync }

/** A file in the archive, under a name that its format has to write in its own way. */
function written({ format, packed, content: plain }: File, at: number): { path: string; bytes: Buffer } {
  const bytes = PACK[packed](plain)
  const path = format === 'ustar' ? `f${at}` : `${'d'.repeat(60)}/${'e'.repeat(70)}/f${at}`
  switch (format) {
    case 'ustar':
      return { path, bytes: tarEntry({ name: path, content: bytes }) }
    case 'prefix':
      return {
        path,
        bytes: tarEntry({ prefix: path.slice(0, 131), name: path.slice(132), content: bytes }),
      }
    case 'pax':
      return {
        path,
        bytes: Buffer.concat([
          tarEntry({ name: 'PaxHeaders/f', type: 'x', content: paxRecords({ mtime: '1.5', path }) }),
          tarEntry({ name: 'f', content: bytes }),
        ]),
      }
    case 'gnu':
      return {
        path,
        bytes: Buffer.concat([
          tarEntry({ name: '././@LongLink', type: 'L', magic: 'ustar  \0', content: `${path}\0` }),
          tarEntry({ name: path, magic: 'ustar  \0', content: bytes }),
        ]),
      }
  }
}

/** All offsets of a value, by looking at every one. */
function occurrences(bytes: Buffer, value: string): readonly number[] {
  const offsets: number[] = []
  for (let at = bytes.indexOf(value); at !== -1; at = bytes.indexOf(value, at + 1)) offsets.push(at)
  return offsets
}

const scenario = letters.chain((value) =>
  fc.record({
    value: fc.constant(value),
    files: fc.array(file(value), { minLength: 1, maxLength: 5 }),
    isPacked: fc.boolean(),
    size: fc.integer({ min: 1, max: 3000 }),
  }),
)

describe('scan', () => {
  it('finds what was put there and nothing else, however the stream is cut', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async ({ value, files, isPacked, size }) => {
        const entries = files.map(written)
        const tar = Buffer.concat([...entries.map(({ bytes }) => bytes), Buffer.alloc(1024)])
        const expected = files.flatMap(({ content: plain }, at) => {
          const [offset, ...more] = occurrences(plain, value)
          return offset === undefined ? [] : [[`content ${entries[at]?.path ?? ''}`, offset, more.length + 1]]
        })
        using needles = needlesFor([{ name: 'TOKEN', value: Buffer.from(value) }])
        const result = await scanFor(layer(isPacked ? gzipSync(tar) : tar, size), { needles })
        const found = result.findings
          .filter(({ form }) => form === 'raw')
          .map((finding) => [placeOf(finding), finding.offset, finding.count])
        expect(found).toEqual(expected)
        expect(result.unread).toEqual([])
        expect(result.parts[0]).toMatchObject({ bytes: tar.length, entries: files.length })
      }),
      runs(150, 20_000),
    )
  })

  it('gives the same result whatever the cut', async () => {
    const [head, tail] = [VALUE.slice(0, 6), VALUE.slice(7)]
    const archive = fc.uint8Array({ minLength: 0, maxLength: 200 }).map((noise) =>
      Buffer.concat([
        tarEntry({ prefix: `a/${head}`, name: tail, content: noise }),
        tarEntry({
          name: 'b',
          content: gzipSync(Buffer.concat([noise, Buffer.from(VALUE)])),
        }),
        tarEntry({ name: 'c', type: '2', link: VALUE }),
        noise,
      ]),
    )
    await fc.assert(
      fc.asyncProperty(archive, fc.integer({ min: 1, max: 1200 }), async (bytes, size) => {
        const whole = await scanFor(layer(bytes))
        expect(await scanFor(layer(bytes, size))).toEqual(whole)
        expect(whole.findings.map(({ where }) => where)).toEqual(['name', 'content', 'link'])
      }),
      runs(40, 5000),
    )
  })
})
