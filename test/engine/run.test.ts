/** X1, X2 on a real engine: where values are, and where they are not. */

import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pack } from 'tar-stream'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openEngine } from '../../src/docker/docker-engine.js'
import type { Engine } from '../../src/docker/engine.js'
import { Fault } from '../../src/errors.js'
import type { RunRequest } from '../../src/runner/request.js'
import { runContainer, type RunResult } from '../../src/runner/run.js'
import { secretFile } from '../../src/runner/secret-file.js'
import { shimFor } from '../../src/runner/shim.js'
import { neverAborted, testConsole, testStore, type TestConsole, type TestStore } from '../runner/support.js'
import { engineHost, imageName, openDocker, type ImageName } from '../support/engine.js'
import { temporaryFolder } from '../support/folder.js'
import { until } from '../support/processes.js'
import { formsOf, searchEverywhere } from '../support/search.js'
import { faultFrom } from '../support/store.js'
import { randomToken } from '../support/tokens.js'

const TINY = 'traceless-base:tiny'
const DEBIAN = 'traceless-base:bookworm'

let engine: Engine
beforeAll(async () => {
  engine = await openEngine(engineHost())
})
afterAll(() => engine.close())

const containerName = (): string => `traceless-test-run-${randomBytes(6).toString('hex')}`

interface Scene {
  readonly store?: TestStore
  readonly console?: TestConsole
  readonly signal?: AbortSignal
}

const run = (
  request: Partial<RunRequest>,
  { store = testStore({}), console = testConsole(), signal = neverAborted() }: Scene = {},
): Promise<RunResult> =>
  runContainer(
    {
      image: TINY,
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
      ...request,
    },
    { ...store, engine: async () => engine, credentials: async () => null },
    { console, signal },
  )

/** Runs a shell line and gives what came of it. */
async function sh(
  script: string,
  request: Partial<RunRequest> = {},
  { console = testConsole(), ...scene }: Scene = {},
): Promise<{ status: number; out: string; err: string }> {
  const { status } = await run({ command: ['sh', '-c', script], ...request }, { ...scene, console })
  return { status, ...(await console.outputs()) }
}

/** Whether the engine has a container of that name. */
async function exists(name: string): Promise<boolean> {
  const found = await openDocker().listContainers({ all: true, filters: { name: [name] } })
  return found.length > 0
}

/** Where the tokens stand in what the engine has of a container: its answers, its files, its own layer. */
async function engineTraces(name: string, tokens: readonly string[]): Promise<readonly string[]> {
  const docker = openDocker()
  const facts = await docker.getContainer(name).inspect()
  const { DockerRootDir: root } = (await docker.info()) as { DockerRootDir: string }
  const layer = (facts.GraphDriver.Data as unknown as { UpperDir: string } | null)?.UpperDir
  const needles = tokens.flatMap(formsOf)
  const hits: string[] = []
  const look = (place: string, bytes: Uint8Array): void => {
    for (const { form, needle } of needles)
      if (Buffer.from(bytes).includes(needle)) hits.push(`${place}: ${form}`)
  }
  look('inspect', Buffer.from(JSON.stringify(facts)))
  look('list', Buffer.from(JSON.stringify(await docker.listContainers({ all: true }))))
  // containerd tells no folder; the container's whole file system holds the layer too.
  if (layer === undefined) look('files', await buffer(await docker.getContainer(name).export()))
  for (const folder of [join(root, 'containers', facts.Id), ...(layer === undefined ? [] : [layer])]) {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      if (entry.isFile()) look(path, await readFile(path))
    }
  }
  return hits
}

