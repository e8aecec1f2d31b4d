/** Builds, tokens and leases for tests of the tables of a server. */

import type { BuildRecords, Lease, NewBuild } from '../../src/store/builds.js'

/** A build that is asked for; what does not matter to a test has a default. */
export const newBuild = (more: Partial<NewBuild> = {}): NewBuild => ({
  environment: 'main',
  request: { dockerfile: { text: 'FROM scratch' }, tags: ['app:1'] },
  output: { type: 'engine' },
  submittedBy: 'tester',
  idempotencyKey: Math.random().toString(16).slice(2).padEnd(16, '0'),
  requestDigest: 'd1',
  values: [],
  context: false,
  ...more,
})

/** Submits a build and gives its id. */
export async function submitted(builds: BuildRecords, more: Partial<NewBuild> = {}): Promise<string> {
  return (await builds.submit(newBuild(more))).build.id
}

/** Submits a build and begins it. */
export async function begun(
  builds: BuildRecords,
  more: Partial<NewBuild> = {},
  worker = 'worker-1',
): Promise<Lease> {
  const lease = await builds.begin(await submitted(builds, more), worker)
  if (lease === null) throw new Error('the build was not begun')
  return lease
}

/** Bytes as a stream of chunks of that size. */
export async function* streamOf(bytes: Uint8Array, chunk = 100_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk)
}

/** All bytes of a stream. */
export async function collected(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Waits until something is so; the test's own time limit ends it. */
export async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await check())) await new Promise((resolve) => setTimeout(resolve, 10))
}
