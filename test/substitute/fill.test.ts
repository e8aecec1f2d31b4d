/** The character table: which value fits where, and how it is written. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SecretValue } from '../../src/secret.js'
import {
  credentialOf,
  filledBytes,
  joinedAndWiped,
  percentDecoded,
  percentEncoded,
  trimmed,
  whyUnfit,
} from '../../src/substitute/fill.js'
import { listOf, runs, value, valuesOf } from './support.js'

/** Why a value does not fit the one placeholder of a line; `''` for one that fits. */
async function fit(line: string, bytes: Uint8Array): Promise<string> {
  const list = await listOf(line)
  const [slot] = list.placeholders
  const [login] = list.logins
  if (slot === undefined) return 'no placeholder'
  const at = login?.password?.includes(slot) === true ? 'password' : login?.password ? 'user' : 'whole'
  const fitted =
    login === undefined ? { slot } : { slot, login: { at, byPip: login.client === 'pip' } as const }
  return whyUnfit(trimmed(bytes), fitted) ?? ''
}

const LINES = {
  password: 'git+https://u:${T}@h/r',
  user: 'git+https://${T}:x@h/r',
  token: 'git+https://${T}@h/r',
  index: '-i https://u:${T}@h/simple',
  archive: 'n @ https://u:${T}@h/n.whl',
  path: '-i https://h/${T}/simple',
  query: 'https://h/n.whl?t=${T}',
  option: 'n -C k=${T}',
  rawToken: 'git+https://${T|raw}@h/r',
  rawUser: 'git+https://${T|raw}:x@h/r',
  rawPassword: 'git+https://u:${T|raw}@h/r',
  rawIndex: '-i https://${T|raw}@h/simple',
} as const
type Where = keyof typeof LINES

const EVERYWHERE = ['password', 'user', 'token', 'index', 'archive', 'path', 'query', 'option'] as const
const IN_URLS = EVERYWHERE.filter((where) => where !== 'option')