describe('X1 run on an engine', () => {
  it('gives values to the command and to nothing else', async () => {
    const name = containerName()
    const token = randomToken()
    const store = testStore({ TOKEN: token, CERT: `-----BEGIN-----\n${token}\n-----END-----\n` })
    const { container } = await run(
      { name, detach: true, command: ['sh', '-c', 'echo "$TOKEN" "$CERT"; sleep 60'] },
      { store },
    )
    try {
      const { State } = await openDocker().getContainer(container).inspect()
      const environment = (): Promise<string> => readFile(`/proc/${String(State.Pid)}/environ`, 'utf8')
      // A process has no environment at the moment at which it becomes the command.
      await vi.waitFor(async () => expect(await environment()).toContain(`TOKEN=${token}\0`))
      expect(await engineTraces(name, [token])).toEqual([])
      const elsewhere = await searchEverywhere([token], { texts: { us: JSON.stringify(store.records) } })
      expect(elsewhere.filter((hit) => !hit.startsWith(`/proc/${String(State.Pid)}/environ`))).toEqual([])
      await expect(openDocker().getContainer(name).logs({ stdout: true, follow: false })).rejects.toThrow()
    } finally {
      await openDocker().getContainer(name).remove({ force: true })
    }
  })

  it('shows them when asked to, which the search for them finds', async () => {
    const name = containerName()
    const token = randomToken()
    await run(
      { name, inspectable: true, detach: true, command: ['sleep', '60'] },
      { store: testStore({ TOKEN: token }) },
    )
    try {
      const hits = await engineTraces(name, [token])
      expect(hits).toContain('inspect: raw')
      expect(hits.some((hit) => hit.includes('config.v2.json'))).toBe(true)
    } finally {
      await openDocker().getContainer(name).remove({ force: true })
    }
  })

  it.for([TINY, DEBIAN, 'traceless-base:user'])(
    'keeps every byte, and the environment of %s',
    async (image) => {
      const bytes = Uint8Array.from([10, ...Array.from({ length: 255 }, (_, at) => at + 1), 10])
      const script = 'od -An -v -tx1 /proc/self/environ'
      const read = async (request: Partial<RunRequest>, store: TestStore): Promise<string[]> => {
        const { out, status } = await sh(
          script,
          { image, variables: ['WITH.DOT=x y'], ...request },
          { store },
        )
        expect(status).toBe(0)
        const entries = Buffer.from(out.replaceAll(/\s/g, ''), 'hex').toString('latin1').split('\0')
        return entries.filter((entry) => !/^(?:$|HOSTNAME=|_=|SHLVL=|PWD=|OLDPWD=)/.test(entry)).sort()
      }
      const plain = await read({ inspectable: true }, testStore({}))
      const given = await read({}, testStore({ ALL: bytes }, { plain: ['ALL'] }))
      expect(given).toEqual([...plain, `ALL=${Buffer.from(bytes).toString('latin1')}`].sort())
    },
  )

  it('ends as the command ends, and removes the container, or keeps it', async () => {
    const name = containerName()
    expect((await sh('exit 42', { name })).status).toBe(42)
    expect(await exists(name)).toBe(false)
    expect((await run({ command: ['no-such-command'] })).status).toBe(127)
    expect((await run({ command: ['/etc/passwd'] })).status).toBe(126)
    await faultFrom(run({ inspectable: true, command: ['no-such-command'] }), 'COMMAND_NOT_EXECUTABLE')
    expect((await sh('exit 3', { name, remove: false })).status).toBe(3)
    expect(await exists(name)).toBe(true)
    const fault = await faultFrom(sh('true', { name }), 'RUN_FAILED')
    expect(fault.message).toBe('The engine has another container of that name.')
    await openDocker().getContainer(name).remove()
  })

  it('hands standard input on behind the values, all of it, and ends it', async () => {
    const input = randomBytes(300_000)
    const console = testConsole()
    console.stdin.end(input)
    const { out } = await sh(
      'md5sum',
      { interactive: true },
      { console, store: testStore({ TOKEN: randomToken() }) },
    )
    const { createHash } = await import('node:crypto')
    expect(out).toBe(`${createHash('md5').update(input).digest('hex')}  -\n`)
    expect((await sh('cat; echo end')).out).toBe('end\n')
  })

  it('keeps both outputs apart and whole', async () => {
    const { out, err } = await sh(
      'seq 20000; seq 20000 >&2',
      {},
      { store: testStore({ TOKEN: randomToken() }) },
    )
    const lines = Array.from({ length: 20_000 }, (_, at) => `${String(at + 1)}\n`).join('')
    expect([out === lines, err === lines]).toEqual([true, true])
  })

  it('honours what the request says of the container', async () => {
    await using folder = await temporaryFolder({ 'from-host': 'hello' })
    const script = 'cat from-host; id -u; pwd; echo "$PLAIN"; touch made 2>/dev/null || echo read-only'
    const request = {
      user: '1234:1234',
      workdir: '/mnt',
      volumes: [`${folder.path}:/mnt:ro`],
      variables: ['PLAIN=a b'],
    }
    const { execFileSync } = await import('node:child_process')
    execFileSync('chmod', ['-R', 'a+rX', folder.path])
    expect((await sh(script, request)).out).toBe('hello1234\n/mnt\na b\nread-only\n')
  })

  it('hands signals on, the first process or not', async () => {
    for (const init of [false, true]) {
      const console = testConsole()
      const script = 'trap "echo got INT; exit 8" INT; echo ready; while :; do sleep 0.05; done'
      const running = run({ command: ['sh', '-c', script], init }, { console })
      await once(console.stdout as NodeJS.EventEmitter, 'data')
      console.signal('SIGINT')
      expect((await running).status).toBe(8)
    }
  })

  it('ends a command that does not listen at the third signal', async () => {
    const name = containerName()
    const console = testConsole()
    const running = run(
      { name, command: ['sh', '-c', 'trap "" INT TERM; echo ready; while :; do sleep 0.05; done'] },
      { console },
    )
    await once(console.stdout as NodeJS.EventEmitter, 'data')
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGINT'] as const) console.signal(signal)
    expect((await running).status).toBe(137)
    expect(await exists(name)).toBe(false)
  })

  it('leaves a detached container running, with its values and without its input', async () => {
    const name = containerName()
    const token = randomToken()
    const script = 'cat; printf %s "$TOKEN" | md5sum >/sum; sleep 60'
    const { container, detached } = await run(
      { name, detach: true, command: ['sh', '-c', script] },
      { store: testStore({ TOKEN: token }) },
    )
    try {
      expect(detached).toBe(true)
      const docker = openDocker()
      expect((await docker.getContainer(name).inspect()).Id).toBe(container)
      const sum = async (): Promise<string> => {
        const exec = await docker
          .getContainer(name)
          .exec({ Cmd: ['cat', '/sum'], AttachStdout: true, Tty: true })
        return (await buffer(await exec.start({}))).toString()
      }
      const { createHash } = await import('node:crypto')
      const digest = createHash('md5').update(token).digest('hex')
      expect(await until(async () => (await sum()).includes(digest), 10_000)).toBe(true)
    } finally {
      await openDocker().getContainer(name).remove({ force: true })
    }
  })

  it('writes the output nowhere unless it is told to, and then as it comes', async () => {
    const name = containerName()
    const token = randomToken()
    await sh(
      'echo "$TOKEN"',
      { name, remove: false, logDriver: 'json-file' },
      { store: testStore({ TOKEN: token }) },
    )
    expect((await engineTraces(name, [token])).every((hit) => hit.includes('-json.log'))).toBe(true)
    expect(
      await openDocker().getContainer(name).logs({ stdout: true, follow: false }).then(String),
    ).toContain(token)
    await openDocker().getContainer(name).remove()
  })

  it('is cancelled while a shell takes its time, and leaves nothing', async () => {
    await using image = await imageWith('slow-shell', { 'bin/sh': '#!/bin/busybox sh\nsleep 60\n' })
    const name = containerName()
    const stop = new AbortController()
    const running = run({ image: image.name, name, command: ['x'] }, { signal: stop.signal })
    expect(await until(() => exists(name), 10_000)).toBe(true)
    stop.abort(new Fault('CANCELLED', 'cancelled'))
    await faultFrom(running, 'CANCELLED')
    expect(await until(async () => !(await exists(name)), 10_000)).toBe(true)
  })

  it('needs a shell that does its part', async () => {
    await using none = await imageWith('no-shell', {})
    const name = containerName()
    const store = testStore({ TOKEN: randomToken() })
    const fault = await faultFrom(
      run({ image: none.name, name, command: ['/bin/busybox', 'env'] }, { store }),
      'BASE_UNSUITABLE',
    )
    expect(fault.hint).toContain('--inspectable')
    expect(await exists(name)).toBe(false)
    const console = testConsole()
    await run({ image: none.name, inspectable: true, command: ['/bin/busybox', 'env'] }, { store, console })
    expect((await console.outputs()).out).toContain('TOKEN=***\n')
    await using other = await imageWith('other-shell', { 'bin/sh': '#!/bin/busybox true\n' })
    await faultFrom(run({ image: other.name, name, command: ['x'] }, { store }), 'RUN_FAILED')
    expect(await until(async () => !(await exists(name)), 10_000)).toBe(true)
  })

  it('ends by itself when we are gone before the values have arrived', async () => {
    const name = containerName()
    const shim = shimFor({ command: ['sleep', '60'], variables: [] })
    const container = await engine.containers.create({
      image: TINY,
      entrypoint: shim.entrypoint,
      command: shim.command,
      env: [],
      user: undefined,
      workdir: undefined,
      name,
      terminal: false,
      stdin: 'once',
      volumes: [],
      tmpfs: new Map(),
      network: 'default',
      ports: [],
      logDriver: 'none',
      init: false,
      autoRemove: true,
    })
    const attachment = await container.attach()
    await container.start()
    for await (const { bytes } of attachment.output) if (Buffer.from(bytes).includes(shim.mark)) break
    attachment[Symbol.dispose]()
    expect(await until(async () => !(await exists(name)), 10_000)).toBe(true)
  })
})

