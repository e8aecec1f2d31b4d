import { describe, expect, it } from 'vitest'
import { needlesFor } from '../../src/leak/needles.js'
import { PACKERS } from './support/packed.js'
import { document, layer, placeOf, places, scanFor, VALUE } from './support/scan.js'
import { paxRecords, tarOf, type TarSpec } from './support/tar.js'

const SIZES = [1, 7, 511, 512, 513, 4096, Infinity]
const filler = (length: number): string =>
  'plain text without a value\n'.repeat(length / 27 + 1).slice(0, length)

describe('a layer', () => {
  it.for<[what: string, specs: readonly TarSpec[], expected: string]>([
    ['content', [{ name: 'etc/conf', content: `token=${VALUE}\n` }], 'content etc/conf'],
    [
      'content, deep in a file',
      [{ name: 'big', content: filler(9000) + VALUE + filler(9000) }],
      'content big',
    ],
    [
      'content after other files',
      [{ name: 'a' }, { name: 'b', content: 'x' }, { name: 'c', content: VALUE }],
      'content c',
    ],
    ['a name', [{ name: `cache/${VALUE}/x` }], 'name cache/[secret]/x'],
    ['a name in two pieces', [{ prefix: 'a/tl_9vQ', name: '4mXr2Zp8KdW.txt' }], 'name a/[secret].txt'],
    ['a target of a link', [{ name: 'l', type: '2', link: VALUE }], 'link l'],
    ['a target of a hard link', [{ name: 'l', type: '1', link: VALUE }], 'link l'],
    ['the name of an owner', [{ name: 'f', mend: (header) => header.write(VALUE, 265) }], 'header f'],
    [
      'a long name',
      [{ name: '././@LongLink', type: 'L', content: `d/${VALUE}\0` }, { name: 'd' }],
      'name d/[secret]',
    ],
    [
      'a long target',
      [
        { name: '././@LongLink', type: 'K', content: `${VALUE}\0` },
        { name: 'd', type: '2' },
      ],
      'link d',
    ],
    [
      'a PAX path',
      [{ name: 'x', type: 'x', content: paxRecords({ mtime: '1.5', path: `p/${VALUE}` }) }, { name: 'p' }],
      'name p/[secret]',
    ],
    [
      'a PAX target',
      [
        { name: 'x', type: 'x', content: paxRecords({ linkpath: VALUE }) },
        { name: 'p', type: '2' },
      ],
      'link p',
    ],
    [
      'an extended attribute',
      [{ name: 'x', type: 'x', content: paxRecords({ 'SCHILY.xattr.user.t': VALUE }) }, { name: 'p' }],
      'header p',
    ],
  ])('holds it in %s', async ([, specs, expected]) => {
    for (const size of SIZES) {
      const found = places(await scanFor(layer(tarOf(...specs), size)))
      expect(
        found.map((place) => place.replace('***', '[secret]')),
        `pieces of ${String(size)}`,
      ).toEqual([expected])
    }
  })

  it('holds it across the joint of a name, and tells it once', async () => {
    const value = '/x9Qm4mXr2Zp8KdW'
    using needles = needlesFor([{ name: 'TOKEN', value: Buffer.from(value) }])
    const split = tarOf({ prefix: 'a', name: value.slice(1) }, { prefix: 'b/x9Qm4mXr2Zp', name: 'else' })
    expect(places(await scanFor(layer(split), { needles }))).toEqual(['name a***'])
    const whole = tarOf({ prefix: `a${value}`, name: 'n' }, { prefix: 'a', name: `n${value}` })
    const { findings } = await scanFor(layer(whole), { needles })
    expect(findings.map(({ form, count, path }) => [form, count, path])).toEqual([
      ['raw', 1, 'a***/n'],
      ['raw', 1, 'a/n***'],
    ])
  })

  it.for(['gz', 'zst'])('is unpacked from %s', async (suffix) => {
    const bytes = PACKERS[suffix]?.(tarOf({ name: 'f', content: VALUE })) ?? Buffer.alloc(0)
    // Zstandard leaves short texts as they are, so the packed bytes may show it too.
    for (const size of SIZES) expect(places(await scanFor(layer(bytes, size)))).toContain('content f')
  })

  it('holds a tar, and that another one', async () => {
    const inner = tarOf(
      { name: 'i' },
      { prefix: 'a/tl_9vQ', name: '4mXr2Zp8KdW' },
      { name: 'j', content: `..${VALUE}` },
    )
    const bytes = tarOf(
      { name: 'before', content: filler(700) },
      { name: 'o.tar', content: tarOf({ name: 'k', content: VALUE }, { name: 'i.tar', content: inner }) },
      { name: 'after', content: VALUE },
    )
    for (const size of SIZES) {
      const { findings, unread, parts } = await scanFor(layer(bytes, size))
      expect(findings.map((finding) => [placeOf(finding), finding.offset])).toEqual([
        ['content o.tar > k', 0],
        ['name o.tar > i.tar > a/***', 512 + 345 + 2],
        ['content o.tar > i.tar > j', 2],
        ['content after', 0],
      ])
      expect(unread).toEqual([])
      expect(parts[0]?.entries).toBe(3)
    }
    const limited = await scanFor(layer(bytes), { limits: { depth: 1 } })
    expect(limited.unread).toMatchObject([{ why: 'too-deep', path: 'o.tar', inner: ['i.tar'] }])
    expect(places(limited)).toContain('content o.tar > i.tar')
  })

  it('tells where in the file, and how often', async () => {
    const { findings } = await scanFor(
      layer(tarOf({ name: 'a', content: filler(700) }, { name: 'f', content: `0123${VALUE} ${VALUE}` })),
    )
    expect(findings).toEqual([
      {
        secret: 'TOKEN',
        form: 'raw',
        part: 'sha256:layer',
        path: 'f',
        where: 'content',
        offset: 4,
        count: 2,
      },
    ])
  })
})

describe('a document', () => {
  it.for<[what: string, text: string, ...paths: (string | undefined)[]]>([
    ['a string', JSON.stringify({ config: { Env: ['A=1', `T=${VALUE}`] } }), 'config/Env/1'],
    ['a key', JSON.stringify({ config: { Labels: { [VALUE]: '' } } }), 'config/Labels/***'],
    ['an odd escape', `{"a":"tl_9vQ\\/4mXr2Zp8K\\u0064W"}`, 'a'],
    ['JSON in a string', JSON.stringify({ l: JSON.stringify({ m: [VALUE] }) }), 'l', 'l/m/0'],
    ['no JSON', `plain ${VALUE}`, undefined],
    ['broken JSON', `{"a": ["b", "${VALUE}`, 'a/1'],
  ])('holds it in %s', async ([, text, ...paths]) => {
    for (const size of SIZES) {
      const { findings, unread } = await scanFor(document(text, size))
      const raw = findings.filter(({ form }) => form === 'raw')
      expect(raw.map(({ where, path }) => [where, path])).toEqual(paths.map((path) => ['document', path]))
      expect(unread).toEqual([])
    }
  })

  it('holds it before and after much else', async () => {
    const escaped = 'tl_9vQ\\/4mXr2Zp8K\\u0064W'
    const filler = 'x'.repeat(300_000)
    const text = `{"a":"${escaped}","b":"${filler}","c":"${escaped}"}`
    for (const size of [1000, 70_000, text.length]) {
      const { findings } = await scanFor(document(text, size))
      expect(findings.filter(({ form }) => form === 'raw').map(({ path }) => path)).toEqual(['a', 'c'])
    }
  })
})
