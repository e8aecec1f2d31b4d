/**
 * The part of a registry's API that BuildKit alone leaves to its client:
 * looking a base image up, and pushing an image
 * (https://github.com/opencontainers/distribution-spec/blob/main/spec.md).
 * Docker engines do both themselves.
 *
 * @packageDocumentation
 */

import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { Fault } from '../errors.js'
import type { Digest, PushOptions, RegistryCredentials } from './engine.js'
import type { ImageContent } from './image-content.js'
import { registryOf, splitReference, withoutHost } from './reference.js'

/** A repository of a registry, with the right to read it or to write to it. */
export class Repository {
  readonly #registry: string
  readonly #base: string
  readonly #name: string
  readonly #scope: string
  readonly #credentials: RegistryCredentials | null
  readonly #signal: AbortSignal
  #authorization: string | undefined

  private constructor(
    reference: string,
    right: 'pull' | 'pull,push',
    credentials: RegistryCredentials | null,
    signal: AbortSignal,
  ) {
    this.#registry = registryOf(reference)
    this.#base = `${isLoopback(this.#registry) ? 'http' : 'https'}://${hostOf(this.#registry)}`
    this.#name = withoutHost(splitReference(reference).repository)
    this.#scope = `repository:${this.#name}:${right}`
    this.#credentials = credentials
    this.#signal = signal
  }

  /** The repository that a reference names. */
  static async of(
    reference: string,
    right: 'pull' | 'pull,push',
    { credentials, signal }: PushOptions,
  ): Promise<Repository> {
    return new Repository(reference, right, await credentials(registryOf(reference), signal), signal)
  }

  /** @returns the response, of any status. */
  async request(path: string, init: RequestInit & { duplex?: 'half' } = {}): Promise<Response> {
    const url = new URL(path, `${this.#base}/v2/${this.#name}/`)
    const send = async (): Promise<Response> => {
      const headers = new Headers(init.headers)
      // Uploads may be sent to another host, which is not to see the credentials.
      if (this.#authorization !== undefined && url.origin === new URL(this.#base).origin)
        headers.set('authorization', this.#authorization)
      return fetch(url, { ...init, headers, signal: this.#signal })
    }
    const first = await send()
    if (first.status !== 401 || this.#authorization !== undefined) return first
    await first.body?.cancel()
    this.#authorization = await this.#authorize(first.headers.get('www-authenticate') ?? '')
    return this.#authorization === undefined ? first : send()
  }

  /** A document of some bytes, which must have the digest by which it was asked for, if it was. */
  async document(path: string, accept: string): Promise<Document | null> {
    const response = await this.request(path, { headers: { accept } })
    if (!response.ok) {
      await response.body?.cancel()
      return null
    }
    const bytes = new Uint8Array(await response.arrayBuffer())
    const digest: Digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    const asked = /sha256:[0-9a-f]{64}$/.exec(path)?.[0]
    if (asked !== undefined && asked !== digest) return null
    return { digest, json: JSON.parse(Buffer.from(bytes).toString('utf8')) as unknown }
  }

  /** https://distribution.github.io/distribution/spec/auth/token/ */
  async #authorize(challenge: string): Promise<string | undefined> {
    const basic =
      this.#credentials === null || this.#credentials.identityToken
        ? undefined
        : `Basic ${base64Of(this.#credentials)}`
    if (/^basic\b/i.test(challenge)) return basic
    const parameters = new Map(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]),
    )
    const realm = parameters.get('realm') ?? ''
    if (!/^bearer\b/i.test(challenge) || !URL.canParse(realm)) return undefined
    const url = new URL(realm)
    // Credentials go to nobody in the clear but this very machine.
    if (url.protocol !== 'https:' && !isLoopback(url.host)) return undefined
    url.searchParams.set('service', parameters.get('service') ?? '')
    url.searchParams.set('scope', this.#scope)
    const answer = await fetch(url, {
      headers: basic === undefined ? {} : { authorization: basic },
      signal: this.#signal,
    })
    if (!answer.ok) return undefined
    const { token, access_token } = (await answer.json()) as { token?: string; access_token?: string }
    const found = token ?? access_token
    return found === undefined ? undefined : `Bearer ${found}`
  }
}

/** A document of a registry, and its digest. */
export interface Document {
  readonly digest: Digest
  readonly json: unknown
}

/**
 * Pushes an image: what the registry lacks by digest, then the manifest by digest, then under the name.
 *
 * @throws {@link Fault} `PUSH_FAILED`.
 */
export async function pushContent(
  image: ImageContent,
  reference: string,
  options: PushOptions,
): Promise<Digest> {
  const registry = registryOf(reference)
  try {
    const repository = await Repository.of(reference, 'pull,push', options)
    await pushBlob(repository, image.config, one(image.configBytes))
    for await (const { descriptor, bytes } of image.blobs()) await pushBlob(repository, descriptor, bytes)
    for (const name of [image.manifest.digest, splitReference(reference).tag]) {
      await accepted(
        repository.request(`manifests/${name}`, {
          method: 'PUT',
          headers: { 'content-type': image.manifest.mediaType },
          body: Buffer.from(image.manifestBytes),
        }),
        [201],
      )
    }
    return image.manifest.digest
  } catch (error) {
    options.signal.throwIfAborted()
    if (error instanceof Fault) throw error
    throw new Fault('PUSH_FAILED', `The registry ${registry} did not take the image ${reference}.`, {
      hint: `Check the name, that the registry answers, and the login ("docker login ${registry}").`,
      cause: error,
    })
  }
}

async function pushBlob(
  repository: Repository,
  { digest, size }: { readonly digest: Digest; readonly size: number },
  bytes: AsyncIterable<Uint8Array>,
): Promise<void> {
  const there = await repository.request(`blobs/${digest}`, { method: 'HEAD' })
  if (there.ok) return
  const begun = await accepted(repository.request('blobs/uploads/', { method: 'POST' }), [202])
  const location = new URL(begun.headers.get('location') ?? '', begun.url)
  location.searchParams.set('digest', digest)
  await accepted(
    repository.request(location.href, {
      method: 'PUT',
      headers: { 'content-type': 'application/octet-stream', 'content-length': String(size) },
      body: Readable.toWeb(Readable.from(bytes, { objectMode: false })) as ReadableStream,
      duplex: 'half',
    }),
    [201],
  )
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function accepted(answer: Promise<Response>, statuses: readonly number[]): Promise<Response> {
  const response = await answer
  await response.body?.cancel()
  if (!statuses.includes(response.status)) throw new Error(`status ${String(response.status)}`)
  return response
}

const base64Of = ({ username, password }: RegistryCredentials): string =>
  password.use((bytes) => Buffer.concat([Buffer.from(`${username}:`), bytes]).toString('base64'))

/** Docker Hub's registry has a name of its own. */
const hostOf = (registry: string): string => (registry === 'docker.io' ? 'registry-1.docker.io' : registry)

/** This machine's own registries are asked without TLS, as Docker does it. */
const isLoopback = (host: string): boolean => /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/.test(host)
