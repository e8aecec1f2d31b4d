/** The scan with threads gives what the scan with one gives, wherever the tar is cut. */

import { gzipSync } from 'node:zlib'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import fc from 'fast-check'
import { dir, type DirectoryResult } from 'tmp-promise'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ScanResult } from '../../src/leak/findings.js'
import { needlesFor } from '../../src/leak/needles.js'
import { MOST_THREADS, threadsFor, type TeamOptions } from '../../src/leak/parallel/team.js'
import { layer, scanFor, VALUE } from './support/scan.js'
import { runs } from './support/streams.js'
import { paxRecords, tarEntry } from './support/tar.js'

let folder: DirectoryResult
let threads: TeamOptions

beforeAll(async () => {
  folder = await dir({ unsafeCleanup: true })
  const outfile = join(folder.path, 'scan-worker.mjs')
  await build({
    entryPoints: [resolve(import.meta.dirname, '../../src/leak/parallel/scan-worker.ts')],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  })
  threads = { program: pathToFileURL(outfile), threads: 2, leastBytes: 0, pieceBytes: 1 }
})
afterAll(() => folder.cleanup())

const END = Buffer.alloc(1024)
const wrapped = (
  Buffer.from(`x${VALUE}y`.repeat(3))
    .toString('base64')
    .match(/.{1,16}/g) ?? []
).join('\n')

const content: fc.Arbitrary<Buffer> = fc.oneof(
  fc
    .constantFrom(
      '',
      VALUE,
      `${VALUE}${VALUE}`,
      VALUE.slice(1),
      wrapped,
      `  ${wrapped.replaceAll('\n', '\n  ')}`,
    )
    .map((text) => Buffer.from(text)),
  fc.nat(3000).map((length) => Buffer.alloc(length, '.')),
  // The value ends where a block ends, or lies across it.
  fc.nat(VALUE.length).map((over) => Buffer.from(`${'.'.repeat(512 - VALUE.length + over)}${VALUE}`)),
  fc.constantFrom(VALUE, 'nothing').map((text) => gzipSync(text)),
  fc
    .constantFrom(VALUE, 'nothing')
    .map((text) => Buffer.concat([tarEntry({ name: 'inner', content: text }), END])),
)

const entry: fc.Arbitrary<Buffer> = fc.oneof(
  content.map((bytes) => tarEntry({ name: 'f', content: bytes })),
  content.map((bytes) => tarEntry({ name: `d/${VALUE}`, content: bytes })),
  content.map((bytes) =>
    Buffer.concat([
      tarEntry({
        name: 'PaxHeaders/f',
        type: 'x',
        content: paxRecords({ path: `p/${'d'.repeat(120)}`, comment: VALUE }),
      }),
      tarEntry({ name: 'f', content: bytes }),
    ]),
  ),
  content.map((bytes) =>
    tarEntry({ prefix: `a/${VALUE.slice(0, 8)}`, name: VALUE.slice(9), content: bytes }),
  ),
)

const tar = fc
  .record({
    entries: fc.array(entry, { maxLength: 12 }),
    end: fc.constantFrom(
      END,
      Buffer.alloc(0),
      Buffer.alloc(512, 1),
      Buffer.concat([END, Buffer.from(VALUE)]),
    ),
    lost: fc.oneof(fc.constant(0), fc.nat(1500)),
  })
  .map(({ entries, end, lost }) => {
    const whole = Buffer.concat([...entries, end])
    return whole.subarray(0, Math.max(1, whole.length - lost))
  })

const inOrder = ({ findings, unread, opaque, parts, bytes }: ScanResult): unknown => ({
  findings: findings.map((row) => JSON.stringify(row, Object.keys(row).sort())).sort(),
  unread: unread.map((row) => JSON.stringify(row, Object.keys(row).sort())).sort(),
  opaque,
  parts,
  bytes,
})

/** As xxd writes it. */
const hexDump = (text: string): string =>
  (text.match(/.{1,16}/g) ?? [])
    .map((line, at) => {
      const groups =
        Buffer.from(line)
          .toString('hex')
          .match(/.{1,4}/g) ?? []
      return `${(at * 16).toString(16).padStart(8, '0')}: ${groups.join(' ').padEnd(39)}  ${line}`
    })
    .join('\n')

