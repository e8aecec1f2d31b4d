/** Archives that are damaged, absurd or made to hurt: read right, or reported; always to the end, in bounded time. */

import { createCipheriv } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KINDS } from '../../src/leak/archive/kinds.js'
import { LISTED, type ScanResult } from '../../src/leak/findings.js'
import { encryptedZipOf, gitPackOf, PACKERS, zipOf } from './support/packed.js'
import { document, layer, places, scanFor, VALUE } from './support/scan.js'
import { paxRecords, tarEntry, tarOf, type TarSpec } from './support/tar.js'

const END = Buffer.alloc(1024)
// Nothing that a packer makes less of, and the same at each run.
const randomish = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(
  Buffer.alloc(6_000_010),
)
const value = Buffer.from(VALUE)
const noise = (length: number): Buffer => randomish.subarray(0, length)

const why = ({ unread }: ScanResult): readonly string[] =>
  unread.map(({ why: reason, path, inner = [] }) => [`${reason} ${path ?? '-'}`, ...inner].join(' > '))

/** Scans a layer with one file in it. */
const scanFile = (
  content: Uint8Array,
  options: Parameters<typeof scanFor>[1] = {},
  name = 'f',
): Promise<ScanResult> => scanFor(layer(tarOf({ name, content }), 1000), options)

