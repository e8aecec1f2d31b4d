/**
 * Leaks, made on purpose: each must be found wherever it hides, the image must
 * get no name, and nothing of it may stay on the engine.
 */

import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { wheel } from '../../fixtures/packages/distribution.js'
import { plainProject } from '../../fixtures/packages/project.js'
import { startFixtures } from '../../fixtures/fixtures.js'
import type { DockerfileRequest } from '../../src/builder/request.js'
import { scanImage } from '../../src/builder/scan-image.js'
import type { Engine } from '../../src/docker/engine.js'
import { needlesFor } from '../../src/leak/needles.js'
import { SecretValue } from '../../src/secret.js'
import { faultOf, resultOf, startBuilds, type Builds, type Outcome } from '../support/builds.js'
import { engineFilesWith } from '../support/engine-files.js'
import { hasImage, openDocker, runIn } from '../support/engine.js'
import { randomToken } from '../support/tokens.js'

const BASE = 'traceless-base:tiny'

let builds: Builds
beforeAll(async () => {
  builds = await startBuilds()
})
afterAll(() => builds[Symbol.asyncDispose]())

/** A command that no other build has, so that its step is fresh and its records can be told apart. */
const mark = (): string => `: ${randomUUID()}`

/** Builds what must be refused, and looks for what may not have stayed. */
async function refused(
  token: string,
  request: DockerfileRequest,
  marker: string | undefined,
  /** Where the step itself put the value: a Dockerfile's own command may do so. */
  ownPlaces: readonly string[] = [],
): Promise<Outcome> {
  const tag = builds.image('leaky')
  const outcome = await builds.build({ ...request, tags: [tag] })
  const fault = faultOf(outcome, 'LEAK_FOUND')
  expect(fault.detail['places']).not.toEqual([])
  expect(await hasImage(tag)).toBe(false)
  const image = outcome.report?.image ?? ''
  expect(await builds.engine.inspect(image)).toBeNull()
  if (marker !== undefined) {
    const left = (await builds.engine.records()).filter(({ description }) => description.includes(marker))
    expect(left).toEqual([])
  }
  expect((await builds.traces([token])).filter((place) => !ownPlaces.includes(place))).toEqual([])
  return outcome
}

