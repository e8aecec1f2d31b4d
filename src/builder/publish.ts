/**
 * Where an image goes once it is proven: into an archive, onto the engine under
 * its names, to registries. The names come last.
 *
 * @packageDocumentation
 */

import type { Digest, Engine, EngineWatch, FindCredentials } from '../docker/engine.js'
import { Fault } from '../errors.js'
import type { Listener } from './events.js'
import type { CheckedOptions } from './request.js'

/** What a registry has. */
export interface Pushed {
  readonly reference: string
  /** Digest of the manifest: `NAME@DIGEST` means this image and no other. */
  readonly digest: Digest
}

/** From where, and to where. */
export interface Place {
  readonly engine: Engine
  readonly watch: EngineWatch
  readonly options: CheckedOptions
  readonly credentials: FindCredentials
  readonly onEvent: Listener
  readonly signal: AbortSignal
}

/**
 * Checks that something of the image will be left.
 *
 * @throws {@link Fault} `REQUEST_INVALID`.
 */
export function requireDestination(engine: Engine, { push, archive }: CheckedOptions): void {
  if (engine.keepsImages || push || archive !== undefined) return
  throw new Fault('REQUEST_INVALID', 'This builder keeps no images, so nothing would be left of the build.', {
    hint: 'Push the image with --push, or write it to a file with --output type=oci,dest=FILE.',
  })
}

/** Hands out the archive, where somebody wants it. */
export async function giveArchive(image: Digest, { engine, options, onEvent, signal }: Place): Promise<void> {
  if (options.archive === undefined) return
  onEvent({ type: 'phase', phase: 'archive' })
  await options.archive(await engine.archive(image, { references: options.tags, signal }))
}

/** Names the image on the engine. */
export async function nameImage(image: Digest, { engine, watch, options, onEvent }: Place): Promise<void> {
  onEvent({ type: 'phase', phase: 'tag' })
  for (const tag of options.tags) {
    // One that stands in the place of the engine that was asked till now was asked nothing; and one that is frozen would
    // do what it is told when it wakes up, though the build is long over.
    await watch.ask()
    await engine.tag(image, tag)
  }
}

/**
 * Pushes the image under each of its names.
 *
 * @throws {@link Fault} `PUSH_FAILED`, which lists the names that registries have already.
 */
export async function pushImage(
  image: Digest,
  { engine, options, credentials, onEvent, signal }: Place,
): Promise<readonly Pushed[]> {
  onEvent({ type: 'phase', phase: 'push' })
  const pushed: Pushed[] = []
  for (const reference of options.tags) {
    try {
      const digest = await engine.push(image, reference, { credentials, signal })
      pushed.push({ reference, digest })
      onEvent({ type: 'pushed', reference, digest })
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'PUSH_FAILED' || pushed.length === 0) throw error
      throw new Fault(error.code, error.message, {
        hint: error.hint,
        detail: { pushed: pushed.map((done) => `${done.reference}@${done.digest}`) },
        cause: error,
      })
    }
  }
  return pushed
}
