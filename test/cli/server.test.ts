/** V2: the command line on a server: `--server`, `TRACELESS_SERVER`, `login`, `builds`. */

import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openStore, type Store } from '../../src/store/open.js'
import { createKeyPair } from '../../src/store/seal.js'
import { startDouble, TOKEN, type PlayedBuild, type ServerDouble } from '../support/server-double.js'
import { readAll } from '../support/store.js'
import { openShell, type Circumstances, type Ran, type Shell } from './support.js'

const CANARY = 'ghp-canary_0123456789'
const IMAGE = `sha256:${'1'.repeat(64)}`
const REPORT = {
  version: 1,
  verdict: 'leak',
  image: IMAGE,
  reasons: ['A secret is in it.'],
  findings: [],
  unread: [],
  opaque: [],
  layers: [
    { stage: null, layer: 1, digest: 'sha256:1', step: 'FROM x', bytes: 1, origin: 'base', state: 'clean' },
  ],
  guarded: ['A'],
  tooShort: [],
  unguarded: [],
  steps: [],
  allow: [],
  bytes: 10,
  durationMs: 5,
}

interface Desk extends AsyncDisposable {
  readonly shell: Shell
  readonly server: Store
  readonly double: ServerDouble
  /** Runs a command with a token in its variables. */
  on(words: readonly string[], more?: Circumstances): Promise<Ran>
}

async function openDesk(): Promise<Desk> {
  const shell = await openShell()
  const server = await openStore({ home: join(shell.folder, 'server'), env: {}, actor: 'server' })
  const double = await startDouble(server)
  return {
    shell,
    server,
    double,
    on: (words, more = {}) =>
      shell.run(words, {
        ...more,
        env: { TRACELESS_SERVER: double.url, TRACELESS_TOKEN: TOKEN, ...more.env },
      }),
    async [Symbol.asyncDispose]() {
      await double[Symbol.asyncDispose]()
      await server.close()
      await shell[Symbol.asyncDispose]()
    },
  }
}

const leave = (state: 'succeeded' | 'refused', build: PlayedBuild): void => {
  build.report = REPORT
  build.image = state === 'succeeded' ? IMAGE : null
  build.output = Buffer.from('an archive')
  build.state = state
}

describe('V2: secrets on a server', () => {
  it('V2: sets, lists and deploys there, with the words of a local store', async () => {
    await using desk = await openDesk()
    expect(await desk.on(['secrets', 'set', 'A=1', 'B=-'], { stdin: [CANARY] })).toEqual({
      status: 0,
      out: 'Set A, B in main.\n',
      err: '',
    })
    expect(await readAll(desk.server)).toEqual({ A: '1', B: CANARY })
    expect(await desk.on(['secrets', 'set', 'A=2', '--stage'])).toMatchObject({ out: 'Staged A in main.\n' })
    expect(await desk.on(['secrets', 'deploy'])).toMatchObject({ out: 'Deployed A in main.\n' })
    expect(await desk.on(['groups', 'create', 'web', 'C=3'])).toMatchObject({ status: 0 })
    expect((await desk.on(['environments', 'list'])).out).toMatch(/^main\t3\t1\t/)
    expect((await desk.on(['history', 'A'])).out.split('\n').length).toBeGreaterThan(3)
    expect((await desk.on(['usage', 'A'])).status).toBe(0)
    expect(await desk.shell.values()).toEqual({})
  })

  it('V2: --server wins over TRACELESS_SERVER', async () => {
    await using desk = await openDesk()
    const env = { TRACELESS_SERVER: 'https://unused.invalid' }
    expect(await desk.on(['secrets', 'set', 'A=1', '--server', desk.double.url], { env })).toMatchObject({
      status: 0,
    })
    expect(await readAll(desk.server)).toEqual({ A: '1' })
  })

  it('V2: says what is missing: a token, a good address, a server', async () => {
    await using desk = await openDesk()
    const ran = await desk.shell.run(['secrets', 'list', '--server', desk.double.url])
    expect(ran.status).toBe(8)
    expect(ran.err).toContain(`traceless login ${desk.double.url}`)
    expect((await desk.on(['secrets', 'list', '--server', 'http://example.com'])).status).toBe(2)
    expect((await desk.on(['secrets', 'list'], { env: { TRACELESS_TOKEN: `${TOKEN}x` } })).status).toBe(8)
    expect((await desk.shell.run(['builds', 'list'])).err).toContain('--server URL')
  })

  it.for([
    ['run', 'app:1'],
    ['exec', '--', 'true'],
    ['pip', '--', 'install', 'six'],
    ['scan', 'app:1'],
    ['scan', 'app:1', '--env', 'main'],
    ['redact'],
    ['identity', 'list'],
  ])('V2: %s says that it works on this machine', async (words) => {
    await using desk = await openDesk()
    const ran = await desk.on(words)
    expect(ran.err).toContain('it works on the store of this machine')
    expect(ran.status).not.toBe(0)
    const named = await desk.shell.run([words[0] ?? '', '--server', desk.double.url, ...words.slice(1)])
    if (words[0] !== 'identity') expect(named.err).toContain('it works on the store of this machine')
    expect(desk.double.taken).toEqual([])
  })
})

