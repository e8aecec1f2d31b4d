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
  for (const { reference, hasOwnPlatform } of prepared.images) {
    const wanted = hasOwnPlatform ? undefined : platform
    const held = options.pull ? null : await engine.inspect(reference, signal)
    let facts = held
    if (held === null || !isFor(held, wanted)) {
      try {
        await engine.pull(reference, { platform, credentials, signal })
      } catch (error) {
        const isRefused = error instanceof Fault && error.code === 'BASE_UNSUITABLE'
        throw held !== null && isRefused ? wrongPlatform(reference, held, wanted, error) : error
      }
      facts = await engine.inspect(reference, signal)
    }
    if (facts === null) throw new Fault('BASE_UNSUITABLE', `The engine does not hold the image ${reference}.`)
    if (!isFor(facts, wanted)) throw wrongPlatform(reference, facts, wanted)
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

/** Names of architectures that mean another's: https://github.com/containerd/platforms, normalizeArch. */
const ARCHITECTURES: ReadonlyMap<string, string> = new Map([
  ['x86_64', 'amd64'],
  ['x86-64', 'amd64'],
  ['aarch64', 'arm64'],
  ['i386', '386'],
])

/** Whether an image is for a platform, `os/architecture/variant` or a part of that. Variants run on one another, so they are not compared. */
function isFor({ os, architecture }: ImageFacts, platform: string | undefined): boolean {
  if (platform === undefined) return true
  const [first = '', second] = platform.toLowerCase().split('/')
  const named = ARCHITECTURES.get(second ?? first) ?? second ?? first
  return second === undefined ? [os, architecture].includes(named) : os === first && architecture === named
}

const wrongPlatform = (
  reference: string,
  { os, architecture }: ImageFacts,
  platform = '',
  cause?: unknown,
): Fault =>
  new Fault(
    'BASE_UNSUITABLE',
    `The engine's image ${reference} is for ${os}/${architecture}, and no registry gives it for ${platform}.`,
    { hint: 'Build without --platform, or bring the image for that platform onto the engine.', cause },
  )