describe('whyUnfit', () => {
  // The rows of the table of characters that break a raw insertion, each with the places where encoding mends it.
  it.for<[text: string, fits: readonly Where[], why: string]>([
    ['sp@a', EVERYWHERE, 'at sign'],
    ['sp/a', EVERYWHERE, 'slash'],
    ['sp?a', EVERYWHERE, 'question mark'],
    ['sp#a', IN_URLS, 'hash'],
    ['a%41', EVERYWHERE, 'a percent triple'],
    ['a b', IN_URLS, 'blank'],
    ['a #b', IN_URLS, 'a blank and a hash'],
    ['a;b', EVERYWHERE, 'semicolon'],
    ['a; b', IN_URLS, 'semicolon and blank'],
    ['${HOME}', IN_URLS, "pip's own variable"],
    ['a\\b', IN_URLS, 'backslash'],
    ['a"b', IN_URLS, 'double quote'],
    ["a'b", IN_URLS, 'single quote'],
    ['[a]', EVERYWHERE, 'brackets'],
    ['a\nb', [], 'line feed'],
    ['a\n\n', [], 'two line feeds at the end: one stays'],
    ['\n', [], 'a line feed and nothing else'],
    ['a\\\nb', [], 'backslash and line feed'],
    ['a\r', [], 'carriage return'],
    ['a\tb', [], 'tab'],
    ['a\vb', [], 'vertical tab'],
    ['a\fb', [], 'form feed'],
    ['a\x1cb', [], 'file separator'],
    ['a\x1f', [], 'the last control of the first block'],
    ['a\x7f', [], 'delete'],
    ['a\0', [], 'nul'],
    ['a\x85b', [], 'next line'],
    ['a\x9f', [], 'the last control'],
    ['a\u2028b', ['password', 'user', 'token', 'path', 'query'], 'line separator: for git it is a character'],
    ['a --x b', IN_URLS, 'an option'],
    ['ü', EVERYWHERE, 'latin-1'],
    ['\u00a0', IN_URLS, 'a blank that is not ASCII'],
    ['ÿ', EVERYWHERE, 'the last of latin-1'],
    ['Ā', EVERYWHERE.filter((where) => where !== 'index' && where !== 'archive'), 'the first beyond latin-1'],
    ['😀', EVERYWHERE.filter((where) => where !== 'index' && where !== 'archive'), 'far beyond'],
    ['a:b', EVERYWHERE.filter((where) => where !== 'user' && where !== 'token'), 'colon'],
    ['+&=~{|^`<,!*(', EVERYWHERE, 'what breaks nothing'],
    ['a$b', IN_URLS, 'dollar'],
    ['.', EVERYWHERE.filter((where) => where !== 'path'), 'this folder'],
    ['..', EVERYWHERE.filter((where) => where !== 'path'), 'the folder above'],
    ['...', EVERYWHERE.filter((where) => where !== 'path'), 'more dots'],
    ['.a', EVERYWHERE, 'a dot'],
    ['', [], 'nothing'],
    ['a\n', EVERYWHERE, 'one line feed at the end is not part of it'],
  ])('%j fits %j (%s)', async ([text, fits]) => {
    for (const where of EVERYWHERE) {
      expect((await fit(LINES[where], Buffer.from(text))) === '', where).toBe(fits.includes(where))
    }
  })

  it.for<[text: string, fits: readonly Where[]]>([
    ['a%40b', ['rawToken', 'rawUser', 'rawPassword', 'rawIndex']],
    ['u:p', ['rawToken', 'rawPassword', 'rawIndex']],
    ['u:p:q', ['rawToken', 'rawPassword', 'rawIndex']],
    ['a%3Ab', ['rawPassword']],
    ['u:p%3Aq', ['rawToken', 'rawPassword', 'rawIndex']],
    ['u%3A:p', ['rawPassword']],
    ['a@b', []],
    ['a/b', []],
    ['a b', []],
    ['%', []],
    ['%4', []],
    ['%zz', []],
    ['%0A', []],
    ['u:%00', []],
    ['%C2%85', []],
    ['%ff', []],
    ['ü', []],
    ['%C3%BC', ['rawToken', 'rawUser', 'rawPassword', 'rawIndex']],
    ['%C4%80', ['rawToken', 'rawUser', 'rawPassword']],
    ["!$&'()*+,;=", ['rawToken', 'rawUser', 'rawPassword', 'rawIndex']],
  ])('%j as it is fits %j', async ([text, fits]) => {
    for (const where of ['rawToken', 'rawUser', 'rawPassword', 'rawIndex'] as const) {
      expect((await fit(LINES[where], Buffer.from(text))) === '', where).toBe(fits.includes(where))
    }
  })

  it('refuses what is not UTF-8', async () => {
    for (const where of EVERYWHERE)
      expect(await fit(LINES[where], Buffer.from([0x61, 0xff]))).toMatch(/UTF-8/)
  })

  it('takes every printable character of ASCII but for a few', async () => {
    for (let code = 0x20; code < 0x7f; code += 1) {
      const character = Buffer.from([0x61, code, 0x61])
      const text = String.fromCharCode(code)
      expect(await fit(LINES.password, character), text).toBe('')
      expect(await fit(LINES.index, character), text).toBe('')
      expect((await fit(LINES.token, character)) === '', text).toBe(text !== ':')
      expect((await fit(LINES.option, character)) === '', text).toBe(!' "\'\\#$'.includes(text))
    }
  })

  it('says nothing of the value', async () => {
    for (const text of ['hunter2\n2', 'hunter2:', 'hunter2 "', 'hunter2 %', '']) {
      for (const line of Object.values(LINES))
        expect(await fit(line, Buffer.from(text))).not.toContain('hunter')
    }
  })
})

describe('percentEncoded', () => {
  it('equals encodeURIComponent, and encodes what that leaves', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const expected = encodeURIComponent(text).replace(
          /[!'()*]/g,
          (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
        )
        expect(percentEncoded(Buffer.from(text)).toString('latin1')).toBe(expected)
      }),
      runs(300),
    )
  })

  it('encodes every byte to one of 66 characters or a triple', () => {
    const all = percentEncoded(Uint8Array.from({ length: 256 }, (_, byte) => byte)).toString('latin1')
    expect(all).toMatch(/^(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})*$/)
    expect(all.length).toBe(66 + 190 * 3)
  })

  it('is undone by percentDecoded', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(new Uint8Array(percentDecoded(percentEncoded(bytes)))).toEqual(new Uint8Array(bytes))
      }),
      runs(300),
    )
  })
})

