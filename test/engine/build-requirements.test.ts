/**
 * Builds from requirement lists with the real pip and Git of a base image. The
 * fixture server's own record tells which credential was sent where; the rest
 * of the world must not know any of them.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { wheel } from '../../fixtures/packages/distribution.js'
import { hostileProject, inSubdirectory, plainProject } from '../../fixtures/packages/project.js'
import { startFixtures, type Fixtures } from '../../fixtures/fixtures.js'
import { secretName } from '../../src/secret.js'
import { faultOf, resultOf, startBuilds, type Builds } from '../support/builds.js'
import { hasImage, runIn } from '../support/engine.js'
import { temporaryFolder } from '../support/folder.js'
import { publishPrivately } from '../support/private-sources.js'
import { printablePassword, randomToken } from '../support/tokens.js'

/** Its Python is managed by the distribution, so that packages go into an environment made for them. */
const PYTHON = 'traceless-base:bookworm'
/** With an environment that has setuptools: sources are built without asking an index for it. */
const VENV = 'traceless-base:venv'

let builds: Builds
beforeAll(async () => {
  builds = await startBuilds({ bases: [VENV, 'traceless-base:user'] })
})
afterAll(() => builds[Symbol.asyncDispose]())

/** Passwords with which requests were answered, by path prefix. */
function sent({ requests }: Fixtures, prefix: string): ReadonlySet<string> {
  const answered = requests.filter(({ path, status }) => path.startsWith(prefix) && status === 200)
  return new Set(
    answered.map(({ login }) => (login === null ? 'none' : `${login.username}:${login.password}`)),
  )
}

