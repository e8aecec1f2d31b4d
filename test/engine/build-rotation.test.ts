/**
 * B5: what a change of a secret does to steps that were made before it. Which
 * step ran is what the engine says, and with which value a step was made is
 * what its image tells.
 */

import { createHash, randomUUID } from 'node:crypto'
import { dirname } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BuildOptions } from '../../src/builder/request.js'
import type { Report } from '../../src/builder/report.js'
import { secretName } from '../../src/secret.js'
import { openStore } from '../../src/store/open.js'
import { KEPT_VERSIONS } from '../../src/store/setting.js'
import { faultOf, resultOf, startBuilds, type Builds, type Outcome } from '../support/builds.js'
import { hasImage, runIn } from '../support/engine.js'
import { randomToken } from '../support/tokens.js'

const BASE = 'traceless-base:tiny'
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

let builds: Builds
beforeAll(async () => {
  builds = await startBuilds()
})
afterAll(() => builds[Symbol.asyncDispose]())

/** Names that nothing else uses, because what steps were made with is remembered by name. */
const freshName = (): string => `S_${randomUUID().replaceAll('-', '')}`

/** A step that tells a digest of its secret, and what chance gave it, so that a run can be told from another. */
const telling = (name: string, file: string): string =>
  `RUN --mount=type=secret,id=${name} sha256sum < /run/secrets/${name} > /${file}; cat /proc/sys/kernel/random/uuid > /${file}-run`

interface Told {
  readonly value: string
  readonly run: string
}

const told = async (outcome: Outcome, file: string): Promise<Told> => {
  const { output } = await runIn(resultOf(outcome).image, `cut -c1-64 /${file}; cat /${file}-run`)
  const [value = '', run = ''] = output.trim().split('\n')
  return { value, run }
}

const build = (lines: readonly string[], options: BuildOptions = {}): Promise<Outcome> =>
  builds.build({ dockerfile: { text: lines.join('\n') }, tags: [builds.image()], ...options })

const stepsOf = (report: Report | undefined): readonly string[] =>
  (report?.steps ?? []).map(
    ({ state, why, secrets }) =>
      `${state} ${why} ${secrets.map(({ name, live }) => `${name}${live ? '' : ' earlier'}`).join()}`,
  )

/** The user's own steps that the engine ran, by their place in the Dockerfile. */
const ran = (outcome: Outcome): readonly string[] =>
  outcome.steps('done').flatMap((name) => /^\[(?:\S+ )?(\d+)\/\d+\] RUN/.exec(name)?.[1] ?? [])