describe('B7: an image with a leak gets no name', () => {
  const mount = '--mount=type=secret,id=LEAKED'
  const cases: Readonly<
    Record<string, { lines: (marker: string) => readonly string[]; found: Record<string, unknown> }>
  > = {
    'in a file written by cat': {
      lines: (marker) => [`RUN ${mount} ${marker}; cat /run/secrets/LEAKED > /kept`],
      found: { form: 'raw', stage: null, layer: 2, path: 'kept' },
    },
    'in a file written as base64 of something longer': {
      lines: (marker) => [
        `RUN ${mount} ${marker}; (echo -n user:; cat /run/secrets/LEAKED) | base64 -w0 > /kept`,
      ],
      found: { stage: null, path: 'kept' },
    },
    'in a file that a later layer deletes': {
      lines: (marker) => [`RUN ${mount} ${marker}; cp /run/secrets/LEAKED /kept`, 'RUN rm /kept'],
      found: { form: 'raw', stage: null, layer: 2, path: 'kept' },
    },
    'in a file that is copied from another stage': {
      lines: (marker) => [
        `RUN ${mount} ${marker}; cp /run/secrets/LEAKED /kept`,
        `FROM ${BASE}`,
        'COPY --from=0 /kept /copied',
      ],
      found: { form: 'raw', stage: null, layer: 2, path: 'copied' },
    },
    'in an intermediate stage only': {
      lines: (marker) => [
        `RUN ${mount} ${marker}; cp /run/secrets/LEAKED /kept && echo built > /product`,
        `FROM ${BASE}`,
        'COPY --from=0 /product /product',
      ],
      found: { form: 'raw', stage: 'stage-0', layer: 2, path: 'kept' },
    },
    'in the name of a file': {
      lines: (marker) => [`RUN ${mount} ${marker}; touch "/$(cat /run/secrets/LEAKED)"`],
      found: { form: 'raw', stage: null, layer: 2 },
    },
    'in the target of a link': {
      lines: (marker) => [`RUN ${mount} ${marker}; ln -s "$(cat /run/secrets/LEAKED)" /link`],
      found: { form: 'raw', stage: null, layer: 2 },
    },
  }

  it.for(Object.entries(cases))('L1: %s', async ([, { lines, found }]) => {
    const token = randomToken()
    await builds.set({ LEAKED: token })
    const marker = mark()
    const text = [`FROM ${BASE}`, ...lines(marker)].join('\n')
    const { report } = await refused(token, { dockerfile: { text } }, marker)
    expect(report?.verdict).toBe('leak')
    expect(report?.guarded).toContain('LEAKED')
    expect(report?.findings).toContainEqual(
      expect.objectContaining({ secret: 'LEAKED', inherited: false, ...found }),
    )
  })

  // Written in halves, so that the search of the input cannot see them and the proof has to.
  it.for([
    { name: 'ENV', lines: ([a, b]: Halves) => [`ENV A=${a}`, `ENV B=\${A}${b}`] },
    { name: 'LABEL', lines: ([a, b]: Halves) => [`ARG A=${a}`, `LABEL b="\${A}${b}"`] },
    {
      name: 'ARG',
      lines: ([a, b]: Halves) => [`ARG A=${a}`, `ARG B=\${A}${b}`, 'RUN echo "$B" > /dev/null'],
    },
    { name: 'the history', lines: ([a, b]: Halves) => [`ARG A=${a}`, `WORKDIR /\${A}${b}`] },
    {
      name: 'the configuration of a stage',
      lines: ([a, b]: Halves) => [
        `ENV A=${a}`,
        `ENV B=\${A}${b}`,
        'RUN echo built > /product',
        `FROM ${BASE}`,
        'COPY --from=0 /product /product',
      ],
    },
  ])('L1: in $name', async ({ lines }) => {
    const token = randomToken()
    await builds.set({ CONFIGURED: token })
    const half = token.length / 2
    const text = [`FROM ${BASE}`, ...lines([token.slice(0, half), token.slice(half)])].join('\n')
    const { report } = await refused(token, { dockerfile: { text } }, undefined)
    expect(report?.findings).toContainEqual(expect.objectContaining({ secret: 'CONFIGURED', form: 'raw' }))
  })

  it('L0: a secret of the environment that the build does not mount is looked for as well', async () => {
    const token = randomToken()
    await builds.set({ BYSTANDER: token })
    const half = token.length / 2
    const text = `FROM ${BASE}\nRUN echo ${token.slice(0, half)}"${token.slice(half)}" > /kept`
    await refused(token, { dockerfile: { text } }, token.slice(0, half))
    const tag = builds.image()
    const narrow = await builds.build({ dockerfile: { text }, guard: 'plan', tags: [tag] })
    expect(resultOf(narrow).report.guarded).not.toContain('BYSTANDER')
  })

  it('L5: a value too short to be searched for stops the build before it starts', async () => {
    const text = `FROM ${BASE}\nRUN --mount=type=secret,id=pin true`
    const stopped = await builds.build({
      dockerfile: { text },
      secrets: { pin: '123' },
      tags: [builds.image()],
    })
    expect(faultOf(stopped, 'NOT_PROVEN').message).toContain('pin')
    expect(stopped.steps('started')).toEqual([])
    const allowed = await builds.build({
      dockerfile: { text },
      secrets: { pin: '123' },
      allowUnguarded: ['pin'],
      tags: [builds.image()],
    })
    expect(resultOf(allowed).report).toMatchObject({ verdict: 'clean', tooShort: ['pin'] })
  })
})

type Halves = readonly [string, string]