describe('a tar', () => {
  const first = tarEntry({ name: 'a', content: 'x'.repeat(700) })
  const second = tarEntry({ name: 'b', content: VALUE })

  it.for<[what: string, bytes: Uint8Array, unread: readonly string[], found: readonly string[]]>([
    ['whole', Buffer.concat([first, second, END]), [], ['content b']],
    ['without its end', Buffer.concat([first, second]), [], ['content b']],
    [
      'without its last padding',
      Buffer.concat([first, second]).subarray(0, 1536 + 512 + 30),
      [],
      ['content b'],
    ],
    ['cut in a content', first.subarray(0, 1000), ['truncated -'], []],
    ['cut in a header', Buffer.concat([first, second]).subarray(0, 1536 + 300), ['truncated -'], []],
    [
      'cut in an extended header',
      tarEntry({ name: 'x', type: 'x', content: noise(600) }).subarray(0, 700),
      ['truncated -'],
      [],
    ],
    [
      'with an extended header last',
      tarOf({ name: 'x', type: 'x', content: paxRecords({ a: 'b' }) }),
      ['truncated -'],
      [],
    ],
    ['with noise for a header', Buffer.concat([first, noise(512), second, END]), ['damaged -'], ['header -']],
    ['with data behind its end', Buffer.concat([first, END, value]), ['trailing-data -'], ['header -']],
    [
      'with a block of noise behind its end',
      Buffer.concat([first, END, noise(512)]),
      ['trailing-data -'],
      [],
    ],
    ['with a second one behind its end', Buffer.concat([first, END, second, END]), [], ['content b']],
    ['that is none', Buffer.concat([noise(600), value]), ['not-a-tar -'], ['header -']],
    ['that is empty', Buffer.alloc(0), ['not-a-tar -'], []],
    ['with nothing in it', END, [], []],
    [
      'older than the magic',
      tarOf({ name: 'a', magic: '', content: 'x' }, { name: 'b', magic: '', content: VALUE }),
      [],
      ['content b'],
    ],
  ])('%s', async ([, bytes, unread, found]) => {
    for (const size of [1, 512, 700, Infinity]) {
      const result = await scanFor(layer(bytes, size))
      expect(why(result), `pieces of ${String(size)}`).toEqual(unread)
      expect(places(result)).toEqual(found)
      expect(result.parts[0]?.bytes).toBe(bytes.length)
    }
  })

  it('with noise for a header is searched to its far end', async () => {
    const far = Buffer.concat([first, noise(512), noise(2_000_000), value])
    expect(places(await scanFor(layer(far, 50_000)))).toEqual(['header -'])
  })

  const base256 = (size: bigint): Buffer => {
    const field = Buffer.alloc(12)
    field.writeBigUInt64BE(size, 4)
    field.writeUInt8(0x80, 0)
    return field
  }

  it.for<[what: string, specs: readonly TarSpec[], unread: readonly string[], found: readonly string[]]>([
    [
      'in base 256',
      [
        { name: 'a', size: base256(18n), content: VALUE },
        { name: 'b', content: VALUE },
      ],
      [],
      ['content a', 'content b'],
    ],
    [
      'beyond the end',
      [{ name: 'a', size: base256(1n << 52n), content: VALUE }],
      ['truncated -'],
      ['content a'],
    ],
    [
      'that cannot be counted',
      [{ name: 'a', size: base256(1n << 60n), content: VALUE }],
      ['damaged -'],
      ['header -'],
    ],
    [
      'that is no number',
      [{ name: 'a', size: Buffer.from('how big?\0\0\0\0'), content: VALUE }],
      ['damaged -'],
      ['header -'],
    ],
    ['too small', [{ name: 'a', size: 0, content: VALUE }], ['damaged -'], ['header -']],
    [
      'of a hard link',
      [
        { name: 'a', type: '1', size: 9999 },
        { name: 'b', content: VALUE },
      ],
      [],
      ['content b'],
    ],
    [
      'of a folder',
      [
        { name: 'a/', type: '5', size: 9999 },
        { name: 'b', content: VALUE },
      ],
      [],
      ['content b'],
    ],
    [
      'of a PAX header',
      [
        { name: 'x', type: 'x', size: 2 ** 32 },
        { name: 'b', content: VALUE },
      ],
      ['damaged -'],
      ['header -'],
    ],
    [
      'in a PAX record',
      [
        { name: 'x', type: 'x', content: paxRecords({ size: String(VALUE.length) }) },
        { name: 'a', size: 0, content: VALUE },
        { name: 'b', content: VALUE },
      ],
      [],
      ['content a', 'content b'],
    ],
  ])('with a size %s', async ([, specs, unread, found]) => {
    for (const size of [1, 512, Infinity]) {
      const result = await scanFor(layer(tarOf(...specs), size))
      expect(why(result)).toEqual(unread)
      expect(places(result)).toEqual(found)
    }
  })

  it('with an old sparse map of several blocks', async () => {
    const maps = Buffer.alloc(1024)
    maps.writeUInt8(1, 504)
    const sparse = tarEntry({
      name: 's',
      type: 'S',
      size: 18,
      magic: 'ustar  \0',
      mend: (header) => header.writeUInt8(1, 482),
    })
    const bytes = Buffer.concat([
      sparse,
      maps,
      value,
      Buffer.alloc(512 - 18),
      tarEntry({ name: 'b', content: VALUE }),
      END,
    ])
    for (const size of [1, 512, Infinity]) {
      const result = await scanFor(layer(bytes, size))
      expect(why(result)).toEqual([])
      expect(places(result)).toEqual(['content s', 'content b'])
    }
  })

  it('with links in a circle, devices and pipes', async () => {
    const result = await scanFor(
      layer(
        tarOf(
          { name: 'a', type: '2', link: 'b' },
          { name: 'b', type: '2', link: 'a' },
          { name: 'c', type: '1', link: 'c' },
          ...['3', '4', '6'].map((type) => ({ name: type, type })),
          { name: 'd', content: VALUE },
        ),
      ),
    )
    expect(places(result)).toEqual(['content d'])
    expect(result.unread).toEqual([])
    expect(result.parts[0]?.entries).toBe(7)
  })

  it('with names that would steer a terminal', async () => {
    const name = 'a\x1b]0;title\x07\r\n\u009b2J\u202e\u2066b\xff'
    const { findings } = await scanFor(layer(tarOf({ name: Buffer.from(name, 'utf8'), content: VALUE })))
    expect(findings[0]?.path).toBe('a\\u{1b}]0;title\\u{7}\\u{d}\\u{a}\\u{9b}2J\\u{202e}\\u{2066}bÿ')
  })

  it('with a name that is not UTF-8 and as long as one can be', async () => {
    const name = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.alloc(5000, 'n')])
    const specs = [
      { name: 'x', type: 'x', content: paxRecords({ path: name }) },
      { name: 'n', content: VALUE },
    ]
    const { findings } = await scanFor(layer(tarOf(...specs)))
    expect(findings[0]?.path).toBe(`\ufffd\ufffd${'n'.repeat(1022)}…`)
  })

  it('with 50,000 entries, in bounded memory', async () => {
    const entry = tarEntry({ name: 'some/file', content: 'content' })
    async function* many(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < 50_000; at += 1) yield await Promise.resolve(entry)
      yield tarEntry({ name: 'last', content: VALUE })
    }
    const result = await scanFor({ id: 'l', kind: 'layer', sizeBytes: undefined, bytes: many() })
    expect(result.parts[0]?.entries).toBe(50_001)
    expect(places(result)).toEqual(['content last'])
  })
})

