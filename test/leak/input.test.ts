import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.js'
import { findInText, watchInput } from '../../src/leak/input.js'
import { needlesFor } from '../../src/leak/needles.js'
import { VALUE } from './support/scan.js'
import { inPieces } from '../support/pieces.js'
import { paxRecords, tarOf, type TarSpec } from './support/tar.js'

const needles = needlesFor([{ name: 'TOKEN', value: Buffer.from(VALUE) }])
const noise = Buffer.alloc(300_000, 'nothing to see here. ')

async function watched(bytes: Uint8Array, size?: number): Promise<{ passed: Buffer; fault: unknown }> {
  const passed: Uint8Array[] = []
  try {
    for await (const chunk of watchInput(inPieces(bytes, size), needles)) passed.push(chunk)
    return { passed: Buffer.concat(passed), fault: undefined }
  } catch (fault) {
    return { passed: Buffer.concat(passed), fault }
  }
}

describe('watchInput', () => {
  it.for([1, 100, 512, 65_536, Infinity])('passes a clean context through, in pieces of %i', async (size) => {
    const context = tarOf(
      { name: 'a/', type: '5' },
      { name: 'a/b', content: noise.subarray(0, 5000) },
      { name: 'c' },
    )
    const { passed, fault } = await watched(context, size)
    expect(fault).toBeUndefined()
    expect(passed.equals(context)).toBe(true)
  })

  it.for<[what: string, specs: readonly TarSpec[], path: string]>([
    ['first', [{ name: 'f', content: VALUE }], 'f'],
    [
      'after much else',
      [
        { name: 'n', content: noise },
        { name: 'f', content: VALUE },
      ],
      'f',
    ],
    [
      'in the middle of a long file',
      [{ name: 'f', content: Buffer.concat([noise, Buffer.from(VALUE), noise]) }],
      'f',
    ],
    [
      'in a name of two pieces',
      [
        { name: 'n', content: noise },
        { prefix: 'd/tl_9vQ', name: '4mXr2Zp8KdW' },
      ],
      'd/***',
    ],
    [
      'in a PAX record',
      [{ name: 'x', type: 'x', content: paxRecords({ 'SCHILY.xattr.user.t': VALUE }) }, { name: 'f' }],
      'f',
    ],
  ])('stops a value %s', async ([, specs, path]) => {
    for (const size of [1000, 65_536, Infinity]) {
      const context = tarOf(...specs)
      const { passed, fault } = await watched(context, size)
      expect(fault).toBeInstanceOf(Fault)
      expect(fault).toMatchObject({ code: 'SECRET_IN_INPUT', detail: { secret: 'TOKEN', path } })
      expect(JSON.stringify(fault)).not.toContain(VALUE)
      expect(passed.includes(VALUE)).toBe(false)
      expect(context.subarray(0, passed.length).equals(passed)).toBe(true)
    }
  })

  it('lets nothing of the chunk through that completes a value', async () => {
    const context = tarOf({ name: 'f', content: VALUE })
    const { passed } = await watched(context, 512 + VALUE.length - 1)
    expect(passed.length).toBe(0)
  })

  it('stops a value in what is no archive, and behind its end', async () => {
    for (const context of [
      Buffer.from(`no tar: ${VALUE}`),
      Buffer.concat([tarOf({ name: 'f' }), Buffer.from(VALUE)]),
    ]) {
      const { fault } = await watched(context)
      expect(fault).toMatchObject({ code: 'SECRET_IN_INPUT', detail: { secret: 'TOKEN' } })
    }
  })

  it('tells an error of the source as it is', async () => {
    const broken = new Error('disk')
    async function* source(): AsyncGenerator<Uint8Array> {
      yield noise
      await Promise.reject(broken)
    }
    await expect(async () => {
      for await (const _ of watchInput(source(), needles));
    }).rejects.toBe(broken)
  })
})

describe('findInText', () => {
  it.for<[text: string, offsets: readonly number[]]>([
    ['', []],
    ['FROM debian', []],
    [`ENV A=${VALUE}`, [6]],
    [`${VALUE} ${VALUE}`, [0, VALUE.length + 1]],
    [VALUE.slice(1), []],
  ])('%j', ([text, offsets]) => {
    const found = findInText(Buffer.from(text), needles).filter(({ form }) => form === 'raw')
    expect(found).toEqual(offsets.map((offset) => ({ secret: 'TOKEN', form: 'raw', offset })))
  })
})