describe('B7: an intermediate stage is read as it was used', () => {
  /** A leak that the final image does not have, behind a first step that other builds share. */
  const stages = (first: string, mount: string, marker: string): string =>
    [
      `FROM ${BASE} AS first`,
      `RUN ${first}`,
      'FROM first AS maker',
      `RUN ${mount} ${marker}; cp /run/secrets/STAGED /kept 2>/dev/null; echo built > /product`,
      `FROM ${BASE}`,
      'COPY --from=maker /product /product',
    ].join('\n')

  it.for(['required', 'required=false'])(
    'B7: %s, while another build that shares a fresh first step is running',
    async (option) => {
      const token = randomToken()
      await builds.set({ STAGED: token })
      const [first, marker] = [mark(), mark()]
      const other = new AbortController()
      const running = builds.build(
        {
          dockerfile: { text: `FROM ${BASE}\nRUN ${first}\nRUN ${mark()}; sleep 60` },
          tags: [builds.image()],
        },
        { signal: other.signal },
      )
      const text = stages(first, `--mount=type=secret,id=STAGED,${option}`, marker)
      const { report } = await refused(token, { dockerfile: { text } }, undefined)
      expect(report?.findings).toContainEqual(expect.objectContaining({ stage: 'maker', path: 'kept' }))
      other.abort()
      faultOf(await running, 'CANCELLED')
    },
  )

  it('B7: where its cache records are pruned while it is built', async () => {
    const token = randomToken()
    await builds.set({ STAGED: token })
    const [first, marker] = [mark(), mark()]
    const pruned: Promise<unknown>[] = []
    const outcome = await builds.build(
      {
        dockerfile: { text: stages(first, '--mount=type=secret,id=STAGED', marker) },
        tags: [builds.image()],
      },
      {
        onEvent: (event) => {
          if (event.type !== 'step' || event.state !== 'done') return
          pruned.push(
            builds.engine.dropRecords({ commands: [marker], since: undefined }, AbortSignal.timeout(10_000)),
          )
        },
      },
    )
    await Promise.all(pruned)
    expect(pruned).not.toEqual([])
    faultOf(outcome, 'LEAK_FOUND')
    expect(outcome.report?.findings).toContainEqual(expect.objectContaining({ stage: 'maker', path: 'kept' }))
  })
})

describe('B7: what a refused build leaves', () => {
  const leak = (marker: string): string =>
    `FROM ${BASE}\nRUN --mount=type=secret,id=AGAIN ${marker}; cat /run/secrets/AGAIN > /kept 2>/dev/null || echo none > /kept`

  it.for([
    { name: 'its records or its ids', defects: {} },
    { name: 'its records, where ids are not retired', defects: { retiresNothing: true } },
    { name: 'its ids, where records stay', defects: { dropsNoRecords: true } },
  ])('B7: no later build meets $name', async ({ defects }) => {
    const builder = builds.builderWith(defects)
    const build = (environment: string): Promise<Outcome> =>
      builds.buildWith(builder, {
        dockerfile: { text },
        environment,
        allowMissing: ['AGAIN'],
        tags: [builds.image()],
      })
    const token = randomToken()
    await builds.set({ AGAIN: token })
    const text = leak(mark())
    faultOf(await build('main'), 'LEAK_FOUND')
    const again = await build('main')
    faultOf(again, 'LEAK_FOUND')
    expect(again.steps('cached').filter((name) => name.includes('AGAIN'))).toEqual([])
    expect(again.steps('done').filter((name) => name.includes('AGAIN'))).toHaveLength(1)

    // The same step without the secret, in an environment that has none.
    const bare = await build('bare')
    expect(resultOf(bare).report.verdict).toBe('clean')
    expect(await builds.traces([token], { images: [resultOf(bare).image] })).toEqual([])
  })

  it.for([
    { form: 'in shell form', command: (marker: string) => `${marker};  cat   /run/secrets/OLDER > /kept` },
    {
      form: 'over several lines',
      command: (marker: string) => `${marker}; \\\n  # why\n\tcat \\\n /run/secrets/OLDER > /kept`,
    },
    {
      form: 'in exec form',
      command: (marker: string) => `["/bin/sh", "-c", "${marker}; cat /run/secrets/OLDER > /kept"]`,
    },
    {
      form: 'at length',
      command: (marker: string) => `${marker}; : ${'x'.repeat(5000)}; cat /run/secrets/OLDER > /kept`,
    },
  ])(
    'B7: the records of a leaking step are dropped though it was cached, written $form',
    async ({ command }) => {
      const token = randomToken()
      await builds.set({ OLDER: token })
      const marker = mark()
      const text = `FROM ${BASE}\nRUN --mount=type=secret,id=OLDER ${command(marker)}`
      const careless = builds.builderWith({ dropsNoRecords: true, retiresNothing: true })
      const before = await builds.buildWith(careless, { dockerfile: { text }, tags: [builds.image()] })
      faultOf(before, 'LEAK_FOUND')
      const descriptions = (await builds.engine.records()).map(({ description }) => description)
      expect(descriptions.filter((description) => description.includes(marker))).toHaveLength(1)
      const outcome = await refused(token, { dockerfile: { text } }, marker)
      expect(outcome.steps('cached').filter((name) => name.includes('OLDER'))).toHaveLength(1)
    },
  )

  it('B7: the value is in no file of the engine', async () => {
    const token = randomToken()
    await builds.set({ AGAIN: token })
    const since = Date.now() - 1000
    await refused(token, { dockerfile: { text: leak(mark()) } }, undefined)
    const { files, hits } = await engineFilesWith(token, since)
    expect(files).toBeGreaterThan(0)
    expect(hits).toEqual([])
  })
})

