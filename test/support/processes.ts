/**
 * The processes of this machine, those of an engine's steps among them.
 *
 * @packageDocumentation
 */

import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** How long a process may take to end, in milliseconds. */
const END_MS = 20_000

/**
 * Command lines by process id, arguments separated by NUL. Read without waiting: a test that looks again and again takes
 * a tenth of the time for it so.
 */
export function commandLines(): ReadonlyMap<number, string> {
  const lines = new Map<number, string>()
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      lines.set(Number(pid), readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
    } catch (error) {
      // Processes end while they are looked at.
      if (!(error instanceof Error && 'code' in error)) throw error
    }
  }
  return lines
}

/** Processes that have that word in their command line. */
export function processesWith(word: string): readonly number[] {
  return [...commandLines()].flatMap(([pid, line]) => (line.includes(word) ? [pid] : []))
}

/** Waits until something is so, at most that long, in milliseconds; says whether it is. */
export async function until(condition: () => boolean | Promise<boolean>, ms: number): Promise<boolean> {
  const deadline = performance.now() + ms
  for (;;) {
    if (await condition()) return true
    if (performance.now() >= deadline) return false
    await new Promise((done) => setTimeout(done, 10))
  }
}

/** Ends a process and waits until it is gone. One that is gone already is fine. */
export async function endProcess(pid: number): Promise<void> {
  const isThere = (): boolean => (commandLines().get(pid) ?? '') !== ''
  if (!isThere()) return
  process.kill(pid, 'SIGTERM')
  if (await until(() => !isThere(), END_MS)) return
  process.kill(pid, 'SIGKILL')
}

/** Processor time of one process, in milliseconds: unlike the time of day, it knows no queue for a core. */
export function processCpuMs(words: readonly string[], env: NodeJS.ProcessEnv): number {
  const script = `TIMEFORMAT='%3U %3S'; time "$@" >/dev/null 2>&1`
  const { stderr } = spawnSync('bash', ['-c', script, 'bash', ...words], { env, encoding: 'utf8' })
  const [user = NaN, system = NaN] = stderr.trim().split(' ').map(Number)
  return 1000 * (user + system)
}
