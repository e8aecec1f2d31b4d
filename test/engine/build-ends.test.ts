/** Builds that do not end by themselves: cancelled, timed out, and left by their engine. */

import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBuilder } from '../../src/builder/build.js'
import { openEngine } from '../../src/docker/docker-engine.js'
import { FAULTS } from '../../src/errors.js'
import { faultOf, resultOf, startBuilds, type Builds } from '../support/builds.js'
import { engineFilesWith } from '../support/engine-files.js'
import { hasImage } from '../support/engine.js'
import { temporaryFolder } from '../support/folder.js'
import { cuttableFront } from '../support/fronts.js'
import { startOwnEngine } from '../support/own-engine.js'
import { processesWith, until } from '../support/processes.js'
import { randomToken } from '../support/tokens.js'

const BASE = 'traceless-base:tiny'

let builds: Builds
beforeAll(async () => {
  builds = await startBuilds()
})
afterAll(() => builds[Symbol.asyncDispose]())

const runs = (word: string): boolean => processesWith(word).length > 0

/** A command that runs for ten minutes. A shell gives its place to its last command, and with it the word to look for. */
const lasting = (word: string): string => `sleep 600; : ${word}`

/** A step that leaks and ends, then one that ignores polite signals and has a child in a session of its own. */
const stubborn = (word: string): string =>
  [
    `FROM ${BASE}`,
    `RUN --mount=type=secret,id=HELD : ${word}; cp /run/secrets/HELD /left`,
    `RUN --mount=type=secret,id=HELD trap '' TERM INT HUP; setsid sh -c "trap '' TERM; ${lasting(word)}" & cat /run/secrets/HELD > /kept; ${lasting(word)}`,
  ].join('\n')

describe('B8: cancelling', () => {
  it.for(['cancelled', 'timed out'] as const)(
    'B8: within two seconds of being %s the processes are gone and nothing is left',
    async (way) => {
      const token = randomToken()
      await builds.set({ HELD: token })
      const word = `stubborn-${randomUUID()}`
      const tag = builds.image()
      const stop = new AbortController()
      const begun = Date.now() - 1000
      let stoppedAt = 0
      const onceRunning = until(() => runs(word), 20_000).then((running) => {
        expect(running).toBe(true)
        stoppedAt = performance.now()
        if (way === 'cancelled') stop.abort()
      })
      // A time limit cannot wait for the step, so it is set well behind the moment at which the step runs.
      const outcome = await builds.build(
        {
          dockerfile: { text: stubborn(word) },
          tags: [tag],
          ...(way === 'timed out' ? { timeoutMs: 5000 } : {}),
        },
        { signal: stop.signal },
      )
      if (way === 'timed out') stoppedAt = performance.now()
      await onceRunning
      faultOf(outcome, way === 'cancelled' ? 'CANCELLED' : 'TIMED_OUT')
      expect(await until(() => !runs(word), 2000 - (performance.now() - stoppedAt))).toBe(true)
      expect(await hasImage(tag)).toBe(false)
      const hasRecord = async (): Promise<boolean> =>
        (await builds.engine.records()).some(({ description }) => description.includes(word))
      expect(await hasRecord()).toBe(false)
      expect(await until(async () => (await engineFilesWith(token, begun)).hits.length === 0, 2000)).toBe(
        true,
      )
      expect(await builds.traces([token])).toEqual([])
    },
  )

  it('B8: cancelled before it began, nothing is built', async () => {
    const outcome = await builds.build(
      { dockerfile: { text: `FROM ${BASE}\nRUN true` }, tags: [builds.image()] },
      { signal: AbortSignal.abort() },
    )
    faultOf(outcome, 'CANCELLED')
    expect(outcome.steps('started')).toEqual([])
  })

  it('B8: cancelled while the image is read back, it gets no name and is removed', async () => {
    const token = randomToken()
    await builds.set({ HELD: token })
    const stop = new AbortController()
    const tag = builds.image()
    const text = `FROM ${BASE}\nRUN --mount=type=secret,id=HELD : ${randomUUID()}; sha256sum < /run/secrets/HELD > /told`
    const outcome = await builds.build(
      { dockerfile: { text }, tags: [tag] },
      {
        signal: stop.signal,
        onEvent: (event) => {
          if (event.type === 'phase' && event.phase === 'prove') stop.abort()
        },
      },
    )
    faultOf(outcome, 'CANCELLED')
    expect(await hasImage(tag)).toBe(false)
    expect(await builds.traces([token])).toEqual([])
  })

  it('B8: a listener that throws ends the build, and its image is removed', async () => {
    const word = `thrown-${randomUUID()}`
    const building = builds.build(
      { dockerfile: { text: `FROM ${BASE}\nRUN echo begun; ${lasting(word)}` }, tags: [builds.image()] },
      {
        onEvent: (event) => {
          if (event.type === 'step' && event.name.includes(word))
            throw new RangeError('the listener is broken')
        },
      },
    )
    await expect(building).rejects.toThrow('the listener is broken')
    expect(await until(() => !runs(word), 2000)).toBe(true)
  })
})

