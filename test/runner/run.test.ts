/** X1, X2: what a run tells an engine, and in which order. Local processes stand for containers. */

import { mkdir, readFile, stat } from 'node:fs/promises'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.js'
import type { RunRequest } from '../../src/runner/request.js'
import { runContainer, type RunResult } from '../../src/runner/run.js'
import { secretFile } from '../../src/runner/secret-file.js'
import { temporaryFolder } from '../support/folder.js'
import { faultFrom } from '../support/store.js'
import { randomToken } from '../support/tokens.js'
import { localEngine, type LocalEngine } from './local-containers.js'
import { neverAborted, testConsole, testStore, type TestConsole, type TestStore } from './support.js'

const REQUEST: RunRequest = {
  image: 'image',
  command: [],
  files: [],
  inspectable: false,
  detach: false,
  interactive: false,
  terminal: false,
  remove: true,
  variables: [],
  volumes: [],
  ports: [],
  init: false,
}

interface Scene {
  readonly store?: TestStore
  readonly engine?: LocalEngine
  readonly console?: TestConsole
  readonly signal?: AbortSignal
}

const run = (
  request: Partial<RunRequest>,
  { store = testStore({}), engine = localEngine(), console = testConsole(), signal = neverAborted() }: Scene,
): Promise<RunResult> =>
  runContainer(
    { ...REQUEST, ...request },
    { ...store, engine: async () => engine, credentials: async () => null },
    { console, signal },
  )

/** Runs a shell line and gives what came of it. */
async function sh(
  script: string,
  { console = testConsole(), ...scene }: Scene & { request?: Partial<RunRequest> } = {},
): Promise<{ status: number; out: string; err: string }> {
  const { status } = await run({ command: ['sh', '-c', script], ...scene.request }, { ...scene, console })
  return { status, ...(await console.outputs()) }
}

