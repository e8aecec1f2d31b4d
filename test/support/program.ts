/**
 * The built program as a process of its own.
 *
 * @packageDocumentation
 */

import { execa } from 'execa'
import { resolve } from 'node:path'

const PROGRAM = resolve(import.meta.dirname, '../../dist/cli/main.js')

/** How one run ended. */
export interface ProgramRun {
  readonly status: number | undefined
  readonly out: string
  readonly err: string
}

/** How the program is started. */
export interface ProgramStart {
  readonly cwd: string
  /** Added to the variables of this process. */
  readonly env: Readonly<Record<string, string>>
  readonly input?: string | undefined
  /** Sends an interrupt once it has shown that. */
  readonly stopAt?: string | undefined
}

/** Runs it to its end, whatever that is. */
export async function runTraceless(
  words: readonly string[],
  { cwd, env, input = '', stopAt }: ProgramStart,
): Promise<ProgramRun> {
  const child = execa(process.execPath, [PROGRAM, ...words], {
    cwd,
    env,
    input,
    reject: false,
    stripFinalNewline: false,
    maxBuffer: 1 << 28,
  })
  if (stopAt !== undefined) {
    let shown = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        const before = shown.includes(stopAt)
        shown += text
        if (!before && shown.includes(stopAt)) child.kill('SIGINT')
      })
    }
  }
  const { exitCode, stdout, stderr } = await child
  return { status: exitCode, out: stdout, err: stderr }
}