describe('B5: rebuild', () => {
  it('B5: after a change the steps that mount that secret run again, with what follows, and no others', async () => {
    const [one, other] = [freshName(), freshName()]
    await builds.set({ [one]: randomToken(), [other]: randomToken() })
    const lines = [
      `FROM ${BASE}`,
      `RUN : ${randomUUID()}; date > /first`,
      telling(other, 'other'),
      telling(one, 'one'),
      'RUN cat /one-run > /after',
    ]
    expect(ran(await build(lines))).toEqual(['2', '3', '4', '5'])
    const again = await build(lines)
    expect(ran(again)).toEqual([])
    expect(stepsOf(again.report)).toEqual([`reused unchanged ${other}`, `reused unchanged ${one}`])
    const token = randomToken()
    await builds.set({ [one]: token })
    const changed = await build(lines)
    expect(ran(changed)).toEqual(['4', '5'])
    expect(stepsOf(changed.report)).toEqual([`reused unchanged ${other}`, `ran changed ${one}`])
    expect((await told(changed, 'one')).value).toBe(sha256(token))
  })

  it('B5: --refresh runs the steps of one secret again, or of all, and what it made stays', async () => {
    const [one, other] = [freshName(), freshName()]
    const given = randomToken()
    await builds.set({ [one]: randomToken(), [other]: randomToken() })
    const lines = [`FROM ${BASE}`, telling(other, 'other'), telling(one, 'one'), telling('GIVEN', 'given')]
    const secrets = { GIVEN: given }
    const request = { dockerfile: { text: lines.join('\n') }, secrets }
    const run = (refresh: readonly string[]) => builds.build({ ...request, refresh, tags: [builds.image()] })
    expect(ran(await run([]))).toEqual(['2', '3', '4'])
    const refreshed = await run([one])
    expect(ran(refreshed)).toEqual(['3', '4'])
    expect(stepsOf(refreshed.report)).toEqual([
      `reused unchanged ${other}`,
      `ran refreshed ${one}`,
      'ran first GIVEN',
    ])
    const after = await run([])
    expect(ran(after)).toEqual([])
    expect((await told(after, 'one')).run).toBe((await told(refreshed, 'one')).run)
    expect(ran(await run(['GIVEN']))).toEqual(['4'])
    expect(ran(await run(['all']))).toEqual(['2', '3', '4'])
    expect(ran(await run([]))).toEqual([])
  })

  it('B5: --refresh of a secret that no step mounts is an error that repeats nothing but names', async () => {
    const name = freshName()
    await builds.set({ [name]: randomToken() })
    const typed = 'not a name, maybe a value'
    const outcome = await build([`FROM ${BASE}`, telling(name, 'x')], { refresh: [`${name}X`, typed] })
    const fault = faultOf(outcome, 'REQUEST_INVALID')
    expect(JSON.stringify(fault)).toContain(`Did you mean ${name}?`)
    expect(JSON.stringify(fault)).not.toContain(typed)
  })
})

