/**
 * What a build is asked to do, as a caller writes it, and the same with every
 * default filled in. Nothing is read from disk or from a store here.
 *
 * @packageDocumentation
 */

import { Fault, type Problem } from '../errors.js'
import type { AllowRule } from './report.js'
import { isSecretName, SecretValue, type SecretName } from '../secret.js'
import type { SshKey } from './ssh-keys.js'
import type { SshSource } from './ssh-mounts.js'

/** Where the value of a mount comes from. Text and bytes are values given at hand. */
export type SecretSource =
  | string
  | Uint8Array
  | SecretValue
  /** A stored secret, by name. */
  | { readonly name: string }
  /** The requirement list in that file, filled. */
  | { readonly requirements: string }
  /** The credentials that stand in that requirement list, as a netrc file. */
  | { readonly credentialsOf: string }

/** Takes the bytes of an image. */
export type ImageSink = (bytes: AsyncIterable<Uint8Array>) => Promise<void>

/** What both kinds of build can be told. */
export interface BuildOptions {
  /** Names that the image gets once it is proven clean, such as `app:1`. At least one, unless `checkOnly` or `archive`. */
  readonly tags?: readonly string[]
  /** Sends the image to the registries of its names, once it has them. */
  readonly push?: boolean
  /**
   * Takes the image as an OCI archive, once it is proven clean: exactly what was proven. The image gets its names only
   * after this has resolved; what it throws ends the build.
   */
  readonly archive?: ImageSink
  /** Default: `main`. */
  readonly environment?: string
  readonly groups?: readonly string[]
  /** Default: the engine's own; the host's where the engine has no other. */
  readonly network?: 'default' | 'host' | 'none'
  readonly buildArgs?: Readonly<Record<string, string>>
  readonly labels?: Readonly<Record<string, string>>
  /** Entries of `/etc/hosts`, `name:address`. */
  readonly extraHosts?: readonly string[]
  /** Such as `linux/arm64`. */
  readonly platform?: string
  readonly noCache?: boolean
  /**
   * What a changed secret does to the steps that mount it: `rebuild` (default) runs them again, `keep` reuses those that
   * the engine still has; a step that has to run gets the live version.
   */
  readonly onRotate?: 'rebuild' | 'keep'
  /** Secrets whose steps run again, by name; `all` for all of them. For what moves without a secret being changed. */
  readonly refresh?: readonly string[]
  /**
   * A cgroup of the engine's machine below which the steps run, so that its limits for memory and processors hold for them,
   * such as `/builds` or, with systemd, `builds.slice`. Default: the engine's own.
   */
  readonly cgroupParent?: string
  /** Look for a newer base image in its registry. */
  readonly pull?: boolean
  /** Ends the build after that time, in milliseconds. Default: none. */
  readonly timeoutMs?: number
  /** `environment` (default) searches the image for every secret of the environment, `plan` for those of this build. */
  readonly guard?: 'environment' | 'plan'
  /** Names whose values may be too short to search for. */
  readonly allowUnguarded?: readonly string[]
  /** Findings that are accepted, and listed as such. */
  readonly allow?: readonly AllowRule[]
  /** Refuses also what is unread or inherited from the base image. */
  readonly strict?: boolean
  /** Stops after everything was checked that can be checked without building. */
  readonly checkOnly?: boolean
}

/** A build from a requirement list. */
export interface RequirementsRequest extends BuildOptions {
  /** A file, or the lines themselves. */
  readonly requirements: { readonly path: string } | readonly string[]
  /** Folder of the files that lines name, and of `copy`. Default: the working directory. A list that is a file has its own. */
  readonly root?: string
  /** The image to install into. */
  readonly base: string
  /** Debian packages to install first. */
  readonly apt?: readonly string[]
  readonly workdir?: string
  /** Files to copy into the image after the installation. `from` is relative to the folder of the list. */
  readonly copy?: readonly { readonly from: string; readonly to: string }[]
  /** Run the code of packages only where no credential is. Sources come from Git, everything else as wheels. */
  readonly isolate?: boolean
  /** What installs. Default: `pip`. */
  readonly installer?: 'pip' | 'uv'
  /** Stored keys for repositories over SSH. */
  readonly sshKeys?: readonly SshKey[]
  /** The public keys of the servers that are believed, in the form of `known_hosts`: a file, or the text itself. */
  readonly knownHosts?: string | { readonly text: string }
  /** How credentials reach pip. Default: `auto`. */
  readonly delivery?: 'auto' | 'lifted' | 'filled'
}

