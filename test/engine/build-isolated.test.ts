/**
 * Isolated installs: the code of packages runs in stages that have nothing, and
 * what it leaves is data. Each test says what the same package does without
 * `isolate`, or the isolation would be shown for something harmless.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sdist, wheel } from '../../fixtures/packages/distribution.js'
import {
  hostileProject,
  inSubdirectory,
  plainProject,
  submoduleProject,
} from '../../fixtures/packages/project.js'
import { startFixtures } from '../../fixtures/fixtures.js'
import { faultOf, resultOf, startBuilds, type Builds } from '../support/builds.js'
import { hasImage, runIn } from '../support/engine.js'

/** Its Python is managed by the distribution, so that packages go into an environment made for them. */
const PYTHON = 'traceless-base:bookworm'
/** With an environment that has setuptools. */
const VENV = 'traceless-base:venv'

let builds: Builds
beforeAll(async () => {
  builds = await startBuilds({ bases: [VENV] })
})
afterAll(() => builds[Symbol.asyncDispose]())

describe('B11: an isolated install', () => {
  it('B11: a package that takes what it can reach finds nothing, and the same package leaks without it', async () => {
    await using fixtures = await startFixtures()
    const token = builds.token()
    await builds.set({ STOLEN: token })
    fixtures.protect('/git/acme', { username: 'x', password: token })
    fixtures.protect('/index/private', { username: 'x', password: token })
    fixtures.publish('private', wheel({ name: 'tool' }))
    await fixtures.repository(
      'acme/hostile',
      hostileProject(
        { name: 'hostile', requires: ['tool'] },
        {
          disguises: ['raw'],
          sink: `${fixtures.origin}/sink`,
          asks: [`${fixtures.origin}/git/acme/hostile.git`],
        },
      ),
    )
    const request = {
      requirements: [
        `--index-url ${fixtures.origin}/index/open/simple/`,
        `--extra-index-url http://x:\${STOLEN}@${fixtures.host}/index/private/simple/`,
        `hostile @ git+http://x:\${STOLEN}@${fixtures.host}/git/acme/hostile.git`,
      ],
      base: VENV,
    }
    faultOf(await builds.build({ ...request, tags: [builds.image()] }), 'LEAK_FOUND')
    expect(fixtures.sink.some((body) => body.includes(token))).toBe(true)

    const sent = fixtures.sink.length
    const tag = builds.image()
    const outcome = await builds.build({ ...request, isolate: true, tags: [tag] })
    const { report, delivery } = resultOf(outcome)
    expect(report.verdict).toBe('clean')
    expect(delivery).toEqual({ mode: 'lifted', reasons: [], isolated: { network: 'on' } })
    // It ran and sent what it found.
    const loot = fixtures.sink.slice(sent)
    expect(loot.length).toBeGreaterThan(0)
    expect(loot.filter((body) => body.includes(token))).toEqual([])
    expect(await runIn(tag, 'python3 -c "import hostile, tool"')).toMatchObject({ status: 0 })
    expect(await builds.traces([token], { images: [tag], above: VENV })).toEqual([])
  })

  it('B11, R2: nested repositories, submodules, versions from tags, build requirements, extras, markers and indexes', async () => {
    await using fixtures = await startFixtures()
    const [git, index] = [builds.token(), builds.token()]
    await builds.set({ ISO_GIT: git, ISO_INDEX: index })
    fixtures.protect('/git/acme', { username: 'x', password: git })
    fixtures.protect('/index/private', { username: 'x', password: index })
    const address = (name: string): string => `git+${fixtures.origin}/git/acme/${name}.git`
    const core = await fixtures.repository('acme/core', plainProject({ name: 'core' }))
    await fixtures.repository(
      'acme/vendored',
      submoduleProject({ name: 'vendored' }, { folder: 'third', module: 'core' }),
      { submodules: [{ folder: 'third', url: '../core.git', commit: core.commit }] },
    )
    await fixtures.repository('acme/leaf', plainProject({ name: 'leaf', requires: ['from-index'] }))
    await fixtures.repository(
      'acme/branch',
      plainProject({
        name: 'branch',
        requires: [`leaf @ ${address('leaf')}`, `gone @ ${address('gone')} ; extra == "never"`],
        buildRequires: ['setuptools', 'wheel'],
      }),
    )
    const tagged = await fixtures.repository('acme/tagged', taggedProject('tagged'), { tags: ['v3.1'] })
    await fixtures.repository('acme/mono', inSubdirectory(plainProject({ name: 'mono' }), 'python'))
    fixtures.publish('private', wheel({ name: 'from-index', requires: ['tool<2'] }), wheel({ name: 'other' }))
    fixtures.publish('private', wheel({ name: 'tool' }), wheel({ name: 'tool', version: '2.0' }))
    const tag = builds.image()
    const login = `x:\${ISO_GIT}@${fixtures.host}/git/acme`
    const outcome = await builds.build({
      requirements: [
        `--index-url ${fixtures.origin}/index/open/simple/`,
        `--extra-index-url http://x:\${ISO_INDEX}@${fixtures.host}/index/private/simple/`,
        `branch @ git+http://${login}/branch.git@main`,
        `tagged @ git+http://${login}/tagged.git@${tagged.commit}`,
        `git+http://${login}/vendored.git#egg=vendored`,
        `mono @ git+http://${login}/mono.git#subdirectory=python ; python_version > "3"`,
        `gone @ git+http://${login}/gone.git ; python_version < "3"`,
        'other',
      ],
      base: PYTHON,
      isolate: true,
      tags: [tag],
    })
    const { report } = resultOf(outcome)
    expect(report.verdict).toBe('clean')
    expect(report.commits).toHaveLength(5)
    expect(report.commits).toContainEqual({
      name: 'tagged',
      url: `${fixtures.origin}/git/acme/tagged.git`,
      commit: tagged.commit,
    })
    const run = await runIn(
      tag,
      'python3 -c "import branch, leaf, tagged, core, mono, from_index, tool, other"; /usr/bin/pip --python /opt/venv/bin/python freeze; find / -xdev -name direct_url.json',
    )
    expect(run.output.trim().split('\n')).toEqual([
      'branch==1.0',
      'from-index==1.0',
      'leaf==1.0',
      'mono==1.0',
      'other==1.0',
      'tagged==3.1',
      'tool==1.0',
      'vendored==1.0',
    ])
    expect(await builds.traces([git, index], { images: [tag], above: PYTHON })).toEqual([])
  })

  it('B11: what has no wheel is told before any code of a package runs', async () => {
    await using fixtures = await startFixtures()
    const token = builds.token()
    await builds.set({ ISO_SDIST: token })
    fixtures.protect('/git/acme', { username: 'x', password: token })
    fixtures.protect('/index/private', { username: 'x', password: token })
    const sink = `${fixtures.origin}/sink`
    const hostile = { name: 'hostile' }
    const tree = hostileProject(hostile, { disguises: ['raw'], sink })
    await fixtures.repository('acme/other', hostileProject({ name: 'other' }, { disguises: ['raw'], sink }))
    fixtures.publish('private', await sdist(hostile, tree))
    const tag = builds.image()
    const outcome = await builds.build({
      requirements: [
        `--index-url http://x:\${ISO_SDIST}@${fixtures.host}/index/private/simple/`,
        `other @ git+http://x:\${ISO_SDIST}@${fixtures.host}/git/acme/other.git`,
        'hostile',
      ],
      base: VENV,
      isolate: true,
      tags: [tag],
    })
    const fault = faultOf(outcome, 'REQUIREMENTS_INVALID')
    expect(fault.message).toContain('no wheel of hostile, only sources')
    expect(fault.hint).toContain('leave --isolate out')
    // pip got as far as the sources and not into them.
    expect(fixtures.sink).toEqual([])
    expect(await hasImage(tag)).toBe(false)
    expect(await builds.traces([token])).toEqual([])
  })

  it('B11: large files are fetched with the credential of their repository, or told where the base cannot', async () => {
    await using fixtures = await startFixtures()
    const token = builds.token()
    await builds.set({ ISO_LFS: token })
    fixtures.protect('/git/acme', { username: 'x', password: token })
    const tree = plainProject({ name: 'large' })
    await fixtures.repository('acme/large', {
      ...tree,
      'setup.py': (tree['setup.py'] ?? '').replace(
        'packages=',
        "package_data={'large': ['*.bin']}, packages=",
      ),
      'large/model.bin': fixtures.largeFile(Buffer.from('a large file')),
      '.gitattributes': '*.bin filter=lfs diff=lfs merge=lfs -text\n',
    })
    const requirements = [`large @ git+http://x:\${ISO_LFS}@${fixtures.host}/git/acme/large.git`]
    const lacking = await builds.build({ requirements, base: VENV, isolate: true, tags: [builds.image()] })
    expect(faultOf(lacking, 'BASE_UNSUITABLE').hint).toBe('Add it with --apt git-lfs.')

    const [base, tag] = ['traceless-base:ssh', builds.image()]
    resultOf(await builds.build({ requirements, base, isolate: true, tags: [tag] }))
    const show = 'cat "$(python3 -c "import large, os; print(os.path.dirname(large.__file__))")/model.bin"'
    expect(await runIn(tag, show)).toEqual({ status: 0, output: 'a large file' })
    expect(await builds.traces([token], { images: [tag], above: base })).toEqual([])
  })

  it('B11: a build that puts a link to a credential in the place of a wheel gets nothing by it', async () => {
    await using fixtures = await startFixtures()
    const token = builds.token()
    await builds.set({ ISO_LINK: token })
    fixtures.protect('/git/acme', { username: 'x', password: token })
    await fixtures.repository('acme/linker', linkingProject('linker'))
    await fixtures.repository('acme/other', plainProject({ name: 'other' }))
    const login = `x:\${ISO_LINK}@${fixtures.host}/git/acme`
    const outcome = await builds.build({
      requirements: [
        `--index-url ${fixtures.origin}/index/open/simple/`,
        `linker @ git+http://${login}/linker.git`,
        `other @ git+http://${login}/other.git`,
      ],
      base: VENV,
      isolate: true,
      tags: [builds.image()],
    })
    expect(faultOf(outcome, 'BUILD_FAILED').message).toBe('A build left something else than one wheel.')
    expect(await builds.traces([token])).toEqual([])
  })
})

/** Its code puts a link to the first mounted credential where the next stage looks for the wheel of another project. */
function linkingProject(name: string): Readonly<Record<string, string>> {
  const tree = plainProject({ name })
  return {
    ...tree,
    'setup.py': [
      'import os',
      'os.makedirs("/traceless-built/1", exist_ok=True)',
      'link = "/traceless-built/1/other-1.0-py3-none-any.whl"',
      'os.path.lexists(link) or os.symlink("/tmp/.traceless-secret-0", link)',
      tree['setup.py'],
    ].join('\n'),
  }
}

/** Takes its version from a tag, as setuptools_scm does. */
function taggedProject(name: string): Readonly<Record<string, string>> {
  return {
    ...plainProject({ name }),
    'setup.py': [
      'import subprocess',
      'from setuptools import setup',
      'said = subprocess.run(["git", "describe", "--tags"], check=True, capture_output=True, text=True).stdout',
      `setup(name=${JSON.stringify(name)}, version=said.strip().lstrip("v"), packages=[${JSON.stringify(name)}])`,
    ].join('\n'),
  }
}
