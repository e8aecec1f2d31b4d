/**
 * One build from request to verdict against an engine that exists in memory:
 * what it is asked, in which order, and what is left of the values afterwards.
 */

import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  createBuilder,
  type BuildControls,
  type BuilderParts,
  type BuildResult,
} from '../../src/builder/build.js'
import type { BuilderEvent } from '../../src/builder/events.js'
import type { BuildRequest, DockerfileRequest } from '../../src/builder/request.js'
import type { BuildInput, Digest, Engine, ImageFacts, ImageLayout } from '../../src/docker/engine.js'
import { Fault } from '../../src/errors.js'
import { verdictsInMemory } from '../../src/leak/verdicts.js'
import { secretName, SecretValue } from '../../src/secret.js'
import type { HeldSecret, UsageRecord } from '../../src/store/store.js'
import { tarOf } from '../leak/support/tar.js'

const TOKEN = 'tr4celess-token-of-this-test'
const DOCKERFILE = 'FROM base:1\nRUN --mount=type=secret,id=TOKEN true\n'
const BASE_LAYER = tarOf({ name: 'etc/base', content: 'base' })

const digestOf = (bytes: Uint8Array): Digest => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const digit = (character: string): Digest => `sha256:${character.repeat(64)}`
const IMAGE = digit('1')

/** What the engine in memory does otherwise than a sound one. */
interface Oddities {
  /** The layer of the image. Default: a harmless one. */
  readonly layer?: Uint8Array
  /** Digest by which the image names its layer. Default: the right one. */
  readonly layerDigest?: Digest
  /** Leaves the image out of what is read back. */
  readonly givesNothingBack?: boolean
  readonly divergent?: readonly string[]
  /** What the build throws, after one line of output. */
  readonly fails?: Error
  /** Steps of the base image's next build. */
  readonly onBuild?: readonly string[]
  /** Fails to remove images. */
  readonly keepsImages?: boolean
  /** Version of the engine. Default: 20.10.24. */
  readonly version?: string
}

/** An engine, and everything it was asked. */
interface Asked {
  readonly engine: Engine
  readonly calls: string[]
  readonly inputs: BuildInput[]
  /** Values by the ids under which they could be asked for. */
  readonly served: Map<string, string>
  readonly dropped: string[]
}

const unused = (): never => {
  throw new Error('the build asked for something that no build asks for')
}

