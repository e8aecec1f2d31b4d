/** X3: a local process with values in its environment. */

import { once } from 'node:events'
import { chmod, readdir, writeFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { execCommand, type ExecRequest } from '../../src/runner/exec.js'
import { faultFrom } from '../support/store.js'
import { temporaryFolder } from '../support/folder.js'
import { randomToken } from '../support/tokens.js'
import { neverAborted, testConsole, testStore, type TestConsole, type TestStore } from './support.js'

const VARIABLES = { PATH: process.env['PATH'], HOME: '/nowhere' }

/** Runs a shell line and gives what came of it. */
async function sh(
  script: string,
  store: TestStore,
  { console = testConsole(), ...more }: Partial<ExecRequest> & { console?: TestConsole } = {},
): Promise<{ status: number; out: string; err: string }> {
  const request = { command: ['sh', '-c', script] as const, variables: VARIABLES, cwd: '/', ...more }
  const running = execCommand(request, store, { console, signal: neverAborted() })
  console.stdin.end()
  const status = await running
  return { status, ...(await console.outputs()) }
}

describe('X3 exec', () => {
  it('gives every value to the command, and to nobody else', async () => {
    const token = randomToken()
    const store = testStore({ TOKEN: token, MODE: 'production' }, { plain: ['MODE'] })
    const { out } = await sh('printf %s "$TOKEN" | sha256sum; echo "$MODE"; echo "$HOME"', store)
    const { createHash } = await import('node:crypto')
    const digest = createHash('sha256').update(token).digest('hex')
    expect(out).toBe(`${digest}  -\nproduction\n/nowhere\n`)
    expect(process.env['TOKEN']).toBeUndefined()
  })

  it('keeps every text byte by byte', async () => {
    const value =
      Array.from({ length: 127 }, (_, at) => String.fromCharCode(at + 1)).join('') + 'Grüße 🙂\n\n'
    const { out } = await sh(
      'printf %s "$ALL" | od -An -v -tx1 | tr -d " \\n"',
      testStore({ ALL: value }, { plain: ['ALL'] }),
    )
    expect(Buffer.from(out, 'hex').toString()).toBe(value)
  })

  it('masks values on both outputs, however they are cut, and not what is no secret', async () => {
    const token = randomToken()
    const store = testStore({ TOKEN: token, MODE: 'production' }, { plain: ['MODE'] })
    const script = `
      printf 'a %s b\\n' "$TOKEN"
      rest=$TOKEN; while [ -n "$rest" ]; do printf %s "\${rest%"\${rest#?}"}" >&2; rest=\${rest#?}; done
      printf %s "$TOKEN" | base64 -w0; echo; echo "$MODE"`
    const { out, err } = await sh(script, store)
    expect(out).toBe('a *** b\n***\nproduction\n')
    expect(err).toBe('***')
  })

  it.for([
    { script: 'exit 0', status: 0 },
    { script: 'exit 7', status: 7 },
    { script: 'exit 125', status: 125 },
    { script: 'kill -TERM $$', status: 143 },
    { script: 'kill -KILL $$', status: 137 },
  ])('ends with the status of `$script`', async ({ script, status }) => {
    expect((await sh(script, testStore({}))).status).toBe(status)
  })

  it('passes standard input on', async () => {
    const console = testConsole()
    console.stdin.write('line\n')
    expect(await sh('read -r l; echo "got $l"; cat', testStore({}), { console })).toMatchObject({
      out: 'got line\n',
    })
  })

  it('does not mind a command that reads none of its input', async () => {
    const console = testConsole()
    console.stdin.write(Buffer.alloc(1 << 20))
    expect(await sh('exit 3', testStore({}), { console })).toMatchObject({ status: 3 })
  })

  it('hands on the variables it has, but not what opens the store', async () => {
    const variables = {
      ...VARIABLES,
      OTHER: 'x',
      TRACELESS_HOME: '/h',
      TRACELESS_IDENTITY: 'key',
      TRACELESS_IDENTITY_COMMAND: 'ask',
      TRACELESS_DATABASE: 'postgres://u:p@h/d',
      TRACELESS_TOKEN: 't',
    }
    const { out } = await sh('env | sed s/=.*// | sort', testStore({}), { variables })
    expect(out.split('\n').filter((name) => !['_', 'PWD', 'SHLVL', ''].includes(name))).toEqual([
      'HOME',
      'OTHER',
      'PATH',
      'TRACELESS_HOME',
    ])
  })

  it('lets a value win over a variable of its name', async () => {
    const { out } = await sh('echo "$HOME"', testStore({ HOME: '/from-the-store' }, { plain: ['HOME'] }))
    expect(out).toBe('/from-the-store\n')
  })

  it('reads and records just the secrets that are asked for, before the start, and wipes them at the end', async () => {
    const store = testStore({ A: 'first-value', B: 'second-value' })
    const { out } = await sh('echo "${A:-none} ${B:-none}"', store, {
      only: ['B'],
      environment: 'staging',
      groups: ['g'],
    })
    expect(out).toBe('none ***\n')
    expect(store.scopes).toEqual([{ environment: 'staging', groups: ['g'], purpose: 'run' }])
    expect(store.records).toMatchObject([
      { kind: 'exec', environment: 'staging', used: [{ name: 'B', group: null, version: 'v-B' }] },
    ])
    for (const value of store.given)
      expect(value.use((bytes) => bytes.every((byte) => byte === 0))).toBe(true)
  })

  it('records a use before the command starts', async () => {
    const store = testStore({ A: 'first-value' })
    const failing = { ...store, usage: { record: () => Promise.reject(new Error('no')) } }
    await using folder = await temporaryFolder()
    const script = `touch ${folder.file('started')}`
    await expect(sh(script, failing)).rejects.toThrow('no')
    expect(await readdir(folder.path)).toEqual([])
  })

  it('names all values that cannot be variables, and the option to use instead', async () => {
    const store = testStore({
      NUL: 'a\0b',
      LONG: 'x'.repeat(131_072 - 'LONG='.length),
      BYTES: Uint8Array.of(0xff, 0xfe, 0x41),
      FINE: 'x',
    })
    const fault = await faultFrom(sh('true', store), 'REQUEST_INVALID')
    expect(fault.problems).toMatchInlineSnapshot(`
      [
        {
          "code": "REQUEST_INVALID",
          "hint": "Give its path instead: --secret-file NUL. The value can be read from there.",
          "message": "NUL cannot be an environment variable: its value has a NUL byte.",
        },
        {
          "code": "REQUEST_INVALID",
          "hint": "Give its path instead: --secret-file LONG. The value can be read from there.",
          "message": "LONG cannot be an environment variable: its value is larger than 128 KiB.",
        },
        {
          "code": "REQUEST_INVALID",
          "hint": "Give its path instead: --secret-file BYTES. The value can be read from there.",
          "message": "BYTES cannot be an environment variable: its value is not UTF-8.",
        },
      ]
    `)
    expect(store.records).toEqual([])
  })

  it('gives a path instead of a value, from which any bytes can be read more than once', async () => {
    const bytes = Uint8Array.from({ length: 20_000 }, (_, at) => at % 256)
    const store = testStore({ KEY: bytes, TOKEN: 'other-value' })
    const before = await readdir('/dev/shm')
    const { out } = await sh(
      'echo "$KEY"; cat "$KEY" "$KEY" | wc -c; cmp "$KEY" "$KEY"; env -i cat "$KEY" | sha256sum',
      store,
      {
        files: ['KEY'],
      },
    )
    const { createHash } = await import('node:crypto')
    const lines = out.split('\n')
    expect(lines[0]).toMatch(/^\/proc\/\d+\/fd\/\d+$/)
    expect(lines.slice(1)).toEqual(['40000', `${createHash('sha256').update(bytes).digest('hex')}  -`, ''])
    expect(await readdir('/dev/shm')).toEqual(before)
  })

  it('knows no secret by that name, and says which was meant', async () => {
    const fault = await faultFrom(
      sh('true', testStore({ TOKEN: 'v' }), { files: ['TOKN'] }),
      'SECRET_UNKNOWN',
    )
    expect(fault.hint).toBe('Did you mean TOKEN?')
  })

  it('says which values are too short to be masked', async () => {
    const console = testConsole()
    await sh('true', testStore({ PIN: '123', TOKEN: 'long-enough' }), { console })
    expect(console.notices).toEqual(['note: too short to be masked in the output: PIN.'])
  })

  it('starts nothing that was cancelled', async () => {
    const signal = AbortSignal.abort(new Error('cancelled'))
    const request = { command: ['false'] as const, variables: VARIABLES, cwd: '/' }
    await expect(execCommand(request, testStore({}), { console: testConsole(), signal })).rejects.toThrow(
      'cancelled',
    )
  })
})

describe('X3 exec: the command itself', () => {
  it.for([
    { name: 'no-such-command', code: 'COMMAND_NOT_FOUND' },
    { name: './no-such-command', code: 'COMMAND_NOT_FOUND' },
    { name: '', code: 'COMMAND_NOT_FOUND' },
    { name: './folder', code: 'COMMAND_NOT_EXECUTABLE' },
    { name: './plain', code: 'COMMAND_NOT_EXECUTABLE' },
    { name: 'plain', code: 'COMMAND_NOT_EXECUTABLE' },
    { name: './broken', code: 'COMMAND_NOT_EXECUTABLE' },
  ] as const)('says that "$name" is $code', async ({ name, code }) => {
    await using folder = await temporaryFolder({
      plain: '',
      'folder/x': '',
      broken: '#!/no/such/interpreter\n',
    })
    await chmod(folder.file('broken'), 0o755)
    const fault = await faultFrom(
      sh('', testStore({}), { command: [name], cwd: folder.path, variables: { PATH: folder.path } }),
      code,
    )
    expect(name === '' || !fault.message.includes(name)).toBe(true)
  })

  it('is looked for in the PATH that it gets, the first that can run being taken', async () => {
    await using folder = await temporaryFolder({
      'a/tool': 'no',
      'b/tool': '#!/bin/sh\necho b "$0"\n',
      'c/tool': '#!/bin/sh\necho c\n',
    })
    for (const name of ['b/tool', 'c/tool']) await chmod(folder.file(name), 0o755)
    const path = ['a', 'b', 'c'].map((name) => folder.file(name)).join(':')
    const store = testStore({ PATH: `${path}:/usr/bin:/bin` }, { plain: ['PATH'] })
    const { out } = await sh('', store, { command: ['tool'], variables: { PATH: '/nowhere' } })
    expect(out).toBe(`b ${folder.file('b/tool')}\n`)
  })

  it('sees the name it was called by', async () => {
    await using folder = await temporaryFolder()
    await writeFile(folder.file('x'), '')
    const { out } = await sh('', testStore({}), { command: ['cat', '/proc/self/cmdline'] })
    expect(out).toBe('cat\0/proc/self/cmdline\0')
  })
})

describe('X3 exec: signals', () => {
  const TRAP =
    'trap "echo got INT" INT; trap "echo got TERM; exit 5" TERM; echo ready; while :; do sleep 0.05; done'

  async function running(console: TestConsole): Promise<Promise<number>[]> {
    const request = { command: ['sh', '-c', TRAP] as const, variables: VARIABLES, cwd: '/' }
    const status = execCommand(request, testStore({}), { console, signal: neverAborted() })
    await once(console.stdout as NodeJS.EventEmitter, 'data')
    return [status]
  }

  it('hands every signal to the command, and waits for it', async () => {
    const console = testConsole()
    const [status] = await running(console)
    console.signal('SIGINT')
    console.signal('SIGTERM')
    expect(await status).toBe(5)
    expect((await console.outputs()).out).toBe('ready\ngot INT\ngot TERM\n')
    expect(console.relays()).toBe(false)
  })

  it('does not repeat what the keyboard has sent already', async () => {
    const console = testConsole({ sharesTerminal: true })
    const [status] = await running(console)
    console.signal('SIGINT')
    console.signal('SIGQUIT')
    console.signal('SIGTERM')
    expect(await status).toBe(5)
    expect((await console.outputs()).out).toBe('ready\ngot TERM\n')
  })
})

describe('X3 exec: on a terminal', () => {
  const size = { columns: 91, rows: 33 }

  it('keeps the terminal: its size, its keys, its status; and masks what is printed on it', async () => {
    const console = testConsole({ size })
    const store = testStore({ TOKEN: 'value-on-a-terminal' })
    const script =
      'test -t 0 && test -t 1 && test -t 2 && stty size; read -r l; echo "<$l> $TOKEN" >&2; exit 6'
    const request = { command: ['sh', '-c', script] as const, variables: VARIABLES, cwd: '/' }
    const running = execCommand(request, store, { console, signal: neverAborted() })
    await once(console.stdout as NodeJS.EventEmitter, 'data')
    expect(console.isRaw()).toBe(true)
    console.stdin.write('typed\r')
    expect(await running).toBe(6)
    expect(console.isRaw()).toBe(false)
    expect((await console.outputs()).out).toBe('33 91\r\ntyped\r\n<typed> ***\r\n')
  })

  it('tells the command when the terminal changes its size, and when Ctrl-C is pressed', async () => {
    const console = testConsole({ size })
    const script =
      'trap "stty size" WINCH; trap "echo interrupted; exit 4" INT; echo ready; while :; do sleep 0.05; done'
    const request = { command: ['sh', '-c', script] as const, variables: VARIABLES, cwd: '/' }
    const running = execCommand(request, testStore({}), { console, signal: neverAborted() })
    await once(console.stdout as NodeJS.EventEmitter, 'data')
    console.resize({ columns: 50, rows: 20 })
    await once(console.stdout as NodeJS.EventEmitter, 'data')
    console.stdin.write('\x03')
    expect(await running).toBe(4)
    expect((await console.outputs()).out).toMatch(/^ready\r\n20 50\r\n(?:\^C)?interrupted\r\n$/)
  })

  it('loses nothing of a long output, though the reader is slow and the command long gone', async () => {
    const console = testConsole({ size })
    const script =
      'i=0; while [ $i -lt 60000 ]; do echo "line $i of a long output that takes a while to show"; i=$((i+1)); done'
    const { status, out } = await sh(script, testStore({}), { console })
    expect(status).toBe(0)
    const lines = out.split('\r\n')
    expect(lines).toHaveLength(60_001)
    expect(lines.at(-2)).toBe('line 59999 of a long output that takes a while to show')
  })

  it('gives signals that are not keys to the command, and tells which one ended it', async () => {
    const console = testConsole({ size })
    const request = {
      command: ['sh', '-c', 'echo ready; exec sleep 60'] as const,
      variables: VARIABLES,
      cwd: '/',
    }
    const running = execCommand(request, testStore({}), { console, signal: neverAborted() })
    await once(console.stdout as NodeJS.EventEmitter, 'data')
    console.signal('SIGTERM')
    expect(await running).toBe(143)
  })
})