describe('a layer of any size', () => {
  it('is read in bounded memory', { timeout: 120_000 }, async () => {
    const total = process.env['TRACELESS_SOAK'] === '1' ? 4e9 : 200e6
    const large = tarEntry({ name: 'large', size: 60 * 2 ** 20 }).subarray(0, 512)
    const piece = noise(2 ** 20)
    const small = Buffer.concat([
      tarEntry({ name: 'a.gz', content: gzipSync(noise(20_000)) }),
      tarEntry({ name: 'b' }),
    ])
    async function* bytes(): AsyncGenerator<Uint8Array> {
      for (let sent = 0; sent < total; sent += 60 * 2 ** 20) {
        yield await Promise.resolve(Buffer.concat([small, large]))
        for (let at = 0; at < 60; at += 1) yield piece
      }
      yield tarEntry({ name: 'last', content: VALUE })
    }
    const begun = process.memoryUsage().rss
    let most = begun
    const onProgress = (): void => {
      most = Math.max(most, process.memoryUsage.rss())
    }
    const part = { id: 'l', kind: 'layer', sizeBytes: undefined, bytes: bytes() } as const
    const result = await scanFor(part, { onProgress })
    expect(places(result)).toEqual(['content last'])
    expect(result.unread).toEqual([])
    expect(most - begun).toBeLessThan(150e6)
  })
})

describe('kinds', () => {
  const bytesOf = ({ magic, at }: { magic: string; at: number }): Buffer =>
    Buffer.concat([
      Buffer.alloc(at, 0x2e),
      Buffer.from(magic.replaceAll('.', '0'), 'hex'),
      Buffer.alloc(600, 0x2e),
    ])

  it.for(KINDS.filter(({ treatment }) => treatment === 'unread'))(
    '$name ($magic) is not opened, and says so',
    async (kind) => {
      expect(why(await scanFile(bytesOf(kind)))).toEqual(['not-opened f'])
    },
  )

  it.for(KINDS.filter(({ treatment }) => treatment === 'opaque'))(
    '$name ($magic) is opaque, and counted',
    async (kind) => {
      const content = bytesOf(kind)
      const result = await scanFile(content)
      expect(result.unread).toEqual([])
      expect(result.opaque).toEqual([{ kind: kind.name, count: 1, bytes: content.length }])
      expect((await scanFile(gzipSync(content))).opaque).toEqual(result.opaque)
    },
  )

  it.for(
    KINDS.filter(
      ({ treatment, name, magic }) =>
        treatment === 'open' && !['zlib', 'tar', 'lzma', 'compress'].includes(name) && magic !== '2321',
    ),
  )('$name ($magic) is opened, and what is wrong is told', async (kind) => {
    expect((await scanFile(bytesOf(kind))).unread).not.toEqual([])
  })

  it.for<[text: string, what: string]>([
    ['x^2 + y^2 is no zlib stream', 'begins like zlib'],
    ['x\x01 nor is this', 'begins like zlib'],
    ['#!/bin/sh\necho PK\x03\x04 is on no line of its own', 'begins like a script with a zip'],
    [`${'.'.repeat(257)}ustar is in the right place`.padEnd(600, '.'), 'has the magic of tar'],
    ['PK', 'is the beginning of a magic'],
    ['', 'is empty'],
  ])('%j is plain: it %s', async ([text]) => {
    const result = await scanFile(Buffer.concat([Buffer.from(text, 'latin1'), value]))
    expect(result.unread).toEqual([])
    expect(places(result)).toEqual(['content f'])
  })

  it('knows Brotli by its name', async () => {
    const packed = PACKERS['br']?.(Buffer.from(VALUE.repeat(20))) ?? Buffer.alloc(0)
    expect(places(await scanFile(packed, {}, 'a/app.js.br'))).toEqual(['content a/app.js.br'])
    expect(why(await scanFile(noise(500), {}, 'noise.br'))).toEqual(['damaged noise.br'])
    const long = `${'d/'.repeat(60)}app.js.br`
    const specs = [
      { name: 'x', type: 'x', content: paxRecords({ path: long }) },
      { name: 'short', content: packed },
    ]
    expect(places(await scanFor(layer(tarOf(...specs))))).toEqual([`content ${long}`])
  })
})