describe('X1 run', () => {
  it('gives the values to the command, and none to the engine', async () => {
    const token = randomToken()
    const engine = localEngine()
    const store = testStore({ TOKEN: token })
    const { status, out } = await sh('echo "${#TOKEN} $TOKEN $FROM_IMAGE"; exit 4', { store, engine })
    expect([status, out]).toEqual([4, `${String(token.length)} *** yes\n`])
    expect(JSON.stringify(engine.specs)).not.toContain(token)
    expect(engine.deeds).toEqual(['create', 'attach', 'watch', 'start'])
    expect(engine.specs[0]).toMatchObject({ env: [], logDriver: 'none', autoRemove: true, stdin: 'once' })
  })

  it('records the use, with the image, before the start', async () => {
    const store = testStore({ TOKEN: 'some-value' })
    await sh('true', { store, request: { environment: 'staging', only: ['TOKEN'] } })
    expect(store.records).toMatchObject([
      {
        kind: 'run',
        environment: 'staging',
        image: 'sha256:1234',
        used: [{ name: 'TOKEN', version: 'v-TOKEN' }],
      },
    ])
    const engine = localEngine()
    const broken = { ...store, usage: { record: () => Promise.reject(new Error('full')) } }
    await expect(sh('true', { store: broken, engine })).rejects.toThrow('full')
    expect(engine.deeds).toEqual(['create', 'attach', 'watch', 'remove'])
  })

  it('wipes the values, decoded ones too, when it has ended', async () => {
    const store = testStore({ TOKEN: 'some-value', KEY: 'c29tZS1rZXk=' })
    await using folder = await temporaryFolder()
    await mkdir(folder.file('memory'))
    const files = [{ name: secretFile('KEY:/k').name, path: '/k', mode: 0o400, base64: true }]
    await sh('true', { store, engine: localEngine({ memory: folder.file('memory') }), request: { files } })
    expect(await readFile(folder.file('memory/0'), 'utf8')).toBe('some-key')
    expect(store.given).toHaveLength(2)
    for (const value of store.given)
      expect(value.use((bytes) => bytes.every((byte) => byte === 0))).toBe(true)
  })

  it.for([
    { image: { entrypoint: ['echo', 'E'], command: ['C'] }, request: {}, out: 'E C\n' },
    { image: { entrypoint: ['echo', 'E'], command: ['C'] }, request: { command: ['mine'] }, out: 'E mine\n' },
    {
      image: { entrypoint: ['echo', 'E'], command: ['C'] },
      request: { entrypoint: 'printf', command: ['%s', 'x'] },
      out: 'x',
    },
    { image: { entrypoint: ['echo', 'E'], command: ['C'] }, request: { entrypoint: 'echo' }, out: '\n' },
    { image: { entrypoint: [], command: ['echo', 'C'] }, request: {}, out: 'C\n' },
  ])('runs what the image and the request say together: $out', async ({ image, request, out }) => {
    for (const inspectable of [false, true]) {
      const console = testConsole()
      await run({ ...request, inspectable }, { engine: localEngine({ image }), console })
      expect((await console.outputs()).out).toBe(out)
    }
  })

  it('has nothing to run where neither says what', async () => {
    const engine = localEngine({ image: { command: [] } })
    expect((await faultFrom(run({}, { engine }), 'RUN_FAILED')).message).toBe(
      'The image has no command of its own.',
    )
    expect(engine.deeds).toEqual([])
  })

  it('shows the engine the values when asked to', async () => {
    const engine = localEngine()
    const store = testStore({ TOKEN: 'some-value' })
    const { out } = await sh('echo "$TOKEN"', {
      store,
      engine,
      request: { inspectable: true, variables: ['A=b'] },
    })
    expect(out).toBe('***\n')
    expect(engine.specs[0]).toMatchObject({
      env: ['A=b', 'TOKEN=some-value'],
      entrypoint: ['sh'],
      stdin: 'none',
    })
  })

  it.for([
    { request: { command: ['echo', 'x-some-value-x'] } },
    { request: { variables: ['A=some-value'] } },
    { request: { name: 'some-value' } },
    { request: { workdir: '/some-value' } },
    { request: { entrypoint: 'some-value' } },
    { request: { volumes: ['/some-value:/x'] } },
    { request: { command: ['echo', Buffer.from('some-value').toString('base64')] } },
  ])('refuses a value where the engine would show it: $request', async ({ request }) => {
    const engine = localEngine()
    const fault = await faultFrom(
      run(request, { engine, store: testStore({ TOKEN: 'some-value' }) }),
      'SECRET_IN_INPUT',
    )
    expect(fault.message + (fault.hint ?? '')).not.toContain('some-value')
    expect(engine.deeds).toEqual([])
  })

  it('says which values cannot be variables, before anything is made', async () => {
    const engine = localEngine()
    const store = testStore({ NUL: 'a\0', RANDOM: 'x', TEXT: Uint8Array.of(0xff) })
    const fault = await faultFrom(run({}, { engine, store }), 'REQUEST_INVALID')
    expect(fault.problems.map(({ message, hint }) => `${message} ${hint ?? ''}`)).toEqual([
      'NUL cannot be an environment variable: its value has a NUL byte. Give it as a file: --secret-file NUL:/path/of/the/file.',
      'RANDOM cannot be an environment variable: its name means something else to the shell of the image. Give it as a file: --secret-file RANDOM:/path/of/the/file.',
    ])
    const shown = await faultFrom(run({ inspectable: true }, { engine, store }), 'REQUEST_INVALID')
    expect(shown.problems.map(({ message }) => message)).toEqual([
      'NUL cannot be an environment variable: its value has a NUL byte.',
      'TEXT cannot be an environment variable: its value is not UTF-8.',
    ])
    expect([engine.deeds, store.records]).toEqual([[], []])
  })

  it('needs a shell, and never does without one on its own', async () => {
    const engine = localEngine({ paths: {} })
    const fault = await faultFrom(run({}, { engine }), 'BASE_UNSUITABLE')
    expect(fault.hint).toContain('--inspectable')
    expect(engine.deeds).toEqual(['create', 'remove'])
    await run({ inspectable: true }, { engine: localEngine({ paths: {} }) })
  })

  it('knows of an absolute path that there is nothing', async () => {
    const engine = localEngine({ paths: {} })
    await faultFrom(run({ inspectable: true, command: ['/no/such'] }, { engine }), 'COMMAND_NOT_FOUND')
    expect(engine.deeds).toEqual(['create', 'remove'])
  })

  it('fails, and removes the container, when the shell does not do its part', async () => {
    const engine = localEngine({ shell: 'false' })
    const fault = await faultFrom(run({}, { engine }), 'RUN_FAILED')
    expect(fault.message).toBe('The shell of the image did not take the values over.')
    expect(engine.deeds.at(-1)).toBe('remove')
  })

  it('removes the container when it is cancelled before the command has begun', async () => {
    const engine = localEngine({ shell: 'yes' })
    const stop = new AbortController()
    const running = run({ command: ['x'] }, { engine, signal: stop.signal })
    while (!engine.deeds.includes('start')) await new Promise((resolve) => setImmediate(resolve))
    stop.abort(new Fault('CANCELLED', 'cancelled'))
    await faultFrom(running, 'CANCELLED')
    expect(engine.deeds.at(-1)).toBe('remove')
  })

  it.for(['create', 'attach', 'watch', 'start'] as const)('fails as the engine fails: %s', async (deed) => {
    const engine = localEngine({ fail: { deed, error: new Fault('ENGINE_UNREACHABLE', 'gone') } })
    await faultFrom(run({}, { engine }), 'ENGINE_UNREACHABLE')
    expect(engine.deeds.at(-1)).toBe(deed === 'create' ? 'create' : 'remove')
  })

  it('tells the failure, and not that the container could not be removed after it', async () => {
    const engine = localEngine({
      paths: {},
      fail: { deed: 'remove', error: new Fault('ENGINE_UNREACHABLE', 'gone') },
    })
    await faultFrom(run({}, { engine }), 'BASE_UNSUITABLE')
  })

  it('fetches an image that the engine does not hold', async () => {
    const console = testConsole()
    await run({}, { engine: localEngine({ isThere: false }), console })
    expect(console.notices).toEqual(['note: the engine does not hold image; fetching it.'])
  })

  it('masks both outputs, cut as they come, those before the command too', async () => {
    const token = randomToken()
    const script = `
      rest=$TOKEN; while [ -n "$rest" ]; do printf %s "\${rest%"\${rest#?}"}"; rest=\${rest#?}; done
      printf 'e%se' "$TOKEN" >&2`
    const { out, err } = await sh(script, { store: testStore({ TOKEN: token }) })
    expect([out, err]).toEqual(['***', 'e***e'])
  })

  it('ends standard input where none is handed on, and hands it on where it is asked for', async () => {
    expect((await sh('cat; echo end')).out).toBe('end\n')
    const console = testConsole()
    console.stdin.end('typed\nwithout end')
    expect((await sh('cat', { console, request: { interactive: true } })).out).toBe('typed\nwithout end')
  })

  it('leaves the container alone when it is to go on', async () => {
    const engine = localEngine()
    const result = await run(
      { detach: true, command: ['sleep', '60'] },
      { engine, store: testStore({ A: 'value' }) },
    )
    expect(result).toEqual({ status: 0, container: 'c0ffee000000beef', detached: true })
    expect(engine.deeds).not.toContain('remove')
    expect(engine.specs[0]?.stdin).toBe('once')
    await run({ detach: true, interactive: true, command: ['true'] }, { engine })
    expect(engine.specs[1]?.stdin).toBe('open')
  })

  it('hands signals on, and loses patience at the third that asks to end', async () => {
    const console = testConsole()
    const engine = localEngine()
    const script = 'trap "" INT TERM; trap "echo usr" USR1; echo ready; while :; do sleep 0.05; done'
    const running = run({ command: ['sh', '-c', script] }, { engine, console })
    await once(console.stdout as NodeJS.EventEmitter, 'data')
    for (const signal of ['SIGINT', 'SIGUSR1', 'SIGTERM'] as const) console.signal(signal)
    await once(console.stdout as NodeJS.EventEmitter, 'data')
    console.signal('SIGINT')
    expect((await running).status).toBe(137)
    expect(engine.deeds.filter((deed) => deed.startsWith('kill'))).toEqual([
      'kill SIGINT',
      'kill SIGUSR1',
      'kill SIGTERM',
      'kill SIGKILL',
    ])
    expect(console.relays()).toBe(false)
  })

  it('tells the engine the size of the terminal before the command begins, and when it changes', async () => {
    const console = testConsole({ size: { columns: 80, rows: 24 } })
    const engine = localEngine()
    const request = { terminal: true, interactive: true, command: ['sh', '-c', 'echo ready; read -r x'] }
    const running = run(request, { engine, console })
    await once(console.stdout as NodeJS.EventEmitter, 'data')
    expect(console.isRaw()).toBe(true)
    console.resize({ columns: 50, rows: 20 })
    console.stdin.write('x\n')
    expect((await running).detached).toBe(false)
    expect(console.isRaw()).toBe(false)
    expect(engine.deeds).toEqual(['create', 'attach', 'watch', 'start', 'resize 80x24', 'resize 50x20'])
  })

  it('lets go of a container with a terminal at Docker’s keys, whichever way they arrive', async () => {
    for (const keys of [['\x10\x11'], ['\x10', '\x11'], ['ab\x10\x11']]) {
      const console = testConsole({ size: { columns: 80, rows: 24 } })
      const engine = localEngine()
      const request = { terminal: true, interactive: true, command: ['sh', '-c', 'echo ready; read -r x'] }
      const running = run(request, { engine, console })
      await once(console.stdout as NodeJS.EventEmitter, 'data')
      for (const key of keys) console.stdin.write(key)
      // The engine ends the connection at these keys; here the end of the process does.
      console.stdin.end('\n')
      expect(await running).toMatchObject({ status: 0, detached: true })
      expect(console.notices).toEqual(['note: the container goes on: c0ffee000000.'])
    }
  })

  it('does not take two other keys for them', async () => {
    const console = testConsole({ size: { columns: 80, rows: 24 } })
    const request = {
      terminal: true,
      interactive: true,
      command: ['sh', '-c', 'echo ready; read -r x; exit 3'],
    }
    const running = run(request, { console })
    await once(console.stdout as NodeJS.EventEmitter, 'data')
    console.stdin.end('\x11\x10x\x11\n')
    expect(await running).toMatchObject({ status: 3, detached: false })
  })

  it.for([
    { request: { terminal: true, interactive: true }, message: 'There is no terminal to hand on.' },
    { request: { volumes: ['nothing'] }, message: 'A volume is not HOST:CONTAINER[:OPTIONS].' },
    { request: { volumes: ['/a:relative'] }, message: 'A volume is not HOST:CONTAINER[:OPTIONS].' },
    { request: { variables: ['=x'] }, message: 'A variable is not NAME=VALUE.' },
    { request: { variables: ['x'] }, message: 'A variable is not NAME=VALUE.' },
  ])('refuses $request', async ({ request, message }) => {
    const engine = localEngine()
    expect((await faultFrom(run(request, { engine }), 'REQUEST_INVALID')).message).toBe(message)
    expect(engine.deeds).toEqual([])
  })
})

