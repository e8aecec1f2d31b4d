/**
 * What the leak benchmark searches in: files below .cache/bench, made by
 * scripts/bench-corpora.sh from Debian's packages, with patterns planted.
 *
 * @packageDocumentation
 */

import { execFileSync } from 'node:child_process'
import { closeSync, copyFileSync, openSync, statSync, writeSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build } from 'esbuild'
import { Chance } from './needle-sets.js'

/** The repository. */
export const ROOT = resolve(import.meta.dirname, '../..')

/** Where everything is kept. */
export const BENCH_FOLDER = join(ROOT, '.cache/bench')

const pathOf = (name: string): string => join(BENCH_FOLDER, name)

/** A Debian root file system with Python, about 300 MB. */
export const PYTHON_TAR = pathOf('python.tar')
/** A mixed root file system of over 1 GB. */
export const MIXED_TAR = pathOf('mixed.tar')
/** 100,000 small files. */
export const SMALL_TAR = pathOf('small.tar')

/** Positions at which searches are cut. */
const SEAMS = [4096, 65_536, 1 << 20]
const PLANTED = 5000
const NEAR_MISS_BYTES = 128 << 20

/** Makes what is missing, and the programs that run as processes of their own. */
export async function makeCorpora(): Promise<void> {
  execFileSync(join(ROOT, 'scripts/bench-corpora.sh'), { stdio: ['ignore', 'ignore', 'inherit'] })
  await build({
    absWorkingDir: ROOT,
    entryPoints: {
      'search-file': 'bench/leak/search-file.ts',
      'scan-stream': 'bench/leak/scan-stream.ts',
      'scan-worker': 'src/leak/parallel/scan-worker.ts',
    },
    outdir: BENCH_FOLDER,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    logLevel: 'warning',
  })
}

/**
 * A copy of a corpus in which patterns stand at random, across the seams of every usual size of a piece, at both ends,
 * and one over the other.
 */
export function planted(corpus: 'python' | 'mixed', patterns: readonly Buffer[]): string {
  const path = pathOf(`${corpus}-planted.tar`)
  copyFileSync(pathOf(`${corpus}.tar`), path)
  const { size } = statSync(path)
  const chance = new Chance(7)
  const file = openSync(path, 'r+')
  const plant = (pattern: Buffer, at: number): void => void writeSync(file, pattern, 0, pattern.length, at)
  for (let number = 0; number < PLANTED; number += 1) {
    const pattern = patterns[number % patterns.length] ?? Buffer.alloc(0)
    const seam = SEAMS[number % SEAMS.length] ?? 1
    const at =
      number % 4 === 0
        ? (1 + chance.below(Math.floor(size / seam) - 1)) * seam - chance.below(pattern.length + 1)
        : chance.below(size - 200)
    plant(pattern, at)
    const next = patterns[(number * 7) % patterns.length] ?? pattern
    if (number % 16 === 1) plant(next, at + pattern.length)
    if (number % 16 === 2) plant(next, at + (pattern.length >> 1))
  }
  const [first = Buffer.alloc(0), last = first] = patterns
  plant(first, 0)
  plant(last, size - last.length)
  closeSync(file)
  return path
}

/** The worst case: every pattern, again and again, with one byte that is another. */
export function nearMisses(patterns: readonly Buffer[]): string {
  const path = pathOf('near-misses')
  const chance = new Chance(8)
  const file = openSync(path, 'w')
  for (let size = 0; size < NEAR_MISS_BYTES;) {
    const round = Buffer.concat(
      patterns.map((pattern) => {
        const copy = Buffer.from(pattern)
        const at = chance.below(copy.length)
        copy[at] = (copy[at] ?? 0) ^ 1
        return copy
      }),
    )
    writeSync(file, round)
    size += round.length
  }
  closeSync(file)
  return path
}