describe('packed content', () => {
  const plain = Buffer.concat([noise(300_000), value, noise(1000)])

  for (const [suffix, pack] of Object.entries(PACKERS)) {
    describe(suffix, () => {
      const packed = pack(plain)
      const name = `f.${suffix}`

      it('is found whatever way it is cut', async () => {
        for (const size of [997, 65_536, Infinity]) {
          const result = await scanFor(
            layer(tarOf({ name: 'before' }, { name, content: packed }, { name: 'z' }), size),
          )
          expect(places(result)).toEqual([`content ${name}`])
          expect(why(result)).toEqual([])
        }
      })

      it('is told when it is cut off', async () => {
        for (const share of [0.2, 0.6, 0.99]) {
          const result = await scanFile(packed.subarray(0, packed.length * share), {}, name)
          expect(why(result)).toEqual([expect.stringMatching(/^(?:truncated|damaged) /)])
        }
      })

      it('is told when something follows it', async () => {
        const result = await scanFile(Buffer.concat([packed, Buffer.from('followed')]), {}, name)
        expect(why(result)).toEqual([expect.stringMatching(/^(?:trailing-data|damaged) /)])
      })

      it('ends the search of nothing but itself when it is damaged', async () => {
        const damaged = Buffer.from(packed)
        damaged.fill(0x55, packed.length >> 1, (packed.length >> 1) + 50)
        const result = await scanFor(
          layer(tarOf({ name, content: damaged }, { name: 'z', content: VALUE }), 4096),
        )
        expect(places(result)).toContain('content z')
      })

      it('is unread beyond each limit', async () => {
        const limited = (limits: object): Promise<readonly string[]> =>
          scanFile(packed, { limits }, name).then(why)
        expect(await limited({ depth: 0 })).toEqual([`too-deep ${name}`])
        expect(await limited({ count: 0 })).toEqual([`too-many ${name}`])
        expect(await limited({ memberBytes: 100_000 })).toEqual([`too-large ${name}`])
        expect(await limited({ totalBytes: 100_000 })).toEqual([`total-too-large ${name}`])
        expect(await limited({ freeBytes: 1000, ratio: 0.5 })).toEqual([`too-dense ${name}`])
      })
    })
  }

  it('is searched as it stands too', async () => {
    const withComment = Buffer.concat([
      Buffer.from('1f8b08100000000000ff', 'hex'),
      value,
      Buffer.from([0]),
      gzipSync('x').subarray(10),
    ])
    expect(places(await scanFile(withComment))).toEqual(['content f'])
    expect(places(await scanFor(layer(withComment)))).toEqual(['header -'])
  })

  it('may be several streams and padding', async () => {
    for (const [suffix, pack] of Object.entries(PACKERS)) {
      if (['zlib', 'br', 'lzma'].includes(suffix)) continue
      const result = await scanFile(Buffer.concat([pack(noise(100)), pack(value), Buffer.alloc(512)]))
      expect([suffix, why(result), places(result)]).toEqual([suffix, [], ['content f']])
    }
  })

  it('is followed into archives as deep as the limit', async () => {
    let packed: Uint8Array = Buffer.concat([value, noise(100)])
    for (let depth = 0; depth < 6; depth += 1) packed = gzipSync(packed)
    expect(places(await scanFile(packed))).toEqual(['content f'])
    expect(why(await scanFile(gzipSync(packed)))).toEqual(['too-deep f'])
  })

  it('of xz inside xz is told, and does not wait for itself', async () => {
    const xz = PACKERS['xz'] ?? gzipSync
    expect(
      why(
        await scanFile(
          xz(tarOf({ name: 'a.xz', content: xz(value) }, { name: 'b', content: noise(1_000_000) })),
        ),
      ),
    ).toEqual(['too-deep f > a.xz'])
    expect(
      places(
        await scanFor([
          layer(tarOf({ name: 'a', content: xz(value) })),
          layer(tarOf({ name: 'b', content: xz(value) })),
        ]),
      ),
    ).toEqual(['content a', 'content b'])
  })

  it('does not run away: zeros upon zeros', { timeout: 20_000 }, async () => {
    const zeros = gzipSync(Buffer.alloc(70_000_000), { level: 9 })
    const begun = process.memoryUsage().rss
    expect(why(await scanFile(zeros))).toEqual(['too-dense f'])
    const limits = { freeBytes: 8e6 }
    expect(why(await scanFile(gzipSync(zeros), { limits }))).toEqual(['too-dense f'])
    // A block of bzip2 in which the zeros have 45 bytes.
    const block = PACKERS['bz2']?.(Buffer.alloc(20_000_000)) ?? Buffer.alloc(0)
    expect(why(await scanFile(block, { limits }))).toEqual(['too-dense f'])
    expect(process.memoryUsage().rss - begun).toBeLessThan(200e6)
  })

  it('asking for much memory is not given it', async () => {
    // A frame of zstd with a window of 256 MiB and one block of two bytes.
    const frame = Buffer.from('28b52ffd0490110000aabb00000000', 'hex')
    expect(why(await scanFile(frame))).toEqual(['window-too-large f'])
    // A single segment that says it has 2 GiB.
    expect(why(await scanFile(Buffer.from('28b52ffda0000000801100aabb', 'hex')))).toEqual([
      'window-too-large f',
    ])
  })
})

