/**
 * Engines that die, are started anew, freeze, fill up or are slow in the middle
 * of a build: whatever happens, the build ends in bounded time with the right
 * status, and nothing gets a name.
 *
 * Each engine here is one of the test's own.
 */

import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createBuilder, type Builder } from '../../src/builder/build.js'
import type { BuilderEvent, Phase } from '../../src/builder/events.js'
import { openEngine } from '../../src/docker/docker-engine.js'
import { faultOf, resultOf, startBuilds, type Builds, type Outcome } from '../support/builds.js'
import { startOwnEngine, type OwnEngine } from '../support/own-engine.js'
import { processesWith, until } from '../support/processes.js'
import { randomToken } from '../support/tokens.js'

const SOAK = process.env['TRACELESS_SOAK'] === '1'
const [TINY, PYTHON] = ['traceless-base:tiny', 'traceless-base:bookworm'] as const

/** How long an engine may be silent here; a minute is the product's own. */
const SILENT_MS = SOAK ? 60_000 : 2_000

/** How much longer than that a build may take to notice and to end, in milliseconds. */
const NOTICED_MS = 15_000

let builds: Builds
let engine: OwnEngine
beforeAll(async () => {
  builds = await startBuilds()
  await builds.set({ HELD: randomToken() })
  engine = await startOwnEngine([TINY, PYTHON])
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await builds[Symbol.asyncDispose]()
})

/** Whatever a test did to the engine, the next one finds it running. */
afterEach(() => engine.revive())

const builderOn = (host: string, silentMs = SILENT_MS): Builder =>
  createBuilder({
    secrets: builds.store.reader,
    usage: builds.store.usage,
    verdicts: builds.store.verdicts,
    retired: builds.store.retired,
    keeping: builds.store.keeping,
    engine: () => openEngine(host, { silentMs }),
    credentials: async () => null,
  })

/** A moment of a build. */
type Stage = Extract<Phase, 'probe' | 'build' | 'prove' | 'tag'> | 'run'

interface Trial {
  readonly outcome: Outcome
  /** From what was done to the engine to the end of the build, in milliseconds. */
  readonly tookMs: number
  readonly tag: string
}

/** Builds, and does something to the engine when the build has come to a stage. */
async function trial(
  stage: Stage,
  harm: () => unknown,
  { timeoutMs, signal, silentMs }: { timeoutMs?: number; signal?: AbortSignal; silentMs?: number } = {},
): Promise<Trial> {
  const word = `word-${randomUUID()}`
  const tag = `fault-${randomUUID()}:1`
  let harmedAt: number | undefined
  const onEvent = (event: BuilderEvent): void => {
    const isNow =
      stage === 'run'
        ? event.type === 'log' && Buffer.from(event.bytes).toString().includes('running')
        : event.type === 'phase' && event.phase === stage
    if (!isNow || harmedAt !== undefined) return
    harmedAt = performance.now()
    harm()
  }
  const request =
    stage === 'probe'
      ? { requirements: ['nothing-at-all'], base: PYTHON }
      : { dockerfile: { text: dockerfile(stage, word) } }
  const outcome = await builds.buildWith(
    builderOn(engine.host, silentMs),
    { ...request, tags: [tag], ...(timeoutMs === undefined ? {} : { timeoutMs }) },
    { onEvent, ...(signal === undefined ? {} : { signal }) },
  )
  expect(harmedAt).toBeDefined()
  return { outcome, tookMs: performance.now() - (harmedAt ?? 0), tag }
}

const dockerfile = (stage: Stage, word: string): string =>
  [
    `FROM ${TINY}`,
    `RUN --mount=type=secret,id=HELD : ${word}; sha256sum < /run/secrets/HELD > /told; echo running; ${stage === 'run' ? `sleep 600; : ${word}` : stage === 'build' ? 'sleep 5' : 'true'}`,
  ].join('\n')

/** That no image has the name. */
async function expectNothing(tag: string): Promise<void> {
  const images = await engine.docker().listImages({ all: true })
  const names = images.flatMap(({ RepoTags }) => RepoTags ?? [])
  expect(names).not.toContain(tag)
}

/** All stages in the long form, else those that differ most. */
const stages = (...some: readonly Stage[]): readonly Stage[] =>
  SOAK ? ['probe', 'build', 'run', 'prove', 'tag'] : some

