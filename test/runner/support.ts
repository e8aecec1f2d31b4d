/** A console, a store and a terminal made of plain objects. */

import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { Console, TerminalSize } from '../../src/runner/console.js'
import type { RunnerParts } from '../../src/runner/values.js'
import { secretName, SecretValue, type SecretName } from '../../src/secret.js'
import type { HeldSecret, ReadScope, UsageRecord } from '../../src/store/store.js'

/** A console whose streams are in memory, and what was done to it. */
export interface TestConsole extends Console {
  readonly stdin: PassThrough
  readonly notices: string[]
  /** Sends a signal to whoever takes them. */
  signal(name: NodeJS.Signals): void
  /** Whether anyone takes signals. */
  relays(): boolean
  /** Ends the outputs and gives what came. */
  outputs(): Promise<{ readonly out: string; readonly err: string }>
  /** Changes the size of the terminal. */
  resize(size: TerminalSize): void
  isRaw(): boolean
}

/** Makes a console; `size` makes it a terminal. */
export function testConsole({
  size,
  sharesTerminal = false,
}: { size?: TerminalSize; sharesTerminal?: boolean } = {}): TestConsole {
  const stdin = new PassThrough()
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  const out = buffer(stdout)
  const err = buffer(stderr)
  const notices: string[] = []
  let take: ((signal: NodeJS.Signals) => void) | undefined
  let current = size
  let resized: ((size: TerminalSize) => void) | undefined
  let raw = false
  return {
    stdin,
    stdout,
    stderr,
    inheritStdin: false,
    sharesTerminal,
    notices,
    terminal:
      size === undefined
        ? undefined
        : {
            size: () => current ?? size,
            onResize(listener) {
              resized = listener
              return { [Symbol.dispose]: () => void (resized = undefined) }
            },
            raw() {
              raw = true
              return { [Symbol.dispose]: () => void (raw = false) }
            },
          },
    notice: (text) => void notices.push(text),
    relaySignals(taker) {
      take = taker
      return { [Symbol.dispose]: () => void (take = undefined) }
    },
    signal: (name) => take?.(name),
    relays: () => take !== undefined,
    resize(next) {
      current = next
      resized?.(next)
    },
    isRaw: () => raw,
    async outputs() {
      stdout.end()
      stderr.end()
      return { out: (await out).toString(), err: (await err).toString() }
    },
  }
}

/** A store that holds values and remembers what was asked of it. */
export interface TestStore extends RunnerParts {
  readonly scopes: ReadScope[]
  readonly records: UsageRecord[]
  /** Every value that was given out. */
  readonly given: SecretValue[]
}

/** Makes a store. Values named in `plain` are configuration that is not guarded. */
export function testStore(
  values: Readonly<Record<string, string | Uint8Array>>,
  { plain = [] }: { plain?: readonly string[] } = {},
): TestStore {
  const scopes: ReadScope[] = []
  const records: UsageRecord[] = []
  const given: SecretValue[] = []
  const all = new Map<SecretName, Uint8Array>(
    Object.entries(values).map(([name, value]) => [secretName(name), Buffer.from(value)]),
  )
  return {
    scopes,
    records,
    given,
    usage: { record: async (use) => void records.push(use) },
    secrets: {
      storeId: 'store',
      keys: () => Promise.reject(new Error('not used')),
      names: async () => [...all.keys()],
      async read(scope, names): Promise<readonly HeldSecret[]> {
        scopes.push(scope)
        const wanted = names === 'all' ? [...all.keys()] : [...names]
        return wanted.flatMap((name) => {
          const bytes = all.get(name)
          if (bytes === undefined) return []
          const value = new SecretValue(bytes)
          given.push(value)
          const guarded = !plain.includes(name)
          const { environment } = scope
          return [
            { name, environment, group: null, value, version: `v-${name}`, exposure: 'everywhere', guarded },
          ]
        })
      },
    },
  }
}

/** A signal that is never aborted. */
export const neverAborted = (): AbortSignal => new AbortController().signal
