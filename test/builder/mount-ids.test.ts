/** Equal ids mean "the same step" to an engine, so everything that may not be shared must make a difference. */

import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mountIds, type MountIds } from '../../src/builder/mount-ids.js'
import { SecretValue } from '../../src/secret.js'

const KEY = 'k'.repeat(32)

const idsOf = (
  more: { key?: string; storeId?: string; environment?: string; retired?: readonly string[] } = {},
): MountIds => {
  const { key = KEY, storeId = 'store', environment = 'main', retired = [] } = more
  return mountIds(SecretValue.fromText(key), { storeId, environment }, new Set(retired))
}
const given = (ids: MountIds, text: string, kind = 'value'): string =>
  ids.given(kind, SecretValue.fromText(text), STEP)
const STEP = { command: 'make', salt: '' }
const STORED = { name: 'NAME', group: null, version: 'v1' }

/** The same by hand: each part with its length before it, in four bytes. */
function slow(key: string, parts: readonly string[]): string {
  const framed = parts.map((part) => {
    const bytes = Buffer.from(part)
    return Buffer.concat([Buffer.from(bytes.length.toString(16).padStart(8, '0'), 'hex'), bytes])
  })
  return createHmac('sha256', key).update(Buffer.concat(framed)).digest('hex').slice(0, 32)
}

describe('B4: ids of mounts', () => {
  it('B4: are keyed digests of tenant, kind and what the mount is made from', () => {
    const ids = idsOf()
    expect(ids.stored(STORED, STEP)).toBe(
      `s-${slow(KEY, ['store', 'main', 'stored', 'NAME', '', 'v1', 'make', ''])}`,
    )
    expect(given(ids, 'value')).toBe(`s-${slow(KEY, ['store', 'main', 'given:value', 'value', 'make', ''])}`)
    expect(ids.derived('netrc', ['a', 'b'], STEP)).toBe(
      `s-${slow(KEY, ['store', 'main', 'derived:netrc', 'a', 'b', 'make', ''])}`,
    )
    expect(ids.absent('NAME', STEP)).toBe(`s-${slow(KEY, ['store', 'main', 'absent', 'NAME', 'make', ''])}`)
    expect(ids.memoryKey('stored', ['NAME', ''], 'make')).toBe(
      `m-${slow(KEY, ['store', 'main', 'memory:stored', 'NAME', '', 'make'])}`,
    )
    expect(ids.cacheNamespace).toBe(`c-${slow(KEY, ['store', 'main', 'cache'])}`)
  })

  it('B4: differ where anything differs', () => {
    const all = [
      ...[
        idsOf(),
        idsOf({ key: 'x'.repeat(32) }),
        idsOf({ storeId: 'other' }),
        idsOf({ environment: 'other' }),
      ].flatMap((ids) => [
        ids.stored(STORED, STEP),
        given(ids, 'NAME'),
        ids.derived('NAME', ['v1'], STEP),
        ids.absent('NAME', STEP),
        ids.cacheNamespace,
      ]),
      idsOf().stored({ ...STORED, name: 'OTHER' }, STEP),
      idsOf().stored({ ...STORED, group: 'group' }, STEP),
      idsOf().stored({ ...STORED, version: 'v2' }, STEP),
      given(idsOf(), 'other'),
      given(idsOf(), 'NAME', 'other'),
      idsOf().derived('NAME', ['v2'], STEP),
      idsOf().derived('OTHER', ['v1'], STEP),
      idsOf().absent('OTHER', STEP),
      ...[
        { ...STEP, command: 'other' },
        { ...STEP, salt: 'salt' },
      ].flatMap((step) => [
        idsOf().stored(STORED, step),
        idsOf().given('NAME', SecretValue.fromText('v1'), step),
        idsOf().derived('NAME', ['v1'], step),
        idsOf().absent('NAME', step),
      ]),
    ]
    expect(new Set(all).size).toBe(all.length)
  })

  it('B4: differ however the same text is cut into parts', () => {
    const parts = fc.array(fc.string({ maxLength: 3 }), { maxLength: 3 })
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        const ids = idsOf()
        const same = JSON.stringify(a) === JSON.stringify(b)
        expect(ids.derived('x', a, STEP) === ids.derived('x', b, STEP)).toBe(same)
      }),
      { numRuns: process.env['TRACELESS_SOAK'] === '1' ? 20_000 : 300 },
    )
  })

  it('B7: are never ones that were retired', () => {
    const retired: string[] = []
    for (let round = 0; round < 5; round += 1) {
      const ids = idsOf({ retired })
      const fresh = [
        ids.stored(STORED, STEP),
        given(ids, 'value'),
        ids.derived('x', ['y'], STEP),
        ids.absent('NAME', STEP),
      ]
      for (const id of fresh) expect(retired).not.toContain(id)
      retired.push(...fresh)
    }
    expect(new Set(retired).size).toBe(20)
  })
})
