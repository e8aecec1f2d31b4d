/** Entries are read back by the two readers that Python has had, each written down here in its slow and obvious form. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fitsNetrc, netrcEntry, netrcHosts, netrcReader } from '../../src/substitute/netrc.js'
import { listOf, runs } from './support.js'

/** From Python 3.11 on: quotes and backslashes. */
function quotingWords(text: string): readonly string[] {
  const words: string[] = []
  let at = 0
  while (at < text.length) {
    if (/\s/.test(text.charAt(at))) {
      at += 1
      continue
    }
    let word = ''
    const quoted = text.charAt(at) === '"'
    if (quoted) at += 1
    while (at < text.length && !(quoted ? text.charAt(at) === '"' : /[\n\t\r ]/.test(text.charAt(at)))) {
      if (text.charAt(at) === '\\') at += 1
      word += text.charAt(at)
      at += 1
    }
    words.push(word)
    at += 1
  }
  return words
}

/** To Python 3.10: words between white space, of ASCII; anything else ends a word. */
const plainWords = (text: string): readonly string[] => text.match(/[!-~]+|[^\s!-~]/g) ?? []

const READERS = { quoting: [quotingWords], plain: [plainWords], any: [quotingWords, plainWords] } as const

describe('netrcEntry', () => {
  const word = fc.oneof(
    fc.string({ unit: fc.constantFrom('a', ' ', '"', '\\', '#', "'", 'é', 'machine') }),
    fc.string({ unit: 'grapheme-ascii' }),
  )

  it.for(['quoting', 'plain', 'any'] as const)('is read back as it was, where it fits (%s)', (reader) => {
    let fitted = 0
    fc.assert(
      fc.property(word, word, (user, password) => {
        const credential = { user: Buffer.from(user), password: Buffer.from(password) }
        if (!fitsNetrc(credential, reader)) return
        fitted += 1
        const entry = netrcEntry('h', credential, reader).toString()
        for (const words of READERS[reader]) {
          expect(words(entry)).toEqual(['machine', 'h', 'login', user, 'password', password])
        }
      }),
      { ...runs(1000), seed: 7 },
    )
    expect(fitted).toBeGreaterThan(20)
  })

  it('quotes and escapes for a reader that knows quotes', () => {
    const credential = { user: Buffer.from(''), password: Buffer.from('a "b" \\c') }
    expect(netrcEntry('h', credential, 'quoting').toString()).toBe(
      'machine h login "" password "a \\"b\\" \\\\c"\n',
    )
  })
})

describe('fitsNetrc', () => {
  it.for<[user: string, password: string, quoting: boolean, plain: boolean, any: boolean]>([
    ['u', 'p', true, true, true],
    ['u', '', true, false, false],
    ['', 'p', true, false, false],
    ['u', 'a b', true, false, false],
    ['u', '"', true, true, false],
    ['u', 'a\\', true, true, false],
    ['u', 'é', true, false, false],
    ['u', "!#$%&'()*+,-./:;<=>?@[]^_`{|}~", true, true, true],
    ['#a', '#b', true, true, true],
  ])('%s %s', ([user, password, ...expected]) => {
    const credential = { user: Buffer.from(user), password: Buffer.from(password) }
    expect((['quoting', 'plain', 'any'] as const).map((reader) => fitsNetrc(credential, reader))).toEqual(
      expected,
    )
  })
})

describe('netrcReader', () => {
  it.for<[version: string | undefined, reader: string]>([
    [undefined, 'any'],
    ['', 'any'],
    ['3', 'any'],
    ['three', 'any'],
    ['3.6.15', 'plain'],
    ['3.9', 'plain'],
    ['3.10.13', 'plain'],
    ['3.11.0', 'quoting'],
    ['3.13.0rc1', 'quoting'],
    ['4.0', 'quoting'],
    ['2.7.18', 'plain'],
  ])('%s: %s', ([version, reader]) => {
    expect(netrcReader(version)).toBe(reader)
  })
})

describe('netrcHosts', () => {
  it.for<[why: string, lines: readonly string[], lifted: readonly boolean[]]>([
    ['one login', ['-i https://u:${A}@h/simple'], [true]],
    ['one login twice', ['-i https://u:${A}@h/simple', 'n @ https://u:$<A>@H:443/n.whl'], [true, true]],
    ['two hosts', ['-i https://${A}@h/', '--extra-index-url https://${B}@i/'], [true, true]],
    ['two logins', ['-i https://${A}@h/a', '-f https://${B}@h/b'], [false, false]],
    ['two ports', ['-i https://${A}@h/a', '-f https://${A}@h:8443/b'], [false, false]],
    ['two schemes', ['-i https://${A}@h/a', '-f http://${A}@h/b'], [false, false]],
    ['another port without a login', ['-i https://${A}@h/a', '-f https://h:8443/b'], [false]],
    ['another scheme without a login', ['-i https://${A}@h/a', 'http://h/b.whl'], [false]],
    ['the same origin without a login', ['-i https://${A}@h/a', 'https://h/b.whl'], [true]],
    ['git elsewhere on the host', ['-i https://${A}@h/a', 'git+https://h:3000/b', 'git+http://h/c'], [true]],
    ['a host that would be every host', ['-i https://${A}@default/a'], [false]],
    ['in any case', ['-i https://${A}@Default/a'], [false]],
    ['IPv6', ['-i https://${A}@[::1]/a'], [false]],
  ])('%s', async ([, lines, lifted]) => {
    const list = await listOf(lines.join('\n'))
    expect(list.problems).toEqual([])
    const hosts = netrcHosts(list, ['pip'])
    expect(list.logins.map(({ host }) => hosts.has(host) && hosts.get(host) === undefined)).toEqual(lifted)
  })

  it.for<[why: string, lines: readonly string[], lifted: readonly boolean[]]>([
    ['git alone', ['git+https://u:${A}@h/r'], [true]],
    ['one login for git and pip', ['-i https://u:${A}@h/', 'git+https://u:${A}@h/r'], [true, true]],
    ['two logins', ['-i https://u:${A}@h/', 'git+https://u:${B}@h/r'], [false, false]],
    ['two logins of git', ['git+https://u:${A}@h/a/r', 'git+https://u:${B}@h/b/r'], [false, false]],
    ['two ports of git', ['git+https://u:${A}@h/r', 'git+https://u:${A}@h:8443/r'], [false, false]],
    ['another port of pip', ['git+https://u:${A}@h/r', 'https://h:8443/b.whl'], [false]],
  ])('with git as a reader: %s', async ([, lines, lifted]) => {
    const list = await listOf(lines.join('\n'))
    expect(list.problems).toEqual([])
    const hosts = netrcHosts(list, ['pip', 'git'])
    expect(list.logins.map(({ host }) => hosts.has(host) && hosts.get(host) === undefined)).toEqual(lifted)
  })
})
