import { describe, expect, it } from 'vitest'
import { requireImages } from '../../src/builder/base-images.js'
import type { PreparedBuild } from '../../src/builder/prepared.js'
import type { CheckedOptions } from '../../src/builder/request.js'
import type { Engine } from '../../src/docker/engine.js'
import { Fault } from '../../src/errors.js'

const REFERENCE = 'registry.test/base:1'

interface Have {
  /** Architecture of the engine's own image; `null` where it has none. */
  readonly held: string | null
  /** Architecture of what the registry gives; `null` where it refuses. */
  readonly given: string | null
  readonly platform: string | undefined
  readonly hasOwnPlatform?: boolean
}

/** What a build is told: the architecture it stands on, or a fault. Beside it, how often a registry was asked. */
async function told({ held, given, platform, hasOwnPlatform = false }: Have): Promise<[unknown, number]> {
  let [architecture, pulls] = [held, 0]
  const engine = {
    inspect: () => Promise.resolve(architecture === null ? null : { os: 'linux', architecture, onBuild: [] }),
    pull: () => {
      pulls += 1
      if (given === null) return Promise.reject(new Fault('BASE_UNSUITABLE', 'refused'))
      architecture = given
      return Promise.resolve()
    },
  } as unknown as Engine
  const prepared = { images: [{ reference: REFERENCE, hasOwnPlatform }] } as unknown as PreparedBuild
  const options = { platform, pull: false } as CheckedOptions
  try {
    const images = await requireImages(engine, prepared, {
      options,
      credentials: () => Promise.resolve(null),
      signal: new AbortController().signal,
    })
    return [images.get(REFERENCE)?.architecture, pulls]
  } catch (error) {
    return [(error as Fault).message, pulls]
  }
}

const WRONG = "The engine's image registry.test/base:1 is for linux/amd64, and no registry gives it for"

describe('the platform of a base', () => {
  it.for<[what: string, have: Have, told: [string, number]]>([
    ['any', { held: 'amd64', given: null, platform: undefined }, ['amd64', 0]],
    ['the same', { held: 'amd64', given: null, platform: 'linux/amd64' }, ['amd64', 0]],
    ['the same by another name', { held: 'arm64', given: null, platform: 'linux/aarch64' }, ['arm64', 0]],
    ['the same with a variant', { held: 'arm64', given: null, platform: 'linux/arm64/v8' }, ['arm64', 0]],
    ['an architecture alone', { held: 'amd64', given: null, platform: 'x86_64' }, ['amd64', 0]],
    ['a system alone', { held: 'amd64', given: null, platform: 'linux' }, ['amd64', 0]],
    [
      "the Dockerfile's own",
      { held: 'amd64', given: null, platform: 'linux/arm64', hasOwnPlatform: true },
      ['amd64', 0],
    ],
    ['one that a registry has', { held: 'amd64', given: 'arm64', platform: 'linux/arm64' }, ['arm64', 1]],
    ['one of nobody', { held: 'amd64', given: null, platform: 'linux/arm64' }, [`${WRONG} linux/arm64.`, 1]],
    [
      'another system',
      { held: 'amd64', given: 'amd64', platform: 'windows/amd64' },
      [`${WRONG} windows/amd64.`, 1],
    ],
    ['no image at all', { held: null, given: null, platform: 'linux/arm64' }, ['refused', 1]],
  ])('%s', async ([, have, expected]) => {
    expect(await told(have)).toEqual(expected)
  })
})
