/**
 * Prints what `scripts/engines.sh test` found as a table, and fails where a
 * test failed or none ran.
 *
 * `tsx scripts/engine-matrix.ts FOLDER`, where each engine has a `.json` of
 * Vitest and a `.host` with its address.
 *
 * @packageDocumentation
 */

import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { openEngine } from '../src/docker/docker-engine.js'

interface Results {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly assertionResults: readonly { readonly status: string }[]
  }[]
}

const [folder] = process.argv.slice(2)
if (folder === undefined) throw new TypeError('usage: engine-matrix.ts FOLDER')

const rows: { readonly engine: string; readonly cells: ReadonlyMap<string, string> }[] = []
const files = new Set<string>()
let failed = false
let passed = 0
for (const name of (await readdir(folder)).filter((file) => file.endsWith('.host')).sort()) {
  const engine = await engineText(join(folder, name))
  const cells = new Map<string, string>()
  for (const file of await resultsOf(join(folder, name.replace(/host$/, 'json')))) {
    const of = (status: string): number =>
      file.assertionResults.filter((result) => result.status === status).length
    const suite = basename(file.name, '.test.ts')
    files.add(suite)
    const skipped = of('skipped') + of('pending')
    const isBad = of('failed') > 0 || file.status === 'failed'
    failed ||= isBad
    passed += of('passed')
    cells.set(
      suite,
      isBad
        ? `**${String(of('failed'))} failed**`
        : `${String(of('passed'))}${skipped > 0 ? ` (${String(skipped)} skipped)` : ''}`,
    )
  }
  failed ||= cells.size === 0
  rows.push({ engine, cells })
}
const columns = [...files].sort()
console.log(`| engine | ${columns.join(' | ')} |`)
console.log(`|---|${columns.map(() => '---|').join('')}`)
for (const { engine, cells } of rows)
  console.log(`| ${engine} | ${columns.map((column) => cells.get(column) ?? '**none**').join(' | ')} |`)
if (failed || passed === 0) process.exitCode = 1

async function engineText(file: string): Promise<string> {
  const host = (await readFile(file, 'utf8')).trim().replace('DOCKER_HOST=', '')
  const engine = await openEngine(host)
  const { version, apiVersion, storage } = engine.info
  engine.close()
  return `${version}, API ${apiVersion}, ${storage === 'overlayfs' ? 'containerd store' : storage}`
}

/** None where the run ended before it began. */
async function resultsOf(file: string): Promise<Results['testResults']> {
  try {
    return (JSON.parse(await readFile(file, 'utf8')) as Results).testResults
  } catch {
    return []
  }
}
