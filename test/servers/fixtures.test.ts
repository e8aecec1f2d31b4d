/**
 * The fixtures themselves, with the real pip and Git of the base image: a leak
 * test means nothing where the credential never arrived, and a hostile package
 * means nothing where it finds nothing.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { sdist, wheel } from '../../fixtures/packages/distribution.js'
import {
  brokenProject,
  hostileProject,
  inSubdirectory,
  plainProject,
  submoduleProject,
  type Disguise,
} from '../../fixtures/packages/project.js'
import { startFixtures } from '../../fixtures/fixtures.js'
import { imageName, openDocker, runIn } from '../support/engine.js'
import { temporaryFolder } from '../support/folder.js'
import { searchEverywhere } from '../support/search.js'
import { printablePassword, randomToken } from '../support/tokens.js'

const PYTHON = 'traceless-base:bookworm'
const PIP =
  'PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore GIT_TERMINAL_PROMPT=0 pip install --no-cache-dir'

describe('repositories', () => {
  it('are installed with the right token, and refused with a wrong one', async () => {
    await using fixtures = await startFixtures()
    const token = randomToken()
    fixtures.protect('/git/acme', { username: token, password: '' })
    await fixtures.repository('acme/core', plainProject({ name: 'core' }))
    const core = `git+http://${token}@${fixtures.host}/git/acme/core.git`
    await fixtures.repository('acme/widget', plainProject({ name: 'widget', requires: [`core @ ${core}`] }))
    const install = (login: string): string =>
      `${PIP} git+http://${login}@${fixtures.host}/git/acme/widget.git && python3 -c 'import core, widget'`

    const wrong = await runIn(PYTHON, install('wrong'))
    expect(wrong.status).not.toBe(0)
    const right = await runIn(PYTHON, install(token))
    expect(right).toMatchObject({ status: 0 })

    const answered = fixtures.requests.map(
      ({ login, status }) => `${login?.username ?? 'none'} ${String(status)}`,
    )
    expect(answered).toContain('wrong 401')
    expect(answered).toContain(`${token} 200`)
    expect(answered).not.toContain('none 200')
  })

  it('are installed from a subdirectory, editable, by commit, and with a submodule of a relative URL', async () => {
    await using fixtures = await startFixtures()
    const core = await fixtures.repository('acme/core', plainProject({ name: 'core' }))
    await fixtures.repository('acme/mono', inSubdirectory(plainProject({ name: 'mono' }), 'python'))
    await fixtures.repository(
      'acme/vendored',
      submoduleProject({ name: 'vendored' }, { folder: 'third', module: 'core' }),
      { submodules: [{ folder: 'third', url: '../core.git', commit: core.commit }] },
    )
    const git = `git+${fixtures.origin}/git/acme`
    const run = await runIn(
      PYTHON,
      [
        `${PIP} ${git}/mono.git#subdirectory=python`,
        `${PIP} -e ${git}/core.git@${core.commit}#egg=core`,
        `python3 -c 'import mono, core; print(core.__file__)'`,
        `${PIP} ${git}/vendored.git && cd / && pip uninstall --yes --break-system-packages core`,
        `python3 -c 'import core; print(core.__file__)'`,
      ].join(' && '),
    )
    expect(run).toMatchObject({ status: 0 })
    expect(run.output).toMatch(/src\/core\/core\/__init__\.py/)
    expect(run.output).toMatch(/dist-packages\/core\/__init__\.py/)
  })

  it('fail where their setup.py is broken', async () => {
    await using fixtures = await startFixtures()
    const { url } = await fixtures.repository('acme/broken', brokenProject({ name: 'broken' }))
    const run = await runIn(PYTHON, `${PIP} git+${url}`)
    expect(run.status).not.toBe(0)
    expect(run.output).toContain('broken on purpose')
  })
})

describe('indexes', () => {
  it('serve wheels, sources and what builds need, behind a login of every printable character', async () => {
    await using fixtures = await startFixtures()
    const login = { username: 'reader', password: printablePassword() }
    fixtures.protect('/index/private', login)
    const built = { name: 'from-source', requires: ['from-wheel'], buildRequires: ['setuptools', 'wheel'] }
    fixtures.publish('private', wheel({ name: 'from-wheel' }), await sdist(built, plainProject(built)))
    const url = `http://reader:${encodeURIComponent(login.password)}@${fixtures.host}/index/private/simple/`
    // encodeURIComponent leaves a quote as it is, and the shell must not see it.
    const quoted = url.replaceAll("'", '%27')
    const run = await runIn(
      PYTHON,
      `${PIP} --index-url ${fixtures.origin}/index/open/simple/ --extra-index-url '${quoted}' from-source && python3 -c 'import from_source, from_wheel'`,
    )
    expect(run).toMatchObject({ status: 0 })
    const logins = fixtures.requests.filter(
      ({ path, status }) => path.startsWith('/index/private') && status === 200,
    )
    expect(logins.length).toBeGreaterThan(0)
    for (const request of logins) expect(request.login).toEqual(login)
  })

  it('take a token in the path or in the query', async () => {
    const tokens = { path: randomToken(), query: randomToken() }
    await using fixtures = await startFixtures(tokens)
    fixtures.protect('/index/private', { username: 'nobody', password: randomToken() })
    fixtures.publish('private', ...['in-path', 'in-query', 'in-links'].map((name) => wheel({ name })))
    const { origin } = fixtures
    const run = await runIn(
      PYTHON,
      [
        `${PIP} --index-url ${origin}/path/${tokens.path}/index/private/simple/ in-path`,
        `${PIP} --no-index '${origin}/query/index/private/files/in_query-1.0-py3-none-any.whl?token=${tokens.query}'`,
        `${PIP} --no-index --find-links '${origin}/query/index/private/links/?token=${tokens.query}' in-links`,
      ].join(' && '),
    )
    expect(run).toMatchObject({ status: 0 })
    const wrong = await runIn(PYTHON, `${PIP} --index-url ${origin}/path/wrong/index/private/simple/ in-path`)
    expect(wrong.status).not.toBe(0)
  })
})

describe('a redirect', () => {
  it('leads to another host, which is told apart in the log', async () => {
    await using fixtures = await startFixtures()
    await fixtures.repository('acme/core', plainProject({ name: 'core' }))
    const run = await runIn(PYTHON, `git clone ${fixtures.origin}/redirect/git/acme/core.git /core`)
    expect(run).toMatchObject({ status: 0 })
    const port = fixtures.host.split(':')[1] ?? ''
    expect(fixtures.requests.map(({ host }) => host)).toContain(`localhost:${port}`)
  })
})

describe('a hostile package', () => {
  it('finds environment, netrc, Git configuration and helpers, keeps and posts them', async () => {
    await using fixtures = await startFixtures()
    const names = ['environment', 'netrc', 'helper', 'hidden', 'remote'] as const
    const tokens = new Map(names.map((name) => [name, randomToken(name)]))
    const token = (name: (typeof names)[number]): string => tokens.get(name) ?? ''
    const disguises: readonly Disguise[] = ['raw']
    const { url } = await fixtures.repository(
      'acme/hostile',
      hostileProject(
        { name: 'hostile' },
        { disguises, sink: `${fixtures.origin}/sink`, asks: ['http://elsewhere/x.git'] },
      ),
    )
    const run = await runIn(
      PYTHON,
      [
        `echo machine elsewhere login x password ${token('netrc')} > /root/.netrc`,
        `git config --global credential.http://elsewhere.helper '!f() { echo username=x; echo password=${token('helper')}; }; f'`,
        `echo ${token('hidden')} > /tmp/.x`,
        `export TAKEN=${token('environment')}`,
        `${PIP} git+${url.replace('http://', `http://${token('remote')}@`)}`,
        `cat /usr/local/lib/python3.11/dist-packages/hostile/loot.raw`,
      ].join(' && '),
    )
    expect(run).toMatchObject({ status: 0 })
    const posted = fixtures.sink.map((body) => body.toString()).join('\n')
    for (const [name, value] of tokens) {
      expect(run.output.includes(value), `${name} in the package`).toBe(true)
      expect(posted.includes(value), `${name} in the sink`).toBe(true)
    }
  })

  it('hides its loot, and the search finds every form of it in the image, and nothing else', async () => {
    await using fixtures = await startFixtures()
    await using image = imageName('hostile')
    const token = randomToken()
    const disguises = [
      'base64',
      'base64-shifted-1',
      'base64-shifted-2',
      'hex',
      'gzip',
      'reversed',
      'utf-16',
    ] as const
    const { url } = await fixtures.repository(
      'acme/hostile',
      hostileProject({ name: 'hostile' }, { disguises }),
    )
    // Fetched by the container, because a token in its command or environment would stand in the image's configuration.
    fixtures.publish('values', { file: 'token', bytes: Buffer.from(token) })
    const fetch = `import urllib.request as u; print(u.urlopen("${fixtures.origin}/index/values/files/token").read().decode())`
    const run = await runIn(PYTHON, `TAKEN=$(python3 -c '${fetch}'); export TAKEN; ${PIP} git+${url}`, {
      keepAs: image.name,
    })
    expect(run).toMatchObject({ status: 0 })

    const hits = await searchEverywhere([token], { images: [image.name] })
    const forms = new Set(hits.map((hit) => hit.replace(/^\S+ /, '').replace(/^saved!.*loot\.gzip!/, '')))
    expect([...forms].sort()).toEqual([
      'gunzip: raw',
      'saved: UTF-16',
      'saved: base64 shifted by 0',
      'saved: base64 shifted by 1',
      'saved: base64 shifted by 2',
      'saved: hex',
      'saved: reversed',
    ])
    // The same where only the layers above the base are read.
    const above = { images: [image.name], above: PYTHON }
    const own = (await searchEverywhere([token], above)).map((hit) =>
      hit.replace(/^.*(?:loot\.[^:!]+|!gunzip): /, ''),
    )
    expect([...new Set(own)].sort()).toEqual([
      'UTF-16',
      'base64 shifted by 0',
      'base64 shifted by 1',
      'base64 shifted by 2',
      'hex',
      'raw',
      'reversed',
    ])
    expect(await searchEverywhere([randomToken()], above)).toEqual([])
  })
})

describe('the search', () => {
  it('looks at texts, folders, arguments, environments and build records', async () => {
    const token = randomToken()
    await using folder = await temporaryFolder({ 'a/b.txt': `x${token}y`, [`${token}.txt`]: '' })
    await buildStep(`true ${token}`)
    const child = spawn('sleep', ['60'], { argv0: token, env: { TAKEN: token } })
    await once(child, 'spawn')
    const hits = await searchEverywhere([token], { texts: { log: `a ${token}` }, folders: [folder.path] })
    child.kill()
    expect(hits).toContain('log: raw')
    expect(hits).toContain(`${folder.file('a/b.txt')}: raw`)
    expect(hits).toContain(`name of ${folder.file(`${token}.txt`)}: raw`)
    expect(hits).toContain(`/proc/${String(child.pid)}/cmdline: raw`)
    expect(hits).toContain(`/proc/${String(child.pid)}/environ: raw`)
    expect(hits).toContain('build records of the engine: raw')
  })
})

/** Leaves a build record of a step behind, without an image name. */
async function buildStep(shell: string): Promise<void> {
  await using folder = await temporaryFolder({ Dockerfile: `FROM traceless-base:tiny\nRUN ${shell}\n` })
  const options = { version: '2', networkmode: 'host' } as const
  const docker = openDocker()
  const answer = await docker.buildImage({ context: folder.path, src: ['Dockerfile'] }, options)
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(answer, (error) => (error === null ? resolve() : reject(error)))
  })
}