function engineOf(oddities: Oddities): Asked {
  const { layer = tarOf({ name: 'app', content: 'harmless' }), divergent = [], onBuild = [] } = oddities
  const calls: string[] = []
  const inputs: BuildInput[] = []
  const served = new Map<string, string>()
  const dropped: string[] = []
  const facts: ImageFacts = {
    id: digit('b'),
    tags: [],
    user: '',
    env: [],
    shell: [],
    workdir: '',
    entrypoint: [],
    command: [],
    onBuild,
    layers: [digestOf(BASE_LAYER)],
    os: 'linux',
    architecture: 'amd64',
    sizeBytes: 0,
  }
  const layouts: readonly ImageLayout[] =
    oddities.givesNothingBack === true
      ? []
      : [
          {
            image: IMAGE,
            layers: [
              { digest: digestOf(BASE_LAYER), part: 'lower', createdBy: '' },
              { digest: oddities.layerDigest ?? digestOf(layer), part: 'upper', createdBy: `RUN ${TOKEN}` },
            ],
            documents: [],
            unread: [],
          },
        ]
  const engine: Engine = {
    info: {
      product: 'docker',
      id: 'engine',
      version: oddities.version ?? '20.10.24',
      apiVersion: '1.41',
      os: 'linux',
      architecture: 'amd64',
      storage: 'overlay2',
    },
    keepsImages: true,
    push: unused,
    archive: unused,
    watch: async (signal) => ({
      signal,
      ask: async () => void calls.push('ask'),
      [Symbol.dispose]: () => undefined,
    }),
    answers: async () => true,
    containers: new Proxy({} as Engine['containers'], { get: unused }),
    inspect: async () => facts,
    pull: unused,
    async *build(input) {
      calls.push('build')
      inputs.push(input)
      for (const [id, value] of input.mounts)
        served.set(
          id,
          value.use((bytes) => Buffer.from(bytes).toString()),
        )
      for await (const _ of input.context()) continue
      yield {
        type: 'step',
        id: 'step',
        name: `RUN ${TOKEN}`,
        state: 'started',
        error: undefined,
        startedAt: 1000,
        endedAt: undefined,
      }
      yield { type: 'log', id: 'step', stream: 'stdout', bytes: Buffer.from(`it is ${TOKEN}\n`) }
      if (oddities.fails !== undefined) throw oddities.fails
      yield { type: 'image', target: '', image: IMAGE }
      yield { type: 'built', images: [IMAGE], divergent }
    },
    readFile: unused,
    async parts() {
      calls.push('parts')
      const bytes = { lower: BASE_LAYER, upper: layer }
      return {
        hashed: true,
        layouts: () => layouts,
        async *[Symbol.asyncIterator]() {
          for (const [id, content] of Object.entries(bytes)) {
            yield {
              id,
              kind: 'layer' as const,
              sizeBytes: content.length,
              bytes: (async function* () {
                yield content
              })(),
            }
          }
          calls.push('read')
        },
      }
    },
    serveSecrets: unused,
    tag: async (_image, reference) => void calls.push(`tag ${reference}`),
    async removeUntagged(image) {
      calls.push(`remove ${image.slice(7, 8)}`)
      if (oddities.keepsImages === true) throw new Fault('ENGINE_UNREACHABLE', 'The engine is gone.')
    },
    async dropRecords({ commands }) {
      calls.push('drop')
      dropped.push(...commands)
      return { dropped: 0, left: 0 }
    },
    pruneRecords: unused,
    records: unused,
    close: unused,
  }
  return { engine, calls, inputs, served, dropped }
}

interface Ended extends Asked {
  readonly result: BuildResult | null
  readonly fault: Fault | undefined
  readonly events: readonly BuilderEvent[]
  readonly retired: ReadonlySet<string>
  readonly used: readonly UsageRecord[]
  /** The values that the store lent. */
  readonly lent: readonly HeldSecret[]
}

const isWiped = (value: SecretValue): boolean => value.use((bytes) => bytes.every((byte) => byte === 0))

async function build(
  request: Partial<DockerfileRequest> | BuildRequest,
  oddities: Oddities = {},
  controls: BuildControls = {},
): Promise<Ended> {
  const asked = engineOf(oddities)
  const lent: HeldSecret[] = []
  const retired = new Set<string>()
  const used: UsageRecord[] = []
  const events: BuilderEvent[] = []
  const keys = { mount: SecretValue.fromText('m'.repeat(32)), verdict: SecretValue.fromText('v'.repeat(32)) }
  const parts: BuilderParts = {
    secrets: {
      storeId: 'store',
      keys: async () => keys,
      names: async () => [secretName('TOKEN')],
      async read() {
        lent.push({
          name: secretName('TOKEN'),
          environment: 'main',
          group: null,
          value: SecretValue.fromText(TOKEN),
          version: 'v1',
          exposure: 'everywhere',
          guarded: true,
        })
        return lent
      },
    },
    engine: async () => asked.engine,
    retired: { all: async () => retired, add: async (ids) => ids.forEach((id) => void retired.add(id)) },
    usage: {
      record: async (use) => {
        asked.calls.push('usage')
        used.push(use)
      },
    },
    verdicts: verdictsInMemory(),
    credentials: unused,
  }
  const onEvent = (event: BuilderEvent): void => {
    events.push(event)
    controls.onEvent?.(event)
  }
  const whole: BuildRequest =
    'requirements' in request
      ? request
      : { dockerfile: { text: DOCKERFILE }, tags: ['app:1', 'app:2'], ...request }
  const ended = { ...asked, events, retired, used, lent }
  try {
    const result = await createBuilder(parts).build(whole, { ...controls, onEvent })
    return { ...ended, result, fault: undefined }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return { ...ended, result: null, fault: error }
  }
}

