/**
 * A store, an engine and a builder for tests of whole builds, and an account of
 * everything a build said: the places in which no token may ever stand.
 *
 * @packageDocumentation
 */

import { inspect } from 'node:util'
import { createBuilder, type BuildControls, type Builder, type BuildResult } from '../../src/builder/build.js'
import type { BuilderEvent } from '../../src/builder/events.js'
import type { Report } from '../../src/builder/report.js'
import type { BuildRequest } from '../../src/builder/request.js'
import { openEngine } from '../../src/docker/docker-engine.js'
import type { Engine, FindCredentials } from '../../src/docker/engine.js'
import { Fault, type FaultCode } from '../../src/errors.js'
import { secretName, SecretValue } from '../../src/secret.js'
import { openStore, type Store } from '../../src/store/open.js'
import { engineHost, openDocker, type BaseImage } from './engine.js'
import { temporaryFolder } from './folder.js'
import { commandLines } from './processes.js'
import { searchEverywhere, type Places } from './search.js'
import { randomToken } from './tokens.js'

/** How often the command lines of all processes are looked at, in milliseconds. */
const WATCH_MS = 20

/** How a build ended, and everything it said on the way. */
export interface Outcome {
  readonly result: BuildResult | null
  readonly fault: Fault | undefined
  readonly events: readonly BuilderEvent[]
  readonly report: Report | undefined
  /** The output of all steps. */
  readonly log: string
  /** Names of the steps that were told to be so. */
  steps(state: 'started' | 'done' | 'cached' | 'failed' | 'canceled'): readonly string[]
  /** Everything a person or a program can see of it, by name: for {@link searchEverywhere}. */
  readonly texts: Readonly<Record<string, string>>
}

/** What a builder does not do, so that the other half of a double safeguard can be seen to work. */
export interface Defects {
  /** What it refuses stays in the engine's cache. */
  readonly dropsNoRecords?: boolean
  /** Ids of mounts that leaked stay in use. */
  readonly retiresNothing?: boolean
}

/** What tests of builds work with. */
export interface Builds extends AsyncDisposable {
  readonly store: Store
  readonly engine: Engine
  readonly builder: Builder
  /** Another builder on the same store and engine, with defects. */
  builderWith(defects: Defects): Builder
  /** A random token for which the {@link BuildsOptions.bases} were read already, while there is one. */
  token(): string
  /** Sets stored secrets. */
  set(values: Readonly<Record<string, string>>, environment?: string): Promise<void>
  /** Builds, and never throws but for what is no fault. */
  build(request: BuildRequest, controls?: BuildControls): Promise<Outcome>
  /** The same with another builder. */
  buildWith(builder: Builder, request: BuildRequest, controls?: BuildControls): Promise<Outcome>
  /** A name for an image, which is removed at the end. */
  image(kind?: string): string
  /** Where any of the tokens stands: in what builds said, in processes, in temporary folders, on the engine. */
  traces(tokens: readonly string[], more?: Pick<Places, 'images' | 'above'>): Promise<readonly string[]>
}

/** What builds are started with. */
export interface BuildsOptions {
  readonly credentials?: FindCredentials
  /** Images on which many builds of a file stand. They are read once for all its tokens, and not once for each. */
  readonly bases?: readonly BaseImage[]
}

/** More than any file has tests on a large base. */
const PROVEN_TOKENS = 24

