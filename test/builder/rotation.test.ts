/**
 * B5 and B7 against an engine that exists in memory: which id a mount gets,
 * what is served under it, what is searched for, and what an engine's end does.
 */

import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createBuilder, type BuildResult } from '../../src/builder/build.js'
import type { DockerfileRequest } from '../../src/builder/request.js'
import type { BuildInput, Digest, Engine } from '../../src/docker/engine.js'
import { Fault } from '../../src/errors.js'
import { verdictsInMemory } from '../../src/leak/verdicts.js'
import { secretName, SecretValue } from '../../src/secret.js'
import type { MadeStep } from '../../src/store/steps.js'
import type { HeldSecret } from '../../src/store/store.js'
import { tarOf } from '../leak/support/tar.js'

const IMAGE: Digest = `sha256:${'1'.repeat(64)}`
const digestOf = (bytes: Uint8Array): Digest => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

const unused = (): never => {
  throw new Error('the build asked for something that no build asks for')
}

/** A store and an engine with a cache, both in memory. */
class World {
  /** Values by version, oldest first; the last one is live. */
  readonly versions: [version: string, value: string][] = []
  /** What the engine's cache holds: the id a step was made with, and the value that was served for it. */
  readonly cache = new Map<string, string>()
  readonly steps = new Map<string, MadeStep>()
  readonly retired = new Set<string>()
  readonly turns: string[][] = []
  readonly inputs: BuildInput[] = []
  readonly calls: string[] = []
  readonly used: string[] = []
  /** Whether the step writes its value into the image. */
  leaks = false
  /** Whether the engine is gone when it is asked right before a name is given. */
  isGone = false

  set(version: string, value: string): void {
    this.versions.push([version, value])
  }

  async build(request: Partial<DockerfileRequest> = {}): Promise<BuildResult | Fault> {
    const builder = createBuilder({
      secrets: {
        storeId: 'store',
        keys: async () => ({
          mount: SecretValue.fromText('m'.repeat(32)),
          verdict: SecretValue.fromText('v'.repeat(32)),
        }),
        names: async () => [secretName('TOKEN')],
        read: async () => this.versions.slice(-1).map((one) => held(one)),
      },
      keeping: {
        steps: {
          recall: async (keys) => new Map([...this.steps].filter(([key]) => keys.includes(key))),
          record: async (steps) => steps.forEach((step) => void this.steps.set(step.key, step)),
        },
        turns: {
          take: async (names) => {
            this.turns.push([...names])
            return { [Symbol.asyncDispose]: async () => void this.turns.push([]) }
          },
        },
        earlier: async () => this.versions.slice(0, -1).map((one) => held(one)),
      },
      retired: {
        all: async () => this.retired,
        add: async (ids) => ids.forEach((id) => void this.retired.add(id)),
      },
      usage: { record: async ({ used }) => void this.used.push(...used.map(({ version }) => version)) },
      verdicts: verdictsInMemory(),
      engine: async () => this.#engine(),
      credentials: unused,
    })
    try {
      const result = await builder.build({
        dockerfile: { text: 'FROM base:1\nRUN --mount=type=secret,id=TOKEN make\n' },
        tags: ['app:1'],
        ...request,
      })
      return result ?? unused()
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      return error
    }
  }

  #engine(): Engine {
    let made = ''
    const layer = (): Uint8Array => tarOf({ name: 'made', content: this.leaks ? made : 'harmless' })
    return {
      info: {
        product: 'docker',
        id: 'engine',
        version: '20.10.24',
        apiVersion: '1.41',
        os: 'linux',
        architecture: 'amd64',
        storage: 'overlay2',
      },
      keepsImages: true,
      containers: new Proxy({} as Engine['containers'], { get: unused }),
      watch: async (signal) => ({
        signal,
        ask: async () => {
          if (this.isGone) throw new Fault('ENGINE_UNREACHABLE', 'The Docker engine does not answer.')
        },
        [Symbol.dispose]: () => undefined,
      }),
      answers: async () => true,
      inspect: async () => ({
        id: IMAGE,
        tags: [],
        user: '',
        env: [],
        shell: [],
        workdir: '',
        entrypoint: [],
        command: [],
        onBuild: [],
        layers: [],
        os: 'linux',
        architecture: 'amd64',
        sizeBytes: 0,
      }),
      pull: unused,
      push: unused,
      archive: unused,
      readFile: unused,
      serveSecrets: unused,
      pruneRecords: unused,
      records: unused,
      build: (input) => this.#solve(input, (value) => (made = value)),
      parts: async () => {
        const bytes = layer()
        return {
          hashed: true,
          layouts: () => [
            {
              image: IMAGE,
              layers: [{ digest: digestOf(bytes), part: 'upper', createdBy: '' }],
              documents: [],
              unread: [],
            },
          ],
          async *[Symbol.asyncIterator]() {
            yield {
              id: 'upper',
              kind: 'layer' as const,
              sizeBytes: bytes.length,
              bytes: (async function* () {
                yield bytes
              })(),
            }
          },
        }
      },
      tag: async (_image, reference) => void this.calls.push(`tag ${reference}`),
      removeUntagged: async () => void this.calls.push('remove'),
      dropRecords: async () => ({ dropped: 0, left: 0 }),
      close: unused,
    }
  }

  /** As BuildKit does: a step is found by the id of its mount, or asks for its value and runs. */
  async *#solve(input: BuildInput, made: (value: string) => void): ReturnType<Engine['build']> {
    this.inputs.push(input)
    const id = /id=(s-[0-9a-f]+)/.exec(Buffer.from(input.dockerfile).toString())?.[1] ?? ''
    const step = { type: 'step', id: 'x', name: `RUN --mount=id=${id} make`, error: undefined } as const
    const times = { startedAt: 1, endedAt: 2 }
    const cached = this.cache.get(id)
    if (cached === undefined) {
      if (input.withheld?.ids.has(id) === true) {
        input.withheld.asked(id)
        yield { ...step, ...times, state: 'failed', error: 'failed precondition' }
        throw new Fault('BUILD_FAILED', 'failed precondition')
      }
      const value = input.mounts.get(id)?.use((bytes) => Buffer.from(bytes).toString()) ?? unused()
      this.cache.set(id, value)
    }
    made(this.cache.get(id) ?? '')
    yield { ...step, ...times, state: cached === undefined ? 'done' : 'cached' }
    yield { type: 'image', target: '', image: IMAGE }
    yield { type: 'built', images: [IMAGE], divergent: [] }
  }
}