describe('a zip', () => {
  const zip = zipOf(value)

  it('is read from memory and from a file alike', async () => {
    for (const heldBytes of [0, 100, 1e6]) {
      const result = await scanFile(zip, { limits: { heldBytes } }, 'f.zip')
      expect(places(result)).toEqual(['content f.zip > a/member'])
      expect(result.unread).toEqual([])
    }
  })

  it('with a password is told', async () => {
    expect(why(await scanFile(encryptedZipOf(value)))).toEqual(['encrypted f > member'])
  })

  it('with entries that its directory does not list is told', async () => {
    const hidden = zip.subarray(0, zip.indexOf('PK\x01\x02', 0, 'latin1'))
    expect(why(await scanFile(Buffer.concat([hidden, zip])))).toEqual(['hidden-data f'])
  })

  it('with a local header that tells another story is told', async () => {
    const lying = Buffer.from(zip)
    lying.writeUInt16LE(0, 8)
    expect(why(await scanFile(lying))).toEqual(['damaged f > a/member'])
  })

  it('with a method that is not known is told', async () => {
    const odd = Buffer.from(zip)
    odd.writeUInt16LE(9, 8)
    odd.writeUInt16LE(9, zip.indexOf('PK\x01\x02', 0, 'latin1') + 10)
    expect(why(await scanFile(odd))).toEqual(['unknown-method f > a/member'])
  })

  it('without its directory is told', async () => {
    expect(why(await scanFile(zip.subarray(0, zip.length - 30)))).toEqual(['damaged f'])
  })

  it('behind a script is a zip', async () => {
    const result = await scanFile(Buffer.concat([Buffer.from('#!/usr/bin/env python3\n'), zip]))
    expect(places(result)).toEqual(['content f > a/member'])
    expect(result.unread).toEqual([])
  })

  it('counts its members', async () => {
    expect(why(await scanFile(zip, { limits: { count: 2 } }))).toEqual(['too-many f'])
  })
})