/** A build from a Dockerfile. */
export interface DockerfileRequest extends BuildOptions {
  readonly dockerfile: { readonly path: string } | { readonly text: string }
  /** Folder of the build context. Default: an empty context. */
  readonly context?: string
  /** Whether the folder holds just what belongs to the context, so that no `.dockerignore` counts. Default: false. */
  readonly contextIsFiltered?: boolean
  /** What steps may mount, by id. An id that is not listed here means the stored secret of that name, if it is one. */
  readonly secrets?: Readonly<Record<string, SecretSource | null | undefined>>
  /** Agents that steps may mount (`RUN --mount=type=ssh`), by id; the id of a mount without one is `default`. */
  readonly ssh?: Readonly<Record<string, SshSource>>
  readonly target?: string
  /** Required mounts that may do without a value. */
  readonly allowMissing?: readonly string[]
  /** Other contexts by name, such as `docker-image://…`. */
  readonly buildContexts?: Readonly<Record<string, string>>
}

/** What {@link Builder.build} takes. */
export type BuildRequest = RequirementsRequest | DockerfileRequest

/** Where a value comes from, checked. */
export type CheckedSource =
  | { readonly kind: 'value'; readonly value: SecretValue }
  | { readonly kind: 'stored'; readonly name: SecretName }
  | { readonly kind: 'requirements'; readonly path: string }
  | { readonly kind: 'credentials-of'; readonly path: string }

/** Options with their defaults. */
export type CheckedOptions = Required<
  Omit<BuildOptions, 'platform' | 'cgroupParent' | 'timeoutMs' | 'buildArgs' | 'labels' | 'archive'>
> & {
  readonly platform: string | undefined
  readonly cgroupParent: string | undefined
  readonly timeoutMs: number | undefined
  readonly archive: ImageSink | undefined
  readonly buildArgs: ReadonlyMap<string, string>
  readonly labels: ReadonlyMap<string, string>
}