const held = ([version, value]: readonly [string, string]): HeldSecret => ({
  name: secretName('TOKEN'),
  environment: 'main',
  group: null,
  value: SecretValue.fromText(value),
  version,
  exposure: 'everywhere',
  guarded: true,
})

const keep = { onRotate: 'keep' } as const
const OLD = 'the-old-value-of-this-test'
const NEW = 'the-new-value-of-this-test'

/** A world in which the step was made with a version that is not the live one any more. */
async function rotated(more: { leaks?: boolean } = {}): Promise<World> {
  const world = new World()
  world.set('v1', OLD)
  expect(await world.build()).toMatchObject({ report: { verdict: 'clean' } })
  world.set('v2', NEW)
  world.leaks = more.leaks ?? false
  return world
}

describe('B5: keep', () => {
  it('B5: asks for the step of the earlier version and serves nothing for it', async () => {
    const world = await rotated()
    const result = await world.build(keep)
    expect(result).toMatchObject({
      report: {
        verdict: 'clean',
        steps: [{ state: 'reused', why: 'kept', secrets: [{ name: 'TOKEN', version: 'v1', live: false }] }],
      },
    })
    expect(world.inputs.at(-1)?.mounts.size).toBe(0)
    expect(world.inputs.at(-1)?.withheld?.ids.size).toBe(1)
    expect(world.used).toEqual(['v1', 'v1'])
  })

  it('B5: no id is ever served with the value of another version', async () => {
    const world = await rotated()
    world.cache.clear()
    expect(await world.build(keep)).toMatchObject({
      report: { steps: [{ state: 'ran', why: 'below', secrets: [{ version: 'v2', live: true }] }] },
    })
    // Going back to the first version must not meet a step that was made with the second.
    world.set('v1', OLD)
    await world.build()
    expect([...world.cache.values()].sort()).toEqual([NEW, OLD].sort())
  })

  it('B5: is searched for the version the step was made with, and what leaked is asked for no more', async () => {
    const world = await rotated({ leaks: true })
    expect(await world.build(keep)).toMatchObject({ code: 'LEAK_FOUND' })
    expect(world.calls.filter((call) => call.startsWith('tag'))).toHaveLength(1)
    for (const id of world.cache.keys()) expect(world.retired).toContain(id)
    world.leaks = false
    expect(await world.build(keep)).toMatchObject({ report: { steps: [{ state: 'ran' }] } })
  })

  it('B5: a step made with a version that is no longer held is not proven', async () => {
    const world = await rotated()
    world.versions.shift()
    expect(await world.build(keep)).toMatchObject({
      code: 'NOT_PROVEN',
      hint: expect.stringContaining('no longer held') as unknown,
    })
    expect(await world.build({ ...keep, refresh: ['TOKEN'] })).toMatchObject({ report: { verdict: 'clean' } })
    expect(await world.build(keep)).toMatchObject({
      report: { steps: [{ state: 'reused', why: 'unchanged' }] },
    })
  })

  it('B5: a version that is too short to be searched for is as good as not held', async () => {
    const world = new World()
    world.set('v1', 'abc')
    await world.build({ allowUnguarded: ['TOKEN'] })
    world.set('v2', NEW)
    expect(await world.build(keep)).toMatchObject({
      code: 'NOT_PROVEN',
      hint: expect.stringContaining('no longer held') as unknown,
    })
  })

  it('B5: takes its turn before anything is read, and gives it back', async () => {
    const world = await rotated()
    await world.build()
    expect(world.turns).toEqual([])
    await world.build(keep)
    expect(world.turns).toEqual([['main/TOKEN'], []])
  })
})

describe('B5: refresh', () => {
  it('B5: makes a step anew, which is the one that is reused from then on', async () => {
    const world = await rotated()
    await world.build()
    const before = world.cache.size
    expect(await world.build({ refresh: ['TOKEN'] })).toMatchObject({
      report: { steps: [{ state: 'ran', why: 'refreshed' }] },
    })
    expect(world.cache.size).toBe(before + 1)
    expect(await world.build()).toMatchObject({ report: { steps: [{ state: 'reused' }] } })
    expect(world.cache.size).toBe(before + 1)
  })
})

describe('B7: the engine right before the name', () => {
  it('B7: one that went away, or was started anew, names nothing', async () => {
    const world = await rotated()
    world.calls.length = 0
    world.isGone = true
    expect(await world.build()).toMatchObject({ code: 'ENGINE_UNREACHABLE' })
    expect(world.calls).toEqual(['remove'])
  })
})
