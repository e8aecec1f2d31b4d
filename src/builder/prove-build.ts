/**
 * Reads back what one build made: the image, every other stage that ran, and
 * the caches its steps wrote to. Layers that were proven before are left out.
 *
 * @packageDocumentation
 */

import type { BuiltEvent, Digest, Engine, ImageFacts } from '../docker/engine.js'
import type { Guarded, NeedleSet } from '../leak/needles.js'
import type { VerdictStore } from '../leak/verdicts.js'
import type { SecretValue } from '../secret.js'
import type { HeldSecret } from '../store/store.js'
import type { ReadCaches } from './cache-mounts.js'
import type { Listener } from './events.js'
import { engineParts } from './known-layers.js'
import type { AssembledBuild } from './prepared.js'
import { prove } from './prove.js'
import type { Report } from './report.js'
import { readCommits } from './commits.js'
import type { CheckedOptions } from './request.js'
import type { StepRuns } from './step-runs.js'

/** A build that ended, with everything its proof needs. */
export interface EndedBuild {
  readonly engine: Engine
  readonly built: BuiltEvent
  readonly caches: ReadCaches
  /** What the steps that mount secrets did. */
  readonly runs: StepRuns
  /** Versions that are searched for. */
  readonly searched: ReadonlySet<string>
  readonly assembled: AssembledBuild
  /** Images on which the build stands. */
  readonly images: ReadonlyMap<string, ImageFacts>
  readonly held: readonly HeldSecret[]
  /** The values of {@link needles}. */
  readonly values: readonly Guarded[]
  readonly needles: NeedleSet
  /** Names whose values the build served. */
  readonly served: ReadonlySet<string>
  readonly options: CheckedOptions
  readonly verdicts: VerdictStore
  readonly verdictKey: SecretValue
  /** Makes the engine's words safe to show. */
  readonly wording: (text: string) => string
  readonly onEvent: Listener
  readonly signal: AbortSignal
}

/** Searches everything the build made, and its base where that was not done before. */
export async function proveBuild(build: EndedBuild): Promise<Report> {
  const { engine, built, caches, assembled, held, options, needles, signal } = build
  const stages = built.images.map(
    (image, index) => [image, index === 0 ? null : (assembled.targets[index] ?? null)] as const,
  )
  // The image itself last: where a stage is the very same image, it counts as the image.
  const expected = new Map<Digest, string | null>([...caches.images, ...stages.reverse()])
  const kept = { store: build.verdicts, key: build.verdictKey, values: build.values }
  const report = await prove({
    image: built.images[0] ?? '',
    ...(await engineParts(engine, [...expected.keys()], { kept, needles, signal })),
    expected,
    baseLayers: new Set([...build.images.values()].flatMap(({ layers }) => layers)),
    needles,
    wording: (text) => assembled.labels.translate(text),
    unguarded: held.filter(({ guarded }) => !guarded).map(({ name }) => name),
    mustGuard: new Set([...build.served].filter((name) => !options.allowUnguarded.includes(name))),
    allow: options.allow,
    steps: build.runs.rows(build.wording, { noCache: options.noCache }),
    doubts: [
      ...assembled.doubts,
      ...caches.doubts,
      ...build.runs.doubts(build.wording, build.searched),
      ...built.divergent.map((name) => `The step "${build.wording(name)}" ran more than once.`),
    ],
    strict: options.strict,
    signal,
    onProgress: (bytes) => build.onEvent({ type: 'proof', bytes }),
  })
  if (assembled.commitsStage === undefined) return report
  return { ...report, commits: await readCommits(engine, built, build) }
}
