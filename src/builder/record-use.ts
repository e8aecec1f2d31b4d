/**
 * What is written down of a build before its image gets a name: an image that
 * nobody can trace back to its secrets must not be there.
 *
 * @packageDocumentation
 */

import { randomUUID } from 'node:crypto'
import type { Digest } from '../docker/engine.js'
import type { HeldSecret, Keeping, UsageRecord, UsageRecorder } from '../store/store.js'
import type { PreparedBuild } from './prepared.js'
import type { CheckedOptions } from './request.js'
import type { SecretStep } from './step-choice.js'

/** A build that was proven. */
export interface ProvenBuild {
  readonly parts: { readonly usage: UsageRecorder; readonly keeping?: Keeping }
  readonly prepared: PreparedBuild
  readonly options: CheckedOptions
  /** The live versions. */
  readonly held: readonly HeldSecret[]
  readonly steps: readonly SecretStep[]
}

/** Records which versions went into the image, and how its steps were made. Gives the id of the build. */
export async function recordUse(image: Digest, build: ProvenBuild): Promise<string> {
  const { parts, options, steps } = build
  const id = randomUUID()
  await parts.usage.record({
    kind: 'build',
    id,
    environment: options.environment,
    image,
    tags: options.tags,
    used: usedVersions(build),
  })
  await parts.keeping?.steps.record(steps.filter(({ isNews }) => isNews).map(({ made }) => made))
  return id
}

/** The versions that steps were made with, and the live one of a secret that no step mounts. */
function usedVersions({ prepared, held, steps }: ProvenBuild): UsageRecord['used'] {
  const used = steps.flatMap((step) => step.used)
  return held
    .filter(({ name }) => prepared.storedNames.has(name))
    .flatMap(({ name, group, version: live }) => {
      const versions = used.flatMap((one) => (one.name === name ? [one.version ?? live] : []))
      return [...new Set(versions.length === 0 ? [live] : versions)].map((version) => ({
        name,
        group,
        version,
      }))
    })
}
