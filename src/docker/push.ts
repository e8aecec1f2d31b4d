/**
 * An engine's own push: it sends what the registry lacks by digest, then the
 * manifest under the name.
 *
 * @packageDocumentation
 */

import type Docker from 'dockerode'
import { Fault } from '../errors.js'
import type { Digest, PushOptions } from './engine.js'
import { authConfig, records } from './images.js'
import { registryOf, splitReference } from './reference.js'
import { isConnectionError, unreachable } from './unreachable.js'

/** One line of what the engine says while it pushes. */
interface PushRecord {
  readonly error?: string
  readonly errorDetail?: unknown
  readonly aux?: { readonly Digest?: string }
}

/**
 * Pushes an image under a name that it has on the engine.
 *
 * @returns digest of the manifest.
 * @throws {@link Fault} `PUSH_FAILED`, `ENGINE_UNREACHABLE`.
 */
export async function pushImage(
  docker: Docker,
  image: Digest,
  reference: string,
  { credentials, signal, idsAre }: PushOptions & { readonly idsAre: 'config' | 'manifest' },
): Promise<Digest> {
  const registry = registryOf(reference)
  const found = await credentials(registry, signal)
  const { repository, tag } = splitReference(reference)
  await requireName(docker, image, reference)
  try {
    const stream = await docker.getImage(repository).push({
      tag,
      abortSignal: signal,
      // Engines want the header even where there is nothing to say.
      authconfig: found === null ? {} : { ...authConfig(found), serveraddress: registry },
    })
    // An engine that names images by their manifests does not repeat the name.
    let digest: string | undefined = idsAre === 'manifest' ? image : undefined
    for await (const record of records<PushRecord>(stream)) {
      if (record.error !== undefined || record.errorDetail !== undefined) throw new Error('the push failed')
      digest = record.aux?.Digest ?? digest
    }
    if (digest === undefined) throw new Error('the engine told no digest')
    // Whoever can name images on the engine could have moved the name meanwhile.
    await requireName(docker, image, reference)
    await requireSame(docker, image, digest)
    return digest as Digest
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof Fault) throw error
    if (isConnectionError(error)) throw unreachable(error)
    throw new Fault('PUSH_FAILED', `The registry ${registry} did not take the image ${reference}.`, {
      hint: `Check the name, that the engine reaches the registry, and the login ("docker login ${registry}").`,
      cause: error,
    })
  }
}

async function requireName(docker: Docker, image: Digest, reference: string): Promise<void> {
  const { Id } = await docker.getImage(reference).inspect()
  if (Id !== image) throw movedName(reference)
}

/** The digest is one under which the engine knows this very image. */
async function requireSame(docker: Docker, image: Digest, digest: string): Promise<void> {
  const facts = await docker.getImage(image).inspect()
  const names = (facts.RepoDigests as readonly string[] | null) ?? []
  const known = facts.Id === digest || names.some((name) => name.endsWith(`@${digest}`))
  if (!known) throw movedName(digest)
}

const movedName = (name: string): Fault =>
  new Fault(
    'PUSH_FAILED',
    `The name ${name} means another image now: somebody else gave it away meanwhile.`,
    {
      hint: 'Check what the registry has under it, and build again.',
    },
  )
