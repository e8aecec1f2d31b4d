/** X1, X3, R8: the built program in place of another one, on a real terminal and on pipes. */

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { engineHost, openDocker } from '../support/engine.js'
import { until } from '../support/processes.js'
import { onTerminal } from '../support/terminal.js'

const PROGRAM = resolve(import.meta.dirname, '../../dist/cli/main.js')
const VALUE = 'canary-0123456789'
const TINY = 'traceless-base:tiny'
const home = mkdtempSync(join(tmpdir(), 'traceless-stand-in-'))
let env: NodeJS.ProcessEnv

beforeAll(() => {
  env = { ...process.env, TRACELESS_HOME: home, DOCKER_HOST: engineHost(), DEBUG: 'mine' }
  execFileSync(process.execPath, [PROGRAM, 'secrets', 'set', 'TOKEN=-'], { env, input: VALUE })
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

const traceless = (...words: readonly string[]): { status: number | null; out: string; err: string } => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...words], {
    env,
    cwd: home,
    encoding: 'utf8',
    input: 'typed\n',
  })
  return { status, out: stdout, err: stderr }
}

const onTerminalHere = (
  words: readonly string[],
  dialogue: { question: string; answer: string },
): ReturnType<typeof onTerminal> =>
  onTerminal([process.execPath, PROGRAM, ...words], { env, cwd: home, dialogue: [dialogue] })

const COMMANDS = { exec: ['exec', '--'], run: ['run', '-i', TINY, '--'] } as const
const commands = ['exec', 'run'] as const

describe.for(commands)('X1, X3: %s as a process', (name) => {
  const command = COMMANDS[name]

  it('ends with the status of the command, and masks what it prints', () => {
    const script = 'echo "out $TOKEN"; echo "err $TOKEN" >&2; read -r x; echo "$x"; exit 7'
    expect(traceless(...command, 'sh', '-c', script)).toEqual({
      status: 7,
      out: 'out ***\ntyped\n',
      err: 'err ***\n',
    })
  })

  it.for([
    { words: [name, '--no-such-option', '--', 'x'], status: 125, code: 'REQUEST_INVALID' },
    { words: [name], status: 125, code: 'REQUEST_INVALID' },
    { words: [name, '--only', 'NO_SUCH', ...command.slice(1), 'true'], status: 125, code: 'SECRET_UNKNOWN' },
  ])('ends with $status for a failure of its own: $words', ({ words, status, code }) => {
    const ended = traceless(...words)
    expect(ended.status).toBe(status)
    expect(ended.err).toContain(`error ${code}:`)
  })

  it('leaves "--json" to the command', () => {
    expect(traceless(...command, 'echo', '--json').out).toBe('--json\n')
    expect(traceless(name, '--only', 'NO_SUCH', ...command.slice(1), 'x', '--json').err).toMatch(/^error /)
  })

  it('hands a signal on and waits, however often it comes', async () => {
    const script =
      'trap "echo first; trap \\"echo second; exit 9\\" TERM" TERM; echo ready; while :; do sleep 0.05; done'
    const child = spawn(process.execPath, [PROGRAM, ...command, 'sh', '-c', script], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let shown = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text))
    const ended = once(child, 'close')
    for (const word of ['ready', 'first']) {
      expect(await until(async () => shown.includes(word), 30_000)).toBe(true)
      child.kill('SIGTERM')
    }
    expect(await ended).toEqual([9, null])
    expect(shown).toBe('ready\nfirst\nsecond\n')
  })

  it('keeps the terminal', async () => {
    const words = name === 'run' ? ['run', '-it', TINY, '--'] : command
    const script =
      'stty size; test -t 0 && test -t 1 && echo "ready $TOKEN"; read -r x; printf "<%s>\\n" "$x"; exit 6'
    const { status, shown } = await onTerminalHere([...words, 'sh', '-c', script], {
      question: 'ready',
      answer: 'typed\r',
    })
    expect(status).toBe(6)
    // Lines end as the inner terminal ends them: the outer one adds nothing.
    expect(shown).toBe('33 91\r\nready ***\r\ntyped\r\n<typed>\r\n')
  })

  it('gives Ctrl-C to the command, once', async () => {
    const words = name === 'run' ? ['run', '-it', TINY, '--'] : command
    const script = 'trap "echo got it; sleep 0.3; exit 5" INT; echo ready; while :; do sleep 0.05; done'
    const { status, shown } = await onTerminalHere([...words, 'sh', '-c', script], {
      question: 'ready',
      answer: '\x03',
    })
    expect(status).toBe(5)
    expect(shown.match(/got it/g)).toHaveLength(1)
  })
})

describe('X3: exec as a process', () => {
  it('ends as a shell does where there is no such command', () => {
    expect(traceless('exec', '--', 'no-such-command').status).toBe(127)
    expect(traceless('exec', '--', '/etc/passwd').status).toBe(126)
  })

  it('hands its own variables on', () => {
    expect(traceless('exec', 'sh', '-c', 'echo "$DEBUG"').out).toBe('mine\n')
  })

  it('gives back what it was given when the reader of its output goes', () => {
    const script = `"$0" "$1" exec -- sh -c 'yes "$TOKEN"' | head -1`
    const { stdout } = spawnSync('bash', ['-c', script, process.execPath, PROGRAM], {
      env,
      encoding: 'utf8',
      timeout: 30_000,
    })
    expect(stdout).toBe('***\n')
  })
})

describe('X2: run as a process', () => {
  it('reads the files of traceless.toml', () => {
    writeFileSync(
      join(home, 'traceless.toml'),
      '[[files]]\nguest_path = "/etc/token"\nsecret_name = "TOKEN"\n',
    )
    const script = 'cat /etc/token; echo; ls -lL /etc/token | cut -c1-10; echo "${TOKEN:-none}"'
    expect(traceless('run', TINY, 'sh', '-c', script).out).toBe('***\n-r--------\nnone\n')
    rmSync(join(home, 'traceless.toml'))
    expect(traceless('run', '--config', 'missing.toml', TINY, 'true')).toMatchObject({ status: 125 })
  })

  it('prints the id of a container that goes on, and leaves', async () => {
    const { status, out } = traceless('run', '-d', TINY, 'sleep', '60')
    expect(status).toBe(0)
    expect(out).toMatch(/^[0-9a-f]{64}\n$/)
    await openDocker().getContainer(out.trim()).remove({ force: true })
  })
})
