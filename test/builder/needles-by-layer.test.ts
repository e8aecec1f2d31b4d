import { describe, expect, it } from 'vitest'
import { NeedlesByLayer } from '../../src/builder/needles-by-layer.js'
import { needlesFor } from '../../src/leak/needles.js'

const LAYER = `sha256:${'a'.repeat(64)}`
const values = ['A', 'B', 'C'].map((name) => ({ name, value: Buffer.from(`value-of-${name}`) }))

const only =
  (...names: readonly string[]) =>
  (part: string): ReadonlySet<string> | undefined =>
    part === LAYER ? new Set(names) : undefined

describe('L7: NeedlesByLayer', () => {
  it('searches a layer for what it was not proven to be free of', () => {
    using needles = needlesFor(values)
    using byLayer = new NeedlesByLayer(needles, only('B'))
    expect(byLayer.of(LAYER)?.names).toEqual(['B'])
    expect(new Set(byLayer.of(LAYER)?.needles.map(({ secret }) => secret))).toEqual(new Set(['B']))
    expect(byLayer.of(LAYER)).toBe(byLayer.of(LAYER))
  })

  it('searches everything else for all', () => {
    using needles = needlesFor(values)
    using byLayer = new NeedlesByLayer(needles, only('A', 'B', 'C'))
    for (const id of [LAYER, 'sha256:other', 'index.json', `${'a'.repeat(64)}/layer.tar`]) {
      expect(byLayer.of(id)).toBeUndefined()
    }
  })

  it('leaves the needles of all as they are when it is disposed', () => {
    using needles = needlesFor(values)
    const before = needles.masked.map(({ bytes }) => Buffer.from(bytes).toString('hex'))
    const byLayer = new NeedlesByLayer(needles, only('A'))
    const part = byLayer.of(LAYER)
    byLayer[Symbol.dispose]()
    expect(part?.needles.every(({ bytes }) => bytes.every((byte) => byte === 0))).toBe(true)
    expect(needles.masked.map(({ bytes }) => Buffer.from(bytes).toString('hex'))).toEqual(before)
  })

  it('keeps what is too short in view', () => {
    using needles = needlesFor([...values, { name: 'SHORT', value: Buffer.from('abc') }])
    expect(needles.only(new Set(['A', 'SHORT'])).tooShort).toEqual([{ name: 'SHORT' }])
  })
})
