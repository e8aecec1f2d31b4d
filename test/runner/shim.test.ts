/** X1, X2: the script in front of a container's command, under the shells that images have. */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, stat } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MEMORY_FOLDER, shimFor, shimInput, type ShimFile } from '../../src/runner/shim.js'
import { secretName, SecretValue, type SecretSet } from '../../src/secret.js'
import { temporaryFolder } from '../support/folder.js'

/** Programs that are `/bin/sh` somewhere: Debian's, Red Hat's, and that of Alpine and of small images. */
const shells = ['dash', 'bash', 'busybox'] as const

const setOf = (values: Readonly<Record<string, string | Uint8Array>>): SecretSet =>
  new Map(
    Object.entries(values).map(([name, value]) => [secretName(name), new SecretValue(Buffer.from(value))]),
  )

interface Scene {
  readonly command: readonly string[]
  readonly variables?: Readonly<Record<string, string>>
  readonly values?: Readonly<Record<string, string | Uint8Array>>
  readonly files?: readonly ShimFile[]
  readonly folder?: string
  /** What the command finds on standard input. */
  readonly input?: string
  /** Changes what is sent. */
  readonly damage?: (input: Uint8Array) => Uint8Array
}

/** Runs the script under a shell, speaking with it as the runner does. What the command prints is told as Latin-1, byte by byte. */
async function shimmed(
  shell: (typeof shells)[number],
  {
    command,
    variables = {},
    values = {},
    files = [],
    folder = '',
    input = '',
    damage = (bytes) => bytes,
  }: Scene,
): Promise<{ status: number | null; out: string; err: string }> {
  const shim = shimFor({
    command,
    variables: Object.entries(variables).map(([name, value]) => `${name}=${value}`),
  })
  const [, flag = '', script = ''] = shim.entrypoint
  const child = spawn(shell, [flag, script.replaceAll(MEMORY_FOLDER, folder), ...shim.command], {
    // Bash and BusyBox go by the name they are called with.
    argv0: 'sh',
    env: variables,
  })
  const out = buffer(child.stdout)
  let err = ''
  let sent = false
  child.stdin.on('error', () => undefined)
  child.stderr.on('data', (bytes: Buffer) => {
    err += bytes.toString()
    if (sent || !err.startsWith(`${shim.mark}\n`)) return
    sent = true
    child.stdin.write(damage(shimInput(setOf(values), files)))
    child.stdin.end(input)
  })
  const [status] = (await once(child, 'close')) as [number | null]
  return { status, out: (await out).toString('latin1'), err: err.replaceAll(`${shim.mark}\n`, '<mark>') }
}

/** Lines of `env` but for the variables that bash gives to every program. */
const isTheirs = (line: string): boolean => line !== '' && !/^(?:_|SHLVL)=/.test(line)

const PATH = process.env['PATH'] ?? ''
/** Every byte that a variable can have, some of them at both ends. */
const BYTES = Uint8Array.from([10, 32, ...Array.from({ length: 255 }, (_, at) => at + 1), 10, 10, 32])