describe('a git pack', () => {
  const pack = gitPackOf(value)

  it('is read, also from a file, and cut anywhere', async () => {
    for (const heldBytes of [0, 1e6]) {
      const result = await scanFile(pack, { limits: { heldBytes } })
      expect(places(result)).toEqual(['content f > blob at 12'])
      expect(result.unread).toEqual([])
    }
  })

  it('with large objects is read', async () => {
    const result = await scanFile(gitPackOf(Buffer.concat([noise(5_000_000), value])))
    expect(places(result)).toContain('content f > blob at 12')
    expect(result.unread).toEqual([])
  })

  it.for<[what: string, bytes: Uint8Array]>([
    ['cut off', pack.subarray(0, pack.length - 25)],
    ['with something behind it', Buffer.concat([pack, value])],
    ['of no type', Buffer.concat([pack.subarray(0, 12), Buffer.from([0x50]), pack.subarray(13)])],
    ['that is damaged', Buffer.concat([pack.subarray(0, 14), noise(pack.length)])],
  ])('%s is told', async ([, bytes]) => {
    expect((await scanFile(bytes)).unread).not.toEqual([])
  })
})

describe('a layer in gzip', () => {
  it('that is cut off is told, and has no digest', async () => {
    const packed = gzipSync(tarOf({ name: 'a', content: VALUE }, { name: 'b', content: noise(100_000) }))
    const whole = await scanFor(layer(packed, 5000), { hash: () => true })
    expect(whole.unread).toEqual([])
    expect(whole.parts[0]?.sha256).toMatch(/^sha256:[0-9a-f]{64}$/)
    const cut = await scanFor(layer(packed.subarray(0, packed.length - 100), 5000), { hash: () => true })
    expect(why(cut)).toEqual(['truncated -', 'truncated -'])
    expect(places(cut)).toEqual(['content a'])
    expect(cut.parts[0]?.sha256).toBeUndefined()
  })

  it('has a limit of its own', async () => {
    const packed = gzipSync(tarOf({ name: 'a', content: noise(100_000) }))
    expect(why(await scanFor(layer(packed), { limits: { layerBytes: 50_000 } }))).toContain('too-large -')
    expect(
      why(await scanFor(layer(packed), { limits: { memberBytes: 1000, totalBytes: 1000, ratio: 0 } })),
    ).toEqual([])
  })
})

describe('a long list', () => {
  it('of what is unread is summed up, and loses nothing', async () => {
    const specs = Array.from({ length: LISTED + 50 }, (_, at) => ({
      name: `f${at}`,
      content: '7z\xbc\xaf\x27\x1c',
    }))
    const sevenZip = Buffer.from('377abcaf271c', 'hex')
    const { unread } = await scanFor(layer(tarOf(...specs.map(({ name }) => ({ name, content: sevenZip })))))
    expect(unread).toHaveLength(LISTED + 1)
    expect(unread.at(-1)).toEqual({ part: 'sha256:layer', why: 'not-opened', count: 50 })
  })

  it('of findings is summed up, and loses nothing', async () => {
    const specs = Array.from({ length: LISTED + 50 }, (_, at) => ({
      name: `f${at}`,
      content: `${VALUE} ${VALUE}`,
    }))
    const raw = (await scanFor(layer(tarOf(...specs)))).findings.filter(({ form }) => form === 'raw')
    expect(raw).toHaveLength(LISTED + 1)
    expect(raw.reduce((sum, { count }) => sum + count, 0)).toBe(2 * (LISTED + 50))
    expect(raw.at(-1)).toMatchObject({ count: 100, where: 'content' })
    expect(raw.at(-1)).not.toHaveProperty('path')
  })
})

