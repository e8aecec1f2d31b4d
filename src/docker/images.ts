/**
 * Images on an engine: looking at one, fetching one, naming one, removing one.
 *
 * @packageDocumentation
 */

import type Docker from 'dockerode'
import { Fault } from '../errors.js'
import type { Digest, FindCredentials, ImageFacts, RegistryCredentials } from './engine.js'
import { registryOf, splitReference } from './reference.js'
import { call, isConnectionError, statusOf, unreachable } from './unreachable.js'

/** An image's configuration: any of it may be missing or null. */
export interface ImageConfig {
  readonly User?: string | null
  readonly Env?: string[] | null
  readonly Shell?: string[] | null
  readonly WorkingDir?: string | null
  readonly Entrypoint?: string | string[] | null
  readonly Cmd?: string[] | null
  readonly OnBuild?: string[] | null
}

/** @returns `null` where the engine does not hold the image. */
export async function inspectImage(docker: Docker, reference: string): Promise<ImageFacts | null> {
  const image = await orNull(docker.getImage(reference).inspect())
  if (image === null) return null
  return factsOf({
    id: image.Id as Digest,
    tags: ((image.RepoTags as string[] | null) ?? []).filter((tag) => !tag.startsWith('<none>')),
    config: image.Config as ImageConfig,
    layers: (image.RootFS.Layers ?? []) as Digest[],
    os: image.Os,
    architecture: image.Architecture,
    sizeBytes: image.Size,
  })
}

/** Facts with everything that a configuration leaves out. */
export function factsOf({
  config,
  ...rest
}: Pick<ImageFacts, 'id' | 'tags' | 'layers' | 'os' | 'architecture' | 'sizeBytes'> & {
  readonly config: ImageConfig
}): ImageFacts {
  return {
    ...rest,
    user: config.User ?? '',
    env: config.Env ?? [],
    shell: config.Shell ?? [],
    workdir: config.WorkingDir ?? '',
    entrypoint: list(config.Entrypoint),
    command: list(config.Cmd),
    onBuild: config.OnBuild ?? [],
  }
}

/** Fetches an image from its registry, with the credentials that Docker has for it. */
export async function pullImage(
  docker: Docker,
  reference: string,
  options: { platform?: string | undefined; credentials: FindCredentials; signal: AbortSignal },
): Promise<void> {
  const { platform, credentials, signal } = options
  const found = await credentials(registryOf(reference), signal)
  try {
    const stream = await docker.pull(reference, {
      ...(platform === undefined ? {} : { platform }),
      ...(found === null ? {} : { authconfig: authConfig(found) }),
      abortSignal: signal,
    })
    await pulled(stream)
  } catch (error) {
    signal.throwIfAborted()
    if (isConnectionError(error)) throw unreachable(error)
    throw new Fault(
      'BASE_UNSUITABLE',
      `The engine does not hold the image ${reference}, and no registry gave it.`,
      {
        hint: 'Check the name, load the image into the engine, or log in to its registry with "docker login".',
        cause: error,
      },
    )
  }
}

/** A pull answers 200 and tells of failure in its last record. */
async function pulled(stream: NodeJS.ReadableStream): Promise<void> {
  for await (const record of records<{ error?: string; errorDetail?: unknown }>(stream)) {
    if (record.error !== undefined || record.errorDetail !== undefined) throw new Error('the pull failed')
  }
}

/** What the engine says line by line while it works. */
export async function* records<T>(stream: NodeJS.ReadableStream): AsyncGenerator<T> {
  let rest = ''
  const decoder = new TextDecoder()
  for await (const chunk of stream) {
    rest += decoder.decode(chunk as unknown as Uint8Array, { stream: true })
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as T
  }
}

/** The archive of some images, each layer once, as `docker save` would write it. */
export async function saveImages(
  docker: Docker,
  images: readonly Digest[],
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  // By hand, because dockerode writes a list into the query as JSON; the modem cuts the last character off.
  const query = images.map((id) => `names=${encodeURIComponent(id)}&`).join('')
  return call(
    async () =>
      new Promise<AsyncIterable<Uint8Array>>((resolve, reject) => {
        docker.modem.dial(
          {
            method: 'GET',
            path: `/images/get?${query}`,
            isStream: true,
            abortSignal: signal,
            statusCodes: { 200: true, 400: 'bad parameter', 404: 'no such image', 500: 'server error' },
          },
          (error: unknown, stream: unknown) => {
            if (error instanceof Error) reject(error)
            else resolve(stream as AsyncIterable<Uint8Array>)
          },
        )
      }),
    signal,
  )
}

/** Gives an image its name. @throws {@link Fault} `REQUEST_INVALID` for a name that the engine refuses. */
export async function tagImage(docker: Docker, image: Digest, reference: string): Promise<void> {
  const { repository, tag } = splitReference(reference)
  try {
    await call(() => docker.getImage(image).tag({ repo: repository, tag }))
  } catch (error) {
    if (statusOf(error) !== 400) throw error
    throw new Fault('REQUEST_INVALID', 'The engine refuses the name for the image.', { cause: error })
  }
}

/** Removes an image unless it has a name. Someone else may have built and named the very same image. */
export async function removeUntagged(docker: Docker, image: Digest): Promise<void> {
  const facts = await inspectImage(docker, image)
  if (facts === null || facts.tags.length > 0) return
  try {
    await call(() => docker.getImage(image).remove({ noprune: true }))
  } catch (error) {
    // Gone already, or in use by a container or a child: what keeps it is not ours to remove.
    const status = statusOf(error)
    if (status !== 404 && status !== 409) throw error
  }
}

/** Credentials as the engine takes them. */
export const authConfig = ({ username, password, identityToken }: RegistryCredentials): Docker.AuthConfig =>
  password.use((bytes) => {
    const text = Buffer.from(bytes).toString('utf8')
    return identityToken ? { identitytoken: text } : { username, password: text }
  })

const list = (value: string | string[] | null | undefined): readonly string[] =>
  value === null || value === undefined ? [] : typeof value === 'string' ? [value] : value

async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await call(() => answer)
  } catch (error) {
    if (statusOf(error) === 404) return null
    throw error
  }
}