describe('X1 run on a terminal of an engine', () => {
  const size = { columns: 91, rows: 33 }

  it.for([TINY, DEBIAN])(
    'has its size, echoes no value, takes any value, and is masked: %s',
    async (image) => {
      const token = randomToken()
      const large = randomBytes(20_000).toString('base64')
      const console = testConsole({ size })
      const script =
        'stty size; test -t 0 && test -t 1 && test -t 2 && echo terminal; echo "$TOKEN ${#LARGE} ${#BINARY}"; read -r x; echo "<$x>"; exit 6'
      const store = testStore({
        TOKEN: token,
        LARGE: large,
        BINARY: Buffer.from('\x03\x04\x11\x13\x1a\x1c\r\n\x7f'),
      })
      const running = run(
        { image, terminal: true, interactive: true, command: ['sh', '-c', script] },
        { console, store },
      )
      let seen = ''
      console.stdout.on('data', (bytes: Buffer) => (seen += bytes.toString()))
      expect(await until(async () => seen.includes('26668'), 20_000)).toBe(true)
      console.stdin.write('typed\r')
      expect(await running).toMatchObject({ status: 6, detached: false })
      expect(seen).toBe(`33 91\r\nterminal\r\n*** 26668 9\r\ntyped\r\n<typed>\r\n`)
      expect(seen).not.toContain(token)
    },
  )

  it('gives Ctrl-C to the command, and the size when it changes', async () => {
    const console = testConsole({ size })
    const script =
      'trap "stty size" WINCH; trap "echo interrupted; exit 4" INT; echo ready; while :; do sleep 0.05; done'
    let seen = ''
    console.stdout.on('data', (bytes: Buffer) => (seen += bytes.toString()))
    const running = run(
      { image: DEBIAN, terminal: true, interactive: true, command: ['sh', '-c', script] },
      { console },
    )
    expect(await until(async () => seen.includes('ready'), 20_000)).toBe(true)
    console.resize({ columns: 50, rows: 20 })
    expect(await until(async () => seen.includes('20 50'), 20_000)).toBe(true)
    console.stdin.write('\x03')
    expect((await running).status).toBe(4)
    expect(seen).toContain('interrupted')
  })

  it('is let go of with Docker’s keys, and goes on', async () => {
    const name = containerName()
    const console = testConsole({ size })
    let seen = ''
    console.stdout.on('data', (bytes: Buffer) => (seen += bytes.toString()))
    const running = run(
      { name, terminal: true, interactive: true, command: ['sh', '-c', 'echo ready; exec sleep 60'] },
      { console },
    )
    expect(await until(async () => seen.includes('ready'), 20_000)).toBe(true)
    console.stdin.write('\x10')
    console.stdin.write('\x11')
    expect(await running).toMatchObject({ status: 0, detached: true })
    expect((await openDocker().getContainer(name).inspect()).State.Running).toBe(true)
    await openDocker().getContainer(name).remove({ force: true })
  })

  it('needs stty, and says so', async () => {
    await using image = await imageWith('no-stty', {
      'bin/sh': '#!/bin/busybox sh\nstty() { return 1; }\n. /dev/fd/3 3<<E\n$2\nE\n',
    })
    const console = testConsole({ size })
    const request = { image: image.name, terminal: true, interactive: true, command: ['x'] }
    const fault = await faultFrom(
      run(request, { console, store: testStore({ TOKEN: randomToken() }) }),
      'RUN_FAILED',
    )
    expect(fault.hint).toContain('stty')
  })
})