describe('B8: an engine that goes away', () => {
  it('B8: an engine that is not there is said so, with what to do', async () => {
    await using folder = await temporaryFolder()
    await expect(openEngine(`unix://${folder.file('docker.sock')}`)).rejects.toMatchObject({
      code: 'ENGINE_UNREACHABLE',
      hint: expect.stringContaining('DOCKER_HOST') as unknown,
    })
    await expect(openEngine('tcp://127.0.0.1:1')).rejects.toMatchObject({ code: 'ENGINE_UNREACHABLE' })
  })

  it.for<[when: string, first: string, mount: string]>([
    ['before any step has asked for the secret', '', ''],
    ['while a step has the secret', 'sha256sum < /run/secrets/HELD; ', '--mount=type=secret,id=HELD '],
  ])('B8: only the session is cut, %s', async ([, first, mount]) => {
    const token = randomToken()
    await builds.set({ HELD: token })
    const word = `cut-${randomUUID()}`
    const tag = builds.image()
    await using front = await cuttableFront()
    const engine = await openEngine(`tcp://127.0.0.1:${String(front.port)}`)
    const builder = createBuilder({
      secrets: builds.store.reader,
      usage: builds.store.usage,
      verdicts: builds.store.verdicts,
      retired: builds.store.retired,
      engine: async () => Promise.resolve(engine),
      credentials: async () => null,
    })
    const text = [
      `FROM ${BASE}`,
      `RUN ${mount}: ${word}; ${first}echo running; sleep 2`,
      `RUN --mount=type=secret,id=HELD : ${word}; sha256sum < /run/secrets/HELD > /told`,
    ].join('\n')
    let cutAt = 0
    try {
      const outcome = await builds.buildWith(
        builder,
        { dockerfile: { text }, tags: [tag] },
        {
          onEvent: (event) => {
            if (cutAt > 0 || event.type !== 'log' || !Buffer.from(event.bytes).includes('running')) return
            cutAt = performance.now()
            expect(front.cut('/session')).toBe(1)
          },
        },
      )
      expect(performance.now() - cutAt).toBeLessThan(20_000)
      const code = outcome.fault?.code ?? 'INTERNAL'
      expect([FAULTS.BUILD_FAILED.exit, FAULTS.ENGINE_UNREACHABLE.exit]).toContain(FAULTS[code].exit)
    } finally {
      engine.close()
    }
    expect(await until(() => !runs(word), 2_000)).toBe(true)
    expect(await hasImage(tag)).toBe(false)
    expect(await builds.traces([token])).toEqual([])
    // The engine itself is well, and so is the next build on it.
    const again = await builds.build({ dockerfile: { text }, tags: [tag] })
    expect(resultOf(again).report.verdict).toBe('clean')
  })

  it('B8: an engine killed in the middle of a build is said so, and the value is nowhere', async () => {
    await using engine = await startOwnEngine([BASE])
    const token = randomToken()
    await builds.set({ HELD: token })
    const word = `orphan-${randomUUID()}`
    const builder = createBuilder({
      secrets: builds.store.reader,
      usage: builds.store.usage,
      verdicts: builds.store.verdicts,
      retired: { all: async () => new Set(), add: async () => undefined },
      engine: () => openEngine(engine.host),
      credentials: async () => null,
    })
    const killed = until(() => runs(word), 20_000).then(() => engine.kill())
    const outcome = await builds.buildWith(builder, {
      dockerfile: { text: `FROM ${BASE}\nRUN --mount=type=secret,id=HELD ${lasting(word)}` },
      tags: ['killed:1'],
    })
    await killed
    // Its step outlives a killed engine; nobody else would end it.
    for (const pid of processesWith(word)) process.kill(pid, 'SIGKILL')
    faultOf(outcome, 'ENGINE_UNREACHABLE')
    expect(await builds.traces([token])).toEqual([])
  })
})
