/**
 * One build from request to verdict, as a straight line. Secret values exist
 * between "read" and the `finally` of one function; the image gets its name
 * last.
 *
 * @packageDocumentation
 */

import type { Digest, Engine, EngineWatch, FindCredentials, ImageFacts } from '../docker/engine.js'
import { passes } from '../docker/gates.js'
import { endedBy, guardedEngine } from '../docker/guard.js'
import { Fault, faultOf } from '../errors.js'
import { needlesFor, SEARCHED_BYTES, type NeedleSet } from '../leak/needles.js'
import type { VerdictStore } from '../leak/verdicts.js'
import type { SecretValue } from '../secret.js'
import type { HeldSecret, Keeping, ReadScope, SecretReader, UsageRecorder } from '../store/store.js'
import { requireImages } from './base-images.js'
import { readCaches } from './cache-mounts.js'
import { EventRedactor, type Listener } from './events.js'
import { buildFailure } from './failure.js'
import { gateProblems, optionNeeds } from './gates.js'
import { inputTexts, optionTexts, requireNoSecretIn } from './input-search.js'
import { mountIds } from './mount-ids.js'
import { prepare } from './prepare.js'
import type { AssembledBuild, DeliveryNote, PreparedBuild, Workshop } from './prepared.js'
import { probeBase, type BaseFacts, type ProbeMemory } from './probe.js'
import { shortNames } from './prove.js'
import { proveBuild } from './prove-build.js'
import { giveArchive, nameImage, pushImage, requireDestination, type Pushed } from './publish.js'
import { recordUse } from './record-use.js'
import { forget, isRefusal, leaveNothing, refusal, usedMounts, type RetiredMounts } from './refusal.js'
import type { Report } from './report.js'
import { checkOptions, type BuildRequest, type CheckedOptions } from './request.js'
import { keepingProblems, takeTurn } from './rotation.js'
import { solveBuild, type SharedInput } from './solve-build.js'
import { StepChoice } from './step-choice.js'
import { stopAt } from './stop.js'

/** What a builder works with. */
export interface BuilderParts {
  readonly secrets: SecretReader
  /** Opens the engine; called once the request is known to be sound. */
  readonly engine: () => Promise<Engine>
  readonly retired: RetiredMounts
  readonly usage: UsageRecorder
  /** Without it a build can neither keep steps nor refresh them. */
  readonly keeping?: Keeping
  /** Keeps which layers were proven, so that a base image is read once. */
  readonly verdicts: VerdictStore
  readonly credentials: FindCredentials
  /** What base images answered. Default: this builder's own. */
  readonly memory?: ProbeMemory
}

/** How a build is watched and stopped. */
export interface BuildControls {
  /** Default: nobody listens. */
  readonly onEvent?: Listener
  readonly signal?: AbortSignal
  /**
   * Awaited when the image is proven, each time before something of it leaves: its archive, its names, what is pushed. What it
   * throws ends the build there.
   */
  readonly beforeNaming?: () => Promise<void>
}

/** A build that ended well. */
export interface BuildResult {
  /** Random id of the build, as usage is recorded under it. */
  readonly id: string
  readonly image: Digest
  readonly tags: readonly string[]
  /** What registries have now. */
  readonly pushed: readonly Pushed[]
  readonly report: Report
  readonly delivery: DeliveryNote | undefined
}

/** Builds images. */
export interface Builder {
  /**
   * Builds an image, proves that it holds no secret, and only then names it.
   *
   * @returns `null` for a request that was only to be checked.
   * @throws {@link Fault} `REQUEST_INVALID`, `REQUIREMENTS_INVALID`, `DOCKERFILE_INVALID`, `SECRET_UNKNOWN` before anything
   * starts; `SECRET_IN_INPUT`; `BASE_UNSUITABLE`; `BUILD_FAILED`; `LEAK_FOUND` and `NOT_PROVEN` after a `report` event;
   * `PUSH_FAILED`, and the image keeps its name on the engine; `ENGINE_UNREACHABLE`, `ENGINE_UNSUPPORTED`; `TIMED_OUT`; `CANCELLED`; what the store throws.
   */
  build(request: BuildRequest, controls?: BuildControls): Promise<BuildResult | null>
}

