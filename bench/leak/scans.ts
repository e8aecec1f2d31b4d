/**
 * Whole scans, with names, archives and hashes: what they cost beside the bare
 * search, beside a tar library, and beside reading the same bytes from an engine.
 *
 * @packageDocumentation
 */

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { extract } from 'tar-stream'
import { scanImage } from '../../src/builder/scan-image.js'
import { fileChunks } from '../../src/bytes/file-chunks.js'
import { openEngine } from '../../src/docker/docker-engine.js'
import { Matcher } from '../../src/leak/match.js'
import { needlesFor, type NeedleSet } from '../../src/leak/needles.js'
import type { TeamOptions } from '../../src/leak/parallel/team.js'
import { scan, type ScanOptions } from '../../src/leak/scan.js'
import { median } from '../bench.js'
import { BENCH_FOLDER, MIXED_TAR, PYTHON_TAR, ROOT, SMALL_TAR } from './corpora.js'
import { Chance, longSet, needleSet } from './needle-sets.js'
import { READ_BYTES } from './searchers.js'

/** Twenty values in all their forms: what a build of the usual size searches for. */
export function usualNeedles(): NeedleSet {
  const chance = new Chance(12)
  return needlesFor(
    Array.from({ length: 20 }, (_, at) => ({
      name: `S${at}`,
      value: Buffer.from(`ghp_${chance.letters(36)}`),
    })),
  )
}

/** CPU-seconds of a piece of work that waits. */
export async function cpuSecondsOf(work: () => Promise<unknown>): Promise<number> {
  const begun = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(begun)
  return (user + system) / 1e6
}

/** Seconds by the clock. */
async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return (performance.now() - begun) / 1000
}

async function* layerOf(file: string): AsyncGenerator<{
  id: string
  kind: 'layer'
  sizeBytes: number
  bytes: AsyncIterable<Uint8Array>
}> {
  yield { id: file, kind: 'layer', sizeBytes: statSync(file).size, bytes: fileChunks(file) }
}

/** The middle of some figures for each of several pieces of work, taken in turns, after a turn that makes the code quick. */
async function inTurns<Name extends string>(
  rounds: number,
  work: Readonly<Record<Name, () => Promise<number>>>,
): Promise<Readonly<Record<Name, number>>> {
  const names = Object.keys(work) as Name[]
  const figures = new Map(names.map((name) => [name, [] as number[]]))
  for (let round = 0; round <= rounds; round += 1) {
    for (const name of names) {
      const figure = await work[name]()
      if (round > 0) figures.get(name)?.push(figure)
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(figures.get(name) ?? [])])) as Record<
    Name,
    number
  >
}

/** Seconds by the clock for the mixed root file system with its archives: one thread, and one for each core. */
export async function allCores(): Promise<{ one: number; all: number }> {
  using needles = usualNeedles()
  const program = pathToFileURL(join(BENCH_FOLDER, 'scan-worker.mjs'))
  const seconds = (threads: TeamOptions): Promise<number> =>
    secondsOf(() => scan(layerOf(MIXED_TAR), needles, { threads }))
  return await inTurns(3, {
    one: () => seconds({ program, threads: 1 }),
    all: () => seconds({ program }),
  })
}

/** CPU-seconds for 100,000 small files and 200 needles: the scan, and a tar library that hands each file to the same search. */
export async function smallFiles(): Promise<{ scan: number; library: number }> {
  using needles = needleSet(longSet(200))
  return await inTurns(3, {
    scan: () => cpuSecondsOf(() => scan(layerOf(SMALL_TAR), needles)),
    library: () =>
      cpuSecondsOf(async () => {
        const matcher = new Matcher(needles)
        const entries = extract()
        createReadStream(SMALL_TAR, { highWaterMark: READ_BYTES }).pipe(entries)
        for await (const entry of entries) {
          matcher.reset()
          for await (const chunk of entry) matcher.push(chunk as Uint8Array)
        }
      }),
  })
}

/** CPU-seconds for a saved image of 300 MB: the bare search, and the scan that opens archives and checks digests. */
export async function savedImage(): Promise<{ search: number; scan: number }> {
  using needles = usualNeedles()
  const archive = saved()
  return await inTurns(3, {
    search: () =>
      cpuSecondsOf(async () => {
        const matcher = new Matcher(needles)
        for await (const chunk of fileChunks(archive)) matcher.push(chunk)
      }),
    scan: () => cpuSecondsOf(() => scanImage({ kind: 'path', path: archive }, { needles })),
  })
}

/** What `docker save` writes of an image with one layer that is not compressed, packed by Debian's tar. */
function saved(): string {
  const path = join(BENCH_FOLDER, 'saved.tar')
  if (existsSync(path)) return path
  const folder = join(BENCH_FOLDER, 'saved')
  const digest = createHash('sha256').update(readFileSync(PYTHON_TAR)).digest('hex')
  const config = JSON.stringify({ rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] }, history: [] })
  const name = createHash('sha256').update(config).digest('hex')
  const manifest = JSON.stringify([
    { Config: `${name}.json`, RepoTags: null, Layers: [`${digest}/layer.tar`] },
  ])
  const script =
    'rm -rf "$1"; mkdir -p "$1/$2"; ln "$3" "$1/$2/layer.tar"; printf %s "$5" >"$1/$4.json"; printf %s "$6" >"$1/manifest.json"; ' +
    'tar --create --file="$7.part" --directory="$1" "$2" "$4.json" manifest.json; mv "$7.part" "$7"; rm -rf "$1"'
  execFileSync('bash', ['-euc', script, 'bash', folder, digest, PYTHON_TAR, name, config, manifest, path])
  return path
}

/** Seconds for reading the image of 300 MB from an engine: reading alone, with closed and with opened archives. */
export async function fromEngine(): Promise<{ drain: number; closed: number; opened: number }> {
  const host = execFileSync(join(ROOT, 'scripts/engine.sh'), {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  execFileSync(join(ROOT, 'scripts/base-image.sh'), { stdio: ['ignore', 'ignore', 'inherit'] })
  const engine = await openEngine(host.trim().replace('DOCKER_HOST=', ''))
  const facts = await engine.inspect('traceless-base:bookworm')
  if (facts === null) throw new Error('the engine does not hold the base image')
  using needles = usualNeedles()
  const parts = (): ReturnType<typeof engine.parts> =>
    engine.parts([facts.id], { signal: AbortSignal.timeout(600_000) })
  const scanned = async (limits: ScanOptions['limits']): Promise<unknown> =>
    scan(await parts(), needles, { limits })
  try {
    return await inTurns(3, {
      drain: () =>
        secondsOf(async () => {
          for await (const { bytes } of await parts()) for await (const _ of bytes);
        }),
      closed: () => secondsOf(() => scanned({ depth: 0 })),
      opened: () => secondsOf(() => scanned({})),
    })
  } finally {
    engine.close()
  }
}

/** The most memory of a process that scans a generated stream above that of one that does not, in MB. */
export function memoryOf(bytes: number): number {
  const most = (total: number): number =>
    Number(
      execFileSync(process.execPath, [join(BENCH_FOLDER, 'scan-stream.mjs'), String(total)], {
        encoding: 'utf8',
      })
        .trim()
        .split(' ')[1],
    )
  return ((most(bytes) - most(0)) * 1024) / 1e6
}
