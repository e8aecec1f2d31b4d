/** Starts programs of the test suite as processes of their own, as they are killed or looked into from outside. */

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'

const REPOSITORY = resolve(import.meta.dirname, '../..')

/** A process and the lines it printed so far. */
export interface Worker extends AsyncDisposable {
  readonly process: ChildProcess
  readonly lines: readonly string[]
  /** Waits until that many lines are there. */
  printed(count: number): Promise<void>
  /** Waits until it has ended by itself. */
  ended(): Promise<void>
  /** Ends it at once, as a power cut would, and waits until all it printed is here. */
  kill(): Promise<void>
}

/**
 * Bundles the store's worker, so that it starts fast.
 *
 * @returns a function that starts it with arguments; `under` are the words of a program that starts it in turn.
 */
export async function storeWorker(
  folder: string,
): Promise<(args: readonly string[], options?: { under?: readonly string[] }) => Worker> {
  const outfile = join(folder, 'worker.mjs')
  await build({
    entryPoints: [join(REPOSITORY, 'test/support/store-worker.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'silent',
    // The packages that stay outside are CommonJS and look for `require`; native files are beside their sources.
    banner: {
      js: `import { createRequire } from 'node:module'; const require = createRequire(${JSON.stringify(join(REPOSITORY, 'package.json'))});`,
    },
    plugins: [
      {
        name: 'native packages stay outside',
        setup(bundle) {
          bundle.onResolve({ filter: /^(@photostructure\/sqlite|pg)$/ }, ({ path }) => ({
            path: import.meta.resolve(path),
            external: true,
          }))
        },
      },
    ],
  })
  return (args, { under = [] } = {}) => start([...under, process.execPath, '--no-warnings', outfile, ...args])
}

function start([program = '', ...args]: readonly string[]): Worker {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const lines: string[] = []
  const errors: string[] = []
  const waiting = new Set<() => void>()
  const wake = (): void => {
    for (const check of waiting) check()
  }
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    wake()
  })
  createInterface({ input: child.stderr }).on('line', (line) => errors.push(line))
  const closed = once(child, 'close').then(wake)
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await closed
  }
  return {
    process: child,
    lines,
    printed: (count) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (lines.length < count && child.exitCode === null && child.signalCode === null) return
          waiting.delete(check)
          if (lines.length >= count) resolve()
          else reject(new Error(`the worker ended: ${errors.join('\n')}`))
        }
        waiting.add(check)
        check()
      }),
    ended: () => closed,
    kill,
    [Symbol.asyncDispose]: kill,
  }
}
