/**
 * What we need from a container engine, in our own words. This file has types
 * only: no other folder sees a type of dockerode, gRPC or BuildKit, and a test
 * double is an object literal.
 *
 * @packageDocumentation
 */

import type { SecretValue } from '../secret.js'
import type { Containers } from './containers.js'
import type { SshAgent } from './ssh-agent.js'

/** Digest of an image's configuration or of a layer, as the engine reports it. */
export type Digest = `sha256:${string}`

/** Which engine answers, after negotiation. */
export interface EngineInfo {
  /** Whether it is a Docker daemon, or BuildKit alone. */
  readonly product: 'docker' | 'buildkit'
  /** Version of the product in semver form, such as `20.10.24`. */
  readonly version: string
  /** Random id of the engine. */
  readonly id: string
  /** Negotiated version of the engine's HTTP API, such as `1.41`. */
  readonly apiVersion: string
  readonly os: string
  readonly architecture: string
  /** Name of the storage driver, such as `overlay2` or `overlayfs`. */
  readonly storage: string
}

/** What an image says of itself. */
export interface ImageFacts {
  readonly id: Digest
  readonly tags: readonly string[]
  /** `user[:group]` of the configuration; empty means root. */
  readonly user: string
  readonly env: readonly string[]
  readonly shell: readonly string[]
  readonly workdir: string
  readonly entrypoint: readonly string[]
  readonly command: readonly string[]
  /** Triggers that would run in a build on top of this image. */
  readonly onBuild: readonly string[]
  /** Digests of the uncompressed layers, lowest first. */
  readonly layers: readonly Digest[]
  readonly os: string
  readonly architecture: string
  readonly sizeBytes: number
}

/** Credentials for one registry, as Docker's helpers give them. */
export interface RegistryCredentials {
  readonly username: string
  readonly password: SecretValue
  /** True where the "password" is an identity token. */
  readonly identityToken: boolean
}

/** Finds credentials for a registry host; `null` where there are none. */
export type FindCredentials = (registry: string, signal: AbortSignal) => Promise<RegistryCredentials | null>

/** What a build is made of. Nothing in here may hold a secret but {@link mounts}. */
export interface BuildInput {
  /** Dockerfile text. It names secrets (`--mount=type=secret,id=…`) and contains none. */
  readonly dockerfile: Uint8Array
  /** Makes the build context as a tar stream, anew at each call: BuildKit may ask twice. */
  readonly context: () => AsyncIterable<Uint8Array>
  /** Other contexts by name, for `--build-context`. */
  readonly namedContexts?: ReadonlyMap<string, string>
  /** What `RUN --mount=type=secret` may ask for, by id. Any other id is answered "not found". */
  readonly mounts: ReadonlyMap<string, SecretValue>
  /**
   * Ids that no step may get a value for, not even the empty file of an optional mount: a step that asks for one fails,
   * and `asked` is told before it does.
   */
  readonly withheld?: { readonly ids: ReadonlySet<string>; readonly asked: (id: string) => void }
  /** What `RUN --mount=type=ssh` may use, by id. */
  readonly agents?: ReadonlyMap<string, SshAgent>
  /** The stages to solve, all at once in one session; the first is the image that was asked for. Empty text: the last stage. */
  readonly targets: readonly string[]
  readonly buildArgs: ReadonlyMap<string, string>
  readonly labels: ReadonlyMap<string, string>
  readonly extraHosts: readonly string[]
  readonly platform: string | undefined
  readonly network: 'default' | 'host' | 'none'
  readonly noCache: boolean
  /** The cgroup below which the engine runs the steps; `undefined` for its own. */
  readonly cgroupParent?: string | undefined
  readonly pull: boolean
  /** Namespace of the cache mounts, one per tenant. */
  readonly cacheNamespace: string
  /** Answers registries for private base images. */
  readonly credentials: FindCredentials
}

/** A step of the build, as BuildKit's progress names it. Text is the engine's own: redact before showing. */
export interface StepEvent {
  readonly type: 'step'
  /** Digest of the vertex. */
  readonly id: string
  readonly name: string
  readonly state: 'started' | 'done' | 'cached' | 'failed' | 'canceled'
  readonly error: string | undefined
  readonly startedAt: number | undefined
  readonly endedAt: number | undefined
}

