/**
 * What a registry says of an image that no engine holds.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import type { Digest, EngineInfo, ImageFacts, PushOptions } from './engine.js'
import { factsOf, type ImageConfig } from './images.js'
import { splitReference } from './reference.js'
import { Repository } from './registry.js'

/** An image of a registry. */
export interface RemoteImage {
  readonly facts: ImageFacts
  /** The reference by digest. */
  readonly pinned: string
}

const MANIFESTS = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ')

interface Manifest {
  readonly config?: { readonly digest: Digest }
  readonly layers?: readonly { readonly size: number }[]
  readonly manifests?: readonly {
    readonly digest: Digest
    readonly platform?: { readonly os: string; readonly architecture: string; readonly variant?: string }
  }[]
}

/**
 * Looks an image up.
 *
 * @param options - `platform` such as `linux/arm64`; default: the builder's own.
 * @throws {@link Fault} `BASE_UNSUITABLE` when the registry does not give it.
 */
export async function remoteImage(
  reference: string,
  {
    platform,
    info,
    ...options
  }: PushOptions & { readonly platform?: string | undefined; readonly info: EngineInfo },
): Promise<RemoteImage> {
  const { repository: name, tag } = splitReference(reference)
  const missing = (cause?: unknown): Fault =>
    new Fault('BASE_UNSUITABLE', `No registry gives the image ${reference}.`, {
      hint: 'Check the name, or log in to its registry with "docker login".',
      cause,
    })
  try {
    const repository = await Repository.of(reference, 'pull', options)
    const top = await repository.document(`manifests/${tag}`, MANIFESTS)
    if (top === null) throw missing()
    let manifest = top.json as Manifest
    if (manifest.manifests !== undefined) {
      const wanted = platform ?? `${info.os}/${info.architecture}`
      const listed = manifest.manifests.find(
        ({ platform: of }) =>
          of !== undefined &&
          [`${of.os}/${of.architecture}`, `${of.os}/${of.architecture}/${of.variant ?? ''}`].includes(wanted),
      )
      const below =
        listed === undefined ? null : await repository.document(`manifests/${listed.digest}`, MANIFESTS)
      if (below === null) throw missing()
      manifest = below.json as Manifest
    }
    const config =
      manifest.config === undefined
        ? null
        : await repository.document(`blobs/${manifest.config.digest}`, '*/*')
    if (config === null) throw missing()
    const { rootfs, ...rest } = config.json as ConfigFile
    const sizeBytes = (manifest.layers ?? []).reduce((sum, { size }) => sum + size, 0)
    return {
      facts: factsOf({
        id: config.digest,
        tags: [],
        config: rest.config ?? {},
        layers: rootfs?.diff_ids ?? [],
        os: rest.os ?? info.os,
        architecture: rest.architecture ?? info.architecture,
        sizeBytes,
      }),
      pinned: `${name}@${top.digest}`,
    }
  } catch (error) {
    options.signal.throwIfAborted()
    throw error instanceof Fault ? error : missing(error)
  }
}

/** https://github.com/opencontainers/image-spec/blob/main/config.md */
interface ConfigFile {
  readonly config?: ImageConfig
  readonly rootfs?: { readonly diff_ids?: readonly Digest[] }
  readonly os?: string
  readonly architecture?: string
}