describe('V2: login', () => {
  it('V2: keeps the token for its owner alone, pins the keys, and logout forgets both', async () => {
    await using desk = await openDesk()
    const { shell, double } = desk
    const ran = await shell.run(['login', double.url], { terminal: 80, hidden: [TOKEN] })
    expect(ran.status).toBe(0)
    expect(ran.out).toBe(`Signed in to ${double.url} as double (admin).\n`)
    expect(ran.out + ran.err).not.toContain(TOKEN)
    const folder = join(shell.folder, 'home', 'servers')
    const [name = ''] = await readdir(folder)
    expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600)
    expect((await stat(folder)).mode & 0o077).toBe(0)
    expect((await shell.run(['secrets', 'list', '--server', double.url])).status).toBe(0)
    expect((await shell.run(['logout', double.url])).out).toBe(`Signed out of ${double.url}.\n`)
    expect(await readdir(folder)).toEqual([])
    expect((await shell.run(['secrets', 'list', '--server', double.url])).status).toBe(8)
    expect((await shell.run(['logout', double.url])).err).toContain('nobody was signed in')
  })

  it('V2: takes the token from standard input, without the line break at its end', async () => {
    await using desk = await openDesk()
    expect(await desk.shell.run(['login', desk.double.url], { stdin: [`${TOKEN}\n`] })).toMatchObject({
      status: 0,
    })
  })

  it('V2: keeps nothing for a token that is not good, and repeats none', async () => {
    await using desk = await openDesk()
    for (const token of [`tls_${'x'.repeat(43)}`, 'not a token at all', '']) {
      const ran = await desk.shell.run(['login', desk.double.url], { stdin: [token] })
      expect(ran.status).not.toBe(0)
      if (token !== '') expect(ran.out + ran.err).not.toContain(token)
    }
    await expect(readdir(join(desk.shell.folder, 'home', 'servers'))).rejects.toThrow()
  })

  it('V2: refuses keys that changed, until each is trusted by its fingerprint', async () => {
    await using desk = await openDesk()
    const { shell, double } = desk
    const login = (...more: string[]): Promise<Ran> =>
      shell.run(['login', double.url, '--json', ...more], { stdin: [TOKEN] })
    const first = JSON.parse((await login()).out) as { recipients: string[] }
    const { publicKey } = await createKeyPair()
    double.keys = [publicKey]
    const refused = await login()
    expect(refused.status).toBe(7)
    const { error } = JSON.parse(refused.err) as { error: { detail: { pinned: string[]; found: string[] } } }
    expect(error.detail.pinned).toEqual(first.recipients)
    expect((await login('--trust', first.recipients[0] ?? '')).status).toBe(7)
    const folder = join(shell.folder, 'home', 'servers')
    const [name = ''] = await readdir(folder)
    expect(await readFile(join(folder, name), 'utf8')).toContain(first.recipients[0])
    expect((await login('--trust', error.detail.found[0] ?? '')).status).toBe(0)
    expect((await login()).status).toBe(0)
  })
})