describe('L1: what is in no image', () => {
  it('L1: a value in a cache mount refuses the image, and is gone from the cache afterwards', async () => {
    const token = randomToken()
    await builds.set({ CACHED: token })
    const [marker, cache] = [mark(), randomUUID()]
    const mount = `--mount=type=cache,id=${cache},target=/var/cache/thing`
    const text = `FROM ${BASE}\nRUN ${mount} --mount=type=secret,id=CACHED ${marker}; cp /run/secrets/CACHED /var/cache/thing/kept`
    const { report } = await refused(token, { dockerfile: { text } }, marker)
    expect(report?.findings).toEqual([
      expect.objectContaining({ secret: 'CACHED', stage: `cache mount ${cache}` }),
    ])
    const look = await builds.build({
      dockerfile: { text: `FROM ${BASE}\nRUN ${mount} ${mark()}; ls /var/cache/thing > /seen` },
      tags: [builds.image()],
    })
    expect((await runIn(resultOf(look).image, 'cat /seen')).output).toBe('')
  })
})

describe('L7: what was proven before', () => {
  it('L7: a base image is read once for a value, and again for another one', async () => {
    const text = `FROM ${BASE}\nRUN --mount=type=secret,id=PROVEN ${mark()}; cat /proc/sys/kernel/random/uuid > /told`
    // Other content in each build: two equal layers of one second are one layer, and proven by the first.
    const states = async (value: string): Promise<readonly string[]> => {
      await builds.set({ PROVEN: value }, 'proving')
      const outcome = await builds.build({
        dockerfile: { text },
        environment: 'proving',
        tags: [builds.image()],
      })
      return resultOf(outcome).report.layers.map(({ origin, state }) => `${origin} ${state}`)
    }
    const value = randomToken()
    expect(await states(value)).toEqual(['base clean', 'built clean'])
    // An engine that gives layers only in archives of whole images gives the base again, and it is read again.
    const again = builds.engine.info.storage === 'overlay2' ? 'base proven' : 'base clean'
    expect(await states(value)).toEqual([again, 'built clean'])
    expect(await states(randomToken())).toEqual(['base clean', 'built clean'])
  })
})

describe('L7: what was scanned before', () => {
  it('L7: a scan reads no layer of an image twice for a value, and looks for a new one by itself', async () => {
    const read: string[] = []
    const engine = async (): Promise<Engine> => ({
      ...builds.engine,
      async parts(images, options) {
        const parts = await builds.engine.parts(images, options)
        return {
          get hashed() {
            return parts.hashed
          },
          layouts: () => parts.layouts(),
          async *[Symbol.asyncIterator]() {
            for await (const part of parts) {
              if (part.kind === 'layer') read.push(part.id)
              yield part
            }
          },
        }
      },
    })
    const [a, b] = [randomToken(), randomToken()]
    const scanned = async (tokens: Readonly<Record<string, string>>): Promise<ScannedOnce> => {
      const values = Object.entries(tokens).map(([name, token]) => ({ name, value: Buffer.from(token) }))
      using needles = needlesFor(values)
      const only = vi.spyOn(needles, 'only')
      const verdicts = {
        store: builds.store.verdicts,
        key: (await builds.store.reader.keys()).verdict,
        values,
      }
      const report = await scanImage({ kind: 'image', reference: BASE, engine }, { needles, verdicts })
      expect(report.verdict).toBe('clean')
      return {
        layers: read.splice(0).length,
        states: [...new Set(report.layers.map(({ state }) => state))],
        bytes: report.bytes,
        apart: only.mock.calls.map(([names]) => [...names]),
      }
    }
    const keepsApart = builds.engine.info.storage === 'overlay2'
    const all = (await builds.engine.inspect(BASE))?.layers.length
    const cold = await scanned({ A: a })
    expect(cold).toMatchObject({ layers: all, states: ['clean'] })
    const warm = await scanned({ A: a })
    // Documents are read each time.
    if (keepsApart) expect(warm).toMatchObject({ layers: 0, states: ['proven'] })
    if (keepsApart) expect(warm.bytes).toBeLessThan(Math.min(100_000, cold.bytes / 10))
    const more = await scanned({ A: a, B: b })
    expect(more).toMatchObject({ layers: all, states: ['clean'] })
    if (keepsApart) expect(more.apart).toEqual([['B']])
    if (keepsApart) expect(await scanned({ B: b, A: a })).toMatchObject({ layers: 0, states: ['proven'] })

    // A build on it finds the same verdicts.
    await builds.set({ SCANNED: a }, 'scanned')
    const outcome = await builds.build({
      dockerfile: { text: `FROM ${BASE}\nRUN --mount=type=secret,id=SCANNED ${mark()}; date > /told` },
      environment: 'scanned',
      tags: [builds.image()],
    })
    const base = resultOf(outcome).report.layers.filter(({ origin }) => origin === 'base')
    expect([...new Set(base.map(({ state }) => state))]).toEqual([keepsApart ? 'proven' : 'clean'])
  })
})

