/**
 * The real streams and the real terminal.
 *
 * @packageDocumentation
 */

import { spawnSync } from 'node:child_process'
import type { Console, Terminal } from '../runner/console.js'
import type { Signals } from './signals.js'

/** The streams of this process. */
export type ProcessStreams = Pick<typeof process, 'stdin' | 'stdout' | 'stderr'>

/** The console of this process. */
export function processConsole({ stdin, stdout, stderr }: ProcessStreams, signals: Signals): Console {
  return {
    stdin,
    stdout,
    stderr,
    inheritStdin: true,
    terminal: stdin.isTTY && stdout.isTTY ? processTerminal() : undefined,
    sharesTerminal: stdin.isTTY || stdout.isTTY || stderr.isTTY,
    notice: (text) => void stderr.write(`${text}\n`),
    relaySignals: (take) => signals.relay(take),
  }
}

function processTerminal(): Terminal {
  const { stdin, stdout } = process
  const size = (): { columns: number; rows: number } => ({ columns: stdout.columns, rows: stdout.rows })
  return {
    size,
    onResize(listener) {
      const told = (): void => listener(size())
      stdout.on('resize', told)
      return { [Symbol.dispose]: () => void stdout.off('resize', told) }
    },
    raw() {
      stdin.setRawMode(true)
      // Node leaves it to our terminal to begin lines at the left; the other terminal has done that, or was told not to.
      spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] })
      return { [Symbol.dispose]: () => void stdin.setRawMode(false) }
    },
  }
}