/** Output of a step, cut anywhere. */
export interface LogEvent {
  readonly type: 'log'
  readonly id: string
  readonly stream: 'stdout' | 'stderr'
  readonly bytes: Uint8Array
}

/** A linter's remark (engines from 27 on). */
export interface WarningEvent {
  readonly type: 'warning'
  readonly id: string
  readonly text: string
}

/** Bytes of the context that were sent so far. */
export interface UploadEvent {
  readonly type: 'upload'
  readonly bytes: number
}

/** An untagged image now exists for one target. It stays when the build fails afterwards, until someone removes it. */
export interface ImageEvent {
  readonly type: 'image'
  readonly target: string
  readonly image: Digest
}

/** The end of a build that did not fail. */
export interface BuiltEvent {
  readonly type: 'built'
  /** An untagged image for each target, in the order of {@link BuildInput.targets}. */
  readonly images: readonly Digest[]
  /** Where the traces of the targets tell different stories of one step: the stage that was read may not be what was used. */
  readonly divergent: readonly string[]
}

/** Which build-cache records are to go. */
export interface RecordsToDrop {
  /** Commands of steps, as their Dockerfile has them: records that repeat one. */
  readonly commands: readonly string[]
  /** Records made from that moment on, in milliseconds of the engine's clock. */
  readonly since: number | undefined
}

/** A record of an engine's build cache. */
export interface CacheRecord {
  readonly id: string
  /** Ids of the records it stands on. */
  readonly parents: readonly string[]
  /** The engine's own words for how it came to be, a step's command among them. */
  readonly description: string
  readonly sizeBytes: number
  /** Something works with it now. */
  readonly isInUse: boolean
  /** An image holds the same bytes, so that dropping it frees nothing. */
  readonly isShared: boolean
  /** Milliseconds since 1970, by the engine's clock; `undefined` where it does not say. */
  readonly createdAt: number | undefined
  readonly lastUsedAt: number | undefined
}

/** What became of records that were to go. */
export interface DroppedRecords {
  readonly dropped: number
  /** How many stayed, because something uses them. */
  readonly left: number
}

/** What a build tells while it runs. */
export type BuildEvent = StepEvent | LogEvent | WarningEvent | UploadEvent | ImageEvent | BuiltEvent

/** One piece of an image that can be read. Read each piece before asking for the next. */
export interface ImagePart {
  /** Digest of a layer, or a name such as `config` or `blobs/sha256/…`. */
  readonly id: string
  /** `layer`: a tar, possibly compressed. `document`: configuration, manifests and other small blobs. */
  readonly kind: 'layer' | 'document'
  readonly sizeBytes: number | undefined
  /** Chunks of any size. Each is valid until the next one is asked for. */
  readonly bytes: AsyncIterable<Uint8Array>
  /** Whether the bytes come out of an archive that is packed with xz as a whole. */
  readonly inXz?: boolean
}

/** How the parts of one image fit together. Known when all parts were read. */
export interface ImageLayout {
  readonly image: string
  /**
   * Lowest layer first. `part` is the id of the part that carries it, `null` where none did; `root` is the folder that its
   * paths begin with in that part, where they do.
   */
  readonly layers: readonly {
    readonly digest: Digest
    readonly part: string | null
    readonly root?: string
    readonly createdBy: string
  }[]
  /** Ids of the documents that belong to this image. */
  readonly documents: readonly string[]
  /** What could not be read of it, in words. */
  readonly unread: readonly string[]
}

/** Parts of some images, each once, and afterwards how they fit together. */
export interface ImageParts extends AsyncIterable<ImagePart> {
  /** Whether a layer's bytes are those that its digest is of. An engine that packs a layer anew gives other ones. */
  readonly hashed: boolean
  /** Call after the last part was read. */
  layouts(): readonly ImageLayout[]
}

/** A session that hands out secrets to a build which somebody else starts. Dispose it when that build has ended. */
export interface SecretSession extends Disposable {
  /** What the build names as its session: `POST /build?version=2&session=ID`. */
  readonly id: string
}

/** How an image is sent to a registry. */
export interface PushOptions {
  readonly credentials: FindCredentials
  readonly signal: AbortSignal
}