describe('B1: an image from a requirement list', () => {
  it('R1, R5: Git by token and by password, two tokens on one host, an index with a password of every character', async () => {
    await using fixtures = await startFixtures()
    const [asUser, asPassword, printable] = [builds.token(), builds.token(), printablePassword()]
    await builds.set({ AS_USER: asUser, AS_PASSWORD: asPassword, INDEX_PASSWORD: printable })
    await publishPrivately(fixtures, { asUser, asPassword, printable })
    const tag = builds.image()
    const outcome = await builds.build({
      requirements: [
        `--index-url ${fixtures.origin}/index/open/simple/`,
        `--extra-index-url http://reader:$<INDEX_PASSWORD>@${fixtures.host}/index/private/simple/`,
        `git+http://\${AS_USER}@${fixtures.host}/git/acme/widget.git`,
        `gadget @ git+http://robot:\${AS_PASSWORD}@${fixtures.host}/git/other/gadget.git`,
        'from-source',
      ],
      base: PYTHON,
      tags: [tag],
    })
    const { report, delivery } = resultOf(outcome)
    expect(report.verdict).toBe('clean')
    expect(delivery).toEqual({ mode: 'lifted', reasons: [] })
    const run = await runIn(
      tag,
      'python3 -c "import widget, gadget, dependency, from_source, from_wheel"; /usr/bin/pip --python /opt/venv/bin/python freeze',
    )
    expect(run).toMatchObject({ status: 0 })
    expect(run.output).toContain(`gadget @ git+${fixtures.origin}/git/other/gadget.git@`)
    expect(sent(fixtures, '/git/acme')).toEqual(new Set([`${asUser}:`]))
    expect(sent(fixtures, '/git/other')).toEqual(new Set([`robot:${asPassword}`]))
    expect(sent(fixtures, '/index/private')).toEqual(new Set([`reader:${printable}`]))

    // S11: what the build used is recorded, and what it did not use is not.
    const { uses } = await usesOf('AS_USER')
    expect(uses).toContainEqual(expect.objectContaining({ image: resultOf(outcome).image, tags: [tag] }))
    expect(await builds.traces([asUser, asPassword, printable], { images: [tag], above: PYTHON })).toEqual([])
  })

  it('B5: a branch that moved is fetched when its secret is refreshed, and its commit is told', async () => {
    await using fixtures = await startFixtures()
    const name = `BRANCH_${randomToken().replaceAll(/\W/g, '_')}`
    const token = randomToken()
    await builds.set({ [name]: token })
    fixtures.protect('/git/acme', { username: 'x', password: token })
    const project = { name: 'mover', version: '1.0' }
    const first = await fixtures.repository('acme/mover', plainProject(project))
    const build = async (refresh: readonly string[]) => {
      const tag = builds.image()
      const { report } = resultOf(
        await builds.build({
          requirements: [`mover @ git+http://x:\${${name}}@${fixtures.host}/git/acme/mover.git@main`],
          base: VENV,
          refresh,
          tags: [tag],
        }),
      )
      const { output } = await runIn(tag, 'cat $(python3 -c "import mover; print(mover.__file__)")')
      return {
        commits: report.commits?.map(({ commit }) => commit),
        why: report.steps.map(({ state, why }) => `${state} ${why}`),
        isMoved: output.includes('moved on'),
      }
    }
    expect(await build([])).toMatchObject({ commits: [first.commit], isMoved: false })
    const moved = plainProject(project)

    const second = await fixtures.repository('acme/mover', { ...moved, 'mover/__init__.py': '# moved on\n' })
    expect(second.commit).not.toBe(first.commit)
    // Nothing of the request has changed, so that the engine's step is reused.
    expect(await build([])).toMatchObject({ commits: [first.commit], isMoved: false })
    const refreshed = await build([name])
    expect(refreshed).toMatchObject({ commits: [second.commit], isMoved: true })
    expect(refreshed.why).toContain('ran refreshed')
    expect(await builds.traces([token])).toEqual([])
  })

  it('R2: nested lists, constraints, markers, extras, subdirectories and editable installs, on a base with a user', async () => {
    await using fixtures = await startFixtures()
    const token = builds.token()
    await builds.set({ NESTED: token })
    fixtures.protect('/git/acme', { username: 'x', password: token })
    fixtures.protect('/index/private', { username: 'x', password: token })
    const core = await fixtures.repository('acme/core', plainProject({ name: 'core' }))
    await fixtures.repository('acme/mono', inSubdirectory(plainProject({ name: 'mono' }), 'python'))
    fixtures.publish('private', wheel({ name: 'tool' }), wheel({ name: 'tool', version: '2.0' }))
    await using context = await temporaryFolder({
      'requirements.txt': [
        '# ${COMMENTED} is left alone',
        `--index-url ${fixtures.origin}/index/open/simple/`,
        `--extra-index-url http://x:\${NESTED}@${fixtures.host}/index/private/simple/`,
        '-r lists/git.txt',
        '-c lists/constraints.txt',
        'tool ; python_version > "3"',
        '',
      ].join('\n'),
      'lists/git.txt': [
        `-e git+http://x:\${NESTED}@${fixtures.host}/git/acme/core.git@${core.commit}#egg=core`,
        `mono @ git+http://x:\${NESTED}@${fixtures.host}/git/acme/mono.git \\`,
        '  ; python_version > "3"',
        '',
      ]
        .join('\n')
        .replace('mono.git ', 'mono.git#subdirectory=python '),
      'lists/constraints.txt': 'tool<2\n',
      'app/main.py': 'import core, mono, tool\nprint("it runs")\n',
    })
    const tag = builds.image()
    const outcome = await builds.build({
      requirements: { path: context.file('requirements.txt') },
      base: 'traceless-base:user',
      workdir: '/app',
      copy: [{ from: 'app/main.py', to: '/app/main.py' }],
      tags: [tag],
    })
    const { report } = resultOf(outcome)
    expect(report.verdict).toBe('clean')
    const url = `${fixtures.origin}/git/acme/core.git`
    expect(report.commits).toContainEqual({ name: 'core', url, commit: core.commit })
    expect(report.commits?.map(({ name }) => name)).toEqual(['core', 'mono'])
    const run = await runIn(tag, 'id -un; pwd; python3 main.py; true')
    expect(run.output.split('\n').slice(0, 3)).toEqual(['app', '/app', 'it runs'])
    expect(await builds.traces([token], { images: [tag], above: 'traceless-base:user' })).toEqual([])
  })

  it('R4, R5: a token in a path and one in a query are filled, and only wheels reach the image', async () => {
    const tokens = { path: builds.token(), query: builds.token() }
    const login = builds.token()
    await builds.set({ IN_PATH: tokens.path, IN_QUERY: tokens.query, BESIDE: login })
    await using fixtures = await startFixtures(tokens)
    fixtures.protect('/git/acme', { username: 'x', password: login })
    await fixtures.repository('acme/core', plainProject({ name: 'core' }))
    fixtures.publish('private', wheel({ name: 'in-path' }), wheel({ name: 'in-query' }))
    const tag = builds.image()
    const outcome = await builds.build({
      requirements: [
        `--index-url ${fixtures.origin}/path/\${IN_PATH}/index/private/simple/`,
        'in-path',
        `in-query @ ${fixtures.origin}/query/index/private/files/in_query-1.0-py3-none-any.whl?token=\${IN_QUERY}`,
        `core @ git+http://x:\${BESIDE}@${fixtures.host}/git/acme/core.git`,
      ],
      base: PYTHON,
      tags: [tag],
    })
    const { report, delivery } = resultOf(outcome)
    expect(report.verdict).toBe('clean')
    expect(delivery?.mode).toBe('filled')
    expect(delivery?.reasons).toEqual([
      'A placeholder stands in the path of a URL.',
      'A placeholder stands in the query of a URL.',
    ])
    const run = await runIn(
      tag,
      'python3 -c "import in_path, in_query, core" && find / -xdev -name direct_url.json',
    )
    expect(run).toEqual({ status: 0, output: '' })
    // The stage that saw the list was read as well.
    expect(report.layers.map(({ stage }) => stage)).toContain('traceless-wheels')
    expect(await builds.traces([tokens.path, tokens.query, login], { images: [tag], above: PYTHON })).toEqual(
      [],
    )
  })

  const usesOf = async (name: string): Promise<{ uses: readonly unknown[] }> => {
    const uses = await builds.store.admin.usage({ name: secretName(name), environment: 'main' })
    return { uses }
  }
})

