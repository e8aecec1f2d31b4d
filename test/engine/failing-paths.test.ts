/**
 * B6: every way in which the program can fail, with everything switched on
 * that makes programs talk, searched for values: those it was given where a
 * value belongs, and those that were typed where none does.
 */

import { chmod, readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FAULTS, type FaultCode } from '../../src/errors.js'
import { isAtLeast } from '../../src/docker/gates.js'
import { openDocker } from '../support/engine.js'
import { temporaryFolder, type Folder } from '../support/folder.js'
import { runTraceless, type ProgramRun } from '../support/program.js'
import { formsOf, searchEverywhere } from '../support/search.js'
import { randomToken } from '../support/tokens.js'

const BASE = 'traceless-base:tiny'
const HELD = randomToken('held')
/** Typed where a name, an option, a path or an address belongs. */
const TYPED = randomToken('typed')
const GIVEN = randomToken('given')

/** One way to fail. */
interface Failure {
  readonly words: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  /** Stops the program with a signal once it has shown that. */
  readonly stopAt?: string
  /** What is done to the home beforehand, and undone afterwards. */
  readonly damage?: () => Promise<() => Promise<void>>
}

const PRINTS =
  'RUN --mount=type=secret,id=HELD cat /run/secrets/HELD; base64 < /run/secrets/HELD; echo err >&2; exit 7'

/** Programs that Node runs before ours: what we stand on throws what it knows, at three moments. */
const DEFECTS = {
  thrown: `process.getBuiltinModule('node:http2').createServer = () => { throw new Error(process.env.GIVEN) }
    process.getBuiltinModule('node:module').syncBuiltinESMExports()`,
  rejected: `setTimeout(() => { Promise.reject(new Error(process.env.GIVEN)) }, 700)`,
  uncaught: `setTimeout(() => { throw Object.assign(new Error(process.env.GIVEN), { held: process.env.GIVEN }) }, 700)`,
}

const build = (file: string, ...more: readonly string[]): readonly string[] => [
  'build',
  '-f',
  file,
  '-t',
  'traceless-test/fails:1',
  '--no-cache',
  ...more,
]