/** A watch over an engine. Dispose it with what it was for. */
export interface EngineWatch extends Disposable {
  /**
   * Aborted with a {@link Fault} `ENGINE_UNREACHABLE` when the engine went away, was started anew, or is silent for a
   * minute, and with the reason of the signal the watch was begun with.
   */
  readonly signal: AbortSignal
  /** Makes sure that the engine is there now and was there all the time. @throws what {@link signal} is aborted with. */
  ask(): Promise<void>
}

/** A Docker engine. */
export interface Engine {
  readonly info: EngineInfo
  /**
   * Whether images stay on it under a name. Where it is false, {@link Engine.tag} is not to be called, and an image lives
   * until {@link Engine.removeUntagged} or {@link Engine.close}: what is wanted of it is pushed or archived before.
   */
  readonly keepsImages: boolean
  /** Makes and runs containers. */
  readonly containers: Containers
  /** Begins to watch that the engine is there. */
  watch(signal: AbortSignal): Promise<EngineWatch>
  /** Whether it answers within that time, in milliseconds. */
  answers(withinMs: number): Promise<boolean>
  /** The image of that name or digest, `null` where the engine does not hold it. */
  inspect(reference: string, signal?: AbortSignal): Promise<ImageFacts | null>
  /** @throws {@link Fault} `BASE_UNSUITABLE` when no registry gives it. */
  pull(
    reference: string,
    options: { platform?: string | undefined; credentials: FindCredentials; signal: AbortSignal },
  ): Promise<void>
  /**
   * Builds untagged images. The stream ends with exactly one `built` event, or throws.
   *
   * @param signal - aborting ends the build on the engine, its processes included.
   * @throws {@link Fault} `BUILD_FAILED` when a step fails, `ENGINE_UNREACHABLE` when the engine goes away.
   */
  build(input: BuildInput, signal: AbortSignal): AsyncIterable<BuildEvent>
  /**
   * Every byte the images would carry to another machine.
   *
   * @param options - `skip` names layers that need not be sent, because they were proven before. The engine may send them
   * all the same. `apart`: layers are wanted under their own digests, where the engine can give them so.
   */
  parts(
    images: readonly Digest[],
    options: { skip?: ReadonlySet<string>; apart?: boolean; signal: AbortSignal },
  ): Promise<ImageParts>
  /** A plain file of an image; `null` where there is none, or a larger one. */
  readFile(
    image: Digest,
    file: { readonly path: string; readonly limitBytes: number },
  ): Promise<Uint8Array | null>
  /** Opens a session that serves these secrets, by the id that a mount names, and nothing else. */
  serveSecrets(mounts: ReadonlyMap<string, SecretValue>): Promise<SecretSession>
  tag(image: Digest, reference: string): Promise<void>
  /**
   * Sends an image to the registry that a name names: its content by digest, the name last. On an engine that keeps images
   * the image must have that name already.
   *
   * @returns the digest of the image's manifest, by which the registry now gives it.
   * @throws {@link Fault} `PUSH_FAILED`, `ENGINE_UNREACHABLE`.
   */
  push(image: Digest, reference: string, options: PushOptions): Promise<Digest>
  /**
   * An image as an OCI layout in a tar, which `docker load` reads too. It is checked as a whole before its first byte is
   * given: each blob against the digest that names it, up to that of the image.
   *
   * @param options - `references` are names that the archive gives it.
   * @throws {@link Fault} `NOT_PROVEN` where something is missing or other than it is named, `ENGINE_UNREACHABLE`.
   */
  archive(
    image: Digest,
    options: { readonly references: readonly string[]; readonly signal: AbortSignal },
  ): Promise<AsyncIterable<Uint8Array>>
  /** Removes an image that has no name. One that is gone, or that has a name, is left as it is. */
  removeUntagged(image: Digest): Promise<void>
  /** Drops build-cache records and what hangs below them. Records that are in use stay. */
  dropRecords(which: RecordsToDrop, signal: AbortSignal): Promise<DroppedRecords>
  /** Drops just these records, by their ids. One that is in use, or that another one stands on, stays. @returns those that went. */
  pruneRecords(ids: readonly string[], signal: AbortSignal): Promise<readonly CacheRecord[]>
  /** All records of the build cache. */
  records(signal?: AbortSignal): Promise<readonly CacheRecord[]>
  close(): void
}