describe('a document', () => {
  it('that is an archive is opened', async () => {
    expect(places(await scanFor(document(gzipSync(`{"a":"${VALUE}"}`))))).toEqual(['content -'])
    expect(places(await scanFor(document(tarOf({ name: 'a', content: VALUE }))))).toContain('content a')
  })

  it('too large to decode is searched as it stands, and says so', async () => {
    const large = Buffer.concat([
      Buffer.from(`{"a":"${VALUE}","b":"`),
      Buffer.alloc(33 * 2 ** 20, 'b'),
      Buffer.from('"}'),
    ])
    const result = await scanFor(document(large, 1 << 20))
    expect(places(result)).toEqual(['document -'])
    expect(why(result)).toEqual(['document-too-large -'])
  })

  it('of brackets is read in bounded time', async () => {
    const result = await scanFor(document(`${'['.repeat(5_000_000)}"${VALUE}"`, 1 << 20))
    expect(places(result)).toHaveLength(1)
  })
})

describe('a stream', () => {
  const gz = gzipSync(noise(500_000))

  it('that fails fails the scan, from inside an archive too', async () => {
    const broken = new Error('connection lost')
    for (const content of [
      gz,
      zipOf(noise(100_000)),
      PACKERS['xz']?.(noise(300_000)),
      PACKERS['zst']?.(noise(300_000)),
    ]) {
      const tar = tarOf({ name: 'f', content: content ?? gz })
      async function* bytes(): AsyncGenerator<Uint8Array> {
        yield tar.subarray(0, 2000)
        yield tar.subarray(2000, 4000)
        await Promise.reject(broken)
      }
      await expect(scanFor({ id: 'l', kind: 'layer', sizeBytes: undefined, bytes: bytes() })).rejects.toBe(
        broken,
      )
    }
  })

  it('ends with its signal', async () => {
    const controller = new AbortController()
    let pieces = 0
    async function* bytes(): AsyncGenerator<Uint8Array> {
      for (;;) {
        pieces += 1
        if (pieces === 10) controller.abort(new Error('enough'))
        yield await Promise.resolve(tarEntry({ name: 'f', content: gz }))
      }
    }
    const part = { id: 'l', kind: 'layer', sizeBytes: undefined, bytes: bytes() } as const
    await expect(scanFor(part, { signal: controller.signal })).rejects.toThrow('enough')
    expect(pieces).toBeLessThan(15)
  })

  it('tells how far it is', async () => {
    const seen: number[] = []
    const tar = tarOf({ name: 'f', content: noise(5000) })
    await scanFor(layer(tar, 1000), { onProgress: ({ bytes }) => seen.push(bytes) })
    expect(seen).toEqual([1000, 2000, 3000, 4000, 5000, 6000, 6656])
  })
})

describe('anything', () => {
  const seeds = [
    ...Object.values(PACKERS).map((pack) => pack(Buffer.concat([value, noise(400), Buffer.alloc(300)]))),
    zipOf(value),
    gitPackOf(value),
    tarOf(
      { name: 'a', content: gzipSync(value) },
      { name: 'x', type: 'x', content: paxRecords({ path: 'p' }) },
      { name: 'b' },
    ),
  ]

  it('is read to its end, however it was damaged', async () => {
    const damage = fc.record({
      seed: fc.constantFrom(...seeds),
      changes: fc.array(fc.tuple(fc.nat(100_000), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      cut: fc.option(fc.nat(100_000), { freq: 4 }),
    })
    await fc.assert(
      fc.asyncProperty(damage, async ({ seed, changes, cut }) => {
        const bytes = Buffer.from(seed.subarray(0, cut === null ? undefined : cut % seed.length))
        for (const [at, byte] of changes) if (bytes.length > 0) bytes.writeUInt8(byte, at % bytes.length)
        const specs = [
          { name: 'f.br', content: bytes },
          { name: 'last', content: VALUE },
        ]
        expect(places(await scanFor(layer(tarOf(...specs), 700)))).toContain('content last')
      }),
      { numRuns: process.env['TRACELESS_SOAK'] === '1' ? 20_000 : 300 },
    )
  })
})
