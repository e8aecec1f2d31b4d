/**
 * The leak check beside its peers: the search alone in process and as a
 * program, for few and many needles, on a root file system of 300 MB and on a
 * mixed one of over 1 GB; then whole scans.
 *
 * Everything of a row is measured in turns in one run, in CPU-seconds. Only
 * the figures of an engine's stream and of all cores are seconds by the clock,
 * because what they compare is waiting.
 *
 * @packageDocumentation
 */

import { atLeast, median, type Bar, type Bench, type Row } from './bench.js'
import { makeCorpora, nearMisses, planted } from './leak/corpora.js'
import { longSet, shortSet, type PatternSet } from './leak/needle-sets.js'
import { allCores, fromEngine, memoryOf, savedImage, smallFiles } from './leak/scans.js'
import {
  ahoCorasickHits,
  asListed,
  kernelHits,
  listedHits,
  prepare,
  SEARCHERS,
  type Prepared,
  type SearcherName,
} from './leak/searchers.js'
import { statSync } from 'node:fs'
import { threadsFor } from '../src/leak/parallel/team.js'

const ROUNDS = 3
/** What takes a tenth of a second is measured this often in each round. */
const OFTEN = 5
const BRIEF: readonly SearcherName[] = ['bare reading', 'kernel in process']
/** Peers that take seconds for what the kernel does in hundredths are measured once. */
const SLOW: readonly SearcherName[] = ['grep', 'Aho-Corasick', 'ripgrep 13']
const MANY = 2000
const STREAM_BYTES = 4 * 2 ** 30
const MOST_MEMORY_MB = 200
/** Where a scan uses threads. Of two cores the second unpacks and reads as it is, so that there are none. */
const CORES_RATIO = 1.4
const NO_WORSE = 0.95

type Rates = Readonly<Record<SearcherName, number>>

/** Measures. */
export async function run(): Promise<Bench> {
  await makeCorpora()
  const rows: Row[] = []
  const rates = new Map<string, Rates>()
  const exact: Bar[] = []
  const sets = [1, 10, 50, 200, MANY].map(longSet)
  const short = shortSet(MANY)
  const every = [...longSet(MANY).patterns, ...short.patterns]

  const measure = (corpus: string, file: string, set: PatternSet, names: readonly SearcherName[]): void => {
    console.error(`measuring ${corpus}, ${set.name}`)
    const prepared = prepare(set)
    const measured = ratesOf(prepared, file, names)
    rates.set(`${corpus} ${set.name}`, measured)
    for (const name of names) {
      rows.push({
        corpus,
        needles: set.name,
        who: name,
        'GB per CPU-second': Number(measured[name].toFixed(3)),
      })
    }
    prepared.dispose()
  }

  const all = Object.keys(SEARCHERS) as SearcherName[]
  const quick = all.filter((name) => !SLOW.includes(name))
  const python = planted('python', every)
  for (const set of [...sets, short]) measure('300 MB', python, set, all)
  for (const set of [sets.at(-1) ?? short, short]) exact.push(...sameHits(python, set))
  const mixed = planted('mixed', every)
  for (const set of [...sets, short]) measure('1 GB', mixed, set, quick)
  exact.push(sameAsMachine(mixed, sets.at(-1) ?? short))
  const near = sets.at(-1) ?? short
  measure('near misses', nearMisses(near.patterns), near, ['bare reading', 'kernel in process', 'ripgrep 15'])

  const rate = (corpus: string, needles: string, who: SearcherName): number =>
    rates.get(`${corpus} ${needles}`)?.[who] ?? NaN
  const ratio = (corpus: string, needles: string, who: SearcherName, than: SearcherName): number =>
    rate(corpus, needles, who) / rate(corpus, needles, than)
  const kernel = 'kernel in process'
  const scans = await scanFigures(rows)
  return {
    rows,
    bars: [
      ...exact,
      ...['300 MB', '1 GB'].flatMap((corpus) => [
        atLeast(`${corpus}, P=200: times ripgrep 15`, ratio(corpus, 'P=200', kernel, 'ripgrep 15'), 7),
        atLeast(`${corpus}, P=200: times Hyperscan`, ratio(corpus, 'P=200', kernel, 'Hyperscan 5.4'), 1.4),
      ]),
      atLeast(
        '1 GB, P=200: times ripgrep 15, each from start to end',
        ratio('1 GB', 'P=200', 'kernel as a process', 'ripgrep 15'),
        6,
      ),
      atLeast('1 GB, P=200: share of bare reading', ratio('1 GB', 'P=200', kernel, 'bare reading'), 0.8),
      atLeast(
        '300 MB: rate at P=2000 of that at P=10',
        rate('300 MB', 'P=2000', kernel) / rate('300 MB', 'P=10', kernel),
        0.75,
      ),
      atLeast(
        '1 GB: rate at P=2000 of that at P=10',
        rate('1 GB', 'P=2000', kernel) / rate('1 GB', 'P=10', kernel),
        0.65,
      ),
      atLeast(
        'near misses, P=2000: times ripgrep 15',
        ratio('near misses', 'P=2000', kernel, 'ripgrep 15'),
        0.8,
      ),
      atLeast(
        'values from 6 bytes, P=2000: times ripgrep 15',
        ratio('300 MB', short.name, kernel, 'ripgrep 15'),
        0.8,
      ),
      ...scans,
    ],
  }
}

