/** The command line in this process: a pretended terminal or pipe, a home of its own, and what was printed. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Io } from '../../src/cli/io.js'
import { createProgram } from '../../src/cli/program.js'
import { runProgram } from '../../src/cli/run-program.js'
import { SecretValue } from '../../src/secret.js'
import { openStore, type Store } from '../../src/store/open.js'
import { readAll } from '../support/store.js'

/** What one command printed, and how it ended. */
export interface Ran {
  readonly status: number
  readonly out: string
  readonly err: string
}

/** How a command is called. */
export interface Circumstances {
  /** Standard input, in the chunks in which it comes. */
  readonly stdin?: readonly (string | Uint8Array)[] | AsyncIterable<Uint8Array>
  /** Both sides are a terminal of that width. */
  readonly terminal?: number
  /** Answers to hidden questions, in their order. */
  readonly hidden?: readonly string[]
  /** Answers to other questions. */
  readonly answers?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  /** Told each piece of standard output as it comes. */
  readonly onOut?: (bytes: Uint8Array) => void
}

/** A folder with a store, and commands that use it. */
export interface Shell extends AsyncDisposable {
  readonly folder: string
  run(words: readonly string[], circumstances?: Circumstances): Promise<Ran>
  /** Runs a command that must not fail, and gives what it printed as JSON. */
  json(...words: string[]): Promise<unknown>
  /** Writes a file, and gives its path as the commands see it. */
  file(name: string, content: string | Uint8Array): Promise<string>
  /** The store, opened beside the commands. */
  store(): Promise<Store>
  /** Names and texts that a reader gets. */
  values(environment?: string, groups?: readonly string[]): Promise<Record<string, string>>
}

/** Makes a shell. */
export type OpenShell = () => Promise<Shell>

/** Makes a shell. Everything in it goes with its scope. @param database - URL of the store; none for the embedded one. */
export async function openShell(database = ''): Promise<Shell> {
  const folder = await mkdtemp(join(tmpdir(), 'traceless-cli-'))
  const variables = { TRACELESS_HOME: join(folder, 'home'), TRACELESS_DATABASE: database }
  const opened: Store[] = []
  const shell: Shell = {
    folder,
    async run(words, circumstances = {}) {
      const out: Buffer[] = []
      const err: string[] = []
      const io = pretendedIo(circumstances, {
        cwd: folder,
        env: { ...variables, ...circumstances.env },
        out: (bytes) => {
          out.push(Buffer.from(bytes))
          circumstances.onOut?.(bytes)
        },
        err: (text) => err.push(text),
      })
      const status = await runProgram(words, io, createProgram)
      return { status, out: Buffer.concat(out).toString(), err: err.join('') }
    },
    async json(...words) {
      const ran = await shell.run([...words, '--json'])
      if (ran.status !== 0) throw new Error(`status ${ran.status}: ${ran.err}`)
      return JSON.parse(ran.out) as unknown
    },
    async file(name, content) {
      await writeFile(join(folder, name), content)
      return name
    },
    async store() {
      const store = await openStore({ env: variables })
      opened.push(store)
      return store
    },
    async values(environment = 'main', groups = []) {
      return await readAll(await shell.store(), { environment, groups, purpose: 'scan' })
    },
    async [Symbol.asyncDispose]() {
      for (const store of opened) await store.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
  return shell
}

function pretendedIo(
  { stdin = [], terminal, hidden = [], answers = [], signal = new AbortController().signal }: Circumstances,
  {
    cwd,
    env,
    out,
    err,
  }: {
    cwd: string
    env: Io['env']
    out: (bytes: Uint8Array) => void
    err: (text: string) => void
  },
): Io {
  const waiting = { hidden: [...hidden], answers: [...answers] }
  const isTTY = terminal !== undefined
  return {
    out: (text) => out(Buffer.from(`${text}\n`)),
    outBytes: async (bytes) => out(bytes),
    err: (text) => err(`${text}\n`),
    errBytes: (bytes) => err(Buffer.from(bytes).toString()),
    stdin: { isTTY, [Symbol.asyncIterator]: () => chunksOf(stdin) },
    outIsTerminal: isTTY,
    errIsTerminal: isTTY,
    columns: terminal ?? 80,
    env,
    cwd,
    async askHidden(question) {
      err(`${question}\n`)
      return SecretValue.fromText(waiting.hidden.shift() ?? unexpected('a hidden question'))
    },
    async ask(question) {
      err(`${question}\n`)
      return waiting.answers.shift() ?? unexpected('a question')
    },
    signal,
    console: () => unexpected('the real console'),
  }
}

async function* chunksOf(stdin: NonNullable<Circumstances['stdin']>): AsyncGenerator<Uint8Array> {
  for await (const chunk of stdin) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk
}

function unexpected(what: string): never {
  throw new TypeError(`no test expects ${what} here`)
}
