/**
 * What both kinds of build come to before values are read, and after.
 *
 * @packageDocumentation
 */

import type { BaseFacts } from './probe.js'
import type { ImageFacts } from '../docker/engine.js'
import type { SshAgent } from '../docker/ssh-agent.js'
import type { Problem } from '../errors.js'
import type { SecretName, SecretValue } from '../secret.js'
import type { HeldSecret } from '../store/store.js'
import type { ReadableCache } from './cache-mounts.js'
import type { MountLabels } from './mount-labels.js'
import type { SecretStep, StepMount } from './step-choice.js'

/** A build whose request was checked against itself. It knows names, no values but those given at hand. */
export interface PreparedBuild {
  /** Stored secrets that this build mounts. */
  readonly storedNames: ReadonlySet<SecretName>
  /** Values given at hand, by the name under which they are searched for. */
  readonly given: ReadonlyMap<string, SecretValue>
  /** Everything wrong with the request, unknown secrets included. */
  readonly problems: readonly Problem[]
  /** Images outside of this build on which it stands. */
  readonly images: readonly BaseImage[]
  /** Whether triggers of a base image (`ONBUILD`) are refused, or only those that mount secrets. */
  readonly refusesTriggers: boolean
  /** What not every engine can do, with the line that asks for it. */
  readonly needs: readonly EngineNeed[]
  /** Makes the engine's input. May ask the engine about the base image. */
  assemble(workshop: Workshop): Promise<AssembledBuild>
}

/** An image of somebody else. */
export interface BaseImage {
  readonly reference: string
  /** Whether the Dockerfile says for which platform it is wanted, and not the request. */
  readonly hasOwnPlatform: boolean
}

/** What an engine's frontend can or cannot do. */
export type Feature = 'here-document' | 'env-mount' | 'named-context' | 'step-network' | 'cgroup-parent'

/** A feature and the place that asks for it. */
export interface EngineNeed {
  readonly feature: Feature
  /** `undefined` for an option. */
  readonly file: string | undefined
  readonly line: number | undefined
}

/** What is at hand when the engine's input is made. */
export interface Workshop {
  /** The live stored secrets that were asked for, by name. */
  readonly stored: ReadonlyMap<SecretName, HeldSecret>
  /** Gives mounts their ids, in the order in which they are given. */
  choose(mounts: readonly StepMount[]): Promise<readonly SecretStep[]>
  /** An image of {@link PreparedBuild.images}, as the engine has it. */
  image(reference: string): ImageFacts
  supports(feature: Feature): boolean
  /** What a base can do once some Debian packages are in it. */
  probe(base: string, apt: readonly string[]): Promise<BaseFacts>
}

/** What the engine is given. */
export interface AssembledBuild {
  readonly dockerfile: string
  readonly context: () => AsyncIterable<Uint8Array>
  /** Images under other names, `docker-image://REFERENCE` by name. */
  readonly namedContexts: ReadonlyMap<string, string>
  /** Values by opaque id, but for steps that are to be kept. Wiped by whoever asked for the assembly. */
  readonly mounts: ReadonlyMap<string, SecretValue>
  /** The mounts of all steps, those without a value too. */
  readonly secretSteps: readonly SecretStep[]
  /** SSH agents by opaque id. Their keys are wiped with the mounts. */
  readonly agents?: ReadonlyMap<string, SshAgent>
  /** Stages to solve, the one asked for first. Names as the rewritten Dockerfile has them. */
  readonly targets: readonly string[]
  readonly labels: MountLabels
  /** Commands of the steps that mount secrets. */
  readonly secretCommands: readonly string[]
  /** Cache mounts to read beside the image. */
  readonly caches: readonly ReadableCache[]
  /** Reasons known by now why nothing can be proven. */
  readonly doubts: readonly string[]
  /** The stage, one of {@link targets}, that says which commits were installed. */
  readonly commitsStage?: string | undefined
  /** How credentials reach pip, for a build from a requirement list. */
  readonly delivery: DeliveryNote | undefined
}

/** Which way of delivery was taken, and why. */
export interface DeliveryNote {
  readonly mode: 'lifted' | 'filled'
  readonly reasons: readonly string[]
  /** For an isolated install: the network of the steps in which packages' own code runs. */
  readonly isolated?: { readonly network: 'none' | 'on' }
}