/** Opens a store of its own, and an engine. */
export async function startBuilds({
  credentials = async () => null,
  bases = [],
}: BuildsOptions = {}): Promise<Builds> {
  const temporary = await temporaryFolder()
  const before = process.env['TMPDIR']
  // What the program spools must be found, and nobody else's files with it.
  process.env['TMPDIR'] = temporary.path
  const store = await openStore({
    home: temporary.file('home'),
    env: {},
    actor: 'tester',
    changesPerHour: 1000,
  })
  const engine = await openEngine(engineHost())
  const builderWith = ({ dropsNoRecords = false, retiresNothing = false }: Defects): Builder =>
    createBuilder({
      secrets: store.reader,
      usage: store.usage,
      verdicts: store.verdicts,
      keeping: store.keeping,
      engine: async () =>
        dropsNoRecords ? { ...engine, dropRecords: async () => ({ dropped: 0, left: 0 }) } : engine,
      retired: retiresNothing ? { ...store.retired, add: async () => undefined } : store.retired,
      credentials,
    })
  const builder = builderWith({})
  const images: string[] = []
  const outcomes: Outcome[] = []
  const watched = watchCommandLines()
  const buildWith: Builds['buildWith'] = async (chosen, request, controls = {}) => {
    const outcome = await outcomeOf(chosen, request, controls)
    outcomes.push(outcome)
    return outcome
  }
  const set: Builds['set'] = async (values, environment = 'main') => {
    const changes = Object.entries(values).map(([name, value]) => ({
      name: secretName(name),
      value: SecretValue.fromText(value),
    }))
    await store.admin.set({ environment }, changes)
  }
  const image = (kind = 'build'): string => {
    const name = `traceless-test/${kind}:${String(process.pid)}-${String(Date.now())}-${String(images.length)}`
    images.push(name)
    return name
  }
  const proven = bases.length === 0 ? [] : Array.from({ length: PROVEN_TOKENS }, () => randomToken())
  if (proven.length > 0) {
    const environment = 'proven'
    await set(
      Object.fromEntries(proven.map((token, index) => [`TOKEN_${String(index)}`, token])),
      environment,
    )
    for (const base of bases) {
      const text = `FROM ${base}\nRUN --mount=type=secret,id=TOKEN_0 true`
      resultOf(await outcomeOf(builder, { dockerfile: { text }, environment, tags: [image()] }, {}))
    }
  }
  return {
    store,
    engine,
    builder,
    builderWith,
    token: () => proven.pop() ?? randomToken(),
    set,
    build: (request, controls) => buildWith(builder, request, controls),
    buildWith,
    image,
    async traces(tokens, places = {}) {
      const texts: Record<string, string> = { 'command lines': watched.seen() }
      outcomes.forEach((outcome, index) => {
        for (const [name, text] of Object.entries(outcome.texts))
          texts[`${name} of build ${String(index)}`] = text
      })
      texts['records of the engine'] = (await engine.records())
        .map(({ description }) => description)
        .join('\n')
      return searchEverywhere(tokens, { ...places, texts, folders: [temporary.path] })
    },
    async [Symbol.asyncDispose]() {
      watched.stop()
      const docker = openDocker()
      for (const name of images) {
        if ((await engine.inspect(name)) !== null) await docker.getImage(name).remove({ force: true })
      }
      engine.close()
      await store.close()
      if (before === undefined) delete process.env['TMPDIR']
      else process.env['TMPDIR'] = before
      await temporary[Symbol.asyncDispose]()
    },
  }
}

/** The fault of a build, which must have that code. */
export function faultOf(outcome: Outcome, code: FaultCode): Fault {
  if (outcome.fault?.code !== code) {
    const found = outcome.fault === undefined ? 'no fault' : inspect(outcome.fault)
    throw new Error(`expected ${code}, got ${found}\n${outcome.log.slice(-4000)}`)
  }
  return outcome.fault
}

/** The result of a build, which must have ended well. */
export function resultOf(outcome: Outcome): BuildResult {
  if (outcome.result === null) {
    throw new Error(`the build failed: ${inspect(outcome.fault)}\n${outcome.log.slice(-4000)}`)
  }
  return outcome.result
}

async function outcomeOf(builder: Builder, request: BuildRequest, controls: BuildControls): Promise<Outcome> {
  const events: BuilderEvent[] = []
  const onEvent = (event: BuilderEvent): void => {
    events.push(event)
    controls.onEvent?.(event)
  }
  let result: BuildResult | null = null
  let fault: Fault | undefined
  try {
    result = await builder.build(request, { ...controls, onEvent })
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    fault = error
  }
  const log = events
    .map((event) => (event.type === 'log' ? Buffer.from(event.bytes).toString('utf8') : ''))
    .join('')
  const report = events.flatMap((event) => (event.type === 'report' ? [event.report] : [])).at(-1)
  return {
    result,
    fault,
    events,
    report,
    log,
    steps: (state) =>
      events.flatMap((event) => (event.type === 'step' && event.state === state ? [event.name] : [])),
    texts: {
      log,
      events: JSON.stringify(events.filter(({ type }) => type !== 'log')),
      result: JSON.stringify(result),
      fault: JSON.stringify(fault ?? null),
      'fault as shown': `${inspect(fault, { depth: null, showHidden: true })}\n${String(fault?.stack)}`,
    },
  }
}

/** Command lines of all processes of the machine, those of the engine's steps too. */
function watchCommandLines(): { seen(): string; stop(): void } {
  const seen = new Set<string>()
  const look = (): void => {
    for (const line of commandLines().values()) seen.add(line)
  }
  const watching = setInterval(look, WATCH_MS)
  return { seen: () => [...seen].join('\n'), stop: () => clearInterval(watching) }
}
