/** The floors of ARCHITECTURE.md. A folder may import what stands in its row, and only what stands in its row. */

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

const SRC = resolve(import.meta.dirname, '../src')
const FLOOR_0 = ['errors', 'secret', 'suggest', 'process', 'toml', 'bytes']
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  secret: ['errors'],
  suggest: [],
  process: [],
  toml: [],
  bytes: [],
  substitute: FLOOR_0,
  leak: FLOOR_0,
  store: FLOOR_0,
  docker: FLOOR_0,
  builder: [...FLOOR_0, 'substitute', 'leak', 'store', 'docker'],
  runner: [...FLOOR_0, 'substitute', 'leak', 'store', 'docker'],
  keyholder: [...FLOOR_0, 'store'],
  queue: [...FLOOR_0, 'leak', 'store', 'docker', 'keyholder', 'builder'],
  remote: [...FLOOR_0, 'substitute', 'store', 'docker', 'builder'],
  server: [...FLOOR_0, 'leak', 'store', 'docker', 'keyholder', 'builder', 'queue'],
  cli: [
    ...FLOOR_0,
    'substitute',
    'leak',
    'store',
    'docker',
    'builder',
    'runner',
    'keyholder',
    'queue',
    'remote',
    'server',
  ],
  index: [
    ...FLOOR_0,
    'substitute',
    'leak',
    'store',
    'docker',
    'builder',
    'runner',
    'keyholder',
    'queue',
    'remote',
    'server',
  ],
}
/** The folder that owns a package; no other folder may name it. */
const OWNER: Readonly<Record<string, string>> = {
  dockerode: 'docker',
  '@connectrpc/connect': 'docker',
  '@connectrpc/connect-node': 'docker',
  '@bufbuild/protobuf': 'docker',
  'dockerfile-ast': 'builder',
  '@balena/dockerignore': 'docker',
  'tar-stream': 'docker',
  execa: 'process',
  semver: 'docker',
  kysely: 'store',
  pg: 'store',
  '@photostructure/sqlite': 'store',
  '@hpke/core': 'store',
  '@lydell/node-pty': 'runner',
  'smol-toml': 'toml',
  fzstd: 'leak',
  'xz-decompress': 'leak',
  yauzl: 'leak',
  commander: 'cli',
  picocolors: 'cli',
  '@clack/prompts': 'cli',
  'cli-table3': 'cli',
  'fastest-levenshtein': 'suggest',
  ssh2: 'docker',
  yaml: 'builder',
  'pg-boss': 'queue',
  hono: 'server',
  '@hono/node-server': 'server',
  '@hono/zod-openapi': 'server',
  zod: 'server',
  'prom-client': 'server',
  pino: 'server',
  preact: 'server',
  '@preact/signals': 'server',
  '@picocss/pico': 'server',
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((name) => /\.tsx?$/.test(name))
const unitOf = (path: string): string =>
  relative(SRC, path)
    .split('/')[0]
    ?.replace(/\.[jt]sx?$/, '') ?? ''
const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

describe('floors', () => {
  it.for(files)('%s imports downwards and names only packages its folder owns', (name) => {
    const path = join(SRC, name)
    const unit = unitOf(path)
    for (const { fileName } of ts.preProcessFile(readFileSync(path, 'utf8')).importedFiles) {
      if (fileName.startsWith('.')) {
        const target = unitOf(resolve(dirname(path), fileName))
        if (target !== unit) expect(ALLOWED[unit], `${unit} may not import ${target}`).toContain(target)
      } else if (!fileName.startsWith('node:')) {
        expect(OWNER[packageOf(fileName)], `${fileName} has no owner, or another one`).toBe(unit)
      }
    }
  })

  it('has a row for every folder', () => {
    expect(
      [...new Set(files.map((name) => unitOf(join(SRC, name))))].filter((unit) => !(unit in ALLOWED)),
    ).toEqual([])
  })
})