/** GB for each CPU-second, the middle of some rounds in turns. */
function ratesOf(prepared: Prepared, file: string, names: readonly SearcherName[]): Rates {
  const gigabytes = statSync(file).size / 1e9
  const taken = new Map(names.map((name) => [name, [] as number[]]))
  // Reads the file into the machine's memory and makes the code quick.
  SEARCHERS[kernelName](prepared, file)
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of names) {
      if (round > 0 && SLOW.includes(name)) continue
      for (let time = 0; time < (BRIEF.includes(name) ? OFTEN : 1); time += 1)
        taken.get(name)?.push(SEARCHERS[name](prepared, file))
    }
  }
  return Object.fromEntries(names.map((name) => [name, gigabytes / median(taken.get(name) ?? [])])) as Rates
}

const kernelName = 'kernel in process' satisfies SearcherName

/** Whether the kernel's hits are those of the plain machine and, as these tools list them, those of grep and ripgrep. */
function sameHits(file: string, set: PatternSet): readonly Bar[] {
  const prepared = prepare(set)
  const hits = kernelHits(prepared, file)
  const bars = [
    same(
      `${set.name}: hits of the plain machine that differ`,
      texts(hits),
      texts(ahoCorasickHits(prepared, file)),
    ),
    ...(['grep', 'ripgrep 15'] as const).map((tool) =>
      same(
        `${set.name}: hits of ${tool} that differ`,
        asListed(tool, hits, prepared),
        listedHits(tool, prepared, file),
      ),
    ),
  ]
  prepared.dispose()
  return bars
}

function sameAsMachine(file: string, set: PatternSet): Bar {
  const prepared = prepare(set)
  const bar = same(
    `1 GB, ${set.name}: hits of the plain machine that differ`,
    texts(kernelHits(prepared, file)),
    texts(ahoCorasickHits(prepared, file)),
  )
  prepared.dispose()
  return bar
}

const texts = (hits: readonly { start: number; pattern: number }[]): readonly string[] =>
  hits.map(({ start, pattern }) => `${start} ${pattern}`)

/** No hits at all would be the same too, and prove nothing. */
function same(name: string, ours: readonly string[], theirs: readonly string[]): Bar {
  const known = new Set(theirs)
  const differing = ours.filter((hit) => !known.has(hit)).length + Math.abs(known.size - new Set(ours).size)
  const value = theirs.length === 0 ? Infinity : differing
  return { name: `${name} (of ${theirs.length})`, value, bar: 0, holds: value === 0 }
}

const atMost = (name: string, value: number, bar: number): Bar => ({ name, value, bar, holds: value <= bar })

async function scanFigures(rows: Row[]): Promise<readonly Bar[]> {
  console.error('measuring whole scans')
  const small = await smallFiles()
  const saved = await savedImage()
  const cores = await allCores()
  const engine = await fromEngine()
  const memory = memoryOf(STREAM_BYTES)
  for (const [who, seconds] of Object.entries(small))
    rows.push({ corpus: '100,000 files', who, 'CPU-seconds': seconds })
  for (const [who, seconds] of Object.entries(saved))
    rows.push({ corpus: 'saved image', who, 'CPU-seconds': seconds })
  for (const [who, seconds] of Object.entries(cores))
    rows.push({ corpus: '1 GB, archives opened', who: `${who} of the cores`, seconds })
  for (const [who, seconds] of Object.entries(engine))
    rows.push({ corpus: 'image of an engine', who, seconds })
  return [
    atLeast('100,000 files: times a tar library with the same search', small.library / small.scan, 10),
    atLeast(
      '1 GB, archives opened: times as fast with all cores',
      cores.one / cores.all,
      threadsFor() > 1 ? CORES_RATIO : NO_WORSE,
    ),
    atMost('saved image of 300 MB, archives opened: times the bare search', saved.scan / saved.search, 5),
    atMost("an engine's stream, archives closed: times draining", engine.closed / engine.drain, 1.1),
    atMost("an engine's stream, archives opened: times draining", engine.opened / engine.drain, 1.25),
    atMost('4 GB stream: MB of memory above an idle process', memory, MOST_MEMORY_MB),
  ]
}
