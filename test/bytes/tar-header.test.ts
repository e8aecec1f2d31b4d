import { describe, expect, it } from 'vitest'
import {
  extend,
  isTarHeader,
  tarNumber,
  tarPath,
  tarText,
  type Extended,
} from '../../src/bytes/tar-header.js'
import { paxRecords, tarEntry } from '../leak/support/tar.js'

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
const latin1 = (characters: string): Buffer => Buffer.from(characters, 'latin1')

describe('tarNumber', () => {
  it.for<[field: string, expected: number | undefined, why: string]>([
    ['00000000017\0', 15, 'octal'],
    ['        17 \0', 15, 'blanks'],
    ['77777777777\0', 8 ** 11 - 1, 'the largest with a NUL'],
    ['777777777777', 8 ** 12 - 1, 'a full field'],
    ['\0\0\0\0\0\0\0\0\0\0\0\0', 0, 'empty'],
    ['00000000018\0', undefined, 'no octal digit'],
    ['0000-000017\0', undefined, 'a sign'],
    ['17\x0012\0\0\0\0\0\0\0', undefined, 'digits after the end'],
    ['\x80\0\0\0\0\0\0\0\0\0\x01\0', 256, 'base 256'],
    ['\x80\0\0\0\0\x1f\xff\xff\xff\xff\xff\xff', 2 ** 53 - 1, 'the largest that counts'],
    ['\x80\0\0\0\0\x20\0\0\0\0\0\0', undefined, 'one more'],
    ['\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff', undefined, 'negative'],
    ['\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff', undefined, 'absurd'],
  ])('%j -> %s (%s)', ([field, expected]) => {
    // What stands around the field does not count.
    expect(tarNumber(latin1(`77${field}77`), 2, 12)).toBe(expected)
  })
})

describe('isTarHeader', () => {
  const header = tarEntry({ name: 'f' })

  it('wants a right checksum', () => {
    expect(isTarHeader(header)).toBe(true)
    expect(isTarHeader(Buffer.concat([Buffer.from('x'), header]), 1)).toBe(true)
    for (const at of [0, 124, 300, 511]) {
      const wrong = Buffer.from(header)
      wrong.writeUInt8((wrong.readUInt8(at) + 1) % 256, at)
      expect(isTarHeader(wrong)).toBe(false)
    }
  })

  it('takes a sum of signed bytes, as some old programs wrote it', () => {
    const old = tarEntry({ name: latin1('caf\xe9') })
    const unsigned = tarNumber(old, 148, 8) ?? 0
    expect(isTarHeader(old)).toBe(true)
    old.write(`${(unsigned - 256).toString(8).padStart(6, '0')}\0 `, 148)
    expect(isTarHeader(old)).toBe(true)
    old.write(`${(unsigned - 255).toString(8).padStart(6, '0')}\0 `, 148)
    expect(isTarHeader(old)).toBe(false)
  })

  it('takes neither zeros nor a piece of one', () => {
    expect(isTarHeader(Buffer.alloc(512))).toBe(false)
    expect(isTarHeader(header.subarray(0, 511))).toBe(false)
  })
})

describe('names', () => {
  it('end at a NUL or with the field', () => {
    expect(text(tarText(latin1('abc\0def'), 0, 7))).toBe('abc')
    expect(text(tarText(latin1('abcdef'), 1, 3))).toBe('bcd')
  })

  it.for<[what: string, entry: Buffer, expected: string]>([
    ['ustar', tarEntry({ name: 'n' }), 'n'],
    ['ustar with a prefix', tarEntry({ name: 'n', prefix: 'a/b' }), 'a/b/n'],
    [
      'both fields full',
      tarEntry({ name: 'n'.repeat(100), prefix: 'p'.repeat(155) }),
      `${'p'.repeat(155)}/${'n'.repeat(100)}`,
    ],
    // GNU keeps times where ustar keeps the prefix.
    ['GNU', tarEntry({ name: 'n', prefix: '14652331234', magic: 'ustar  \0' }), 'n'],
  ])('of %s', ([, entry, expected]) => {
    expect(text(tarPath(entry, 0))).toBe(expected)
  })
})

describe('extended headers', () => {
  const read = (type: string, content: Uint8Array): (Extended & { fine: boolean }) | undefined => {
    const into: Extended = { texts: [] }
    const fine = extend(into, type, content, 1000)
    return { ...into, fine }
  }

  it('give names, targets and sizes, and tell where they stand', () => {
    const content = paxRecords({ mtime: '1', path: 'a/b', linkpath: 'c', size: '12' })
    const { path, link, size, texts, fine } = read('x', content) ?? {}
    expect([fine, text(path ?? latin1('')), text(link ?? latin1('')), size]).toEqual([true, 'a/b', 'c', 12])
    expect(
      texts?.map(({ from, to, where }) => [where, text(content.subarray(from - 1000, to - 1000))]),
    ).toEqual([
      ['name', 'a/b'],
      ['link', 'c'],
    ])
  })

  it('keep a value with line ends and equal signs in one piece', () => {
    expect(text(read('x', paxRecords({ path: 'a\n9 b=c\n' }))?.path ?? latin1(''))).toBe('a\n9 b=c\n')
  })

  it.for<[why: string, content: string]>([
    ['no length', 'path=a\n'],
    ['no equal sign', '9 path a\n'],
    ['a length beyond the end', '99 path=a\n'],
    ['a length that cuts', '8 path=a\n'],
    ['a length of nothing', '0 path=a\n'],
    ['no line end', '10 path=ab'],
    ['no size', '10 size=x\n'],
    ['a size that cannot be counted', '25 size=9999999999999999\n'],
  ])('are refused with %s', ([, content]) => {
    expect(read('x', latin1(content))?.fine).toBe(false)
  })

  it('of a type that says nothing change nothing', () => {
    expect(read('g', paxRecords({ path: 'a' }))).toEqual({ texts: [], fine: true })
  })
})