describe('V2: builds on a server', () => {
  it('V2: builds with a value given at hand, sealed to the key that login pinned', async () => {
    await using desk = await openDesk()
    const { shell, double } = desk
    double.play = async (build) => {
      const log = Buffer.from('compiling\n').toString('base64')
      build.events.push(
        { type: 'step', id: 's', name: 'RUN make', state: 'started' },
        { type: 'log', id: 's', stream: 'stdout', bytes: log },
        { type: 'step', id: 's', name: 'RUN make', state: 'done', durationMs: 1500 },
      )
      leave('succeeded', build)
    }
    await shell.file('Dockerfile', 'FROM scratch')
    const words = [
      'build',
      '-f',
      'Dockerfile',
      '--secret',
      'id=t,src=-',
      '-t',
      'app:1',
      '--output',
      'type=oci,dest=app.tar',
    ]
    const unpinned = await desk.on(words, { stdin: [CANARY] })
    expect(unpinned).toMatchObject({ status: 7 })
    await shell.run(['login', double.url], { stdin: [TOKEN] })
    const ran = await desk.on(words, { stdin: [CANARY] })
    expect(ran).toMatchObject({ status: 0, out: `${IMAGE}\n` })
    expect(ran.err).toContain('#1   compiling\n')
    expect(ran.err).toContain('#1 done 1.5 s')
    expect(await readFile(join(shell.folder, 'app.tar'), 'utf8')).toBe('an archive')
    expect(double.taken.map(({ body }) => body.toString('latin1')).join()).not.toContain(CANARY)
    const pinned = await desk.on(words, { stdin: [CANARY], env: { TRACELESS_PIN: '0'.repeat(32) } })
    expect(pinned).toMatchObject({ status: 7 })
  })

  it('V2: ends with the status of the fault, and --json is the result', async () => {
    await using desk = await openDesk()
    desk.double.play = async (build) => {
      build.outcome = {
        code: 'LEAK_FOUND',
        message: 'A secret is in it.',
        detail: { places: ['A in layer 2'] },
      }
      leave('refused', build)
    }
    const words = ['build', '-f', '-', '-t', 'app:1']
    const leaky = await desk.on(words, { stdin: ['FROM scratch'] })
    expect(leaky).toMatchObject({ status: 5, out: '' })
    expect(leaky.err).toContain('error LEAK_FOUND: A secret is in it.\n  A in layer 2\n')
    desk.double.play = async (build) => leave('succeeded', build)
    const ran = await desk.on([...words, '--json', '--push', '--push-credentials', 'REGISTRY'], {
      stdin: ['FROM scratch'],
    })
    expect(JSON.parse(ran.out)).toMatchObject({ image: IMAGE, report: { verdict: 'leak' } })
    expect(ran.err).toBe('')
    expect(desk.double.builds[1]?.submission['output']).toEqual({ type: 'push', credentials: 'REGISTRY' })
  })

  it('V2: --push-credentials means a server', async () => {
    await using desk = await openDesk()
    const words = ['build', '-f', '-', '-t', 'app:1', '--push', '--push-credentials', 'X']
    const ran = await desk.shell.run(words, { stdin: ['FROM x'] })
    expect(ran.status).toBe(2)
    expect(ran.err).toContain('goes with a server')
  })

  it('V2: lists, shows, reads, fetches and cancels builds by the start of their id', async () => {
    await using desk = await openDesk()
    desk.double.play = async (build) => {
      build.events.push({ type: 'note', text: 'hello' })
      leave('succeeded', build)
    }
    await desk.on(['build', '-f', '-', '-t', 'app:1'], { stdin: ['FROM scratch'] })
    const id = desk.double.builds[0]?.id ?? ''
    const short = id.slice(0, 8)
    expect((await desk.on(['builds', 'list'])).out).toMatch(
      new RegExp(`^${id}\tmain\tsucceeded\tleak\tapp:1\t`),
    )
    expect((await desk.on(['builds', 'list', '--state', 'failed'])).out).toBe('')
    expect((await desk.on(['builds', 'show', short])).out).toContain('took:        2.5 s\n')
    expect((await desk.on(['builds', 'logs', short])).out).toBe('note: hello\n')
    expect((await desk.on(['builds', 'report', short])).out).toContain('verdict: leak')
    expect((await desk.on(['builds', 'report', short, '--sarif'])).out).toContain('"2.1.0"')
    expect((await desk.on(['builds', 'output', short, '-o', '-'])).out).toBe('an archive')
    expect((await desk.on(['builds', 'cancel', short])).out).toBe(`${short} has ended: succeeded\n`)
    expect((await desk.on(['builds', 'show', 'nothing'])).status).toBe(2)
  })

  it('V2: leaves no part of an archive that did not come whole', async () => {
    await using desk = await openDesk()
    desk.double.play = async (build) => leave('succeeded', build)
    await desk.on(['build', '-f', '-', '-t', 'app:1'], { stdin: ['FROM scratch'] })
    desk.double.before = (request, response) => {
      if (request.url?.endsWith('/output') !== true) return false
      response.writeHead(200, { 'content-length': '1000' })
      response.write('half', () => response.destroy())
      return true
    }
    const id = desk.double.builds[0]?.id ?? ''
    expect((await desk.on(['builds', 'output', id, '-o', 'app.tar'])).status).toBe(8)
    expect((await readdir(desk.shell.folder)).filter((name) => name.startsWith('app.tar'))).toEqual([])
  })
})