/** Makes a builder. It keeps nothing between builds but what base images answered. */
export function createBuilder(parts: BuilderParts): Builder {
  const memory: ProbeMemory = parts.memory ?? new Map<string, BaseFacts>()
  return {
    async build(
      request,
      { onEvent = () => undefined, signal, beforeNaming = async () => Promise.resolve() } = {},
    ) {
      const { options, problems } = checkOptions(request)
      const scope = { environment: options.environment, groups: options.groups, purpose: 'build' } as const
      onEvent({ type: 'phase', phase: 'check' })
      const known = await parts.secrets.names(scope)
      const prepared = await prepare(request, options, known)
      try {
        const all = [...problems, ...prepared.problems, ...keepingProblems(prepared, options, parts.keeping)]
        if (all.length > 0) throw faultOf(all)
        if (options.checkOnly) return null
        using stop = stopAt(options.timeoutMs, signal)
        const engine = await endedBy(stop.signal, parts.engine())
        using watch = await engine.watch(stop.signal)
        return await buildPrepared({
          engine: guardedEngine(engine, watch.signal),
          bare: engine,
          watch,
          stop: stop.signal,
          parts,
          prepared,
          options,
          scope,
          onEvent,
          beforeNaming,
          memory,
          signal: watch.signal,
        })
      } finally {
        for (const value of prepared.given.values()) value[Symbol.dispose]()
      }
    },
  }
}

interface Job {
  /** Whose answers end with the signal. */
  readonly engine: Engine
  /** The same for what is done after the signal was aborted. */
  readonly bare: Engine
  readonly watch: EngineWatch
  /** Aborted by the caller or the time limit, and not by the engine's end. */
  readonly stop: AbortSignal
  readonly parts: BuilderParts
  readonly prepared: PreparedBuild
  readonly options: CheckedOptions
  readonly scope: ReadScope
  readonly onEvent: Listener
  readonly beforeNaming: () => Promise<void>
  readonly memory: ProbeMemory
  readonly signal: AbortSignal
}

async function buildPrepared(job: Job): Promise<BuildResult> {
  const { engine, parts, prepared, options, scope, onEvent, signal } = job
  const gated = gateProblems([...prepared.needs, ...optionNeeds(options)], engine.info)
  if (gated.length > 0) throw faultOf(gated)
  requireDestination(engine, options)
  const images = await requireImages(engine, prepared, { options, credentials: parts.credentials, signal })
  await using _turn = await takeTurn(prepared, options, { keeping: parts.keeping, onEvent, signal })
  const wanted = options.guard === 'environment' ? 'all' : prepared.storedNames
  const owned: Disposable[] = []
  try {
    const held = await parts.secrets.read(scope, wanted)
    owned.push(...held.map(({ value }) => value))
    const earlier =
      options.onRotate === 'keep' ? await parts.keeping?.earlier(scope, prepared.storedNames) : undefined
    owned.push(...(earlier ?? []).map(({ value }) => value))
    // A version that is too short to be searched for is as good as not held.
    const searched = [...held, ...(earlier ?? []).filter(({ value }) => value.size >= SEARCHED_BYTES)]
    const keys = await parts.secrets.keys()
    const values = guardedValues(searched, prepared.given)
    const needles = needlesFor(values)
    owned.push(needles)
    requireLongEnough(needles, prepared, options)
    requireNoSecretIn(needles, optionTexts(options))
    const tenant = { storeId: parts.secrets.storeId, environment: options.environment }
    const ids = mountIds(keys.mount, tenant, await parts.retired.all())
    const like = sharedInput(options, ids.cacheNamespace, parts.credentials)
    const choice = new StepChoice(ids, parts.keeping?.steps ?? NO_MEMORY, options)
    const workshop: Workshop = {
      stored: new Map(held.map((secret) => [secret.name, secret])),
      choose: (mounts) => choice.choose(mounts),
      image: (reference) => images.get(reference) ?? missingImage(),
      supports: (feature) => passes(feature, engine.info),
      probe: (base, apt) => {
        onEvent({ type: 'phase', phase: 'probe' })
        const { id } = images.get(base) ?? missingImage()
        return probeBase(engine, job.memory, { image: id, base, apt, like, signal })
      },
    }
    return await run({
      ...job,
      images,
      held,
      searched,
      values,
      needles,
      like,
      choice,
      assemble: async () => {
        const assembled = await prepared.assemble(workshop)
        owned.push(...assembled.mounts.values(), ...keysOf(assembled))
        requireNoSecretIn(needles, inputTexts(assembled))
        return assembled
      },
      verdictKey: keys.verdict,
    })
  } finally {
    for (const value of owned) value[Symbol.dispose]()
  }
}

/** Stands in where nothing is remembered. */
const NO_MEMORY = { recall: () => Promise.resolve(new Map<string, never>()) }

const keysOf = ({ agents = new Map() }: AssembledBuild): readonly SecretValue[] =>
  [...agents.values()].flatMap((agent) => (agent.kind === 'key' ? [agent.key] : []))

const missingImage = (): never => {
  throw new TypeError('an image was asked for that the plan does not name')
}

/** The values to search for, of every version that is held. Those given at hand go by the id of their mount. */
function guardedValues(
  held: readonly HeldSecret[],
  given: ReadonlyMap<string, SecretValue>,
): readonly { readonly name: string; readonly value: SecretValue }[] {
  return [
    ...held.filter(({ guarded }) => guarded).map(({ name, value }) => ({ name, value })),
    ...[...given].map(([name, value]) => ({ name, value })),
  ]
}