describe('scan with threads', () => {
  it.for([
    [1, 1],
    [2, 1],
    [3, 3],
    [8, 8],
    [64, MOST_THREADS],
  ] as const)('has on %i processors %i', ([processors, threads]) => {
    expect(threadsFor(processors)).toBe(threads)
  })

  it('gives the same as with one, wherever the tar and the stream are cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        tar,
        fc.integer({ min: 1, max: 5000 }),
        fc.constantFrom(1, 2000, 9000),
        async (bytes, size, pieceBytes) => {
          const alone = await scanFor(layer(bytes, size), { hash: () => true })
          const together = await scanFor(layer(bytes, size), {
            hash: () => true,
            threads: { ...threads, pieceBytes },
          })
          expect(inOrder(together)).toEqual(inOrder(alone))
        },
      ),
      { numRuns: Math.min(runs(10).numRuns, 2000) },
    )
  })

  it('finds what begins in one piece and ends in the next, and what is told by the line that began before', async () => {
    const dump = hexDump(`0123${VALUE}`)
    for (const [text, cut, form] of [
      [VALUE, 8, 'raw'],
      [dump, '00000000: 3031 3233 '.length, 'hex-dump'],
    ] as const) {
      const lines = Buffer.from(`\n${text.slice(0, cut)}`)
      const bytes = Buffer.concat([
        tarEntry({ name: 'first', content: Buffer.concat([Buffer.alloc(1024 - lines.length, '.'), lines]) }),
        tarEntry({ name: text.slice(cut), content: '' }),
        END,
      ])
      const alone = await scanFor(layer(bytes))
      expect(alone.findings.map((finding) => finding.form)).toContain(form)
      // The second header is the last thing that begins in the first chunk, so the tar is cut before it.
      expect(inOrder(await scanFor(layer(bytes, 1600), { threads }))).toEqual(inOrder(alone))
    }
  })

  it('gives the same of a packed layer, and of one that is damaged', async () => {
    const bytes = gzipSync(
      Buffer.concat([tarEntry({ name: 'a', content: VALUE }), tarEntry({ name: VALUE, content: 'b' }), END]),
    )
    for (const given of [bytes, bytes.subarray(0, bytes.length - 20)]) {
      expect(inOrder(await scanFor(layer(given, 50), { threads }))).toEqual(
        inOrder(await scanFor(layer(given, 50))),
      )
    }
  })

  it('lists a hundred places of a needle and counts the rest', async () => {
    const bytes = Buffer.concat(
      Array.from({ length: 150 }, (_, at) => tarEntry({ name: `f${at}`, content: VALUE })),
    )
    const { findings } = await scanFor(layer(bytes, 5000), { threads })
    const raw = findings.filter(({ form }) => form === 'raw')
    expect(raw.filter(({ path }) => path !== undefined)).toHaveLength(100)
    expect(raw.reduce((sum, { count }) => sum + count, 0)).toBe(150)
  })

  it('has one set of limits for all threads', async () => {
    const packed = gzipSync(Buffer.alloc(100_000, 'text '))
    const bytes = Buffer.concat(
      Array.from({ length: 40 }, (_, at) => tarEntry({ name: `f${at}`, content: packed })),
    )
    const { unread } = await scanFor(layer(bytes, 5000), { threads, limits: { count: 30 } })
    expect(unread.reduce((sum, { count }) => sum + count, 0)).toBe(10)
  })

  it('ends when it is told to, and leaves no thread', async () => {
    const gone = new AbortController()
    async function* endless(): AsyncGenerator<Uint8Array> {
      const one = tarEntry({ name: 'f', content: Buffer.alloc(50_000) })
      for (let at = 0; ; at += 1) {
        if (at === 20) gone.abort(new Error('told to end'))
        yield one
      }
    }
    const part = { id: 'layer', kind: 'layer', sizeBytes: 1, bytes: endless() } as const
    await expect(scanFor(part, { threads, signal: gone.signal })).rejects.toThrow('told to end')
  })

  it('searches with one thread where a value is so long that pieces would be searched twice', async () => {
    const long = Buffer.alloc(400_000, 'a long value, ')
    using needles = needlesFor([{ name: 'LONG', value: long }])
    const bytes = Buffer.concat([tarEntry({ name: 'f', content: long }), END])
    const { findings } = await scanFor(layer(bytes, 60_000), { threads, needles })
    expect(findings.find(({ form }) => form === 'raw')).toMatchObject({ path: 'f', offset: 0, count: 1 })
  })
})
