/**
 * What an engine's own Dockerfile frontend can do, by version. One table with
 * its sources: the frontend is part of BuildKit, and each engine vendors one
 * (https://github.com/moby/moby/blob/master/vendor.mod at the engine's tag).
 *
 * @packageDocumentation
 */

import type { EngineInfo } from '../docker/engine.js'
import { isAtLeast } from '../docker/version.js'
import type { Problem } from '../errors.js'
import type { EngineNeed, Feature } from './prepared.js'

const GATES: Readonly<Record<Feature, { readonly since: string; readonly words: string }>> = {
  // Dockerfile 1.4 (https://docs.docker.com/build/buildkit/dockerfile-release-notes/#140), BuildKit 0.10.
  'here-document': { since: '23.0.0', words: 'Here-documents' },
  // The same: an older frontend would look the name up as an image.
  'named-context': { since: '23.0.0', words: 'Other build contexts' },
  // Dockerfile 1.3 (https://docs.docker.com/build/buildkit/dockerfile-release-notes/#130), BuildKit 0.9.
  'step-network': { since: '23.0.0', words: 'Networks of single steps' },
  // Dockerfile 1.10 (https://docs.docker.com/build/buildkit/dockerfile-release-notes/#1100), BuildKit 0.16.
  'env-mount': { since: '27.3.0', words: 'Secret mounts with "env"' },
}

/** Whether an engine has a feature. */
export const supports = (feature: Feature, { version }: EngineInfo): boolean =>
  isAtLeast(version, GATES[feature].since)

/** A problem for each thing that the engine is too old for. */
export function gateProblems(needs: readonly EngineNeed[], engine: EngineInfo): readonly Problem[] {
  return needs
    .filter(({ feature }) => !supports(feature, engine))
    .map(({ feature, file, line }) => ({
      code: 'ENGINE_UNSUPPORTED',
      message: `${GATES[feature].words} need Docker ${GATES[feature].since} or newer, and the engine is ${engine.version}.`,
      file,
      line,
    }))
}
