/**
 * The processes of this machine, those of an engine's steps among them.
 *
 * @packageDocumentation
 */

import { spawnSync } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'

/** How long a process may take to end, in milliseconds. */
const END_MS = 20_000

/** Command lines by process id, arguments separated by NUL. */
export async function commandLines(): Promise<ReadonlyMap<number, string>> {
  const lines = new Map<number, string>()
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  await Promise.all(
    pids.map(async (pid) => {
      try {
        lines.set(Number(pid), await readFile(`/proc/${pid}/cmdline`, 'utf8'))
      } catch (error) {
        // Processes end while they are looked at.
        if (!(error instanceof Error && 'code' in error)) throw error
      }
    }),
  )
  return lines
}

/** Processes that have that word in their command line. */
export async function processesWith(word: string): Promise<readonly number[]> {
  return [...(await commandLines())].flatMap(([pid, line]) => (line.includes(word) ? [pid] : []))
}

/** Waits until something is so, at most that long, in milliseconds; says whether it is. */
export async function until(condition: () => Promise<boolean>, ms: number): Promise<boolean> {
  const deadline = performance.now() + ms
  for (;;) {
    if (await condition()) return true
    if (performance.now() >= deadline) return false
    await new Promise((done) => setTimeout(done, 10))
  }
}

/** Ends a process and waits until it is gone. One that is gone already is fine. */
export async function endProcess(pid: number): Promise<void> {
  const isThere = async (): Promise<boolean> => ((await commandLines()).get(pid) ?? '') !== ''
  if (!(await isThere())) return
  process.kill(pid, 'SIGTERM')
  if (await until(async () => !(await isThere()), END_MS)) return
  process.kill(pid, 'SIGKILL')
}

/** Processor time of one process, in milliseconds: unlike the time of day, it knows no queue for a core. */
export function processCpuMs(words: readonly string[], env: NodeJS.ProcessEnv): number {
  const script = `TIMEFORMAT='%3U %3S'; time "$@" >/dev/null 2>&1`
  const { stderr } = spawnSync('bash', ['-c', script, 'bash', ...words], { env, encoding: 'utf8' })
  const [user = NaN, system = NaN] = stderr.trim().split(' ').map(Number)
  return 1000 * (user + system)
}