/** What one scan read. */
interface ScannedOnce {
  /** How many layers the engine gave. */
  readonly layers: number
  readonly states: readonly string[]
  readonly bytes: number
  /** Sets of names that something was searched for alone. */
  readonly apart: readonly (readonly string[])[]
}

describe('L6: an image of someone else', () => {
  it('L6: is searched on the engine and as what docker save wrote', async () => {
    const token = randomToken()
    const docker = openDocker()
    const name = builds.image('scanned')
    const container = await docker.createContainer({
      Image: BASE,
      Cmd: ['sh', '-c', `echo ${token} > /kept; ln -s / /${token}`],
      HostConfig: { NetworkMode: 'none' },
    })
    await container.start()
    await container.wait()
    await container.commit({ repo: name.split(':')[0], tag: name.split(':')[1], Cmd: ['true'] })
    await container.remove()
    using needles = needlesFor([{ name: 'SCANNED', value: SecretValue.fromText(token) }])
    const found = [expect.objectContaining({ secret: 'SCANNED', path: 'kept', layer: 2 })] as const
    const engine = async (): Promise<Engine> => builds.engine
    const image = await scanImage({ kind: 'image', reference: name, engine }, { needles })
    expect(image).toMatchObject({ verdict: 'leak' })
    expect(image.findings).toEqual(expect.arrayContaining([...found]))
    // Names of files are text of the image, and are masked like its output.
    expect(JSON.stringify(image)).not.toContain(token)

    const bytes = (await docker.getImage(name).get()) as AsyncIterable<Uint8Array>
    const stream = await scanImage({ kind: 'stream', name: 'saved', bytes }, { needles })
    expect(stream.findings).toEqual(image.findings)
    await expect(
      scanImage({ kind: 'image', reference: `${name}-gone`, engine }, { needles }),
    ).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  })
})

describe('L1: what pip writes down', () => {
  it('L1: .git/config of an editable install, and direct_url.json', async () => {
    await using fixtures = await startFixtures()
    const token = randomToken()
    fixtures.protect('/git/acme', { username: token, password: '' })
    await fixtures.repository('acme/core', plainProject({ name: 'core' }))
    await builds.set({ GIT_TOKEN: token })
    const run = (line: string): string =>
      `FROM traceless-base:bookworm\nRUN --mount=type=secret,id=GIT_TOKEN PIP_BREAK_SYSTEM_PACKAGES=1 pip install ${line}`
    const editable = await refused(
      token,
      {
        dockerfile: {
          text: run(
            `-e "git+http://$(cat /run/secrets/GIT_TOKEN)@${fixtures.host}/git/acme/core.git#egg=core"`,
          ),
        },
      },
      fixtures.host,
      ['command lines: raw'],
    )
    expect(editable.report?.findings).toContainEqual(
      expect.objectContaining({ secret: 'GIT_TOKEN', path: 'src/core/.git/config' }),
    )
    fixtures.publish('private', wheel({ name: 'in-query' }))
    const query = randomToken()
    await builds.set({ GIT_TOKEN: query })
    const direct = await refused(
      query,
      {
        dockerfile: {
          text: run(
            `"in-query @ ${fixtures.origin}/index/private/files/in_query-1.0-py3-none-any.whl?token=$(cat /run/secrets/GIT_TOKEN)"`,
          ),
        },
      },
      fixtures.host,
      ['command lines: raw'],
    )
    expect(direct.report?.findings.map(({ path }) => path)).toContainEqual(
      expect.stringMatching(/in_query-1\.0\.dist-info\/direct_url\.json$/),
    )
  })
})