describe.for(shells)('the script under %s', (shell) => {
  it('exports every byte as it is, and becomes the command', async () => {
    const { status, out, err } = await shimmed(shell, {
      command: ['cat', '/proc/self/environ'],
      variables: { PATH },
      values: { ALL: BYTES, EMPTY: '', DOT: '.', LINES: 'a\nb\n\n', SPACES: '  a  b  ' },
    })
    const environment = new Map(
      out
        .split('\0')
        .filter((entry) => entry !== '')
        .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
    )
    expect([status, err]).toEqual([0, '<mark><mark>'])
    expect(Object.fromEntries(environment)).toMatchObject({
      ALL: Buffer.from(BYTES).toString('latin1'),
      EMPTY: '',
      DOT: '.',
      LINES: 'a\nb\n\n',
      SPACES: '  a  b  ',
    })
  })

  it('gives the command the environment that it would have had, and the values', async () => {
    const variables = { PATH, HOME: '/root', n: '5', _X: 'y', PWD: '/made/up' }
    const { out } = await shimmed(shell, {
      command: ['env'],
      variables,
      values: { TOKEN: 'v', HOME: '/other' },
    })
    const lines = out.split('\n').filter(isTheirs)
    expect(lines.map((line) => line.replace(/^PWD=.*/, 'PWD')).sort()).toEqual(
      [`PATH=${PATH}`, 'HOME=/other', 'n=5', '_X=y', 'PWD', 'TOKEN=v'].sort(),
    )
    const bare = await shimmed(shell, { command: ['env'], variables: { PATH } })
    expect(bare.out.split('\n').filter(isTheirs)).toEqual([`PATH=${PATH}`])
  })

  it('keeps variables whose names are none to a shell', async () => {
    const variables = { PATH, 'with.dot': 'a b', 'with-dash': "it's" }
    const { out } = await shimmed(shell, { command: ['env'], variables, values: { TOKEN: 'v' } })
    expect(out.split('\n')).toEqual(expect.arrayContaining(['with.dot=a b', "with-dash=it's", 'TOKEN=v']))
  })

  it('leaves the rest of standard input, and nothing else, to the command', async () => {
    const input = 'first\nsecond without an end'
    const scene = { command: ['cat'], variables: { PATH }, values: { A: '1', B: BYTES }, input }
    expect(await shimmed(shell, scene)).toMatchObject({ status: 0, out: input })
    expect(await shimmed(shell, { ...scene, input: '' })).toMatchObject({ status: 0, out: '' })
  })

  it('hands the arguments on as they are', async () => {
    const args = ['', ' a  b ', "it's", '"$HOME"', '$(id)', '-n', '*', 'a\nb', '\\']
    const { out } = await shimmed(shell, { command: ['printf', '<%s>', ...args], variables: { PATH } })
    expect(out).toBe(args.map((arg) => `<${arg}>`).join(''))
  })

  it('ends as the command ends, and as a shell does where there is none', async () => {
    const variables = { PATH }
    expect((await shimmed(shell, { command: ['sh', '-c', 'exit 9'], variables })).status).toBe(9)
    expect((await shimmed(shell, { command: ['/no/such'], variables })).status).toBe(127)
    expect((await shimmed(shell, { command: ['/etc/passwd'], variables })).status).toBe(126)
  })

  it('writes files with their bytes and permissions, whoever the shell is', async () => {
    await using folder = await temporaryFolder()
    await mkdir(folder.file('run'))
    const contents = Uint8Array.from({ length: 3000 }, (_, at) => (at * 7) % 256)
    const files = [
      { mode: 0o400, content: new SecretValue(contents) },
      { mode: 0o644, content: new SecretValue(Buffer.from('-n\n\n')) },
      { mode: 0o750, content: new SecretValue(Buffer.from('')) },
      { mode: 0o000, content: new SecretValue(Buffer.from('\0')) },
    ]
    const { out } = await shimmed(shell, {
      command: ['sh', '-c', 'umask'],
      variables: { PATH },
      values: { A: 'x' },
      files,
      folder: folder.file('run'),
    })
    const umask = spawnSync('sh', ['-c', 'umask']).stdout.toString()
    expect(out).toBe(umask)
    for (const [index, { mode, content }] of files.entries()) {
      const path = folder.file(`run/${String(index)}`)
      expect((await stat(path)).mode & 0o777).toBe(mode)
      expect(content.use((bytes) => Buffer.from(bytes))).toEqual(await readFile(path))
    }
  })

  it.for([
    { what: 'nothing', damage: () => new Uint8Array() },
    { what: 'half of it', damage: (input: Uint8Array) => input.subarray(0, input.length / 2) },
    { what: 'all but its last byte', damage: (input: Uint8Array) => input.subarray(0, -1) },
    {
      what: 'a value that is shorter than was said',
      damage: (input: Uint8Array) => Buffer.from(Buffer.from(input).toString().replace('-value', '-valu')),
    },
  ])('does not start the command when $what arrives', async ({ damage }) => {
    const scene = {
      command: ['echo', 'started'],
      variables: { PATH },
      values: { TOKEN: 'some-value' },
      damage,
    }
    expect(await shimmed(shell, scene)).toEqual({
      status: 125,
      out: '',
      err: '<mark>The values did not arrive.\n',
    })
  })

  it('does not start the command when a file cannot be written', async () => {
    const files = [{ mode: 0o400, content: new SecretValue(Buffer.from('x')) }]
    const scene = { command: ['echo', 'started'], variables: { PATH }, files, folder: '/no/such/folder' }
    const { status, out } = await shimmed(shell, scene)
    expect([status === 0, out]).toEqual([false, ''])
  })
})

describe('what is sent', () => {
  it('is lines of printable ASCII, with their lengths, whatever the values', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (value, content) => {
        const files = [{ mode: 0o440, content: new SecretValue(content) }]
        const input = Buffer.from(shimInput(setOf({ NAME: value }), files)).toString('latin1')
        expect(input).toMatch(/^1 1\n\d+ NAME\n[ -~]*\n\d+ 0337 -\n[ -~]*\n$/)
        const lines = input.split('\n')
        for (const [about, line] of [
          [1, 2],
          [3, 4],
        ] as const) {
          expect(Number(lines[about]?.split(' ')[0])).toBe(lines[line]?.length)
        }
        const decoded = (line = ''): string =>
          line.replaceAll(/\\0([0-7]{3})/g, (_, octal: string) =>
            String.fromCharCode(Number.parseInt(octal, 8)),
          )
        expect(decoded(lines[2])).toBe(Buffer.from(value).toString('latin1'))
        expect(decoded(lines[4])).toBe(Buffer.from(content).toString('latin1'))
      }),
    )
  })

  it('has no value in what the engine gets to know', () => {
    const { entrypoint, command, mark } = shimFor({ command: ['a', 'b'], variables: ['X=y'] })
    expect(entrypoint.slice(0, 2)).toEqual(['/bin/sh', '-c'])
    expect(command).toEqual([mark, 'a', 'b'])
    expect(shimFor({ command: ['a'], variables: [] }).mark).not.toBe(mark)
  })
})