/** What an observer could still find out. */
function expectWiped({ lent, inputs }: Ended): void {
  expect(lent.length + inputs.length).toBeGreaterThan(0)
  for (const { value } of lent) expect(isWiped(value)).toBe(true)
  for (const { mounts } of inputs) for (const value of mounts.values()) expect(isWiped(value)).toBe(true)
}

describe('a build that is proven clean', () => {
  it('gets its names last, after everything was read and its use was recorded', async () => {
    const ended = await build({})
    expect(ended.fault).toBeUndefined()
    expect(ended.calls).toEqual(['build', 'parts', 'read', 'usage', 'ask', 'tag app:1', 'ask', 'tag app:2'])
    expect(ended.used).toMatchObject([
      { kind: 'build', environment: 'main', image: IMAGE, used: [{ name: 'TOKEN', version: 'v1' }] },
    ])
    expect(ended.result?.report.verdict).toBe('clean')
    expectWiped(ended)
  })

  it('asks whether it may be named when it is proven and before anything tells of it', async () => {
    const refused = await build(
      {},
      {},
      { beforeNaming: async () => Promise.reject(new Fault('CANCELLED', 'The lease was lost.')) },
    )
    expect(refused.fault).toMatchObject({ code: 'CANCELLED' })
    expect(refused.calls).toEqual(['build', 'parts', 'read', 'remove 1'])
    expect(refused.used).toEqual([])
    const leaky = await build({}, { layer: tarOf({ name: 'app', content: TOKEN }) }, { beforeNaming: unused })
    expect(leaky.fault).toMatchObject({ code: 'LEAK_FOUND' })
  })

  it('gives the engine the value under an opaque id and in no other place', async () => {
    const { inputs, served } = await build({})
    const [input] = inputs
    const dockerfile = Buffer.from(input?.dockerfile ?? '').toString()
    const [id] = [...(input?.mounts.keys() ?? [])]
    expect(id).toMatch(/^s-[0-9a-f]{32}$/)
    expect(dockerfile).toContain(
      `--mount=type=secret,id=${String(id)},target=/run/secrets/TOKEN,required=true`,
    )
    expect(input).toMatchObject({ targets: ['stage-0'], pull: false })
    expect(input?.cacheNamespace).toMatch(/^c-[0-9a-f]{32}$/)
    expect([...served]).toEqual([[id, TOKEN]])
  })

  it('shows nothing of the value, neither in the output nor in names of steps nor in the report', async () => {
    const { events, result } = await build({})
    const log = events
      .map((event) => (event.type === 'log' ? Buffer.from(event.bytes).toString() : ''))
      .join('')
    expect(log).toBe('it is ***\n')
    expect(events).toContainEqual(expect.objectContaining({ type: 'step', name: 'RUN ***' }))
    expect(result?.report.layers.map(({ step }) => step)).toEqual(['', 'RUN ***'])
    expect(JSON.stringify([events.filter(({ type }) => type !== 'log'), result])).not.toContain(TOKEN)
  })
})

describe('a build that is refused', () => {
  it.for<[why: string, oddities: Oddities, code: string]>([
    ['a leak', { layer: tarOf({ name: 'kept', content: `x ${TOKEN} y` }) }, 'LEAK_FOUND'],
    ['a layer whose bytes are others', { layerDigest: digit('9') }, 'NOT_PROVEN'],
    ['an image that is not given back', { givesNothingBack: true }, 'NOT_PROVEN'],
    ['a step that ran twice', { divergent: [`RUN ${TOKEN}`] }, 'NOT_PROVEN'],
    [
      'a file that cannot be opened',
      { layer: tarOf({ name: 'x.7z', content: Buffer.from('377abcaf271c0004', 'hex') }) },
      'NOT_PROVEN',
    ],
  ])('gets no name, is removed and forgotten: %s', async ([, oddities, code]) => {
    const ended = await build({}, oddities)
    expect(ended.fault?.code).toBe(code)
    expect(ended.calls.slice(0, 3)).toEqual(['build', 'parts', 'read'])
    expect(ended.calls).toContain('remove 1')
    expect(ended.calls.filter((call) => call.startsWith('tag') || call === 'usage')).toEqual([])
    expect(ended.dropped).toContain('true')
    expect([...ended.retired]).toEqual([...(ended.inputs[0]?.mounts.keys() ?? [])])
    expect(ended.events.some(({ type }) => type === 'report')).toBe(true)
    expect(JSON.stringify([ended.fault, ended.events.filter(({ type }) => type !== 'log')])).not.toContain(
      TOKEN,
    )
    expectWiped(ended)
  })
})

