/**
 * Cache mounts are in no image, so they are read by a build of their own: each
 * one is mounted again, in the same namespace, and copied into a stage that can
 * be read. The copying is done by the tools of the image the stage began with,
 * never by what a step put into it.
 *
 * @packageDocumentation
 */

import { randomUUID } from 'node:crypto'
import { posix } from 'node:path'
import { contextTar } from '../docker/context.js'
import type { BuildInput, Digest, Engine } from '../docker/engine.js'
import { Fault } from '../errors.js'
import type { CacheMount, ReadDockerfile, Stage } from './dockerfile-read.js'
import { writeFlag } from './secret-mount.js'

/** A cache mount of a build that can be read. */
export interface ReadableCache {
  /** What to call it. */
  readonly words: string
  /** Where its step mounts it. */
  readonly target: string
  /** The flag that mounts it again. */
  readonly flag: string
  /** The image whose tools copy it. */
  readonly base: string
}

/** The cache mounts of a build. */
export interface CacheMounts {
  readonly readable: readonly ReadableCache[]
  /** Why the others cannot be read, a sentence each. */
  readonly doubts: readonly string[]
}

/** Caches that were copied. Images, and the records of those that were copied, are the caller's to remove. */
export interface ReadCaches {
  /** What to call each image. */
  readonly images: ReadonlyMap<Digest, string>
  /** What the copying steps' records repeat. */
  readonly commands: readonly string[]
  readonly doubts: readonly string[]
}

/** How the engine describes the record of a cache mount. Tenants and ids are not in it, so others' may match. */
export const cacheRecord = ({ target }: ReadableCache): string => `cached mount ${target} from exec`

/** How long reading may take, in milliseconds: a mount that is locked by another build is not waited for. */
const READ_MS = 60_000

const AT = '/traceless-cache'

/** Options that say where a mount is, in all their names. */
const PLACE = new Set(['type', 'id', 'target', 'dst', 'destination', 'readonly', 'ro', 'rw', 'readwrite'])

/** Finds the cache mounts of the reached stages. */
export function cacheMountsOf(dockerfile: ReadDockerfile, reached: readonly Stage[]): CacheMounts {
  const readable = new Map<string, ReadableCache>()
  const doubts = new Set<string>()
  for (const stage of reached) {
    for (const mount of stage.cacheMounts) {
      const target = mount.get('target') ?? mount.get('dst') ?? mount.get('destination') ?? ''
      const words = `cache mount ${mount.get('id') ?? target}`
      const why = whyUnreadable(dockerfile, stage, mount, target)
      if (why !== undefined) doubts.add(`The ${words} was not read: ${why}.`)
      else {
        const flag = flagOf(mount, target)
        readable.set(flag, { words, target, flag, base: baseOf(dockerfile, stage) ?? '' })
      }
    }
  }
  return { readable: [...readable.values()], doubts: [...doubts] }
}

function whyUnreadable(
  dockerfile: ReadDockerfile,
  stage: Stage,
  mount: CacheMount,
  target: string,
): string | undefined {
  if (mount.get('sharing')?.toLowerCase() === 'private')
    return 'it is private, so that each step has one of its own'
  if (mount.has('from')) return 'it begins as a copy of a stage'
  if ([...mount.values()].some((value) => value.includes('$'))) return 'an option of it has a variable'
  if (!mount.has('id') && !posix.isAbsolute(target)) return 'its target is relative'
  return baseOf(dockerfile, stage) === undefined
    ? 'its stage has no image whose tools could read it'
    : undefined
}

/** The image at the bottom of a stage. */
function baseOf(dockerfile: ReadDockerfile, stage: Stage): string | undefined {
  let below = stage.base
  while (below.kind === 'stage') below = dockerfile.stages[below.index]?.base ?? { kind: 'scratch' }
  return below.kind === 'image' ? below.reference : undefined
}

/** The id that a mount without one has is its target: https://docs.docker.com/reference/dockerfile/#run---mounttypecache */
function flagOf(mount: CacheMount, target: string): string {
  const others = [...mount].filter(([key]) => !PLACE.has(key)).map(([key, value]) => `${key}=${value}`)
  return writeFlag([
    'type=cache',
    `id=${mount.get('id') ?? posix.normalize(target)}`,
    `target=${AT}`,
    ...others.sort(),
  ])
}

/**
 * Copies the caches into images; where that is not possible, the result has a doubt.
 *
 * @param how - `like` gives network, platform and tenant; `made` is told of every image, also where this throws.
 */
export async function readCaches(
  engine: Engine,
  caches: readonly ReadableCache[],
  {
    like,
    made,
    signal,
  }: {
    readonly like: Omit<BuildInput, 'dockerfile' | 'context' | 'mounts' | 'targets'>
    readonly made: (image: Digest) => void
    readonly signal: AbortSignal
  },
): Promise<ReadCaches> {
  const images = new Map<Digest, string>()
  if (caches.length === 0) return { images, commands: [], doubts: [] }
  const salt = randomUUID()
  const stages = caches.map(({ base, flag }, index) =>
    [
      `FROM ${base} AS cache-${String(index)}`,
      'USER 0:0',
      `RUN ${flag} ["/bin/sh", "-c", ": ${salt}; mkdir /traceless-read && cp -a ${AT}/. /traceless-read/"]`,
    ].join('\n'),
  )
  const targets = caches.map((_cache, index) => `cache-${String(index)}`)
  try {
    const events = engine.build(
      {
        ...like,
        buildArgs: new Map(),
        noCache: false,
        network: 'none',
        dockerfile: Buffer.from(stages.join('\n')),
        context: contextTar({ root: undefined }),
        mounts: new Map(),
        targets,
      },
      AbortSignal.any([signal, AbortSignal.timeout(READ_MS)]),
    )
    for await (const event of events) {
      if (event.type !== 'image') continue
      made(event.image)
      images.set(event.image, caches[targets.indexOf(event.target)]?.words ?? event.target)
    }
  } catch (error) {
    if (signal.aborted) {
      await engine.dropRecords({ commands: [salt], since: undefined }, AbortSignal.timeout(READ_MS))
      throw signal.reason
    }
    const late = error instanceof Error && error.name === 'TimeoutError'
    if (!late && !(error instanceof Fault && error.code === 'BUILD_FAILED')) throw error
    return {
      images,
      commands: [salt],
      doubts: ['The cache mounts could not be read: they are in use, or their image lacks cp.'],
    }
  }
  return { images, commands: [salt], doubts: [] }
}
