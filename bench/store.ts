/**
 * The store with 100,000 secrets in 100 environments beside one with 100
 * secrets in one, on SQLite and PostgreSQL: what one command does must not take
 * longer because there is more in the store.
 *
 * Both stores are asked in turns in one run, and the middle time of each is
 * compared. The bar of 2.5 leaves room for what may grow: an index of 100,000
 * rows is one or two pages deeper than one of 100, and its pages come from a
 * larger file. A look through all rows would be a hundred times as long and
 * more.
 *
 * @packageDocumentation
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { secretName, SecretValue } from '../src/secret.js'
import type { SecretChange, SecretEntry } from '../src/store/admin.js'
import { openStore, type Store } from '../src/store/open.js'
import { startPostgres } from '../test/support/postgres.js'
import { processCpuMs } from '../test/support/processes.js'
import { atMost, median, type Bar, type Bench, type Row } from './bench.js'

const LARGE = { environments: 100, secretsInEach: 1000 }
const SMALL = { environments: 1, secretsInEach: 100 }

/** How often each thing is done to each store. */
const ROUNDS = 200

/** Entries of a page. */
const PAGE = 50

/** A change or a look may take so many times as long in the large store. */
const BAR = 2.5

/** How often a process is started. */
const STARTS = 11

/** A store that was filled. */
interface Filled {
  readonly store: Store
  readonly environments: readonly string[]
  readonly names: readonly string[]
  /** The entry after which a page in the middle of the list begins. */
  readonly middle: SecretEntry
  /** Secrets that were set in a second of the filling. */
  readonly rate: number
}

/** One thing that is done to a store; `round` tells which secret. */
type Work = (filled: Filled, round: number) => Promise<unknown>

const WORK: Readonly<Record<string, Work>> = {
  'list a page': ({ store }) => store.admin.list({ max: PAGE }),
  'list a page of an environment': (filled, round) =>
    filled.store.admin.list({ max: PAGE, environment: environmentAt(filled, round) }),
  'list the next page': ({ store, middle }) => store.admin.list({ max: PAGE, after: middle }),
  'set one': async (filled, round) => {
    using value = SecretValue.fromText(`value ${round}`)
    const change: SecretChange = { name: secretName(nameAt(filled, round)), value }
    await filled.store.admin.set({ environment: environmentAt(filled, round) }, [change])
  },
  'read one': async (filled, round) => {
    const held = await filled.store.reader.read(
      { environment: environmentAt(filled, round), purpose: 'build' },
      new Set([secretName(nameAt(filled, round))]),
    )
    for (const { value } of held) value[Symbol.dispose]()
  },
  'history of one': (filled, round) =>
    filled.store.admin.history({
      environment: environmentAt(filled, round),
      name: secretName(nameAt(filled, round)),
    }),
}

const environmentAt = ({ environments }: Filled, round: number): string =>
  environments[(round * 37) % environments.length] ?? ''

const nameAt = ({ names }: Filled, round: number): string => names[(round * 61) % names.length] ?? ''

/** Measures. */
export async function run(): Promise<Bench> {
  await using postgres = await startPostgres()
  const sqlite = await measure('SQLite', () => Promise.resolve(undefined))
  const server = await measure('PostgreSQL', () => postgres.createDatabase())
  const start = await measureStart()
  return {
    rows: [...sqlite.rows, ...server.rows, ...start.rows],
    bars: [...sqlite.bars, ...server.bars, ...start.bars],
  }
}

async function measure(kind: string, createDatabase: () => Promise<string | undefined>): Promise<Bench> {
  await using folder = await temporaryFolder()
  const small = await fill(join(folder.path, 'small'), await createDatabase(), SMALL)
  const large = await fill(join(folder.path, 'large'), await createDatabase(), LARGE)
  const rows: Row[] = [{ store: kind, what: 'set by 1,000 at once, secrets in a second', large: large.rate }]
  const bars: Bar[] = []
  try {
    for (const [what, work] of Object.entries(WORK)) {
      const times = { small: [] as number[], large: [] as number[] }
      for (let round = 0; round < ROUNDS; round += 1) {
        times.small.push(await msOf(() => work(small, round)))
        times.large.push(await msOf(() => work(large, round)))
      }
      const ms = { small: median(times.small), large: median(times.large) }
      rows.push({ store: kind, what: `${what}, ms`, small: rounded(ms.small), large: rounded(ms.large) })
      bars.push(atMost(`${kind}: ${what}, times as long among 100,000`, ms.large / ms.small, BAR))
    }
  } finally {
    await small.store.close()
    await large.store.close()
  }
  return { rows, bars }
}

async function fill(
  home: string,
  database: string | undefined,
  { environments, secretsInEach }: typeof LARGE,
): Promise<Filled> {
  const store = await openStore({ home, env: {}, database, actor: 'bench', changesPerHour: 1_000_000 })
  const names = Array.from({ length: secretsInEach }, (_, at) => `SECRET_${at}`)
  const places = Array.from({ length: environments }, (_, at) => `environment-${at}`)
  const begun = performance.now()
  for (const environment of places) {
    const changes = names.map((name) => ({
      name: secretName(name),
      value: SecretValue.fromText(`${environment} ${name}`),
    }))
    await store.admin.set({ environment }, changes)
    for (const { value } of changes) value[Symbol.dispose]()
  }
  const seconds = (performance.now() - begun) / 1000
  const all = await store.admin.list()
  const middle = all[Math.floor(all.length / 2)]
  if (middle === undefined) throw new Error('the store is empty')
  return { store, environments: places, names, middle, rate: Math.round(all.length / seconds) }
}

/** How long `secrets list` takes to start, beside a Node process that does nothing: processor time, of which the least counts. */
async function measureStart(): Promise<Bench> {
  await using folder = await temporaryFolder()
  const program = resolve(import.meta.dirname, '../dist/cli/main.js')
  const env = { ...process.env, TRACELESS_HOME: folder.path }
  const { store } = await fill(folder.path, undefined, SMALL)
  await store.close()
  const times = Array.from({ length: STARTS }, () => ({
    empty: processCpuMs([process.execPath, '-e', '0'], env),
    list: processCpuMs([process.execPath, program, 'secrets', 'list', '--max', '10'], env),
  }))
  const least = (key: 'empty' | 'list'): number => Math.min(...times.map((each) => each[key]))
  const row = { what: 'start of "secrets list" beside an empty process, CPU ms' }
  return {
    rows: [{ store: 'SQLite', ...row, small: least('empty'), large: least('list') }],
    bars: [atMost('start of "secrets list", times an empty process', least('list') / least('empty'), BAR)],
  }
}

async function msOf(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

const rounded = (ms: number): number => Number(ms.toFixed(2))

async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'traceless-bench-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