describe('B1: a base that is not fit', () => {
  const list = ['core @ git+http://x:${TOKEN}@127.0.0.1:1/git/acme/core.git']
  it.for([
    { base: 'traceless-base:nogit', words: 'lacks git', hint: '--apt git,ca-certificates' },
    { base: 'traceless-base:nopip', words: 'lacks python3-pip', hint: '--apt python3-pip' },
    {
      base: 'traceless-base:tiny',
      words: 'lacks python3, python3-pip, git',
      hint: '--apt python3,python3-pip,git',
    },
    { base: 'traceless-base:onbuild', words: 'ONBUILD triggers', hint: 'without them' },
  ])('B1: $base', async ({ base, words, hint }) => {
    const token = builds.token()
    await builds.set({ TOKEN: token })
    const tag = builds.image()
    const outcome = await builds.build({ requirements: list, base, tags: [tag] })
    const fault = faultOf(outcome, 'BASE_UNSUITABLE')
    expect(fault.message).toContain(words)
    expect(fault.hint).toContain(hint)
    expect(await hasImage(tag)).toBe(false)
    expect(await builds.traces([token])).toEqual([])
  })

  it('B1: looking into a base leaves nothing on the engine', async () => {
    const probes = async (): Promise<number> =>
      (await builds.engine.records()).filter(({ description }) => description.includes('traceless-probe'))
        .length
    const before = await probes()
    const request = { requirements: ['flask'], base: 'traceless-base:tiny', tags: [builds.image()] }
    faultOf(await builds.buildWith(builds.builderWith({}), request), 'BASE_UNSUITABLE')
    expect(await probes()).toBe(before)
  })
})

