import { describe, expect, it } from 'vitest'
import type { BuildInput, CacheRecord, Engine, StepEvent } from '../../src/docker/engine.js'
import { notingEngine, recordsMade, type RanStep } from '../../src/docker/made-records.js'
import { Fault } from '../../src/errors.js'

const record = (id: string, createdAt: number | undefined, description: string): CacheRecord => ({
  id,
  parents: [],
  description,
  sizeBytes: 1,
  isInUse: false,
  isShared: false,
  createdAt,
  lastUsedAt: undefined,
})

const step = (name: string, startedAt: number, endedAt: number): RanStep => ({ name, startedAt, endedAt })

const DOCKERFILE = [
  'FROM base',
  'ARG WORD',
  'RUN --mount=type=secret,id=s-1 echo $WORD \\',
  '    && cat /run/secrets/A   > /a',
  'RUN ["/bin/one", "two words"]',
  'COPY . /here',
  'ADD https://example.com/file /there',
  'RUN <<EOF',
  'first',
  'second',
  'EOF',
].join('\n')

/** As BuildKit names them: with arguments filled in. */
const RAN = [
  step('[internal] load remote build context', 10, 20),
  step('[2/6] RUN --mount=type=secret,id=s-1 echo hello     && cat /run/secrets/A   > /a', 30, 40),
  step('[stage-0 3/6] RUN ["/bin/one", "two words"]', 41, 45),
  step('[4/6] COPY . /here', 50, 60),
  step('[5/6] ADD https://example.com/file /there', 70, 80),
  step('[6/6] RUN <<EOF (first...)', 90, 95),
]

const made = (...records: readonly CacheRecord[]): readonly string[] =>
  recordsMade(records, { dockerfile: DOCKERFILE, ran: RAN })

describe('V6: which records are ours', () => {
  it.for<[what: string, at: number, description: string]>([
    [
      'a command over two lines, whose variables the shell fills in',
      40,
      'mount / from exec /bin/sh -c echo $WORD     && cat /run/secrets/A   > /a',
    ],
    ['a command as a list', 41, 'mount / from exec /bin/one two words'],
    ['a here-document', 95, 'mount / from exec /bin/sh -c first\nsecond\n'],
    ['a cache mount', 30, 'cached mount /root/.cache from exec /bin/one two words'],
    ['a context', 15, 'http url http://buildkit-session/traceless-0d49a7d8'],
    ['files', 55, 'fileop target'],
    ['a download', 75, 'http url https://example.com/file'],
  ])('%s, made while its step ran', ([, at, description]) => {
    expect(made(record('it', at, description))).toEqual(['it'])
  })

  it.for<[what: string, at: number | undefined, description: string]>([
    ['the same command at another time', 29, 'mount / from exec /bin/one two words'],
    ['the same command without a time', undefined, 'mount / from exec /bin/one two words'],
    ['another command at the same time', 35, 'mount / from exec /bin/sh -c make'],
    ['a context of another client', 15, 'http url http://buildkit-session/0d49a7d8'],
    ['files while only a command ran', 35, 'fileop target'],
    ['another download', 75, 'http url https://example.com/other'],
    ['a base image', 15, 'pulled from docker.io/library/base'],
    ['files of a client', 15, 'local source for context'],
  ])('and not: %s', ([, at, description]) => {
    expect(made(record('it', at, description))).toEqual([])
  })
})

describe('V6: an engine that notes', () => {
  const ran: StepEvent = {
    type: 'step',
    id: 'v',
    name: '[2/2] RUN make',
    state: 'done',
    error: undefined,
    startedAt: 1,
    endedAt: 3,
  }
  const input = { dockerfile: Buffer.from('FROM a\nRUN make') } as unknown as BuildInput
  const engineThat = (...steps: readonly (StepEvent | Error)[]): Engine =>
    ({
      async *build() {
        for (const one of steps) {
          if (one instanceof Error) throw one
          yield await Promise.resolve(one)
        }
      },
      records: async () => Promise.resolve([record('r', 2, 'mount / from exec /bin/sh -c make')]),
    }) as unknown as Engine
  const notes = async (engine: Engine): Promise<{ noted: readonly string[]; failed: unknown }> => {
    const noted: string[] = []
    const noting = notingEngine(engine, async (ids) => {
      noted.push(...ids)
      return Promise.resolve()
    })
    let failed: unknown
    try {
      for await (const _ of noting.build(input, new AbortController().signal));
    } catch (error) {
      failed = error
    }
    return { noted, failed }
  }

  it('tells what a build made, also one that failed later', async () => {
    expect(await notes(engineThat(ran))).toEqual({ noted: ['r'], failed: undefined })
    const fault = new Fault('BUILD_FAILED', 'x')
    expect(await notes(engineThat(ran, fault))).toEqual({ noted: ['r'], failed: fault })
  })

  it('claims nothing for a step that was reused', async () => {
    expect((await notes(engineThat({ ...ran, state: 'cached' }))).noted).toEqual([])
  })

  it('lets a build be what it was when the engine does not list its records', async () => {
    const silent = { ...engineThat(ran), records: () => Promise.reject(new Fault('ENGINE_UNREACHABLE', 'x')) }
    expect(await notes(silent)).toEqual({ noted: [], failed: undefined })
  })
})
