/**
 * What the server adds to a build: how long one that is submitted waits for a
 * free worker, how many that do nothing end in a minute, and how much longer a
 * build of ten seconds takes through a server than without one.
 *
 * Needs the engine of the tests (`make engine base-images`) and `npm run build`.
 */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { atMost, median, type Bench, type Row } from './bench.js'

const PROGRAM = resolve(import.meta.dirname, '../dist/cli/main.js')

/** Builds of one round. */
const BUILDS = 12

/** Pairs of long builds. */
const PAIRS = 3

/** Runs the benchmark. */
export async function run(): Promise<Bench> {
  const rows: Row[] = []
  for (const workers of [1, 2, 4]) rows.push(await round(workers))
  const ratios: number[] = []
  for (let pair = 0; pair < PAIRS; pair += 1) {
    const { local, served } = await longBuild()
    rows.push({ what: 'build of 10 s', local: local.toFixed(2), server: served.toFixed(2) })
    ratios.push(served / local)
  }
  const start = Math.max(
    ...rows.flatMap((row) => (typeof row['start ms'] === 'number' ? [row['start ms']] : [])),
  )
  return {
    rows,
    bars: [
      atMost('a submitted build starts after, ms (median, a free worker)', start, 1_000),
      atMost('10 s build, server / local', median(ratios), 1.1),
    ],
  }
}

/** Builds that do nothing, through a server with so many workers. */
async function round(workers: number): Promise<Row> {
  return await withServer(workers, async ({ address, token }) => {
    const first = await finished(address, token, await submit(address, token))
    const waits = [first]
    for (let count = 0; count < 4; count += 1) {
      waits.push(await finished(address, token, await submit(address, token)))
    }
    const begun = performance.now()
    const ids = await Promise.all(Array.from({ length: BUILDS }, () => submit(address, token)))
    await Promise.all(ids.map((id) => finished(address, token, id)))
    const minutes = (performance.now() - begun) / 60_000
    return {
      what: 'builds that do nothing',
      workers,
      'start ms': median(waits),
      'builds per minute': Math.round(BUILDS / minutes),
    }
  })
}

async function longBuild(): Promise<{ readonly local: number; readonly served: number }> {
  return await withServer(1, async ({ address, token, home }) => {
    const build = (env: Readonly<Record<string, string>>): number => {
      const begun = performance.now()
      const dockerfile = `FROM traceless-base:tiny\nRUN sleep 10 && echo ${Math.random()}`
      const { status, stderr } = spawnSync(
        process.execPath,
        [PROGRAM, 'build', '-f', '-', '-t', 'traceless-bench:1', '--progress', 'quiet'],
        { env: { ...process.env, TRACELESS_HOME: home, ...env }, input: dockerfile, encoding: 'utf8' },
      )
      if (status !== 0) throw new Error(stderr)
      return (performance.now() - begun) / 1000
    }
    const served = build({ TRACELESS_SERVER: address, TRACELESS_TOKEN: token })
    return { served, local: build({}) }
  })
}

async function submit(address: string, token: string): Promise<string> {
  const response = await fetch(`${address}/v1/builds`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      environment: 'main',
      request: { dockerfile: { text: 'FROM traceless-base:tiny' }, tags: ['traceless-bench:1'] },
      output: { type: 'engine' },
    }),
  })
  const { build } = (await response.json()) as { build: { id: string } }
  return build.id
}

/** Waits for the end of a build, and gives how long it waited for its start, in milliseconds. */
async function finished(address: string, token: string, id: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` }
  const events = await (await fetch(`${address}/v1/builds/${id}/events`, { headers })).text()
  if (!events.includes('"state":"succeeded"')) throw new Error(`build ${id} did not succeed`)
  const { build } = (await (await fetch(`${address}/v1/builds/${id}`, { headers })).json()) as {
    build: { submittedAt: string; startedAt: string }
  }
  return Date.parse(build.startedAt) - Date.parse(build.submittedAt)
}

async function withServer<T>(
  workers: number,
  work: (server: { address: string; token: string; home: string }) => Promise<T>,
): Promise<T> {
  const home = await mkdtemp(join(tmpdir(), 'traceless-bench-'))
  const env = { ...process.env, TRACELESS_HOME: home }
  const child = spawn(process.execPath, [PROGRAM, 'serve', '--port', '0', '--builds', String(workers)], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const ended = once(child, 'exit')
  try {
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    const made = spawnSync(process.execPath, [PROGRAM, 'token', 'create', 'bench', '--scope', 'admin'], {
      env,
      encoding: 'utf8',
    })
    return await work({ address: line.slice(line.indexOf('http')), token: made.stdout.trim(), home })
  } finally {
    child.kill('SIGTERM')
    await ended
    await rm(home, { recursive: true, force: true })
  }
}