describe('R3: a list with mistakes', () => {
  it('R3: all of them are told at once, with their places, before anything starts', async () => {
    await builds.set({ REAL_TOKEN: builds.token() })
    await using context = await temporaryFolder({
      'requirements.txt': [
        'core @ git+http://x:${REAL_TOKE}@example.com/core.git',
        'name==${REAL_TOKEN}',
        '-r more.txt',
      ].join('\n'),
      'more.txt': 'other @ git+http://x:${bad name}@example.com/core.git\n-r gone.txt\n',
    })
    const outcome = await builds.build({
      requirements: { path: context.file('requirements.txt') },
      base: PYTHON,
      tags: [builds.image()],
    })
    const fault = faultOf(outcome, 'REQUEST_INVALID')
    expect(fault.problems.map(({ file, line }) => `${file ?? ''}:${String(line)}`)).toEqual(
      expect.arrayContaining(['requirements.txt:1', 'requirements.txt:2', 'more.txt:1', 'more.txt:2']),
    )
    expect(fault.problems.find(({ code }) => code === 'SECRET_UNKNOWN')?.hint).toBe(
      'Did you mean REAL_TOKEN?',
    )
    expect(outcome.events).toEqual([{ type: 'phase', phase: 'check' }])
  })
})

describe('B6: a credential that is wrong', () => {
  it.for([
    {
      name: 'as user name for Git',
      line: ({ host }: Fixtures) => `core @ git+http://\${WRONG}@${host}/git/acme/core.git`,
      hint: 'The server refused the credentials',
    },
    {
      name: 'as password for Git',
      line: ({ host }: Fixtures) => `git+http://x:\${WRONG}@${host}/git/acme/core.git`,
      hint: 'The server refused the credentials',
    },
    {
      name: 'for an index',
      line: ({ host }: Fixtures) =>
        `--extra-index-url http://reader:\${WRONG}@${host}/index/private/simple/\ntool`,
      hint: 'pip says so too when an index refuses its credentials',
    },
    {
      name: 'in a path',
      line: ({ origin }: Fixtures) => `--index-url ${origin}/path/\${WRONG}/index/private/simple/\ntool`,
      hint: 'pip says so too when an index refuses its credentials',
    },
  ])('B6: $name is shown nowhere, and the fault says what to do', async ({ line, hint }) => {
    await using fixtures = await startFixtures({ path: randomToken() })
    fixtures.protect('/git/acme', { username: 'x', password: randomToken() })
    fixtures.protect('/index/private', { username: 'reader', password: randomToken() })
    await fixtures.repository('acme/core', plainProject({ name: 'core' }))
    fixtures.publish('private', wheel({ name: 'tool' }))
    const token = builds.token()
    await builds.set({ WRONG: token })
    const tag = builds.image()
    const outcome = await builds.build({
      requirements: [
        `--index-url ${fixtures.origin}/index/open/simple/`,
        ...line(fixtures).split('\n'),
      ].slice(line(fixtures).startsWith('--index') ? 1 : 0),
      base: VENV,
      tags: [tag],
    })
    const fault = faultOf(outcome, 'BUILD_FAILED')
    expect(fault.message).toMatch(/^The step ".*pip (?:install|wheel) -r .*" failed with exit status \d+\.$/)
    expect(fault.hint).toContain(hint)
    expect(await hasImage(tag)).toBe(false)
    expect(await builds.traces([token])).toEqual([])
  })
})

