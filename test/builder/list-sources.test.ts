import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { deriveSources, type DerivedSource } from '../../src/builder/list-sources.js'
import type { CheckedSource } from '../../src/builder/request.js'
import { secretName, SecretValue, type SecretSet } from '../../src/secret.js'
import { temporaryFolder } from '../support/folder.js'

const KNOWN = [secretName('TOKEN'), secretName('OTHER')]

const values = (entries: Readonly<Record<string, string>>): SecretSet =>
  new Map(Object.entries(entries).map(([name, text]) => [secretName(name), SecretValue.fromText(text)]))
const textOf = (value: SecretValue): string => value.use((bytes) => Buffer.from(bytes).toString())

/** What becomes of a list, by one kind of source. */
async function derive(
  kind: 'requirements' | 'credentials-of',
  files: Readonly<Record<string, string>>,
): Promise<{ source: DerivedSource; problems: readonly string[] }> {
  await using folder = await temporaryFolder(files)
  const sources = new Map<string, CheckedSource>([
    ['id', { kind, path: folder.file('r.txt') }],
    ['plain', { kind: 'stored', name: secretName('TOKEN') }],
  ])
  const { derived, problems } = await deriveSources(sources, KNOWN)
  expect([...derived.keys()]).toEqual(['id'])
  const source = derived.get('id')
  if (source === undefined) throw new Error('nothing was derived')
  return {
    source,
    problems: problems.map(({ file, line, message }) => `${file ?? ''}:${String(line ?? '')} ${message}`),
  }
}

describe('R7: requirements=FILE', () => {
  it('R7: is the list with its values, encoded for their places', async () => {
    const list = 'git+https://u:${TOKEN}@h/r\nn @ https://h/n.whl?t=$<OTHER>\n'
    const { source, problems } = await derive('requirements', { 'r.txt': list })
    expect(problems).toEqual([])
    expect(source.names).toEqual(new Set(['TOKEN', 'OTHER']))
    const { value } = source.make(values({ TOKEN: 'a@b', OTHER: 'c d' }))
    expect(textOf(value)).toBe('git+https://u:a%40b@h/r\nn @ https://h/n.whl?t=c%20d\n')
  })

  it('R7: is the list as it stands where it has no placeholder', async () => {
    const { source } = await derive('requirements', { 'r.txt': 'flask==1.0\n' })
    const { value, shape } = source.make(values({}))
    expect(textOf(value)).toBe('flask==1.0\n')
    expect(shape).toBe(createHash('sha256').update('flask==1.0\n').digest('hex'))
  })

  it('R7: has another shape when the text changes and no value does', async () => {
    const shapes = await Promise.all(
      ['git+https://u:${TOKEN}@h/r\n', 'git+https://u:${TOKEN}@h/s\n', 'flask\n', 'django\n'].map(
        async (list) =>
          (await derive('requirements', { 'r.txt': list })).source.make(values({ TOKEN: 'token' })).shape,
      ),
    )
    expect(new Set(shapes).size).toBe(4)
  })

  it.for<[why: string, files: Readonly<Record<string, string>>, problems: readonly string[]]>([
    ['a list that is not there', {}, ['r.txt: The file r.txt does not exist.']],
    [
      'a list of lists',
      { 'r.txt': '-r s.txt\n', 's.txt': 'git+https://${TOKEN}@h/r\n' },
      ['r.txt: A list that is mounted cannot name other lists, which would not be there.'],
    ],
    [
      'a name that is not known',
      { 'r.txt': 'git+https://${TOKN}@h/r\n' },
      ['r.txt:1 There is no secret TOKN.'],
    ],
    [
      'an editable requirement',
      { 'r.txt': '-e git+https://${TOKEN}@h/r#egg=r\n' },
      [
        'r.txt:1 An editable requirement cannot be installed from a filled list: its checkout would keep the URL.',
      ],
    ],
  ])('R7: refuses %s', async ([, files, problems]) => {
    expect((await derive('requirements', files)).problems).toEqual(problems)
  })
})

describe('R7: credentials-of=FILE', () => {
  it('R7: is a netrc file with the logins of Git and pip', async () => {
    const list = '-i https://u:${TOKEN}@index/\ngit+https://v:${OTHER}@git/r\n'
    const { source, problems } = await derive('credentials-of', { 'r.txt': list })
    expect(problems).toEqual([])
    const { value } = source.make(values({ TOKEN: 'one', OTHER: 'two' }))
    expect(textOf(value)).toBe('machine index login u password one\nmachine git login v password two\n')
  })

  it('R7: refuses a value that not every reader of such files reads alike', async () => {
    const { source } = await derive('credentials-of', { 'r.txt': '-i https://u:${TOKEN}@index/\n' })
    for (const text of ['a b', '"a', 'a\\b']) {
      expect(() => source.make(values({ TOKEN: text }))).toThrow(
        expect.objectContaining({ code: 'REQUIREMENTS_INVALID' }),
      )
    }
  })

  it.for<[why: string, list: string, problem: string]>([
    [
      'a list without logins',
      'flask\n',
      'r.txt: No URL of the list has a placeholder as user name or password.',
    ],
    [
      'a token in a query',
      'n @ https://h/n.whl?t=${TOKEN}\n',
      'r.txt:1 The value of TOKEN cannot be lifted out of the list here.',
    ],
    [
      'another scheme on the host of a login, which would get the token too',
      'git+https://${TOKEN}@h/a\ngit+http://h/b\n',
      'r.txt:1 The value of TOKEN cannot be lifted out of the list here.',
    ],
    [
      'two logins for one host',
      'git+https://${TOKEN}@h/a\ngit+https://${OTHER}@h/b\n',
      'r.txt:1 The value of TOKEN cannot be lifted out of the list here.',
    ],
    [
      'a token without a password, which readers of such files write in different ways',
      'git+https://${TOKEN}@h/a\n',
      'r.txt:1 TOKEN is a user name without a password, which not every reader of a netrc file takes.',
    ],
  ])('R7: refuses %s', async ([, list, problem]) => {
    expect((await derive('credentials-of', { 'r.txt': list })).problems).toContain(problem)
  })
})
