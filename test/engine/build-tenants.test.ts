/**
 * B4: BuildKit shares steps between builds whose values differ. Whatever runs
 * at once or one after another, no build may see another's value, nor what was
 * made with it.
 */

import { createHash, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SecretValue } from '../../src/secret.js'
import { faultOf, resultOf, startBuilds, type Builds } from '../support/builds.js'
import { runIn } from '../support/engine.js'
import { randomToken } from '../support/tokens.js'

const BASE = 'traceless-base:tiny'
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

let builds: Builds
beforeAll(async () => {
  builds = await startBuilds()
})
afterAll(() => builds[Symbol.asyncDispose]())

/** A Dockerfile whose image and log tell a digest of the value, and which no other build has. */
const telling = (option: string): string =>
  [
    `FROM ${BASE}`,
    `RUN : ${randomUUID()}`,
    // Long enough that builds which start at once are all under way.
    `RUN --mount=type=secret,id=SHARED,${option} sleep 0.3; sha256sum < /run/secrets/SHARED | tee /told; echo "value $(cat /run/secrets/SHARED)"`,
  ].join('\n')

const told = async (image: string): Promise<string> => (await runIn(image, 'cut -c1-64 /told')).output.trim()

describe('B4: tenants never mix', () => {
  it.for(['stored', 'given at hand'] as const)(
    'B4: ten builds at once that differ only in a value (%s) give ten right images and logs',
    async (kind) => {
      const text = telling('required')
      const tokens = Array.from({ length: 10 }, () => randomToken())
      const outcomes = await Promise.all(
        tokens.map(async (token, index) => {
          const environment = `tenant-${String(index)}`
          if (kind === 'stored') await builds.set({ SHARED: token }, environment)
          return builds.build({
            dockerfile: { text },
            environment: kind === 'stored' ? environment : 'nobody',
            ...(kind === 'stored' ? {} : { secrets: { SHARED: token } }),
            tags: [builds.image()],
          })
        }),
      )
      const images = outcomes.map((outcome) => resultOf(outcome).image)
      expect(new Set(images).size).toBe(10)
      for (const [index, outcome] of outcomes.entries()) {
        const own = sha256(tokens[index] ?? '')
        expect(outcome.log).toContain(own)
        expect(outcome.log).toContain('value ***')
        for (const other of tokens)
          if (sha256(other) !== own) expect(outcome.log).not.toContain(sha256(other))
        expect(await told(images[index] ?? '')).toBe(own)
      }
      expect(await builds.traces(tokens)).toEqual([])
    },
  )

  it('B4: two stores that hold secrets of the same names do not share a step', async () => {
    await using other = await startBuilds()
    const text = telling('required')
    const [ours, theirs] = [randomToken(), randomToken()]
    await builds.set({ SHARED: ours })
    await other.set({ SHARED: theirs })
    const outcomes = [
      await builds.build({ dockerfile: { text }, tags: [builds.image()] }),
      await other.build({ dockerfile: { text }, tags: [other.image()] }),
    ]
    const images = outcomes.map((outcome) => resultOf(outcome).image)
    expect(await Promise.all(images.map(told))).toEqual([sha256(ours), sha256(theirs)])
  })

  it('B4: a build without the secret never succeeds with another’s, at once or afterwards', async () => {
    const token = randomToken()
    await builds.set({ SHARED: token }, 'owner')
    const required = telling('required')
    const optional = telling('required=false')
    const build = (text: string, environment: string, allowMissing: readonly string[]) =>
      builds.build({ dockerfile: { text }, environment, allowMissing, tags: [builds.image()] })
    const both = (text: string) => [build(text, 'owner', []), build(text, 'stranger', ['SHARED'])] as const
    for (const text of [required, optional]) {
      const [owner, stranger] = await Promise.all(both(text))
      expect(await told(resultOf(owner).image)).toBe(sha256(token))
      // Without the value the step's file stays empty.
      expect(stranger.log).not.toContain(sha256(token))
      expect(await told(resultOf(stranger).image)).toBe('')
      const after = await build(text, 'stranger', ['SHARED'])
      expect(await told(resultOf(after).image)).toBe('')
    }
    const refused = await build(required, 'stranger', [])
    faultOf(refused, 'SECRET_UNKNOWN')
  })

  it('B4: after a change of the value the step runs again, and before it does not', async () => {
    const text = telling('required')
    const [before, after] = [randomToken(), randomToken()]
    await builds.set({ SHARED: before }, 'rotating')
    const build = () =>
      builds.build({ dockerfile: { text }, environment: 'rotating', tags: [builds.image()] })
    const mounting = (names: readonly string[]) => names.filter((name) => name.includes('id=SHARED'))
    const first = await build()
    const second = await build()
    expect(mounting(second.steps('cached'))).toHaveLength(1)
    expect(resultOf(second).image).toBe(resultOf(first).image)
    await builds.set({ SHARED: after }, 'rotating')
    const third = await build()
    expect(mounting(third.steps('cached'))).toEqual([])
    expect(await told(resultOf(third).image)).toBe(sha256(after))
  })

  it('B4: cache mounts are not shared between tenants, and are between builds of one', async () => {
    const name = randomUUID()
    const text = (step: string): string =>
      `FROM ${BASE}\nRUN --mount=type=cache,id=${name},target=/shared ls /shared > /seen; touch /shared/${step}`
    const seen = async (environment: string, step: string): Promise<string> => {
      const outcome = await builds.build({
        dockerfile: { text: text(step) },
        environment,
        tags: [builds.image()],
      })
      return (await runIn(resultOf(outcome).image, 'cat /seen')).output.trim()
    }
    expect(await seen('one', 'first')).toBe('')
    expect(await seen('two', 'second')).toBe('')
    expect(await seen('one', 'third')).toBe('first')
  })

  it('B4: a build leaves the keys of its store as they are', async () => {
    const hex = (key: SecretValue): string => key.use((bytes) => Buffer.from(bytes).toString('hex'))
    const keys = async (): Promise<readonly string[]> => {
      const { mount, verdict } = await builds.store.reader.keys()
      return [hex(mount), hex(verdict)]
    }
    const before = await keys()
    for (const key of before) expect(key).not.toMatch(/^0*$/)
    resultOf(
      await builds.build({
        dockerfile: { text: telling('required') },
        secrets: { SHARED: randomToken() },
        tags: [builds.image()],
      }),
    )
    expect(await keys()).toEqual(before)
  })

  it('B4: nobody chooses the namespace of cache mounts or the frontend', async () => {
    for (const name of ['BUILDKIT_CACHE_MOUNT_NS', 'BUILDKIT_SYNTAX']) {
      const outcome = await builds.build({
        dockerfile: { text: `FROM ${BASE}` },
        buildArgs: { [name]: 'x' },
        tags: [builds.image()],
      })
      expect(faultOf(outcome, 'REQUEST_INVALID').message).toContain(name)
    }
  })
})
