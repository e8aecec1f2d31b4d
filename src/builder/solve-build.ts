/**
 * Has the engine build, and build anew where a step that was to be kept has to
 * run: it failed for want of its earlier version and gets the live one.
 *
 * @packageDocumentation
 */

import type { BuildEvent, BuildInput, BuiltEvent, Digest, Engine } from '../docker/engine.js'
import { Fault } from '../errors.js'
import type { NeedleSet } from '../leak/needles.js'
import type { EventRedactor, Listener } from './events.js'
import { watchedContext } from './input-search.js'
import type { AssembledBuild } from './prepared.js'
import type { SecretStep, StepChoice } from './step-choice.js'
import { StepRuns } from './step-runs.js'

/** How often a build is begun anew before it keeps nothing any more. */
const MOST_ROUNDS = 5

/** What a build shares with those that look into its base and its caches. */
export type SharedInput = Omit<
  BuildInput,
  'dockerfile' | 'context' | 'mounts' | 'agents' | 'withheld' | 'targets'
>

/** What solving needs beside the assembled build. */
export interface Solving {
  readonly engine: Engine
  readonly needles: NeedleSet
  readonly like: SharedInput
  readonly choice: StepChoice
  readonly events: EventRedactor
  readonly onEvent: Listener
  /** Gets every image that was made, also where the build fails afterwards. */
  readonly made: Digest[]
  /** Assembles the build again, after the choice was told what not to keep. */
  readonly again: () => Promise<AssembledBuild>
  readonly signal: AbortSignal
}

/** The outcome of solving. */
export interface SolvedBuild {
  readonly built: BuiltEvent
  readonly runs: StepRuns
}

/** Solves a build. The last assembly that {@link Solving.again} gave is the one that was solved. */
export async function solveBuild(first: AssembledBuild, solving: Solving): Promise<SolvedBuild> {
  let assembled = first
  for (let round = 1; ; round += 1) {
    const asked = new Set<string>()
    const runs = new StepRuns(assembled.secretSteps)
    const outcome = await solved(assembled, { ...solving, asked, runs })
    if (asked.size === 0) {
      if (outcome instanceof Error) throw outcome
      return { built: outcome, runs }
    }
    const { choice, events, onEvent } = solving
    const kept = assembled.secretSteps.filter((step) => step.kept)
    choice.decline(round < MOST_ROUNDS ? toRun(kept, asked) : kept)
    const names = new Set(
      kept.filter(({ id }) => asked.has(id)).flatMap(({ used }) => used.map(({ name }) => name)),
    )
    onEvent({
      type: 'note',
      text: `A step that was to be kept has to run again, and gets the live version of ${[...names].join(', ')}.`,
    })
    assembled = await solving.again()
    events.beginAnew(assembled.labels)
  }
}

/** Those that were asked for, and what follows one of them in its stage: it stands on what will be another step. */
function toRun(kept: readonly SecretStep[], asked: ReadonlySet<string>): readonly SecretStep[] {
  return kept.filter((step, index) =>
    kept.some(
      (other, at) =>
        asked.has(other.id) && (other.id === step.id || (other.stage === step.stage && at < index)),
    ),
  )
}

/** The end of one round. What failed while a kept step was asked for is given back, not thrown: it is no failure yet. */
async function solved(
  assembled: AssembledBuild,
  {
    engine,
    needles,
    like,
    events,
    made,
    signal,
    asked,
    runs,
  }: Solving & { readonly asked: Set<string>; readonly runs: StepRuns },
): Promise<BuiltEvent | Error> {
  const kept = new Set(assembled.secretSteps.flatMap((step) => (step.kept ? [step.id] : [])))
  const input: BuildInput = {
    ...like,
    dockerfile: Buffer.from(assembled.dockerfile),
    context: watchedContext(assembled.context, needles),
    namedContexts: assembled.namedContexts,
    mounts: assembled.mounts,
    ...(assembled.agents === undefined ? {} : { agents: assembled.agents }),
    ...(kept.size === 0 ? {} : { withheld: { ids: kept, asked: (id) => void asked.add(id) } }),
    targets: assembled.targets,
  }
  try {
    for await (const event of engine.build(input, signal)) {
      runs.take(event)
      if (asked.size === 0 || !isFailure(event)) events.take(event)
      if (event.type === 'image') made.push(event.image)
      if (event.type === 'built') return event
    }
  } catch (error) {
    const isOurs = asked.size > 0 && error instanceof Fault && error.code === 'BUILD_FAILED'
    if (isOurs && !signal.aborted) return error
    throw error
  }
  throw new Fault('BUILD_FAILED', 'The engine ended the build without an image.')
}

const isFailure = (event: BuildEvent): boolean =>
  event.type === 'step' && (event.state === 'failed' || event.state === 'canceled')