describe('X2 run with files', () => {
  it('puts values into memory files with a link to each, and not into variables', async () => {
    await using folder = await temporaryFolder()
    await mkdir(folder.file('memory'))
    const engine = localEngine({ memory: folder.file('memory') })
    const binary = Uint8Array.from({ length: 1000 }, (_, at) => at % 256)
    const store = testStore({ KEY: binary, CERT: 'some-certificate', TOKEN: 'some-value' })
    const files = ['KEY:/etc/app/key', 'CERT:/c:0644'].map(secretFile)
    const { out } = await sh('echo "${KEY:-none} ${CERT:-none} $TOKEN"', {
      store,
      engine,
      request: { files },
    })
    expect(out).toBe('none none ***\n')
    expect(engine.links).toEqual(
      new Map([
        ['/etc/app/key', '/run/.traceless/0'],
        ['/c', '/run/.traceless/1'],
      ]),
    )
    expect(engine.specs[0]?.tmpfs).toEqual(new Map([['/run/.traceless', 'rw,noexec,nosuid,nodev,mode=1777']]))
    expect(await readFile(folder.file('memory/0'))).toEqual(Buffer.from(binary))
    expect((await stat(folder.file('memory/0'))).mode & 0o777).toBe(0o400)
    expect((await stat(folder.file('memory/1'))).mode & 0o777).toBe(0o644)
  })

  it('masks a value that was decoded on its way into a file', async () => {
    await using folder = await temporaryFolder()
    await mkdir(folder.file('memory'))
    const engine = localEngine({ memory: folder.file('memory') })
    const store = testStore({ KEY: Buffer.from('what-is-inside').toString('base64') })
    const files = [{ ...secretFile('KEY:/k'), base64: true }]
    const { out } = await sh(`cat ${folder.file('memory/0')}`, { store, engine, request: { files } })
    expect(out).toBe('***')
  })

  it('hands files over even where variables are shown', async () => {
    await using folder = await temporaryFolder()
    await mkdir(folder.file('memory'))
    const engine = localEngine({ memory: folder.file('memory') })
    const store = testStore({ KEY: 'some-key', TOKEN: 'some-value' })
    const request = { inspectable: true, files: [secretFile('KEY:/k')] }
    const { out } = await sh('echo "$TOKEN"', { store, engine, request })
    expect(out).toBe('***\n')
    expect(engine.specs[0]?.env).toEqual(['TOKEN=some-value'])
    expect(await readFile(folder.file('memory/0'), 'utf8')).toBe('some-key')
  })

  it('asks for the secrets of files by name', async () => {
    const store = testStore({ TOKEN: 'some-value' })
    const request = { files: [secretFile('TOKN:/k')] }
    expect((await faultFrom(run(request, { store }), 'SECRET_UNKNOWN')).hint).toBe('Did you mean TOKEN?')
  })
})
