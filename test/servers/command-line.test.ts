/** The built program as a process of its own: pipes, signals, terminals. */

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { onTerminal } from '../support/terminal.js'

const PROGRAM = resolve(import.meta.dirname, '../../dist/cli/main.js')
const VALUE = 'canary-0123456789'
const home = mkdtempSync(join(tmpdir(), 'traceless-process-'))
const env = { ...process.env, TRACELESS_HOME: home, DEBUG: '*' }

const traceless = (words: readonly string[], input = ''): string =>
  execFileSync(process.execPath, [PROGRAM, ...words], { env, input, encoding: 'utf8' })

describe('the program as a process', () => {
  beforeAll(() => {
    expect(traceless(['secrets', 'set', 'A=-'], VALUE)).toBe('Set A in main.\n')
  })

  afterAll(() => rmSync(home, { recursive: true, force: true }))

  it('S3: lists without a terminal', () => {
    expect(traceless(['secrets', 'list'])).toMatch(/^A\tmain\t/)
  })

  it('S1: asks for values on a terminal, which shows none of them, not even what is pasted over several lines', async () => {
    const { status, shown } = await onTerminal([process.execPath, PROGRAM, 'secrets', 'set', 'B', 'C'], {
      env: { ...env, DEBUG: '' },
      cwd: home,
      dialogue: [
        { question: 'Value of B (not shown): ', answer: 'typed-canary\r' },
        { question: 'Value of C (not shown): ', answer: '\u001b[200~first-canary\rlast-canary\u001b[201~\r' },
      ],
    })
    expect(status).toBe(0)
    expect(shown).toContain('Set B, C in main.')
    expect(shown).not.toContain('canary')
    const shell = 'printf %s "$B$C"'
    expect(traceless(['exec', '--only', 'B', '--only', 'C', '--', 'sh', '-c', `${shell} | md5sum`])).toBe(
      `${createHash('md5').update('typed-canaryfirst-canary\nlast-canary').digest('hex')}  -\n`,
    )
  })

  it('S1: ends with 130 when Ctrl-C is pressed at the question, and leaves the terminal as it was', async () => {
    const script =
      'stty -a >before; "$0" "$@"; echo "ended with $?"; stty -a >after; cmp before after && echo same'
    const { shown } = await onTerminal(
      ['sh', '-c', script, process.execPath, PROGRAM, 'secrets', 'set', 'D'],
      {
        env: { ...env, DEBUG: '' },
        cwd: home,
        dialogue: [{ question: 'Value of D', answer: 'half-of-it\u0003' }],
      },
    )
    expect(shown).toContain('ended with 130')
    expect(shown).toContain('same')
    expect(shown).not.toContain('half-of-it')
  })

  it('S3: lists on a terminal that was not told its size', async () => {
    const { status, shown } = await onTerminal(
      ['sh', '-c', 'stty cols 0 rows 0; exec "$0" "$@"', process.execPath, PROGRAM, 'secrets', 'list'],
      { env: { ...env, DEBUG: '', NO_COLOR: '1' }, cwd: home, dialogue: [] },
    )
    expect(status).toBe(0)
    expect(shown).toMatch(/Name +Env +Group/)
  })

  it('B6: masks a log, and shows what it holds back when a signal ends it', async () => {
    const child = spawn(process.execPath, [PROGRAM, 'redact'], { env, stdio: ['pipe', 'pipe', 'ignore'] })
    let shown = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text))
    child.stdin.write(`${VALUE} is masked\n`)
    await once(child.stdout, 'data')
    child.stdin.write(VALUE.slice(0, 6))
    const ended = once(child, 'close')
    child.kill('SIGTERM')
    expect(await ended).toEqual([130, null])
    expect(shown).toMatch(/^\*\*\* is masked\n/)
  })

  it('ends quietly when nobody reads on', () => {
    const script = `yes clean | "$0" "$1" redact | head -1`
    const { stdout, stderr } = spawnSync('bash', ['-c', script, process.execPath, PROGRAM], {
      env,
      encoding: 'utf8',
    })
    expect({ stdout, stderr }).toEqual({ stdout: 'clean\n', stderr: '' })
  })
})
