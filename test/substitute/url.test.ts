import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hasPlainHost, originOf, regionAt, splitUrl, type Range } from '../../src/substitute/url.js'
import { runs } from './support.js'

const cut = (text: string): readonly (string | undefined)[] => {
  const parts = splitUrl(text)
  const slice = (range: Range | undefined): string | undefined =>
    range === undefined ? undefined : text.slice(range.from, range.to)
  return parts === undefined
    ? []
    : [
        parts.scheme,
        slice(parts.userInfo),
        slice(parts.host),
        slice(parts.port),
        slice(parts.path),
        slice(parts.query),
        slice(parts.fragment),
      ]
}

describe('splitUrl', () => {
  it.for<[url: string, parts: readonly (string | undefined)[]]>([
    ['https://h', ['https', undefined, 'h', undefined, '', undefined, undefined]],
    ['GIT+HTTPS://u:p@H:1/a@b?c=d#e', ['git+https', 'u:p', 'H', '1', '/a@b', 'c=d', 'e']],
    ['https://a@b@h/', ['https', 'a@b', 'h', undefined, '/', undefined, undefined]],
    ['https://@h/', ['https', '', 'h', undefined, '/', undefined, undefined]],
    ['https://h?a@b', ['https', undefined, 'h', undefined, '', 'a@b', undefined]],
    ['https://h#a?b/c@d', ['https', undefined, 'h', undefined, '', undefined, 'a?b/c@d']],
    ['https://u@[::1]:8/x', ['https', 'u', '[::1]', '8', '/x', undefined, undefined]],
    ['https://h:/x', ['https', undefined, 'h', '', '/x', undefined, undefined]],
    ['file:///x', ['file', undefined, '', undefined, '/x', undefined, undefined]],
    ['https:/h', []],
    ['./a://b', []],
    ['', []],
  ])('%s -> %j', ([url, parts]) => {
    expect(cut(url)).toEqual(parts)
  })

  it("cuts where Node's URL cuts", () => {
    const word = fc.stringMatching(/^[a-z0-9]{1,6}$/)
    const some = (arbitrary: fc.Arbitrary<string>): fc.Arbitrary<string | undefined> =>
      fc.option(arbitrary, { nil: undefined })
    const url = fc.record({
      user: some(word),
      password: some(word),
      port: some(fc.integer({ min: 1, max: 65535 }).map(String)),
      path: fc.array(word).map((segments) => segments.map((segment) => `/${segment}`).join('')),
      query: some(word),
      fragment: some(word),
    })
    fc.assert(
      fc.property(url, ({ user, password, port, path, query, fragment }) => {
        const info = user === undefined ? '' : `${user}${password === undefined ? '' : `:${password}`}@`
        const text = `git+https://${info}h.example${port === undefined ? '' : `:${port}`}${path}${query === undefined ? '' : `?${query}`}${fragment === undefined ? '' : `#${fragment}`}`
        const node = new URL(text)
        const [, userInfo, host, ownPort, ownPath, ownQuery, ownFragment] = cut(text)
        expect([userInfo ?? '', host, ownPort ?? '', ownPath, ownQuery ?? '', ownFragment ?? '']).toEqual([
          info.slice(0, -1),
          node.hostname,
          node.port,
          node.pathname,
          node.search.slice(1),
          node.hash.slice(1),
        ])
      }),
      runs(300),
    )
  })
})

describe('regionAt', () => {
  it('names the region of every character', () => {
    const text = 'git+http://u:p@h:1/a@r?b&c=d=e&f#g'
    const parts = splitUrl(text)
    expect(parts).toBeDefined()
    if (parts === undefined) return
    const regions = Array.from(text, (_, index) => regionAt(text, parts, index))
    const at = (character: string): string => regions[text.indexOf(character, 11)] ?? ''
    expect(Array.from('uph1ardegbcf', at)).toEqual([
      'user-info',
      'user-info',
      'host',
      'port',
      'path',
      'path',
      'query',
      'query',
      'fragment',
      'query-name',
      'query-name',
      'query-name',
    ])
    expect(regions.slice(0, 11)).toEqual(Array.from({ length: 11 }, () => 'scheme'))
  })
})

describe('hasPlainHost and originOf', () => {
  it.for<[url: string, origin: string | undefined]>([
    ['https://H.Example/', 'https://h.example'],
    ['git+https://h:443/x', 'https://h'],
    ['http://h:80', 'http://h'],
    ['http://h:443', 'http://h:443'],
    ['https://h:0443', 'https://h'],
    ['https://h:', 'https://h'],
    ['https://[::1]:8/', 'https://[::1]:8'],
    ['https:///x', undefined],
    ['https://h\\.evil/', undefined],
    ['https://h:80a/', undefined],
    ['https://h:-1/', undefined],
    ['https://[::1/', undefined],
    ['https://h%2e/', undefined],
    ['https://hé/', undefined],
    ['https://h h/', undefined],
  ])('%s -> %s', ([url, origin]) => {
    const parts = splitUrl(url)
    expect(parts).toBeDefined()
    if (parts === undefined) return
    expect(hasPlainHost(url, parts) ? originOf(url, parts) : undefined).toBe(origin)
  })
})