const failures: Partial<Record<FaultCode, Readonly<Record<string, Failure>>>> = {
  REQUEST_INVALID: {
    'a value for an option': { words: ['build', `--${TYPED}`] },
    'a value for an id': { words: build('plain', '--secret', TYPED) },
    'a value for a file': { words: build('plain', '--secret', `id=HELD,src=${TYPED}`) },
    'a value for a variable': { words: build('plain', '--secret', `id=HELD,env=${TYPED}`) },
    'a value for a name of a secret': { words: ['secrets', 'set', TYPED] },
    'a value for a name of an image': { words: ['build', '-f', 'plain', '-t', `${TYPED}/Bad Name`] },
    'a value for a choice': { words: build('plain', '--network', TYPED) },
    'a value for a time': { words: build('plain', '--timeout', TYPED) },
    'a value for an address of an engine': {
      words: build('plain'),
      env: { DOCKER_HOST: `ftp://${TYPED}@h` },
    },
    'a value for an image to search': { words: ['scan', `${TYPED}:1`] },
    'a value for a command': { words: [TYPED] },
  },
  REQUIREMENTS_INVALID: {
    'a value in a placeholder': { words: ['build', '-r', 'bad.txt', '--base', BASE, '-t', 'x:1'] },
  },
  DOCKERFILE_INVALID: { 'a value in a mount': { words: build('badmount') } },
  SECRET_UNKNOWN: { 'no such secret': { words: build('unknown') } },
  BASE_UNSUITABLE: {
    'no pip': { words: ['build', '-r', 'good.txt', '--base', BASE, '-t', 'x:1'] },
  },
  SECRET_IN_INPUT: {
    'a value in the Dockerfile': { words: build('holds') },
    'a value in an argument': { words: build('prints', '--build-arg', `A=${HELD}`) },
    'a value in the context': { words: build('copies', 'context') },
  },
  BUILD_FAILED: {
    'a step that prints it': { words: build('prints') },
    'a step that prints one given at hand': {
      words: build('prints', '--secret', 'id=HELD,env=GIVEN'),
      env: { GIVEN },
    },
  },
  LEAK_FOUND: { 'a step that keeps it': { words: build('keeps') } },
  NOT_PROVEN: { 'a value that is too short': { words: build('prints', '--secret', 'id=HELD,src=short') } },
  ENGINE_UNREACHABLE: {
    'no engine': { words: build('prints'), env: { DOCKER_HOST: 'unix:///nowhere/docker.sock' } },
  },
  ENGINE_UNSUPPORTED: { 'a mount that it does not know': { words: build('variable') } },
  TIMED_OUT: { 'a step that takes long': { words: build('waits', '--timeout', '1s') } },
  CANCELLED: { 'a signal in a step that prints it': { words: build('waits'), stopAt: 'begun' } },
  STORE_UNAVAILABLE: {
    'a home that is a file': { words: build('prints'), env: { TRACELESS_HOME: 'plain' } },
  },
  STORE_INVALID: {
    'a database that is none': {
      words: ['secrets', 'list'],
      damage: () => damaged('home/store.db', Buffer.from(HELD)),
    },
  },
  IDENTITY_INVALID: {
    'an identity that is none': {
      words: build('prints'),
      damage: () => damaged('home/identity', Buffer.from(HELD)),
    },
  },
  RUN_FAILED: {
    'a value for a network': { words: ['run', '--network', TYPED, BASE, '--', 'true'] },
  },
  COMMAND_NOT_FOUND: { 'a value for a command': { words: ['exec', '--', TYPED] } },
  COMMAND_NOT_EXECUTABLE: { 'a file': { words: ['exec', '--', './plain'] } },
  INTERNAL: Object.fromEntries(
    Object.entries(DEFECTS).map(([name, text]) => [
      `a dependency whose error is ${name}`,
      {
        words: build('waits', '--secret', 'id=HELD,env=GIVEN'),
        env: { GIVEN, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(text)}` },
      },
    ]),
  ),
}

/** Codes that need more than one process, with the test that reaches each. */
const ELSEWHERE: Partial<Record<FaultCode, string>> = {
  STORE_CONFLICT: 'test/cli/secrets.test.ts, S5',
  RATE_LIMITED: 'test/contract/store.ts',
  SERVER_UNREACHABLE: 'the tests of the server',
  UNAUTHORIZED: 'the tests of the server',
  FORBIDDEN: 'the tests of the server',
  NOT_FOUND: 'the tests of the server',
  PUSH_FAILED: 'the tests of pushing',
}

let folder: Folder
const runs: Record<string, string> = {}

beforeAll(async () => {
  folder = await temporaryFolder({
    plain: `FROM ${BASE}\nRUN true\n`,
    prints: `FROM ${BASE}\n${PRINTS}\n`,
    keeps: `FROM ${BASE}\nRUN --mount=type=secret,id=HELD cat /run/secrets/HELD > /kept\n`,
    copies: `FROM ${BASE}\nCOPY . /here\n`,
    'context/file': `x ${HELD} y\n`,
    holds: `FROM ${BASE}\nRUN echo ${HELD}\n`,
    badmount: `FROM ${BASE}\nRUN --mount=type=secret,id=HELD,colour=${TYPED} true\n`,
    unknown: `FROM ${BASE}\nRUN --mount=type=secret,id=NOBODY true\n`,
    variable: `FROM ${BASE}\nRUN --mount=type=secret,id=HELD,env=HELD true\n`,
    waits: `FROM ${BASE}\nRUN --mount=type=secret,id=HELD cat /run/secrets/HELD; echo begun; sleep 600\n`,
    'bad.txt': `x @ git+https://\${${TYPED}@h/y\n\${HELD}==1\n`,
    'good.txt': 'x @ git+https://${HELD}@h/y\n',
    short: 'abcd',
  })
  await run(['secrets', 'set', 'HELD=-'], { input: HELD })
})
afterAll(() => folder[Symbol.asyncDispose]())

const run = (
  words: readonly string[],
  { env = {}, input, stopAt }: Omit<Failure, 'words'> = {},
): Promise<ProgramRun> =>
  runTraceless(words, {
    cwd: folder.path,
    env: {
      TRACELESS_HOME: folder.file('home'),
      TRACELESS_STACK: '1',
      DEBUG: '*',
      // Those that show content; "module" alone would write megabytes.
      NODE_DEBUG: 'stream,net,http,http2,tls,fs,child_process',
      ...env,
    },
    input,
    stopAt,
  })

/** Puts other bytes into a file of the home, readable by its owner alone. */
async function damaged(name: string, bytes: Uint8Array): Promise<() => Promise<void>> {
  const path = folder.file(name)
  const before = await readFile(path)
  await writeFile(path, bytes)
  await chmod(path, 0o600)
  return () => writeFile(path, before)
}

/** Whether this engine can do what a failure is made of. */
async function happens(code: FaultCode): Promise<boolean> {
  if (code !== 'ENGINE_UNSUPPORTED') return true
  return !isAtLeast(
    ((await openDocker().version()) as { Version: string }).Version.split('+')[0] ?? '',
    '27.3.0',
  )
}

describe('B6: failing', () => {
  it('B6: every code has a way to it here, or a test elsewhere', () => {
    const reached = [...Object.keys(failures), ...Object.keys(ELSEWHERE)]
    expect(reached.sort()).toEqual(Object.keys(FAULTS).sort())
  })

  it.for(
    Object.entries(failures).flatMap(([code, ways]) =>
      Object.entries(ways).map(([why, failure]) => [code as FaultCode, why, failure] as const),
    ),
  )('B6: %s by %s shows no value', async ([code, why, failure]) => {
    if (!(await happens(code))) return
    const repair = await failure.damage?.()
    const ended = await run(failure.words, failure)
    await repair?.()
    const shown = ended.out + ended.err
    runs[`${code} by ${why}`] = shown
    expect({ status: ended.status, code: shown.includes(code) }, shown.slice(-2000)).toEqual({
      status: FAULTS[code].exit,
      code: true,
    })
    for (const token of [HELD, TYPED, GIVEN])
      for (const { form, needle } of loudForms(token))
        expect(Buffer.from(shown).includes(needle), `${form} in ${shown.slice(-2000)}`).toBe(false)
  })

  it('B6: nor is one in files, processes or records of the engine, nor in the work that did not fail', async () => {
    for (const [name, words] of Object.entries({
      set: ['secrets', 'set', 'OTHER=-'],
      exec: ['exec', '--', 'sh', '-c', 'echo "$HELD"'],
      redact: ['redact'],
    }))
      runs[name] = Object.values(await run(words, { input: HELD })).join('')
    for (const token of [HELD, TYPED, GIVEN])
      for (const { form, needle } of loudForms(token))
        for (const [name, text] of Object.entries(runs))
          expect(Buffer.from(text).includes(needle), `${form} in ${name}`).toBe(false)
    const hits = await searchEverywhere([HELD, TYPED, GIVEN], {
      texts: runs,
      folders: [folder.file('home')],
    })
    expect(hits).toEqual([])
  })
})

/** Forms of a token, and those in which a debugger shows bytes: `<Buffer 61 62>` and `97, 98`. */
function loudForms(token: string): ReturnType<typeof formsOf> {
  const bytes = [...Buffer.from(token)]
  return [
    ...formsOf(token),
    {
      form: 'a buffer as Node shows it',
      needle: Buffer.from(
        bytes
          .slice(0, 12)
          .map((byte) => byte.toString(16))
          .join(' '),
      ),
    },
    { form: 'an array of numbers', needle: Buffer.from(bytes.slice(0, 12).join(', ')) },
  ]
}
