/** R8: a local pip, with real Git and real indexes on this machine. */

import { readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { wheel } from '../../fixtures/packages/distribution.js'
import { plainProject } from '../../fixtures/packages/project.js'
import { startFixtures, type Fixtures } from '../../fixtures/fixtures.js'
import { runPip, type PipRequest } from '../../src/runner/pip.js'
import { neverAborted, testConsole, testStore, type TestStore } from '../runner/support.js'
import { temporaryFolder, type Folder } from '../support/folder.js'
import { commandLines } from '../support/processes.js'
import { formsOf, searchEverywhere } from '../support/search.js'
import { faultFrom } from '../support/store.js'
import { publishPrivately } from '../support/private-sources.js'
import { printablePassword, randomToken } from '../support/tokens.js'

const PYTHON = '/usr/bin/python3'
/** The distribution's own pip has patches that refuse to install for everyone; a target folder is for no one. */
const INSTALL = ['install', '--no-cache-dir', '--disable-pip-version-check']

interface Ran {
  readonly status: number
  readonly out: string
  readonly err: string
}

async function pip(
  args: readonly string[],
  {
    store,
    folder,
    variables = {},
  }: { store: TestStore; folder: Folder; variables?: PipRequest['variables'] },
): Promise<Ran> {
  const console = testConsole()
  const running = runPip(
    {
      args,
      python: PYTHON,
      variables: { PATH: '/usr/bin:/bin', HOME: folder.path, ...variables },
      cwd: folder.path,
    },
    store,
    { console, signal: neverAborted() },
  )
  console.stdin.end()
  return { status: await running, ...(await console.outputs()) }
}

/** Logins with which requests below a prefix were answered. */
const sent = ({ requests }: Fixtures, prefix: string): ReadonlySet<string> =>
  new Set(
    requests
      .filter(({ path, status }) => path.startsWith(prefix) && status === 200)
      .map(({ login }) => (login === null ? 'none' : `${login.username}:${login.password}`)),
  )

/** Watches every command line and environment of this machine for tokens while `work` runs. */
async function watched<T>(
  tokens: readonly string[],
  work: Promise<T>,
): Promise<{ result: T; seen: readonly string[] }> {
  const needles = tokens.flatMap(formsOf)
  const seen = new Set<string>()
  let done = false
  const look = async (): Promise<void> => {
    while (!done) {
      for (const [pid, line] of commandLines()) {
        const environment = await readFile(`/proc/${String(pid)}/environ`, 'latin1').catch(() => '')
        for (const { form, needle } of needles) {
          if (Buffer.from(line).includes(needle)) seen.add(`argument ${form}`)
          if (environment.includes(needle.toString('latin1'))) seen.add(`variable ${form}`)
        }
      }
    }
  }
  const looking = look()
  try {
    return { result: await work, seen: [...seen] }
  } finally {
    done = true
    await looking
  }
}

describe('R8 pip', () => {
  it('installs from private repositories and indexes, and nothing on this machine ever shows a value', async () => {
    await using fixtures = await startFixtures()
    await using folder = await temporaryFolder()
    const [asUser, asPassword, printable] = [randomToken(), randomToken(), printablePassword()]
    await publishPrivately(fixtures, { asUser, asPassword, printable })
    await using lists = await temporaryFolder({
      'requirements.txt': [
        `--index-url ${fixtures.origin}/index/open/simple/`,
        `--extra-index-url http://reader:$<INDEX_PASSWORD>@${fixtures.host}/index/private/simple/`,
        '-r "nested/git list.txt"',
        'from-source',
      ].join('\n'),
      'nested/git list.txt': [
        '--find-links ../wheels',
        `git+http://\${AS_USER}@${fixtures.host}/git/acme/widget.git`,
        `gadget @ git+http://robot:\${AS_PASSWORD}@${fixtures.host}/git/other/gadget.git`,
        'local-wheel',
      ].join('\n'),
    })
    const local = wheel({ name: 'local-wheel' })
    const { mkdir, writeFile } = await import('node:fs/promises')
    await mkdir(lists.file('wheels'))
    await writeFile(lists.file(`wheels/${local.file}`), local.bytes)
    const store = testStore({
      AS_USER: asUser,
      AS_PASSWORD: asPassword,
      INDEX_PASSWORD: printable,
      OTHER: 'unused-value',
    })
    const tokens = [asUser, asPassword, printable]
    const before = await readdir(tmpdir())
    const work = pip(
      [...INSTALL, '-vv', '--target', folder.file('site'), '-r', lists.file('requirements.txt')],
      { store, folder },
    )
    const { result, seen } = await watched(tokens, work)
    expect(result, result.err + result.out).toMatchObject({ status: 0 })
    expect(seen).toEqual([])
    for (const name of ['widget', 'gadget', 'dependency', 'from_source', 'from_wheel', 'local_wheel']) {
      expect(await readdir(folder.file('site'))).toContain(name)
    }
    expect(sent(fixtures, '/git/acme')).toEqual(new Set([`${asUser}:`]))
    expect(sent(fixtures, '/git/other')).toEqual(new Set([`robot:${asPassword}`]))
    expect(sent(fixtures, '/index/private')).toEqual(new Set([`reader:${printable}`]))
    const texts = { out: result.out, err: result.err, records: JSON.stringify(store.records) }
    expect(await searchEverywhere(tokens, { texts, folders: [folder.path, lists.path] })).toEqual([])
    expect(
      (await readdir(tmpdir())).filter((name) => name.startsWith('traceless-pip-') && !before.includes(name)),
    ).toEqual([])
    expect(store.records).toMatchObject([{ kind: 'pip' }])
    expect(store.records[0]?.used.map(({ name }) => name).sort()).toEqual([
      'AS_PASSWORD',
      'AS_USER',
      'INDEX_PASSWORD',
    ])
  })

  it('takes credentials in arguments, too, and leaves the rest of them alone', async () => {
    await using fixtures = await startFixtures()
    await using folder = await temporaryFolder()
    const token = randomToken()
    fixtures.protect('/git/acme', { username: 'x', password: token })
    fixtures.protect('/index/private', { username: 'x', password: token })
    await fixtures.repository('acme/widget', plainProject({ name: 'widget' }))
    fixtures.publish('private', wheel({ name: 'from-wheel' }))
    const { status, out, err } = await pip(
      [
        ...INSTALL,
        '--target=site',
        '--no-build-isolation',
        '-i',
        `http://x:\${TOKEN}@${fixtures.host}/index/private/simple/`,
        `git+http://x:\${TOKEN}@${fixtures.host}/git/acme/widget.git`,
        'from-wheel',
      ],
      { store: testStore({ TOKEN: token }), folder },
    )
    expect({ status, out, err }).toMatchObject({ status: 0 })
    expect((await readdir(folder.file('site'))).filter((name) => !name.includes('-info')).sort()).toEqual(
      ['bin', 'from_wheel', 'widget'].filter((name) => name !== 'bin'),
    )
  })

  it('keeps the user’s own helpers and netrc: they are not told the values, and their own hosts still work', async () => {
    await using fixtures = await startFixtures()
    const [token, theirs] = [randomToken(), randomToken()]
    await using folder = await temporaryFolder({
      '.gitconfig': '[credential]\n\thelper = store\n',
      '.netrc': `machine localhost login them password ${theirs}\n`,
    })
    fixtures.protect('/git/acme', { username: 'x', password: token })
    fixtures.protect('/index/theirs', { username: 'them', password: theirs })
    fixtures.protect('/index/ours', { username: 'x', password: token })
    await fixtures.repository('acme/widget', plainProject({ name: 'widget' }))
    fixtures.publish('theirs', wheel({ name: 'their-wheel' }))
    fixtures.publish('ours', wheel({ name: 'our-wheel' }))
    const port = fixtures.host.split(':')[1] ?? ''
    const { status, out, err } = await pip(
      [
        ...INSTALL,
        '--target=site',
        '--no-build-isolation',
        '--index-url',
        `http://localhost:${port}/index/theirs/simple/`,
        '--extra-index-url',
        `http://x:\${TOKEN}@${fixtures.host}/index/ours/simple/`,
        `git+http://x:\${TOKEN}@${fixtures.host}/git/acme/widget.git`,
        'their-wheel',
        'our-wheel',
      ],
      {
        store: testStore({ TOKEN: token }),
        folder,
        variables: { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'user.name', GIT_CONFIG_VALUE_0: 'them' },
      },
    )
    expect({ status, out, err }).toMatchObject({ status: 0 })
    expect(sent(fixtures, '/index/theirs')).toEqual(new Set([`them:${theirs}`]))
    expect(sent(fixtures, '/index/ours')).toEqual(new Set([`x:${token}`]))
    // What a storing helper is told it writes into this file.
    expect(await readdir(folder.path)).not.toContain('.git-credentials')
  })

  it('fails as pip fails, and shows no value of a login that was refused', async () => {
    await using fixtures = await startFixtures()
    await using folder = await temporaryFolder()
    const [right, wrong] = [randomToken(), randomToken()]
    fixtures.protect('/git/acme', { username: wrong, password: right })
    await fixtures.repository('acme/widget', plainProject({ name: 'widget' }))
    const line = `git+http://\${WRONG}@${fixtures.host}/git/acme/widget.git`
    const { status, out, err } = await pip([...INSTALL, '--target=site', line], {
      store: testStore({ WRONG: wrong }),
      folder,
    })
    expect(status).toBe(1)
    expect(out + err).toContain('Authentication failed')
    expect(await searchEverywhere([wrong], { texts: { out, err } })).toEqual([])
  })

  it('runs any other pip as it is', async () => {
    await using folder = await temporaryFolder({ 'r.txt': '# ${NOT_A_NAME}\n' })
    const store = testStore({})
    expect((await pip(['--version'], { store, folder })).out).toMatch(/^pip \d/)
    expect((await pip(['install', '--target=site', '-r', 'r.txt'], { store, folder })).status).toBe(0)
    expect(store.records).toEqual([])
  })

  it('says everything that is wrong with lists, as they are named here', async () => {
    await using folder = await temporaryFolder({
      'lists/a.txt': 'x==1\nwidget @ https://h/${TOKEN}/w.whl\ngit+https://${TOKN}@h/r.git\n',
    })
    const attempt = pip(['install', '-r', 'lists/a.txt', 'git+https://${WHAT}@h/x.git'], {
      store: testStore({ TOKEN: 'v' }),
      folder,
    })
    const fault = await faultFrom(attempt, 'REQUEST_INVALID')
    expect(fault.problems.map(({ file, line, message, hint }) => [file, line, message, hint]))
      .toMatchInlineSnapshot(`
      [
        [
          "lists/a.txt",
          3,
          "There is no secret TOKN.",
          "Did you mean TOKEN?",
        ],
        [
          undefined,
          undefined,
          "There is no secret WHAT.",
          undefined,
        ],
        [
          "lists/a.txt",
          2,
          "The value of TOKEN cannot be lifted out of the list here.",
          "Here a value can only be the user name or password of a URL of http or https. "traceless build" has other ways.",
        ],
      ]
    `)
  })
})
