/** Programs on a real terminal, and a person who types. */

import { spawn } from '@lydell/node-pty'
import { until } from './processes.js'

/** How long something may take to be shown, in milliseconds. */
const SHOWN_MS = 30_000

/** Runs a program on a terminal of 91 columns; each `answer` is typed when its `question` has been shown. */
export async function onTerminal(
  [file = '', ...args]: readonly string[],
  {
    env,
    cwd,
    dialogue,
  }: {
    env: NodeJS.ProcessEnv
    cwd: string
    dialogue: readonly { readonly question: string; readonly answer: string }[]
  },
): Promise<{ status: number; shown: string }> {
  const program = spawn(file, args, { env, cwd, cols: 91, rows: 33 })
  let shown = ''
  program.onData((text) => (shown += text))
  const ended = new Promise<number>((done) => void program.onExit(({ exitCode }) => done(exitCode)))
  for (const { question, answer } of dialogue) {
    if (!(await until(() => Promise.resolve(shown.includes(question)), SHOWN_MS))) {
      program.kill('SIGKILL')
      throw new Error(`${question} was not shown: ${shown}`)
    }
    program.write(answer)
  }
  return { status: await ended, shown }
}