describe('percentDecoded', () => {
  it.for([
    ['a%40b', 'a@b'],
    ['%4a%4A', 'JJ'],
    ['100%', '100%'],
    ['%4', '%4'],
    ['%%41', '%A'],
    ['%zz%4g', '%zz%4g'],
    ['%2541', '%41'],
    ['a+b', 'a+b'],
  ])('%s -> %s', ([text = '', expected]) => {
    expect(percentDecoded(Buffer.from(text)).toString()).toBe(expected)
  })
})

describe('filledBytes', () => {
  it.for<[position: 'user-info' | 'path' | 'query' | 'option', raw: boolean, text: string, expected: string]>(
    [
      ['user-info', false, 'p@ss$ {w}\n', 'p%40ss%24%20%7Bw%7D'],
      ['path', false, 'a/b', 'a%2Fb'],
      ['query', false, 'a&b=c', 'a%26b%3Dc'],
      ['option', false, 'a&b%41\n', 'a&b%41'],
      ['user-info', true, 'u:p%40s%73;\n', 'u:p%40ss%3B'],
      ['user-info', true, "a:b:!$&'()*+,=", 'a:b:%21%24%26%27%28%29%2A%2B%2C%3D'],
      ['user-info', true, ':p', ':p'],
      ['user-info', true, 'u:', 'u:'],
    ],
  )('%s, raw %j: %j -> %s', ([position, raw, text, expected]) => {
    expect(filledBytes(SecretValue.fromText(text), { position, raw }).toString()).toBe(expected)
  })

  it('leaves pip nothing to expand, the shell nothing to split, and the list nothing to read', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
        const filled = filledBytes(new SecretValue(bytes), { position: 'path', raw: false }).toString(
          'latin1',
        )
        expect(filled).not.toMatch(/[^A-Za-z0-9._~%-]/)
      }),
      runs(300),
    )
  })
})

describe('credentialOf', () => {
  const credential = async (line: string, values: Record<string, string>): Promise<readonly string[]> => {
    const [login] = (await listOf(line)).logins
    if (login === undefined) return []
    const { user, password } = credentialOf(login, valuesOf(values))
    return [user.toString(), password.toString()]
  }

  it.for<[line: string, values: Record<string, string>, expected: readonly string[]]>([
    ['git+https://${T}@h/r', { T: 't\n' }, ['t', '']],
    ['git+https://${T}:@h/r', { T: 't' }, ['t', '']],
    ['git+https://:${T}@h/r', { T: 't' }, ['', 't']],
    ['git+https://u%40x:a%3A-${T}-b@h/r', { T: 'p%41:q' }, ['u@x', 'a:-p%41:q-b']],
    ['git+https://${U}:${P}@h/r', { U: 'u', P: '@:/ "\\' }, ['u', '@:/ "\\']],
    ['git+https://${T}:x-oauth-basic@h/r', { T: 't' }, ['t', 'x-oauth-basic']],
    ['git+https://u:a:${T}@h/r', { T: 't' }, ['u', 'a:t']],
    ['git+https://u:$${T}$$<T>${T}@h/r', { T: 't' }, []],
    ['git+https://u:$$%7BT%7D${T}@h/r', { T: 't' }, ['u', '$${T}t']],
    ['git+https://${T|raw}@h/r', { T: 'u%3f:p%40:q' }, ['u?', 'p@:q']],
    ['git+https://${T|raw}@h/r', { T: 'u' }, ['u', '']],
    ['git+https://u:${T|raw}@h/r', { T: 'p%40:q' }, ['u', 'p@:q']],
  ])('%s with %j', async ([line, values, expected]) => {
    expect(await credential(line, values)).toEqual(expected)
  })

  it('sends exactly the value', async () => {
    const [login] = (await listOf('git+https://u:${T}@h/r')).logins
    if (login === undefined) expect.fail()
    fc.assert(
      fc.property(value, (text) => {
        expect(credentialOf(login, valuesOf({ T: text })).password.toString()).toBe(text)
      }),
      runs(200),
    )
  })
})

describe('joinedAndWiped', () => {
  it('leaves the parts empty', () => {
    const parts = [Buffer.from('ab'), Buffer.from('c')]
    expect(joinedAndWiped(parts).toString()).toBe('abc')
    expect(Buffer.concat(parts)).toEqual(Buffer.alloc(3))
  })
})
