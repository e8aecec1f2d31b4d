/**
 * What a build asks of an engine, compared with what that engine can do.
 *
 * @packageDocumentation
 */

import type { EngineInfo } from '../docker/engine.js'
import { gateText, passes } from '../docker/gates.js'
import type { Problem } from '../errors.js'
import type { EngineNeed } from './prepared.js'
import type { CheckedOptions } from './request.js'

/** What options need, wherever a build comes from. */
export const optionNeeds = ({ cgroupParent }: Pick<CheckedOptions, 'cgroupParent'>): readonly EngineNeed[] =>
  cgroupParent === undefined ? [] : [{ feature: 'cgroup-parent', file: undefined, line: undefined }]

/** A problem for each thing that the engine is too old for. */
export function gateProblems(needs: readonly EngineNeed[], engine: EngineInfo): readonly Problem[] {
  return needs
    .filter(({ feature }) => !passes(feature, engine))
    .map(({ feature, file, line }) => ({
      code: 'ENGINE_UNSUPPORTED',
      message: gateText(feature, engine),
      file,
      line,
    }))
}