describe('L1: code of a dependency that takes what it can reach', () => {
  it('L1: is caught in the image, whatever it made of it', async () => {
    await using fixtures = await startFixtures()
    const token = builds.token()
    await builds.set({ STOLEN: token })
    fixtures.protect('/git/acme', { username: 'x', password: token })
    await fixtures.repository(
      'acme/hostile',
      hostileProject(
        { name: 'hostile' },
        {
          disguises: ['raw', 'base64', 'base64-shifted-1', 'base64-shifted-2', 'hex', 'gzip'],
          sink: `${fixtures.origin}/sink`,
          asks: [`${fixtures.origin}/git/acme/hostile.git`],
        },
      ),
    )
    const tag = builds.image()
    const outcome = await builds.build({
      requirements: [`hostile @ git+http://x:\${STOLEN}@${fixtures.host}/git/acme/hostile.git`],
      base: VENV,
      tags: [tag],
    })
    faultOf(outcome, 'LEAK_FOUND')
    // It did reach the credential: otherwise this test would show nothing.
    expect(fixtures.sink.some((body) => body.includes(token))).toBe(true)
    const files = outcome.report?.findings.map(({ path }) => path?.replace(/^.*\//, '')) ?? []
    expect(new Set(files)).toEqual(
      new Set(
        ['raw', 'base64', 'base64-shifted-1', 'base64-shifted-2', 'hex', 'gzip'].map(
          (form) => `loot.${form}`,
        ),
      ),
    )
    expect(await hasImage(tag)).toBe(false)
    expect(await builds.traces([token])).toEqual([])
  })
})

describe('R6: the cache', () => {
  it('R6: a version that is installed already is not asked for again, and a new one is, into an environment of the base', async () => {
    await using fixtures = await startFixtures()
    const [before, after] = [builds.token(), builds.token()]
    await builds.set({ ROTATED: before })
    fixtures.protect('/git/acme', { username: 'x', password: before })
    await fixtures.repository('acme/core', plainProject({ name: 'core' }))
    const request = {
      requirements: [`core @ git+http://x:\${ROTATED}@${fixtures.host}/git/acme/core.git`],
      base: VENV,
    }
    const first = resultOf(await builds.build({ ...request, tags: [builds.image()] }))
    const asked = fixtures.requests.length
    const second = resultOf(await builds.build({ ...request, tags: [builds.image()] }))
    expect(second.image).toBe(first.image)
    const run = await runIn(second.image, 'python3 -c "import core; print(core.__file__)"')
    expect(run.output).toMatch(/^\/opt\/venv\/lib\//)
    expect(fixtures.requests).toHaveLength(asked)

    await builds.set({ ROTATED: after })
    fixtures.protect('/git/acme', { username: 'x', password: after })
    resultOf(await builds.build({ ...request, tags: [builds.image()] }))
    expect(sent(fixtures, '/git/acme')).toEqual(new Set([`x:${before}`, `x:${after}`]))
    expect(await builds.traces([before, after])).toEqual([])
  })
})

describe('R7: a list in a Dockerfile of one’s own', () => {
  it('R7: is mounted filled, and its credentials as a netrc file', async () => {
    await using fixtures = await startFixtures()
    const git = builds.token()
    await builds.set({ R7_GIT: git })
    fixtures.protect('/git/acme', { username: 'x', password: git })
    await fixtures.repository('acme/core', plainProject({ name: 'core' }))
    await fixtures.repository('acme/more', plainProject({ name: 'more' }))
    await using lists = await temporaryFolder({
      'filled.txt': `core @ git+http://x:\${R7_GIT}@${fixtures.host}/git/acme/core.git\n`,
      'logins.txt': `git+http://x:\${R7_GIT}@${fixtures.host}/git/acme/more.git\n`,
    })
    const tag = builds.image()
    const outcome = await builds.build({
      dockerfile: {
        text: [
          `FROM ${VENV}`,
          'RUN --mount=type=secret,id=list,target=/tmp/list.txt python3 -m pip install --no-cache-dir -r /tmp/list.txt',
          `RUN --mount=type=secret,id=creds,target=/root/.netrc python3 -m pip install --no-cache-dir git+${fixtures.origin}/git/acme/more.git`,
        ].join('\n'),
      },
      secrets: {
        list: { requirements: lists.file('filled.txt') },
        creds: { credentialsOf: lists.file('logins.txt') },
      },
      tags: [tag],
    })
    expect(resultOf(outcome).report.verdict).toBe('clean')
    expect(await runIn(tag, 'python3 -c "import core, more"')).toMatchObject({ status: 0 })
    expect(sent(fixtures, '/git/acme')).toEqual(new Set([`x:${git}`]))
    // A filled list is handed to pip with its URLs, and pip hands those to git.
    const places = await builds.traces([git], { images: [tag], above: VENV })
    expect(places.filter((place) => place !== 'command lines: raw')).toEqual([])
  })
})

describe('R5: a base whose Git keeps what it is told', () => {
  it('R5: keeps nothing of what it is told here', async () => {
    await using fixtures = await startFixtures()
    const [token, base, tag] = [builds.token(), builds.image('keeps'), builds.image()]
    await builds.set({ KEPT: token })
    const keeps = `FROM ${VENV}\nRUN git config --system credential.helper store`
    resultOf(await builds.build({ dockerfile: { text: keeps }, tags: [base] }))
    fixtures.protect('/git/acme', { username: 'x', password: token })
    await fixtures.repository('acme/core', plainProject({ name: 'core' }))
    const requirements = [`core @ git+http://x:\${KEPT}@${fixtures.host}/git/acme/core.git`]
    resultOf(await builds.build({ requirements, base, tags: [tag] }))
    expect(await runIn(tag, 'ls /root/.git-credentials')).not.toMatchObject({ status: 0 })
    expect(await builds.traces([token], { images: [tag], above: VENV })).toEqual([])
  })
})

describe('R5: a base with an old Git', () => {
  it('R5: gives it the credentials by netrc', async () => {
    // Its Git says that it is older than it is, and takes no settings that an old one would not take.
    const base = builds.image('old-git')
    const shim = [
      '#!/bin/sh',
      'if [ "$1" = --version ]; then echo git version 2.30.2; exit; fi',
      'unset GIT_CONFIG_COUNT',
      'exec /usr/bin/git "$@"',
    ]
    const made = await builds.build({
      dockerfile: {
        text: `FROM ${VENV}\nRUN printf '%s\\n' ${shim.map((line) => `'${line}'`).join(' ')} > /usr/local/bin/git && chmod +x /usr/local/bin/git`,
      },
      tags: [base],
    })
    resultOf(made)
    await using fixtures = await startFixtures()
    const [token, elsewhere] = [builds.token(), builds.token()]
    await builds.set({ OLD_GIT: token, ELSEWHERE: elsewhere })
    fixtures.protect('/git/acme', { username: 'x', password: token })
    fixtures.protect('/git/other', { username: 'x', password: elsewhere })
    await fixtures.repository('acme/core', plainProject({ name: 'core' }))
    await fixtures.repository('other/gadget', plainProject({ name: 'gadget' }))
    const tag = builds.image()
    const core = `core @ git+http://x:\${OLD_GIT}@${fixtures.host}/git/acme/core.git`
    const lifted = await builds.build({ requirements: [core], base, tags: [tag] })
    expect(resultOf(lifted).delivery).toEqual({ mode: 'lifted', reasons: [] })
    expect(await runIn(tag, 'python3 -c "import core"; ls -A /root /tmp')).toMatchObject({ status: 0 })
    expect(sent(fixtures, '/git/acme')).toEqual(new Set([`x:${token}`]))
    expect(await builds.traces([token], { images: [tag], above: VENV })).toEqual([])

    const refused = await builds.build({
      requirements: [core, `gadget @ git+http://x:\${ELSEWHERE}@${fixtures.host}/git/other/gadget.git`],
      base,
      delivery: 'lifted',
      tags: [builds.image()],
    })
    expect(faultOf(refused, 'REQUIREMENTS_INVALID').problems).toHaveLength(2)
  })
})
