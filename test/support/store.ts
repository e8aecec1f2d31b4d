/** Stores for tests: a home in a folder of its own, a clock that is turned by hand, values as text. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Fault, type FaultCode } from '../../src/errors.js'
import { secretName, SecretValue, type SecretName } from '../../src/secret.js'
import type { SecretChange } from '../../src/store/admin.js'
import type { Database } from '../../src/store/database.js'
import { openStore, type Store, type StoreOptions } from '../../src/store/open.js'
import type { HeldSecret, ReadScope } from '../../src/store/store.js'

/** One store that several processes, or several openings in one, may use. */
export interface TestStore extends AsyncDisposable {
  readonly home: string
  readonly clock: Clock
  open(options?: Partial<StoreOptions>): Promise<Store>
  /** The tables themselves, as someone with the database in hands has them. */
  tables(): Promise<Database>
}

/** A clock that moves only when told to. */
export interface Clock {
  now(): Date
  pass(ms: number): void
}

/** A clock that starts at a fixed time. */
export function testClock(): Clock {
  let at = Date.parse('2026-01-01T00:00:00Z')
  return {
    now: () => new Date(at),
    pass(ms) {
      at += ms
    },
  }
}

/** A folder that goes with its scope. */
export async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'traceless-store-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** Makes a test store whose tables `openTables` opens; `database` is its URL, `undefined` for the embedded one. */
export async function testStore({
  database,
  openTables,
}: {
  database?: string
  openTables: (home: string) => Promise<Database>
}): Promise<TestStore> {
  const folder = await temporaryFolder()
  const clock = testClock()
  const stores: Store[] = []
  return {
    home: folder.path,
    clock,
    async open(options = {}) {
      const store = await openStore({
        home: folder.path,
        env: {},
        actor: 'tester',
        now: () => clock.now(),
        ...(database === undefined ? {} : { database }),
        ...options,
      })
      stores.push(store)
      return store
    },
    tables: () => openTables(folder.path),
    async [Symbol.asyncDispose]() {
      for (const store of stores) await store.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** Checked names of a list. */
export const names = (...texts: readonly string[]): SecretName[] => texts.map(secretName)

/** Changes from an object of texts. */
export const changes = (
  values: Readonly<Record<string, string>>,
  more: Partial<SecretChange> = {},
): SecretChange[] =>
  Object.entries(values).map(([name, value]) => ({
    name: secretName(name),
    value: SecretValue.fromText(value),
    ...more,
  }))

/** The text of a value. */
export const textOf = (value: SecretValue): string => value.use((bytes) => Buffer.from(bytes).toString())

/** What a reader gets, as name and text. */
export async function readAll(
  store: Store,
  scope: Partial<ReadScope> = {},
  wanted: readonly string[] | 'all' = 'all',
): Promise<Record<string, string>> {
  const held = await read(store, scope, wanted)
  return Object.fromEntries(held.map(({ name, value }) => [name, textOf(value)]))
}

/** What a reader gets. */
export async function read(
  store: Store,
  scope: Partial<ReadScope> = {},
  wanted: readonly string[] | 'all' = 'all',
): Promise<readonly HeldSecret[]> {
  return await store.reader.read(
    { environment: 'main', purpose: 'build', ...scope },
    wanted === 'all' ? 'all' : new Set(names(...wanted)),
  )
}

/** The fault a promise ends with, which must have that code. */
export async function faultFrom(work: Promise<unknown>, code: FaultCode): Promise<Fault> {
  const ended = await work.then(
    () => 'no fault',
    (error: unknown) => error,
  )
  if (!(ended instanceof Fault) || ended.code !== code) {
    throw new Error(`expected ${code}, got ${ended instanceof Fault ? ended.code : String(ended)}`, {
      cause: ended,
    })
  }
  return ended
}
