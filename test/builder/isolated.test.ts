/** Isolated installs: what is refused before anything starts, and which stage has what. */

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readDockerfile } from '../../src/builder/dockerfile-read.js'
import { isolatedFailure } from '../../src/builder/isolated-failure.js'
import { planIsolated } from '../../src/builder/isolated-plan.js'
import { isolatedDockerfile, type IsolatedRecipe } from '../../src/builder/isolated-recipe.js'
import { secretName, SecretValue } from '../../src/secret.js'
import { deliver, parseRequirements, planDelivery } from '../../src/substitute/index.js'
import { RECIPE as PLAIN } from './recipe.js'
import { scriptsModule } from '../../scripts/programs.js'

const listOf = (lines: readonly string[], files: Readonly<Record<string, string>> = {}) =>
  parseRequirements({ lines }, async (path) => {
    const text = files[path]
    return text === undefined ? null : Buffer.from(text)
  })

describe('B11: a list for an isolated install', () => {
  it.for<[line: string, words: string | undefined]>([
    ['flask==3.0', undefined],
    ['a @ git+https://x:${TOKEN}@h/o/a.git@v1#subdirectory=s ; python_version > "3"', undefined],
    ['git+http://h/o/a.git', undefined],
    ['a @ https://h/a-1.0-py3-none-any.whl', undefined],
    ['-e git+https://h/o/a.git#egg=a', 'editable'],
    ['a @ https://h/a-1.0.tar.gz', 'archive of sources'],
    ['https://h/a-1.0.zip', 'archive of sources'],
    ['a @ git+ssh://git@h/o/a.git', undefined],
    ['a @ hg+https://h/o/a', 'http and https'],
    ['a @ file:///src/a', 'http and https'],
    ['a @ git+https://h/${TOKEN}/a.git', 'user name or password'],
    ['a @ git+https://h/o/a.git --config-settings=k=v', 'options behind it'],
    ['-c constraints.txt', 'constraint that names a repository'],
  ])('%s', async ([line, words]) => {
    const list = await listOf([line], { 'constraints.txt': 'a @ git+https://h/o/a.git\n' })
    const { problems } = planIsolated(list)
    if (words === undefined) expect(problems).toEqual([])
    else expect(problems.map(({ message }) => message).join()).toContain(words)
  })

  it('takes repositories out of the list, line by line, and their credentials with them', async () => {
    const lines = [
      'flask',
      'widget[fast, big] @ git+https://x:${TOKEN}@h/o/widget.git@v1#subdirectory=py ; python_version > "3"',
      '-r more.txt',
    ]
    const more = 'git+https://${TOKEN}@h/o/gadget.git#egg=gadget[e] \\\n  ; python_version > "3" \ntool\n'
    const list = await listOf(lines, { 'more.txt': more })
    const plan = planIsolated(list)
    expect(plan.problems).toEqual([])
    expect(plan.sources).toEqual([
      {
        url: 'git+https://h/o/widget.git@v1',
        subdirectory: 'py',
        extras: ['fast', 'big'],
        marker: 'python_version > "3"',
      },
      { url: 'git+https://h/o/gadget.git', subdirectory: '', extras: ['e'], marker: 'python_version > "3"' },
    ])
    const values = new Map([[secretName('TOKEN'), SecretValue.fromText('a-token-of-some-length')]])
    const { files, mounts } = deliver(planDelivery(list, 'auto'), plan.list, values)
    const texts = [...files.values()].map((bytes) => Buffer.from(bytes).toString('utf8'))
    expect(texts[0]?.split('\n')[1]).toMatch(/^# widget/)
    expect(texts[1]).toMatch(
      /^# git\+https:\/\/h\/o\/gadget\.git#egg=gadget\[e\] \\\n# {3}; python_version.*\ntool\n$/,
    )
    expect(mounts.map(({ kind }) => kind)).toEqual(['git-credential', 'git-credential'])
  })
})

const RECIPE: IsolatedRecipe = {
  ...PLAIN,
  baseUser: 'app',
  facts: { ...PLAIN.facts, externallyManaged: true },
  apt: ['git'],
  mounts: [
    { kind: 'git-credential', id: 's-git', scope: 'https://h' },
    { kind: 'netrc', id: 's-netrc' },
  ],
  hasRepositories: true,
  offline: true,
  sources: [{ url: 'git+https://h/o/a.git', subdirectory: '', extras: [], marker: '' }],
}

const read = (recipe: IsolatedRecipe) =>
  readDockerfile(isolatedDockerfile(recipe).dockerfile, {
    file: 'Dockerfile',
    buildArgs: new Map(),
    namedContexts: new Set(),
  })

describe('B11: the isolated Dockerfile', () => {
  it('B11: no stage in which code of packages ran, and none that stands on one, has a secret or a network', () => {
    const dockerfile = read(RECIPE)
    expect(dockerfile.problems).toEqual([])
    const ran = new Set<number>()
    for (const { index, base, mounts } of dockerfile.stages) {
      const stage = dockerfile.text.split(/^(?=FROM )/m)[index] ?? ''
      const builds = stage.includes('isolated.py build')
      if (builds || (base.kind === 'stage' && ran.has(base.index))) ran.add(index)
      if (ran.has(index)) expect(mounts).toEqual([])
      if (ran.has(index)) expect(stage).toMatch(/^RUN --network=none /m)
      expect(mounts.length > 0).toBe(/isolated\.py (?:first|next|resolve)/.test(stage))
    }
    expect(ran.size).toBe(3)
    expect(dockerfile.text.split('\n').find((line) => line.includes('traceless-install-wheels'))).toMatch(
      /^RUN --network=none .*--no-index --no-deps/,
    )
  })

  it('leaves the network on where the engine cannot take it away', () => {
    expect(isolatedDockerfile({ ...RECIPE, offline: false }).dockerfile).not.toContain('--network')
  })

  it('builds nothing for a list without repositories', () => {
    const { dockerfile, steps } = isolatedDockerfile({ ...RECIPE, sources: [] })
    expect(dockerfile).not.toContain('isolated.py build')
    expect(steps.map(({ words }) => words)).toEqual([
      'download the wheels of everything else',
      'pip install the wheels',
    ])
  })

  it('has the programs as they stand beside it', () => {
    const module = readFileSync(new URL('../../src/builder/programs/scripts.ts', import.meta.url), 'utf8')
    expect(module).toBe(scriptsModule())
    expect([...isolatedDockerfile(RECIPE).files.keys()]).toContain('.traceless-programs/guarded_pip.py')
  })
})

describe('B11: why an isolated install ended', () => {
  it.for<[output: string, code: string | undefined, words: string]>([
    ['x\ntraceless-isolated: no-wheel tool\n', 'REQUIREMENTS_INVALID', 'no wheel of tool, only sources'],
    ['traceless-isolated: lfs\r\n', 'BASE_UNSUITABLE', 'Git LFS'],
    ['traceless-isolated: no-such-code tool\n', undefined, ''],
    ['traceless-isolated: no-wheel a b\n', undefined, ''],
    [' traceless-isolated: git\n', undefined, ''],
  ])('%j', ([output, code, words]) => {
    const fault = isolatedFailure(output, undefined)
    expect(fault?.code).toBe(code)
    expect(fault?.message ?? '').toContain(words)
  })
})