describe('values', () => {
  it('B7: have their ids retired where the engine is gone before anything could be removed', async () => {
    const layer = tarOf({ name: 'kept', content: TOKEN })
    const { fault, retired, inputs } = await build({}, { layer, keepsImages: true })
    expect(fault?.code).toBe('LEAK_FOUND')
    expect(inputs[0]?.mounts.size).toBe(1)
    expect(retired).toEqual(new Set(inputs[0]?.mounts.keys()))
  })

  it.for<[why: string, request: Partial<DockerfileRequest>]>([
    ['is sound', {}],
    ['has a name that is none', { tags: ['Bad Name'] }],
    ['mounts something else', { dockerfile: { text: 'FROM base:1' } }],
    ['is only checked', { checkOnly: true }],
  ])('given at hand are wiped where the request %s', async ([, request]) => {
    const made: SecretValue[] = []
    const given = SecretValue.fromText('a value at hand')
    // The build takes a copy, which is what it has to wipe.
    const use = given.use.bind(given)
    given.use = (read) =>
      use((bytes) => {
        const result = read(bytes)
        if (result instanceof SecretValue) made.push(result)
        return result
      })
    await build({ secrets: { TOKEN: given }, ...request })
    expect(made.length).toBeGreaterThan(0)
    for (const value of made) expect(isWiped(value)).toBe(true)
    expect(isWiped(given)).toBe(false)
  })
})

describe('a build that does not end', () => {
  it('tells of a failure without the value, and is removed', async () => {
    const fails = new Fault('BUILD_FAILED', `process "/bin/sh -c ${TOKEN}" did not complete: exit code: 7`)
    const ended = await build({}, { fails })
    expect(ended.fault).toMatchObject({ code: 'BUILD_FAILED' })
    expect(JSON.stringify(ended.fault)).not.toContain(TOKEN)
    expect(ended.calls).toEqual(['build'])
    expect(ended.retired.size).toBe(0)
    expectWiped(ended)
  })

  it('tells what a step that was killed may want', async () => {
    const fails = new Fault('BUILD_FAILED', 'process "/bin/sh -c make" did not complete: exit code: 137')
    expect((await build({}, { fails })).fault?.hint).toContain('for want of memory')
  })

  it('passes on what is no fault of a build', async () => {
    const fails = new Fault('ENGINE_UNREACHABLE', 'The Docker engine does not answer.')
    expect((await build({}, { fails })).fault).toBe(fails)
  })

  it.for(['build', 'prove', 'tag'] as const)(
    'is forgotten where it is cancelled in phase "%s"',
    async (phase) => {
      const stop = new AbortController()
      const ended = await build(
        {},
        {},
        {
          signal: stop.signal,
          onEvent: (event) => {
            if (event.type === 'phase' && event.phase === phase) stop.abort()
          },
        },
      )
      if (phase === 'tag') {
        // Proven and about to be named: whoever cancels now gets the names or the fault, never half of it.
        expect(ended.calls.filter((call) => call.startsWith('tag'))).toHaveLength(
          ended.result === null ? 0 : 2,
        )
      } else {
        expect(ended.fault?.code).toBe('CANCELLED')
        expect(ended.calls.filter((call) => call.startsWith('tag'))).toEqual([])
        expect(ended.dropped).toEqual(['true'])
      }
      expectWiped(ended)
    },
  )
})