/** Values that this build serves and that cannot be searched for, known before it starts. */
function requireLongEnough(needles: NeedleSet, prepared: PreparedBuild, options: CheckedOptions): void {
  const served = servedNames(prepared)
  const short = shortNames(needles).filter(
    (name) => served.has(name) && !options.allowUnguarded.includes(name),
  )
  if (short.length === 0) return
  throw new Fault('NOT_PROVEN', `Too short to be searched for: ${short.join(', ')}.`, {
    hint: 'Use a longer value, or accept that the image cannot be searched for it with --allow-unguarded NAME.',
    detail: { names: short },
  })
}

const servedNames = ({ storedNames, given }: PreparedBuild): ReadonlySet<string> =>
  new Set([...storedNames, ...given.keys()])

function sharedInput(
  options: CheckedOptions,
  cacheNamespace: string,
  credentials: FindCredentials,
): SharedInput {
  const { buildArgs, labels, extraHosts, platform, network, noCache, cgroupParent } = options
  // The images were fetched before; from here on the engine uses what it holds.
  return {
    buildArgs,
    labels,
    extraHosts,
    platform,
    network,
    noCache,
    cgroupParent,
    pull: false,
    cacheNamespace,
    credentials,
  }
}

interface Running extends Job {
  readonly images: ReadonlyMap<string, ImageFacts>
  readonly held: readonly HeldSecret[]
  /** What is held and long enough to be searched for, earlier versions too. */
  readonly searched: readonly HeldSecret[]
  readonly values: readonly { readonly name: string; readonly value: SecretValue }[]
  readonly needles: NeedleSet
  readonly like: SharedInput
  readonly choice: StepChoice
  readonly assemble: () => Promise<AssembledBuild>
  readonly verdictKey: SecretValue
}

async function run(running: Running): Promise<BuildResult> {
  const { engine, options, onEvent, prepared, signal, like, parts } = running
  let assembled = await running.assemble()
  using events = new EventRedactor(running.needles, assembled.labels, onEvent)
  const made: Digest[] = []
  let named: Digest | undefined
  let allReused = false
  try {
    onEvent({ type: 'phase', phase: 'build' })
    const { built, runs } = await solveBuild(assembled, {
      ...running,
      events,
      made,
      again: async () => (assembled = await running.assemble()),
    })
    allReused = runs.allReused
    const image = built.images[0]
    if (image === undefined) throw new Fault('BUILD_FAILED', 'The engine gave no image.')
    onEvent({ type: 'phase', phase: 'prove' })
    const caches = await readCaches(engine, assembled.caches, {
      like,
      made: (image) => made.push(image),
      signal,
    })
    const report = await proveBuild({
      ...running,
      assembled,
      built,
      runs,
      caches,
      wording: (text) => events.text(text),
      searched: new Set(running.searched.map(({ version }) => version)),
      served: servedNames(prepared),
      verdicts: parts.verdicts,
    })
    if (caches.commands.length > 0)
      await engine.dropRecords({ commands: caches.commands, since: undefined }, signal)
    onEvent({ type: 'report', report })
    const refused = refusal(report, options.strict)
    if (refused !== undefined) {
      const leaky = assembled.caches.filter(({ words }) =>
        report.findings.some(({ stage }) => stage === words),
      )
      // First the one thing that keeps later builds from it, whatever becomes of the engine.
      await parts.retired.add(usedMounts(assembled))
      await forget(engine, { images: made, assembled, leaky, since: events.startedAt })
      throw refused
    }
    signal.throwIfAborted()
    const place = { engine, watch: running.watch, options, credentials: parts.credentials, onEvent, signal }
    await running.beforeNaming()
    await giveArchive(image, place)
    // Before the name: an image that nobody can trace back to its secrets must not be there.
    const id = await recordUse(image, { ...running, steps: assembled.secretSteps })
    if (engine.keepsImages && options.tags.length > 0) {
      await running.beforeNaming()
      await nameImage(image, place)
      named = image
    }
    onEvent({ type: 'built', image, tags: options.tags })
    if (options.push) await running.beforeNaming()
    const pushed = options.push ? await pushImage(image, place) : []
    return { id, image, tags: options.tags, pushed, report, delivery: assembled.delivery }
  } catch (error) {
    // What was found stays true, also where the engine went away afterwards.
    if (!isRefusal(error)) signal.throwIfAborted()
    throw buildFailure(error, events, assembled)
  } finally {
    const rest = made.filter((image) => image !== named)
    const isUnread = signal.aborted && named === undefined && !allReused
    await leaveNothing(running.bare, {
      images: rest,
      unread: isUnread ? assembled : undefined,
      stopped: running.stop.aborted,
    })
  }
}