describe('X2 files on an engine', () => {
  it.for([
    { image: TINY, owner: '0' },
    { image: 'traceless-base:user', owner: '1000' },
  ])('stand in memory, for the one who runs, and nowhere else: $image', async ({ image, owner }) => {
    const name = containerName()
    const token = randomToken()
    const key = Buffer.concat([randomBytes(20_000), Buffer.from(token)])
    const store = testStore({ KEY: key, CERT: token })
    const files = ['KEY:/etc/app/deep/key', 'CERT:/etc/hostname-like:0644'].map(secretFile)
    const script =
      'stat -Lc "%a %u %s" /etc/app/deep/key; md5sum </etc/app/deep/key; cat /etc/hostname-like; df -T /etc/app/deep/key 2>/dev/null | grep -c tmpfs; env | grep -cE "^(KEY|CERT)="; exit 3'
    const { status, out } = await sh(script, { image, name, files, remove: false }, { store })
    const { createHash } = await import('node:crypto')
    const digest = createHash('md5').update(key).digest('hex')
    expect(out).toBe(`400 ${owner} ${String(key.length)}\n${digest}  -\n***1\n0\n`)
    expect(status).toBe(3)
    expect(await engineTraces(name, [token])).toEqual([])
    await using image2 = imageName('committed')
    const [repo, tag] = image2.name.split(':')
    await openDocker().getContainer(name).commit({ repo, tag })
    expect(await searchEverywhere([token], { images: [image2.name], above: image })).toEqual([])
    await openDocker().getContainer(name).remove()
  })

  it('replace a file of the image, not a folder', async () => {
    const store = testStore({ KEY: 'the-new-content' })
    const { out } = await sh('md5sum /etc/passwd', { files: [secretFile('KEY:/etc/passwd:0444')] }, { store })
    const { createHash } = await import('node:crypto')
    expect(out).toContain(createHash('md5').update('the-new-content').digest('hex'))
    const name = containerName()
    const fault = await faultFrom(
      sh('true', { name, files: [secretFile('KEY:/etc')] }, { store }),
      'REQUEST_INVALID',
    )
    expect(fault.message).toBe('A secret file cannot stand where it should: there is a folder.')
    expect(await exists(name)).toBe(false)
  })
})

/** An image with BusyBox and some other programs; `/bin/sh` is not among them unless given. */
async function imageWith(kind: string, files: Readonly<Record<string, string>>): Promise<ImageName> {
  const docker = openDocker()
  const source = await docker.createContainer({ Image: TINY })
  let busybox: Buffer
  try {
    const archive = (await buffer(await source.getArchive({ path: '/bin/busybox' }))) as Buffer
    // One header of 512 bytes, with the length in octal at 124.
    const length = Number.parseInt(archive.subarray(124, 135).toString(), 8)
    busybox = archive.subarray(512, 512 + length)
  } finally {
    await source.remove()
  }
  const tar = pack()
  tar.entry({ name: 'bin/busybox', mode: 0o755 }, busybox)
  for (const [name, content] of Object.entries(files)) tar.entry({ name, mode: 0o755 }, content)
  tar.finalize()
  const image = imageName(kind)
  const [repo, tag] = image.name.split(':')
  await buffer(await docker.importImage(Readable.from([await buffer(tar)]), { repo, tag }))
  return image
}
