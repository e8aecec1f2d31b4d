import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { gitScopes, loginKey } from '../../src/substitute/git-scope.js'
import { listOf, runs } from './support.js'

const scopes = async (lines: readonly string[]): Promise<readonly (string | undefined)[]> => {
  const { logins, problems } = await listOf(lines.join('\n'))
  expect(problems).toEqual([])
  const found = gitScopes(logins)
  return logins.map((login) => found.get(login))
}

describe('gitScopes', () => {
  it.for<[why: string, lines: readonly string[], scopes: readonly (string | undefined)[]]>([
    ['one login', ['git+https://${A}@h/o/r.git@v1'], ['https://h']],
    ['one login twice', ['git+https://${A}@h/o/r', 'git+https://$<A>@H:443/p/q'], ['https://h', 'https://h']],
    ['two ports', ['git+https://${A}@h/o/r', 'git+https://${B}@h:8443/o/r'], ['https://h', 'https://h:8443']],
    ['two schemes', ['git+https://${A}@h/o/r', 'git+http://${B}@h/o/r'], ['https://h', 'http://h']],
    ['two owners', ['git+https://${A}@h/o/r', 'git+https://${B}@h/p/r'], ['https://h/o', 'https://h/p']],
    [
      'two owners, one with two repositories',
      ['git+https://${A}@h/o/r', 'git+https://${B}@h/p/r', 'git+https://${A}@h/o/s'],
      ['https://h/o', 'https://h/p', 'https://h/o'],
    ],
    [
      'one owner, two repositories',
      ['git+https://${A}@h/o/r.git@main', 'git+https://${B}@h/o/s.git#egg=s'],
      ['https://h/o/r.git', 'https://h/o/s.git'],
    ],
    ['one repository', ['git+https://${A}@h/o/r', 'git+https://${B}@h/o/r@v1'], [undefined, undefined]],
    [
      'a repository below another',
      ['git+https://${A}@h/o/r', 'git+https://${B}@h/o/r/s'],
      [undefined, 'https://h/o/r/s'],
    ],
    [
      'the same secret with another user',
      ['git+https://a:${A}@h/o/r', 'git+https://b:${A}@h/p/r'],
      ['https://h/o', 'https://h/p'],
    ],
    [
      'the same secret, raw',
      ['git+https://${A}@h/o/r', 'git+https://${A|raw}@h/p/r'],
      ['https://h/o', 'https://h/p'],
    ],
    [
      'a token with and without a colon',
      ['git+https://${A}@h/o/r', 'git+https://${A}:@h/p/r'],
      ['https://h/o', 'https://h/p'],
    ],
    [
      'a segment that is a value',
      ['git+https://${A}@h/o/${P}', 'git+https://${B}@h/p/q', 'git+https://${C}@h/${P}/q'],
      ['https://h/o', 'https://h/p', undefined],
    ],
    [
      'part of a segment that is a value',
      ['git+https://${A}@h/o${P}', 'git+https://${B}@h/o/r'],
      [undefined, 'https://h/o'],
    ],
    [
      'a segment that means another',
      ['git+https://${A}@h/../r', 'git+https://${B}@h/o/r'],
      [undefined, 'https://h/o'],
    ],
    [
      "a segment that holds a shell's words",
      ["git+https://${A}@h/o'r/x", 'git+https://${B}@h/o/r'],
      [undefined, 'https://h/o'],
    ],
    ['no path', ['git+https://${A}@h', 'git+https://${B}@h/o/r'], [undefined, 'https://h/o']],
    ['IPv6', ['git+http://${A}@[::1]:3000/r'], ['http://[::1]:3000']],
  ])('%s', async ([, lines, expected]) => {
    expect(await scopes(lines)).toEqual(expected)
  })

  it('gives each URL the login it was written with, and no other, as git matches', async () => {
    const url = fc.record({
      secret: fc.constantFrom('A', 'B', 'C'),
      path: fc.array(fc.constantFrom('o', 'p', 'op'), { minLength: 1, maxLength: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(url, { minLength: 1, maxLength: 8 }), async (urls) => {
        const lines = urls.map(({ secret, path }) => `git+https://\${${secret}}@h/${path.join('/')}`)
        const { logins } = await listOf(lines.join('\n'))
        const found = gitScopes(logins)
        for (const login of logins) {
          const target = [login.origin, ...login.segments].join('/')
          const answers = logins.filter((other) => {
            const scope = found.get(other)
            return scope !== undefined && `${target}/`.startsWith(`${scope}/`)
          })
          // A login without a scope is filled into its URL, where git looks first.
          if (found.get(login) !== undefined)
            expect(new Set(answers.map(loginKey))).toEqual(new Set([loginKey(login)]))
        }
      }),
      runs(200),
    )
  })
})