describe('B2: a build context of a name of its own', () => {
  const text = 'FROM base:1\nCOPY --from=other:latest /a /a\nRUN --mount=type=secret,id=TOKEN true\n'
  const given = (value: string): Partial<DockerfileRequest> => ({
    dockerfile: { text },
    buildContexts: { other: value },
  })

  it('is an image that the engine gets to know by that name', async () => {
    const { fault, inputs } = await build(given('docker-image://base:1'), { version: '23.0.0' })
    expect(fault).toBeUndefined()
    expect(inputs[0]?.namedContexts).toEqual(new Map([['other', 'docker-image://base:1']]))
  })

  it.for(['./folder', 'https://git.example/a.git', 'oci-layout://folder'])('is not %s', async (value) => {
    const { fault, inputs } = await build(given(value), { version: '23.0.0' })
    expect(fault?.code).toBe('REQUEST_INVALID')
    expect(inputs).toEqual([])
  })

  it('does not hold a value', async () => {
    const { fault, inputs } = await build(given(`docker-image://r/${TOKEN}`), { version: '23.0.0' })
    expect(fault?.code).toBe('SECRET_IN_INPUT')
    expect(inputs).toEqual([])
  })
})

describe('V6: the cgroup of the steps', () => {
  const cgroupParent = '/builds'
  it('is told to an engine that knows of it, and a build of one that does not is refused', async () => {
    const { inputs } = await build({ cgroupParent }, { version: '23.0.1' })
    expect(inputs.map((input) => input.cgroupParent)).toEqual([cgroupParent])
    const { fault, calls } = await build({ cgroupParent }, { version: '20.10.24' })
    expect(fault).toMatchObject({
      code: 'ENGINE_UNSUPPORTED',
      message: expect.stringContaining('need Docker 23.0.0 or newer') as unknown,
    })
    expect(calls).toEqual([])
    expect((await build({})).inputs.map((input) => input.cgroupParent)).toEqual([undefined])
  })

  it.for(['', '/', '../host', '/a/../../b', 'a b', '/a//b', 'a\nb'])('is not %j', async (text) => {
    expect((await build({ cgroupParent: text }, { version: '28.0.0' })).fault).toMatchObject({
      code: 'REQUEST_INVALID',
    })
  })
})

describe('what is searched before anything is sent', () => {
  it.for<[place: string, request: Partial<DockerfileRequest>]>([
    ['the Dockerfile', { dockerfile: { text: `${DOCKERFILE}RUN echo ${TOKEN}\n` } }],
    ['the build argument X', { buildArgs: { X: TOKEN } }],
    ['the label x', { labels: { x: TOKEN } }],
    ['the label ***', { labels: { [TOKEN]: 'x' } }],
    ['the build argument ***', { buildArgs: { [TOKEN]: 'x' } }],
    ['the entries for /etc/hosts', { extraHosts: [`${TOKEN}:127.0.0.1`] }],
  ])('%s', async ([place, request]) => {
    const ended = await build(request)
    expect(ended.fault).toMatchObject({
      code: 'SECRET_IN_INPUT',
      message: `The value of TOKEN stands in ${place}.`,
    })
    expect(ended.calls).toEqual([])
    expect(JSON.stringify(ended.fault)).not.toContain(TOKEN)
    expectWiped(ended)
  })

  it('options of a build that looks into its base first', async () => {
    const ended = await build({
      requirements: ['flask'],
      base: 'base:1',
      tags: ['app:1'],
      buildArgs: { X: TOKEN },
    })
    expect(ended.fault?.code).toBe('SECRET_IN_INPUT')
    expect(ended.calls).toEqual([])
  })
})

describe('a base with triggers', () => {
  it.for<[trigger: string, code: string | undefined]>([
    ['RUN true', undefined],
    ['RUN --mount=type=secret,id=TOKEN true', 'BASE_UNSUITABLE'],
    ["RUN --mount='type=secret',id=TOKEN true", 'BASE_UNSUITABLE'],
    ['RUN --mount=id=TOKEN,type=secret true', 'BASE_UNSUITABLE'],
  ])('%s', async ([trigger, code]) => {
    expect((await build({}, { onBuild: [trigger] })).fault?.code).toBe(code)
  })
})
