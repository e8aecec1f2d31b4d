/** A worker with real records, queue and keyholder, and a builder that exists in memory. */

import { readFile } from 'node:fs/promises'
import { pack } from 'tar-stream'
import { describe, expect, it } from 'vitest'
import type { BuildControls, BuildResult } from '../../src/builder/build.js'
import type { BuildRequest, DockerfileRequest } from '../../src/builder/request.js'
import { Fault } from '../../src/errors.js'
import type { AskKeyholder } from '../../src/keyholder/client.js'
import { keyholderHandler } from '../../src/keyholder/handler.js'
import { embeddedQueue } from '../../src/queue/embedded-queue.js'
import { runWorker } from '../../src/queue/worker.js'
import { LEASE_MS, type BuildEntry, type NewBuild } from '../../src/store/builds.js'
import { openRecords, type StoreRecords } from '../../src/store/open-records.js'
import { openSqlite } from '../../src/store/sqlite.js'
import type { HeldSecret, SecretReader } from '../../src/store/store.js'
import { changes, testStore, textOf } from '../support/store.js'

type Build = (parts: {
  readonly request: BuildRequest
  readonly controls: Required<BuildControls>
  readonly secrets: SecretReader
  readonly records: StoreRecords
  /** What happens when a worker is thought to be dead: its lease runs out, and the build waits again. */
  readonly takeAway: () => Promise<void>
}) => Promise<Partial<BuildResult> | null>

const IMAGE = `sha256:${'1'.repeat(64)}` as const
const NEW: NewBuild = {
  environment: 'main',
  request: { dockerfile: { text: 'FROM a' }, tags: ['a:1'] },
  output: { type: 'engine' },
  submittedBy: 'tester',
  idempotencyKey: 'key-of-a-test-0001',
  requestDigest: 'd',
  values: [],
  context: false,
}

interface Fleet {
  readonly records: StoreRecords
  readonly stop: AbortController
  readonly drain: AbortController
  /** Submits a build and waits for its end. */
  readonly ended: (build?: Partial<NewBuild>, context?: AsyncIterable<Uint8Array>) => Promise<BuildEntry>
  readonly submitted: (build?: Partial<NewBuild>) => Promise<string>
  readonly end: (id: string) => Promise<BuildEntry>
}

/** Runs one worker, as long as `work` takes. */
async function withWorker(
  build: Build,
  work: (fleet: Fleet) => Promise<void>,
  {
    timeoutMs,
    cgroupParent,
    ask: asked,
  }: { timeoutMs?: number; cgroupParent?: string; ask?: AskKeyholder } = {},
): Promise<void> {
  await using home = await testStore({ openTables: (folder) => openSqlite(`${folder}/store.db`) })
  const store = await home.open({ now: () => new Date() })
  await store.admin.set({ environment: 'main' }, changes({ TOKEN: 'token-of-main-1234' }))
  let aheadMs = 0
  await using records = await openRecords(
    { file: `${home.home}/store.db` },
    () => new Date(Date.now() + aheadMs),
  )
  await using queue = embeddedQueue(records.builds)
  const handle = keyholderHandler({
    secrets: store.reader,
    earlier: (scope, names) => store.keeping.earlier(scope, names),
    openGiven: store.openGiven,
    leased: (lease) => records.builds.leased(lease),
  })
  const ask: AskKeyholder = async (path, body) => {
    const response = await handle(new Request(`http://keyholder${path}`, { method: 'POST', body }))
    const answer = (await response.json()) as { error?: { code: 'FORBIDDEN'; message: string } }
    if (answer.error !== undefined) throw new Fault(answer.error.code, answer.error.message)
    return answer
  }
  const takeAway = async (): Promise<void> => {
    aheadMs += LEASE_MS + 1000
    const { waiting } = await records.builds.expire()
    expect(waiting).toHaveLength(1)
  }
  const [drain, stop] = [new AbortController(), new AbortController()]
  const running = runWorker(
    {
      id: 'worker-1',
      records: records.builds,
      queue,
      ask: asked ?? ask,
      timeoutMs,
      cgroupParent,
      builder: (_build, secrets) => ({
        async build(request, controls) {
          const result = await build({
            request,
            controls: controls as Required<BuildControls>,
            secrets: secrets.reader,
            records,
            takeAway,
          })
          return result === null
            ? null
            : ({ image: IMAGE, report: { verdict: 'clean' }, ...result } as BuildResult)
        },
      }),
    },
    { places: 1, drain: drain.signal, stop: stop.signal },
  )
  const submitted: Fleet['submitted'] = async (more = {}) => {
    const { build } = await records.builds.submit({ ...NEW, ...more })
    if (more.context !== true) await queue.announce(build.id)
    return build.id
  }
  const end: Fleet['end'] = async (id) => {
    for await (const _ of queue.changes(id, AbortSignal.timeout(30_000))) {
      const build = await records.builds.get(id)
      if (build !== null && build.endedAt !== null) return build
    }
    throw new Error('the build did not end')
  }
  try {
    await work({
      records,
      stop,
      drain,
      submitted,
      end,
      async ended(more, context) {
        const id = await submitted({ ...more, context: context !== undefined })
        if (context !== undefined) {
          await records.builds.putContext(id, context)
          await queue.announce(id)
        }
        return await end(id)
      },
    })
  } finally {
    drain.abort()
    await running
  }
}