describe('engine faults', () => {
  it.for(stages('run', 'tag'))('B8: an engine that is killed in stage "%s"', async (stage) => {
    const { outcome, tookMs, tag } = await trial(stage, () => engine.kill())
    faultOf(outcome, 'ENGINE_UNREACHABLE')
    expect(tookMs).toBeLessThan(NOTICED_MS)
    await endSteps()
    await engine.revive()
    await expectNothing(tag)
  })

  it.for(stages('probe', 'run', 'prove', 'tag'))(
    'B8: an engine that freezes in stage "%s", and comes back later',
    async (stage) => {
      const { outcome, tookMs, tag } = await trial(stage, () => engine.freeze())
      faultOf(outcome, 'ENGINE_UNREACHABLE')
      expect(tookMs).toBeGreaterThan(SILENT_MS / 2)
      expect(tookMs).toBeLessThan(SILENT_MS + NOTICED_MS)
      await endSteps()
      await engine.revive()
      await expectNothing(tag)
    },
  )

  it.for(stages('probe', 'run', 'prove'))(
    'B8: frozen in stage "%s", a build that is cancelled ends within two seconds',
    async (stage) => {
      const stop = new AbortController()
      let stoppedAt = 0
      const cancelSoon = (): void => {
        engine.freeze()
        setTimeout(() => {
          stoppedAt = performance.now()
          stop.abort()
        }, 300)
      }
      const { outcome } = await trial(stage, cancelSoon, { signal: stop.signal })
      faultOf(outcome, 'CANCELLED')
      expect(performance.now() - stoppedAt).toBeLessThan(2_000)
      await endSteps()
    },
  )

  it('B8: frozen in a step, a build that has a time limit ends within two seconds of it', async () => {
    const timeoutMs = 4_000
    const { outcome, tookMs } = await trial('build', () => setTimeout(() => engine.freeze(), 1_000), {
      timeoutMs,
      silentMs: 60_000,
    })
    faultOf(outcome, 'TIMED_OUT')
    // The stage begins behind the moment at which the time began to run.
    expect(tookMs).toBeLessThan(timeoutMs + 2_000)
    await endSteps()
  })

  it('B8: an engine that freezes while it is greeted', async () => {
    engine.freeze()
    const builder = builderOn(engine.host)
    const request = { dockerfile: { text: `FROM ${TINY}` }, tags: ['frozen:1'] }
    const begun = performance.now()
    faultOf(await builds.buildWith(builder, request, { signal: AbortSignal.timeout(500) }), 'CANCELLED')
    expect(performance.now() - begun).toBeLessThan(2_500)
  })

  it.for(SOAK ? (['build', 'run', 'prove', 'tag'] as const) : (['run', 'tag'] as const))(
    'B7: an engine that is started anew in stage "%s" names nothing',
    async (stage) => {
      let again: Promise<void> | undefined
      const { outcome, tag } = await trial(stage, () => {
        engine.kill()
        again = engine.revive()
      })
      faultOf(outcome, 'ENGINE_UNREACHABLE')
      await endSteps()
      await again
      await expectNothing(tag)
    },
  )

  it('B8: an engine that is slow is waited for', async () => {
    const stop = new AbortController()
    const halting = engine.halt({ forMs: 700, everyMs: 1_000, signal: stop.signal })
    try {
      const { outcome } = await trial('build', () => undefined)
      resultOf(outcome)
    } finally {
      stop.abort()
      await halting
    }
  })

  it('B8: a build after all of that is as sound as ever', async () => {
    const { outcome, tag } = await trial('build', () => undefined)
    expect(resultOf(outcome).report.verdict).toBe('clean')
    await engine.docker().getImage(tag).remove({ force: true })
  })
})

/** Steps outlive a killed engine; nobody else would end them. */
async function endSteps(): Promise<void> {
  for (const pid of processesWith('word-')) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      // Gone in between.
      if (!(error instanceof Error && 'code' in error)) throw error
    }
  }
}

describe('what others do to the engine', () => {
  it('B7: a cache that somebody else prunes all the time costs runs, never a wrong answer', async () => {
    const stop = new AbortController()
    const docker = engine.docker()
    const pruning = (async () => {
      while (!stop.signal.aborted) {
        await docker.pruneBuilder()
        await new Promise((done) => setTimeout(done, 50))
      }
    })()
    try {
      const word = randomUUID()
      const text = [
        `FROM ${TINY} AS side`,
        `RUN --mount=type=secret,id=HELD : ${word}; cat /run/secrets/HELD > /held; sleep 0.5; rm /held`,
        `FROM ${TINY}`,
        `COPY --from=side /bin/busybox /copy`,
        `RUN --mount=type=secret,id=HELD : ${word}; sha256sum < /run/secrets/HELD > /told; sleep 0.5`,
      ].join('\n')
      for (let round = 0; round < (SOAK ? 30 : 2); round += 1) {
        const tag = `pruned-${randomUUID()}:1`
        const outcome = await builds.buildWith(builderOn(engine.host), { dockerfile: { text }, tags: [tag] })
        // The other stage's layer held the value: removed in the same step it is in no layer, so this is clean.
        if (outcome.result === null) expect(['BUILD_FAILED', 'NOT_PROVEN']).toContain(outcome.fault?.code)
        else expect(outcome.result.report.verdict).toBe('clean')
        if (outcome.result === null) await expectNothing(tag)
        else await docker.getImage(tag).remove({ force: true })
      }
    } finally {
      stop.abort()
      await pruning
    }
  })

  it('B8: a disk that is full fails the build, in words that say so, and names nothing', async () => {
    await using small = await startOwnEngine([TINY], { dataBytes: 96 << 20 })
    const tag = `full-${randomUUID()}:1`
    const outcome = await builds.buildWith(builderOn(small.host), {
      dockerfile: {
        text: `FROM ${TINY}\nRUN --mount=type=secret,id=HELD : ${randomUUID()}; sha256sum < /run/secrets/HELD; dd if=/dev/zero of=/large bs=1M count=200`,
      },
      tags: [tag],
    })
    faultOf(outcome, 'BUILD_FAILED')
    expect(outcome.log).toContain('No space left')
    expect(await small.docker().listImages({ filters: { reference: [tag] } })).toEqual([])
    // What the failed step wrote goes, and there is room again.
    const isRoom = async (): Promise<boolean> => {
      const { stdout } = await execa('df', ['--output=pcent', join(small.folder, 'data')])
      return Number(/(\d+)%/.exec(stdout)?.[1]) < 60
    }
    expect(await until(isRoom, 20_000)).toBe(true)
  })
})