/** A name for an image: https://github.com/distribution/reference/blob/main/reference.go, without digests. */
const IMAGE_NAME =
  /^(?:[a-zA-Z0-9.-]+(?::\d+)?\/)?[a-z0-9]+(?:(?:\.|_{1,2}|-+|\/)[a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$/

/** Build arguments that would change who reads the Dockerfile or which cache mounts are shared. */
const RESERVED_ARGUMENTS = new Set(['BUILDKIT_SYNTAX', 'BUILDKIT_CACHE_MOUNT_NS'])

/** A platform as Docker writes it, `os/architecture/variant` or a part of that: https://github.com/containerd/platforms */
const PLATFORM = /^[A-Za-z0-9_.-]+(?:\/[A-Za-z0-9_.-]+){0,2}$/

/** A path or a slice, none of whose parts leads upwards. */
const CGROUP = /^(?!.*\.\.)\/?[A-Za-z0-9_:.@-]+(?:\/[A-Za-z0-9_:.@-]+)*$/

/** Checks what both kinds of request have in common. */
export function checkOptions(request: BuildRequest): {
  readonly options: CheckedOptions
  readonly problems: readonly Problem[]
} {
  const tags = request.tags ?? []
  const problems: Problem[] = []
  const invalid = (message: string, hint?: string): void =>
    void problems.push({ code: 'REQUEST_INVALID', message, hint })
  if (
    tags.length === 0 &&
    request.checkOnly !== true &&
    (request.archive === undefined || request.push === true)
  )
    invalid('The build has no name for its image.', 'Give one with -t NAME:TAG.')
  if (!tags.every((tag) => IMAGE_NAME.test(tag))) {
    invalid(
      'A name for the image is not valid.',
      'Write NAME:TAG in lower case, with the registry before it if there is one.',
    )
  }
  for (const name of Object.keys(request.buildArgs ?? {})) {
    if (RESERVED_ARGUMENTS.has(name)) invalid(`The build argument ${name} cannot be set here.`)
  }
  for (const entry of request.extraHosts ?? []) {
    if (!/^[^\s:=,]+[:=][^\s,]+$/.test(entry))
      invalid('An entry for /etc/hosts is not valid.', 'Write NAME:ADDRESS.')
  }
  if (request.timeoutMs !== undefined && !(request.timeoutMs > 0)) invalid('The time limit must be positive.')
  if (request.platform !== undefined && !PLATFORM.test(request.platform))
    invalid('The platform is not valid.', 'Write it as in linux/arm64.')
  if (request.cgroupParent !== undefined && !CGROUP.test(request.cgroupParent))
    invalid('The cgroup is not valid.', 'Write a path such as /builds, or a slice such as builds.slice.')
  const options: CheckedOptions = {
    tags,
    push: request.push ?? false,
    archive: request.archive,
    environment: request.environment ?? 'main',
    groups: request.groups ?? [],
    network: request.network ?? 'default',
    buildArgs: new Map(Object.entries(request.buildArgs ?? {})),
    labels: new Map(Object.entries(request.labels ?? {})),
    extraHosts: request.extraHosts ?? [],
    platform: request.platform,
    noCache: request.noCache ?? false,
    onRotate: request.onRotate ?? 'rebuild',
    refresh: request.refresh ?? [],
    cgroupParent: request.cgroupParent,
    pull: request.pull ?? false,
    timeoutMs: request.timeoutMs,
    guard: request.guard ?? 'environment',
    allowUnguarded: request.allowUnguarded ?? [],
    allow: request.allow ?? [],
    strict: request.strict ?? false,
    checkOnly: request.checkOnly ?? false,
  }
  return { options, problems }
}

/**
 * Checks where the values of mounts come from. Problems name the ids, never what was given for them.
 */
export function checkSources(secrets: DockerfileRequest['secrets']): {
  readonly sources: ReadonlyMap<string, CheckedSource>
  readonly problems: readonly Problem[]
} {
  const sources = new Map<string, CheckedSource>()
  const problems: Problem[] = []
  for (const [id, source] of Object.entries(secrets ?? {})) {
    const checked = checkSource(source)
    if (typeof checked === 'string')
      problems.push({ code: 'REQUEST_INVALID', message: `The secret ${id} ${checked}` })
    else sources.set(id, checked)
  }
  return { sources, problems }
}

/** The values among sources, by id. */
export const valuesOf = (sources: ReadonlyMap<string, CheckedSource>): ReadonlyMap<string, SecretValue> =>
  new Map([...sources].flatMap(([id, source]) => (source.kind === 'value' ? [[id, source.value]] : [])))

function checkSource(source: SecretSource | null | undefined): CheckedSource | string {
  if (source === null || source === undefined) return 'has no value: it is null.'
  if (typeof source === 'string') return { kind: 'value', value: SecretValue.fromText(source) }
  // A copy, because the build wipes what it holds and the caller may build again.
  if (source instanceof SecretValue)
    return { kind: 'value', value: source.use((bytes) => new SecretValue(bytes)) }
  if (source instanceof Uint8Array) return { kind: 'value', value: new SecretValue(source) }
  if ('requirements' in source) return { kind: 'requirements', path: source.requirements }
  if ('credentialsOf' in source) return { kind: 'credentials-of', path: source.credentialsOf }
  if (isSecretName(source.name)) return { kind: 'stored', name: source.name }
  return 'names a stored secret, and that name is not valid.'
}

/** @throws {@link Fault} `REQUEST_INVALID` for a request that is both kinds, or neither. */
export function isRequirementsRequest(request: BuildRequest): request is RequirementsRequest {
  const both = 'requirements' in request && 'dockerfile' in request
  if (both || !('requirements' in request || 'dockerfile' in request)) {
    throw new Fault('REQUEST_INVALID', 'A build needs either a requirement list or a Dockerfile.')
  }
  return 'requirements' in request
}

/** Whether a build context is what Docker's client takes for an address: https://docs.docker.com/build/concepts/context/#remote-context */
export const isAddress = (context: string): boolean =>
  /^(?:https?|git|ssh):\/\/|^git@|^github\.com\//i.test(context)
