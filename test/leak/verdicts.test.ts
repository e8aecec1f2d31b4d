import { describe, expect, it } from 'vitest'
import type { Finding, PartRead, ScanResult, Unread } from '../../src/leak/findings.js'
import { needlesFor, type Guarded } from '../../src/leak/needles.js'
import { scan, type ScanPart } from '../../src/leak/scan.js'
import { Verdicts, verdictsInMemory, type VerdictScope, type VerdictStore } from '../../src/leak/verdicts.js'
import { SecretValue } from '../../src/secret.js'
import { document, layer } from './support/scan.js'
import { tarOf } from './support/tar.js'

const A: Guarded = { name: 'A', value: Buffer.from('value-of-a') }
const B: Guarded = { name: 'B', value: SecretValue.fromText('value-of-b') }
const scope: VerdictScope = { key: SecretValue.fromText('k'.repeat(32)), source: 'engine-1' }
const BASE = 'sha256:base'

const part = (more: Partial<PartRead> = {}): PartRead => ({
  id: BASE,
  bytes: 1,
  entries: 1,
  searched: ['A', 'B'],
  sha256: undefined,
  ...more,
})
const result = (more: Partial<ScanResult> = {}): ScanResult => ({
  parts: [part()],
  findings: [],
  unread: [],
  opaque: [],
  bytes: 1,
  ...more,
})
const leak: Finding = { secret: 'A', form: 'raw', part: BASE, where: 'content', offset: 0, count: 1 }
const unread: Unread = { part: BASE, why: 'damaged', count: 1 }

const missing = async (store: VerdictStore, at = scope, values = [A, B]): Promise<readonly string[]> => [
  ...((await new Verdicts(store, at, values).missing([BASE])).get(BASE) ?? []),
]

describe('Verdicts', () => {
  it.for<[what: string, scanned: ScanResult, left: readonly string[]]>([
    ['a clean layer', result(), []],
    ['a layer with a leak of one value', result({ findings: [leak] }), ['A']],
    ['a leak in another part', result({ findings: [{ ...leak, part: 'config' }] }), []],
    ['something unread', result({ unread: [unread] }), ['A', 'B']],
    ['something unread in another part', result({ unread: [{ ...unread, part: 'x' }] }), []],
    ['a search for one value only', result({ parts: [part({ searched: ['B'] })] }), ['A']],
    ['no part', result({ parts: [] }), ['A', 'B']],
  ])('after %s', async ([, scanned, left]) => {
    const store = verdictsInMemory()
    await new Verdicts(store, scope, [A, B]).keep(scanned, ({ id }) => id)
    expect(await missing(store)).toEqual(left)
  })

  it.for<[what: string, at: VerdictScope, values: readonly Guarded[]]>([
    ['another key', { ...scope, key: SecretValue.fromText('l'.repeat(32)) }, [A, B]],
    ['another engine', { ...scope, source: 'engine-2' }, [A, B]],
    ['other limits', { ...scope, limits: { depth: 1 } }, [A, B]],
    [
      'other values',
      scope,
      [
        { ...A, value: Buffer.from('value-of-A') },
        { ...B, value: Buffer.from('b') },
      ],
    ],
  ])('does not count for %s', async ([, at, values]) => {
    const store = verdictsInMemory()
    await new Verdicts(store, scope, [A, B]).keep(result(), ({ id }) => id)
    expect(await missing(store, at, [...values])).toEqual(['A', 'B'])
  })

  it('does not count for another layer', async () => {
    const store = verdictsInMemory()
    await new Verdicts(store, scope, [A]).keep(result(), ({ id }) => id)
    const open = await new Verdicts(store, scope, [A]).missing([BASE, 'sha256:other'])
    expect([...open].map(([digest, names]) => [digest, [...names]])).toEqual([
      [BASE, []],
      ['sha256:other', ['A']],
    ])
  })

  it('does not count for a part that is no layer', async () => {
    const store = verdictsInMemory()
    await new Verdicts(store, scope, [A, B]).keep(result(), () => undefined)
    expect(await missing(store)).toEqual(['A', 'B'])
  })

  it('counts for the value whatever it is called and however it is held', async () => {
    const store = verdictsInMemory()
    await new Verdicts(store, scope, [A, B]).keep(result(), ({ id }) => id)
    const renamed = { name: 'C', value: SecretValue.fromText('value-of-a') }
    expect(await missing(store, scope, [renamed])).toEqual([])
  })

  it('wants every version of a secret', async () => {
    const store = verdictsInMemory()
    const before: Guarded = { name: 'A', value: Buffer.from('value-before') }
    await new Verdicts(store, scope, [A]).keep(result(), ({ id }) => id)
    expect(await missing(store, scope, [A, before])).toEqual(['A'])
    expect(await missing(store, scope, [before, A])).toEqual(['A'])
    await new Verdicts(store, scope, [before, A]).keep(result(), ({ id }) => id)
    expect(await missing(store, scope, [A, before])).toEqual([])
  })

  it('keeps keys that tell nothing: no two alike, none that says what it stands for', async () => {
    const kept: string[] = []
    const store: VerdictStore = {
      has: () => Promise.resolve(new Set()),
      add: (keys) => Promise.resolve(void kept.push(...keys)),
    }
    const scanned = result({ parts: [part(), part({ id: 'sha256:second' })] })
    await new Verdicts(store, scope, [A, B]).keep(scanned, ({ id }) => id)
    expect(new Set(kept).size).toBe(4)
    for (const key of kept) expect(key).toMatch(/^[0-9a-f]{64}$/)
  })

  it('does not count for a value that is too short to search for', async () => {
    const short: Guarded = { name: 'S', value: Buffer.from('abc') }
    const parts = async function* (): AsyncGenerator<ScanPart> {
      yield await Promise.resolve({ ...layer(tarOf({ name: 'f' })), id: BASE })
    }
    using needles = needlesFor([A, short])
    const store = verdictsInMemory()
    await new Verdicts(store, scope, [A, short]).keep(await scan(parts(), needles), ({ id }) => id)
    expect(await missing(store, scope, [A, short])).toEqual(['S'])
  })

  it('lets the next scan search a proven layer for the new value only, and mask the rest', async () => {
    const bytes = tarOf({ name: 'value-of-a', content: 'value-of-b' })
    const parts = async function* (): AsyncGenerator<ScanPart> {
      yield await Promise.resolve({ ...layer(bytes), id: BASE })
      yield document('{"a":"value-of-a"}')
    }
    using all = needlesFor([A, B])
    using onlyB = needlesFor([B])
    const { findings, parts: read } = await scan(parts(), all, {
      needlesOf: (id) => (id === BASE ? onlyB : undefined),
    })
    expect(findings.map(({ secret, part: id, path }) => [secret, id, path])).toEqual([
      ['A', 'config', 'a'],
      ['B', BASE, '***'],
    ])
    expect(read.map(({ searched }) => searched)).toEqual([['B'], ['A', 'B']])
  })
})