const eventsOf = async ({ records }: Fleet, id: string): Promise<readonly string[]> =>
  (await records.builds.eventsAfter(id, 0, 1000)).map(({ event }) => String(event['type']))

describe('a worker', () => {
  it('V4: carries out a build with its values, and records what it told and how it ended', async () => {
    const read: HeldSecret[] = []
    await withWorker(
      async ({ controls, secrets, request }) => {
        expect(request).toMatchObject({ environment: 'main', tags: ['a:1'] })
        read.push(...(await secrets.read({ environment: 'main', purpose: 'build' }, 'all')))
        expect(read.map(({ name, value }) => [name, textOf(value)])).toEqual([
          ['TOKEN', 'token-of-main-1234'],
        ])
        controls.onEvent({ type: 'log', id: 's', stream: 'stdout', bytes: Buffer.from('hello') })
        await controls.beforeNaming()
        return {}
      },
      async (fleet) => {
        const build = await fleet.ended()
        expect(build).toMatchObject({
          state: 'succeeded',
          image: IMAGE,
          verdict: 'clean',
          attempt: 1,
          worker: 'worker-1',
        })
        expect(await eventsOf(fleet, build.id)).toContain('log')
      },
    )
  })

  it('unpacks the context for the build, and takes it away', async () => {
    let folder = ''
    const archive = pack()
    archive.entry({ name: 'sub/Dockerfile' }, 'FROM context')
    archive.finalize()
    await withWorker(
      async ({ request }) => {
        const { dockerfile, context } = request as DockerfileRequest
        folder = context ?? ''
        expect(dockerfile).toEqual({ path: `${folder}/sub/Dockerfile` })
        expect(await readFile(`${folder}/sub/Dockerfile`, 'utf8')).toBe('FROM context')
        return {}
      },
      async ({ ended }) => {
        const request = { dockerfile: { file: 'sub/Dockerfile' }, tags: ['a:1'] }
        expect(await ended({ request }, archive as unknown as AsyncIterable<Uint8Array>)).toMatchObject({
          state: 'succeeded',
        })
      },
    )
    await expect(readFile(`${folder}/sub/Dockerfile`)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it.for([
    ['LEAK_FOUND', 'refused'],
    ['NOT_PROVEN', 'refused'],
    ['BUILD_FAILED', 'failed'],
    ['TIMED_OUT', 'failed'],
    ['SECRET_UNKNOWN', 'failed'],
  ] as const)('records %s as %s, with what the fault says', async ([code, state]) => {
    await withWorker(
      async () => Promise.reject(new Fault(code, 'What happened.', { hint: 'What to do.' })),
      async ({ ended }) => {
        expect(await ended()).toMatchObject({
          state,
          image: null,
          failure: { code, message: 'What happened.', hint: 'What to do.' },
        })
      },
    )
  })

  it('tells nothing of an error that is no fault', async () => {
    await withWorker(
      async () => Promise.reject(new Error('token-of-main-1234')),
      async ({ ended }) => {
        const { state, failure } = await ended()
        expect([state, failure?.code]).toEqual(['failed', 'INTERNAL'])
        expect(JSON.stringify(failure)).not.toContain('token-of')
      },
    )
  })

  it('ends a build that somebody cancels', async () => {
    await withWorker(
      async ({ controls }) => {
        await new Promise((_, reject) =>
          controls.signal.addEventListener('abort', () => reject(controls.signal.reason as Error)),
        )
        return null
      },
      async ({ submitted, end, records }) => {
        const id = await submitted()
        while ((await records.builds.get(id))?.state !== 'running')
          await new Promise((done) => setTimeout(done, 20))
        await records.builds.requestCancel(id)
        expect(await end(id)).toMatchObject({ state: 'cancelled', failure: { code: 'CANCELLED' } })
      },
    )
  })

  it('V4: lets no image be named when the build was taken from it, and leaves the record to the other', async () => {
    const reached: string[] = []
    await withWorker(
      async ({ controls, records, takeAway }) => {
        const [build] = await records.builds.list({ max: 1 })
        if (build?.attempt === 1) {
          await takeAway()
          await controls.beforeNaming()
        }
        reached.push(`named by attempt ${String(build?.attempt)}`)
        return {}
      },
      async ({ ended }) => {
        expect(await ended()).toMatchObject({ state: 'succeeded', attempt: 2 })
      },
    )
    expect(reached).toEqual(['named by attempt 2'])
  })

  it('gives a build back when it is stopped, and begins no other', async () => {
    await withWorker(
      async ({ controls }) => {
        await new Promise((_, reject) =>
          controls.signal.addEventListener('abort', () => reject(controls.signal.reason as Error)),
        )
        return null
      },
      async ({ submitted, stop, records }) => {
        const id = await submitted()
        while ((await records.builds.get(id))?.state !== 'running')
          await new Promise((done) => setTimeout(done, 20))
        stop.abort()
        while ((await records.builds.get(id))?.state === 'running')
          await new Promise((done) => setTimeout(done, 20))
        expect(await records.builds.get(id)).toMatchObject({ state: 'waiting', image: null })
      },
    )
  })

  it('ends with its build, and no other, when it is drained', async () => {
    let begun = 0
    await withWorker(
      async () => {
        begun += 1
        await new Promise((done) => setTimeout(done, 300))
        return {}
      },
      async ({ submitted, drain, records, end }) => {
        const [first, second] = [await submitted(), await submitted({ idempotencyKey: 'key-of-a-test-0002' })]
        while (begun === 0) await new Promise((done) => setTimeout(done, 20))
        drain.abort()
        expect(await end(first)).toMatchObject({ state: 'succeeded' })
        expect(await records.builds.get(second)).toMatchObject({ state: 'waiting' })
      },
    )
    expect(begun).toBe(1)
  })

  it('does not take longer than it may, whatever the request says', async () => {
    const limits: (number | undefined)[] = []
    await withWorker(
      async ({ request }) => {
        limits.push(request.timeoutMs)
        return {}
      },
      async ({ ended }) => {
        await ended()
        await ended({ idempotencyKey: 'key-of-a-test-0002', request: { ...NEW.request, timeoutMs: 100 } })
        await ended({
          idempotencyKey: 'key-of-a-test-0003',
          request: { ...NEW.request, timeoutMs: 9_000_000 },
        })
      },
      { timeoutMs: 5000 },
    )
    expect(limits).toEqual([5000, 100, 5000])
  })

  it('V6: runs steps in the cgroup of the worker, whatever the request says', async () => {
    const meant: (string | undefined)[] = []
    await withWorker(
      async ({ request }) => {
        meant.push(request.cgroupParent)
        return {}
      },
      async ({ ended }) => {
        await ended({ request: { ...NEW.request, cgroupParent: '/host' } })
      },
      { cgroupParent: '/builds' },
    )
    expect(meant).toEqual(['/builds'])
  })

  it('keeps an archive for download where that is the output', async () => {
    await withWorker(
      async ({ request }) => {
        await request.archive?.(
          (async function* () {
            yield Buffer.from('archive')
          })(),
        )
        return {}
      },
      async ({ ended, records }) => {
        const { id, outputBytes } = await ended({ output: { type: 'oci' } })
        expect(outputBytes).toBe(7)
        const chunks: Uint8Array[] = []
        for await (const chunk of records.builds.openOutput(id)) chunks.push(chunk)
        expect(Buffer.concat(chunks).toString()).toBe('archive')
      },
    )
  })

  it('gives back what an engine that is away made fail, and ends it after three tries', async () => {
    let begun = 0
    await withWorker(
      async () => {
        begun += 1
        return Promise.reject(new Fault('ENGINE_UNREACHABLE', 'The engine does not answer.'))
      },
      async ({ ended }) => {
        expect(await ended()).toMatchObject({ state: 'failed', failure: { code: 'ENGINE_UNREACHABLE' } })
      },
    )
    expect(begun).toBe(3)
  })
})
