/**
 * Who searches a file for a set of patterns: the product's kernel in this
 * process and as a process of its own, and its peers. Each tells the
 * CPU-seconds it took; for those who can, every hit is listed apart from that.
 *
 * @packageDocumentation
 */

import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, openSync, readSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Matcher } from '../../src/leak/match.js'
import { AhoCorasick } from './aho-corasick.js'
import { asLines, asRecords, needleSet, type PatternSet } from './needle-sets.js'
import { BENCH_FOLDER } from './corpora.js'

/** Bytes that are read at once. */
export const READ_BYTES = 1 << 20

/** Memory for the answer of a peer. */
const OUTPUT_BYTES = 1 << 28

/** One occurrence. */
export interface Occurrence {
  readonly start: number
  readonly pattern: number
}

/** A patterns' list made ready for all searchers. */
export interface Prepared {
  readonly set: PatternSet
  readonly lines: string
  readonly records: string
  readonly matcher: Matcher
  readonly dispose: () => void
}

/** Somebody who searches. Gives the CPU-seconds. */
export type Search = (prepared: Prepared, file: string) => number

const require = createRequire(import.meta.url)

/** ripgrep 15, as the package for this machine brings it. */
const ripgrep = join(
  dirname(
    createRequire(require.resolve('@vscode/ripgrep')).resolve(
      `@vscode/ripgrep-linux-${process.arch}/package.json`,
    ),
  ),
  'bin/rg',
)

/** All that search. */
export const SEARCHERS = {
  'bare reading': (_, file) => inProcess(file, Buffer.alloc(READ_BYTES), () => undefined),
  'kernel in process': ({ matcher }, file) => {
    matcher.reset()
    return inProcess(file, matcher.room, (chunk) => matcher.push(chunk))
  },
  'kernel as a process': ({ lines }, file) => processTime(process.execPath, [WHOLE, lines, file]),
  'ripgrep 15': ({ lines }, file) => processTime(ripgrep, [...RG, lines, file]),
  'ripgrep 13': ({ lines }, file) => processTime('/usr/bin/rg', [...RG, lines, file]),
  'Hyperscan 5.4': ({ records }, file) => {
    const out = execFileSync(join(BENCH_FOLDER, 'hyperscan'), [records, file])
    return Number(out.toString().split(' ')[0])
  },
  'Hyperscan as a process': ({ records }, file) =>
    processTime(join(BENCH_FOLDER, 'hyperscan'), [records, file]),
  grep: ({ lines }, file) => processTime('grep', ['-aobF', '-f', lines, file]),
  'Aho-Corasick': ({ set }, file) => {
    const machine = new AhoCorasick(set.patterns)
    return inProcess(file, Buffer.alloc(READ_BYTES), (chunk) => machine.push(chunk, () => undefined))
  },
} as const satisfies Readonly<Record<string, Search>>

/** A key of {@link SEARCHERS}. */
export type SearcherName = keyof typeof SEARCHERS

const RG = ['--no-config', '-a', '-F', '-o', '-b', '-N', '-j1', '-f']
const WHOLE = join(BENCH_FOLDER, 'search-file.mjs')

/** Writes a set where the peers read it, and compiles it. */
export function prepare(set: PatternSet): Prepared {
  const name = set.name.replace(/\W+/g, '-')
  const lines = join(BENCH_FOLDER, `${name}.lines`)
  const records = join(BENCH_FOLDER, `${name}.records`)
  writeFileSync(lines, asLines(set))
  writeFileSync(records, asRecords(set))
  const needles = needleSet(set)
  return { set, lines, records, matcher: new Matcher(needles), dispose: () => needles[Symbol.dispose]() }
}

function inProcess(file: string, into: Uint8Array, take: (chunk: Uint8Array) => unknown): number {
  const handle = openSync(file, 'r')
  const begun = process.cpuUsage()
  for (let size = 1; size > 0;) {
    size = readSync(handle, into, 0, READ_BYTES, null)
    take(into.subarray(0, size))
  }
  const { user, system } = process.cpuUsage(begun)
  closeSync(handle)
  return (user + system) / 1e6
}

/** CPU-seconds of a program from its start to its end, as the shell counts them. A pipe takes its output: some are quicker where it goes nowhere. */
function processTime(program: string, args: readonly string[]): number {
  const script = 'TIMEFORMAT="%3U %3S"; exec 3> >(cat >/dev/null); time "$@" >&3'
  const { stderr } = spawnSync('bash', ['-c', script, 'bash', program, ...args], {
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  const [user = NaN, system = NaN] = stderr.trim().split(' ').map(Number)
  return user + system
}

/** Every hit of the kernel. */
export function kernelHits({ matcher }: Prepared, file: string): readonly Occurrence[] {
  matcher.reset()
  const hits: Occurrence[] = []
  inProcess(file, matcher.room, (chunk) => {
    for (const { needle, start } of matcher.push(chunk)) hits.push({ pattern: needle, start })
  })
  for (const { needle, start } of matcher.end()) hits.push({ pattern: needle, start })
  return hits.sort(byPlace)
}

/** Every hit of the plain machine. */
export function ahoCorasickHits({ set }: Prepared, file: string): readonly Occurrence[] {
  const machine = new AhoCorasick(set.patterns)
  const hits: Occurrence[] = []
  inProcess(file, Buffer.alloc(READ_BYTES), (chunk) =>
    machine.push(chunk, (pattern, end) =>
      hits.push({ pattern, start: end - (set.patterns[pattern]?.length ?? 0) }),
    ),
  )
  return hits.sort(byPlace)
}

/** What grep or ripgrep lists, as `offset:text`. */
export function listedHits(
  tool: 'grep' | 'ripgrep 15',
  { lines }: Prepared,
  file: string,
): readonly string[] {
  const [program, args] = tool === 'grep' ? ['grep', ['-aobF', '-f']] : [ripgrep, RG]
  const out = execFileSync(program, [...args, lines, file], {
    env: { ...process.env, LC_ALL: 'C' },
    maxBuffer: OUTPUT_BYTES,
    encoding: 'latin1',
  })
  return out.split('\n').slice(0, -1)
}

/**
 * Hits as those tools list them: the leftmost one, of several there the longest (grep) or the first of the list
 * (ripgrep), and none that overlaps it.
 */
export function asListed(
  tool: 'grep' | 'ripgrep 15',
  hits: readonly Occurrence[],
  { set }: Prepared,
): readonly string[] {
  const lengthOf = ({ pattern }: Occurrence): number => set.patterns[pattern]?.length ?? 0
  const better = (a: Occurrence, b: Occurrence): number =>
    tool === 'grep' ? lengthOf(b) - lengthOf(a) : a.pattern - b.pattern
  const listed: string[] = []
  let free = 0
  for (const hit of [...hits].sort((a, b) => a.start - b.start || better(a, b))) {
    if (hit.start < free) continue
    free = hit.start + lengthOf(hit)
    listed.push(`${hit.start}:${set.patterns[hit.pattern]?.toString('latin1') ?? ''}`)
  }
  return listed
}

const byPlace = (a: Occurrence, b: Occurrence): number => a.start - b.start || a.pattern - b.pattern
