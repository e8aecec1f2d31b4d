/**
 * The images a build stands on, looked at before it starts.
 *
 * @packageDocumentation
 */

import type { Engine, FindCredentials, ImageFacts } from '../docker/engine.js'
import { Fault, faultOf, type Problem } from '../errors.js'
import type { PreparedBuild } from './prepared.js'
import type { CheckedOptions } from './request.js'

/**
 * Brings every image onto the engine before the build starts. The engine must not look one up by itself: it would ask a
 * public registry for a name that is only missing here.
 *
 * @throws {@link Fault} `BASE_UNSUITABLE` for an image that cannot be had, or whose triggers would run in the build.
 */
export async function requireImages(
  engine: Engine,
  prepared: PreparedBuild,
  {
    options,
    credentials,
    signal,
  }: {
    readonly options: CheckedOptions
    readonly credentials: FindCredentials
    readonly signal: AbortSignal
  },
): Promise<ReadonlyMap<string, ImageFacts>> {
  const images = new Map<string, ImageFacts>()
  const problems: Problem[] = []
  const { platform } = options
  for (const reference of prepared.images) {
    let facts = options.pull ? null : await engine.inspect(reference, signal)
    if (facts === null) {
      await engine.pull(reference, { platform, credentials, signal })
      facts = await engine.inspect(reference, signal)
    }
    if (facts === null) throw new Fault('BASE_UNSUITABLE', `The engine does not hold the image ${reference}.`)
    images.set(reference, facts)
    const secretTrigger = facts.onBuild.some((trigger) =>
      /--mount=\S*type=["']?(?:secret|ssh)/i.test(trigger),
    )
    if (facts.onBuild.length > 0 && (prepared.refusesTriggers || secretTrigger)) {
      problems.push({
        code: 'BASE_UNSUITABLE',
        message: `The image ${reference} has ONBUILD triggers, which would run before the step that gets the secrets.`,
        hint: 'Use a base image without them.',
      })
    }
  }
  if (problems.length > 0) throw faultOf(problems)
  return images
}