describe('B5: keep', () => {
  const keep = { onRotate: 'keep' } as const

  it('B5: a step that was made with an earlier version is reused, searched for both, and told so', async () => {
    const name = freshName()
    const [before, after] = [randomToken(), randomToken()]
    await builds.set({ [name]: before })
    const lines = [`FROM ${BASE}`, telling(name, 'one')]
    const first = await build(lines)
    const version = first.report?.steps[0]?.secrets[0]?.version
    await builds.set({ [name]: after })
    for (let round = 0; round < 2; round += 1) {
      const kept = await build(lines, keep)
      expect(ran(kept)).toEqual([])
      expect(kept.steps('failed')).toEqual([])
      expect(kept.report?.steps).toMatchObject([
        { state: 'reused', why: 'kept', secrets: [{ name, version, live: false }] },
      ])
      expect(await told(kept, 'one')).toEqual(await told(first, 'one'))
      const usage = await builds.store.admin.usage({ environment: 'main', name: secretName(name) })
      expect(JSON.stringify(usage)).toContain(version)
    }
    const rebuilt = await build(lines)
    expect((await told(rebuilt, 'one')).value).toBe(sha256(after))
    expect(await builds.traces([before, after])).toEqual([])
  })

  it('B5: a kept step is searched for the version it was made with', async () => {
    const name = freshName()
    const [before, after] = [randomToken(), randomToken()]
    await builds.set({ [name]: before })
    // The image is let pass once, so that the engine keeps a step which holds the earlier value.
    const lines = [`FROM ${BASE}`, `RUN --mount=type=secret,id=${name} cp /run/secrets/${name} /held`]
    resultOf(await build(lines, { allow: [{ secret: name, path: 'held' }] }))
    await builds.set({ [name]: after })
    const tag = builds.image()
    const refused = await build(lines, { ...keep, tags: [tag] })
    expect(faultOf(refused, 'LEAK_FOUND').detail['places']).toEqual([
      expect.stringContaining(`${name} (raw) in layer`),
    ])
    expect(refused.report?.steps).toMatchObject([{ state: 'reused', why: 'kept' }])
    expect(await hasImage(tag)).toBe(false)
    // What leaked is asked for no more, not even by a builder whose records stayed in the engine.
    const again = await build(lines, { ...keep, allow: [{ secret: name, path: 'held' }] })
    expect(again.report?.steps).toMatchObject([{ state: 'ran', secrets: [{ live: true }] }])
  })

  it('B5: what has to run again gets the live version, and what need not is kept', async () => {
    const name = freshName()
    const [before, after] = [randomToken(), randomToken()]
    await builds.set({ [name]: before })
    const word = randomUUID()
    const text = (below: string): readonly string[] => [
      `FROM ${BASE} AS kept`,
      telling(name, 'one'),
      `FROM ${BASE}`,
      `RUN : ${word} ${below}`,
      telling(name, 'two'),
      telling(name, 'three'),
      'COPY --from=kept /one /one-run /',
    ]
    const first = await build(text('x'))
    await builds.set({ [name]: after })
    const second = await build(text('y'), keep)
    expect(await told(second, 'one')).toEqual(await told(first, 'one'))
    for (const file of ['two', 'three']) expect((await told(second, file)).value).toBe(sha256(after))
    expect(second.report?.steps.map(({ state, why }) => `${state} ${why}`).sort()).toEqual([
      'ran below',
      'ran below',
      'reused kept',
    ])
    // A step that could not be kept is no failure, and nothing of that is shown.
    expect([...second.steps('failed'), ...second.steps('canceled')]).toEqual([])
    expect(second.events).toContainEqual({ type: 'note', text: expect.stringContaining(name) as unknown })
    const third = await build(text('y'), keep)
    expect(ran(third)).toEqual([])
    expect(await told(third, 'two')).toEqual(await told(second, 'two'))
    expect(await builds.traces([before, after])).toEqual([])
  })

  it('B5: a step made with a version that is no longer held is not proven, until it is made anew', async () => {
    const name = freshName()
    await builds.set({ [name]: randomToken() })
    const lines = [`FROM ${BASE}`, telling(name, 'one')]
    resultOf(await build(lines))
    for (let at = 0; at < KEPT_VERSIONS; at += 1) await builds.set({ [name]: randomToken() })
    const tag = builds.image()
    const refused = await build(lines, { ...keep, tags: [tag] })
    expect(faultOf(refused, 'NOT_PROVEN').hint).toContain(`a version of ${name} that is no longer held`)
    expect(await hasImage(tag)).toBe(false)
    const refreshed = await build(lines, { ...keep, refresh: [name] })
    expect(stepsOf(refreshed.report)).toEqual([`ran refreshed ${name}`])
    expect(ran(await build(lines, keep))).toEqual([])
  })

  it('B5: builds that keep wait for each other, in other processes too, and others do not wait', async () => {
    const [name, other] = [freshName(), freshName()]
    await builds.set({ [name]: randomToken(), [other]: randomToken() })
    const slow = (of: string): readonly string[] => [
      `FROM ${BASE}`,
      `RUN --mount=type=secret,id=${of} : ${randomUUID()}; sleep 1`,
    ]
    // Another opening of the store stands for another process: nothing in memory is shared.
    await using store = await openStore({ home: dirname(builds.store.home.database), env: {} })
    const { signal } = new AbortController()
    const held = await store.keeping.turns.take([`main/${name}`], { signal })
    const waiting = build(slow(name), keep)
    resultOf(await build(slow(name)))
    resultOf(await build(slow(other), keep))
    await held[Symbol.asyncDispose]()
    const waited = await waiting
    resultOf(waited)
    expect(waited.events).toContainEqual({
      type: 'note',
      text: expect.stringContaining('Waiting') as unknown,
    })
    const both = await Promise.all([build(slow(name), keep), build(slow(name), keep)])
    const waits = both.filter(({ events }) => events.some(({ type }) => type === 'note'))
    expect(waits).toHaveLength(1)
  })

  it('B5: a build that waits for its turn can be stopped', async () => {
    const name = freshName()
    await builds.set({ [name]: randomToken() })
    await using _held = await builds.store.keeping.turns.take([`main/${name}`], {
      signal: new AbortController().signal,
    })
    const begun = performance.now()
    faultOf(await build([`FROM ${BASE}`, telling(name, 'x')], { ...keep, timeoutMs: 1000 }), 'TIMED_OUT')
    expect(performance.now() - begun).toBeLessThan(3000)
  })
})
