/**
 * From a build as it waits, which is JSON, to a request of the builder. Its
 * files stand below the folder of its context and nowhere else: the machine
 * that builds has files of its own, and whoever submits a build must not reach
 * them by a path or a link.
 *
 * @packageDocumentation
 */

import { realpath } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import type { BuildOptions, BuildRequest, SecretSource } from '../builder/request.js'
import type { SshKey } from '../builder/ssh-keys.js'
import { insideContext } from '../docker/context.js'
import { Fault } from '../errors.js'
import type { SecretValue } from '../secret.js'

/** A file of the context. */
export interface QueuedFile {
  readonly file: string
}

/** Where the value of a mount comes from. `value` is the name of one that came with the build. */
export type QueuedSource =
  | { readonly name: string }
  | { readonly value: string }
  | { readonly requirements: string }
  | { readonly credentialsOf: string }

/** Where the key of an agent comes from: a running agent is one of another machine. */
export type QueuedAgent = Extract<QueuedSource, { readonly name: string } | { readonly value: string }>

/** Options that mean the same wherever a build is carried out. */
export type QueuedOptions = Omit<BuildOptions, 'environment' | 'push' | 'archive' | 'cgroupParent'>

/** A build from a Dockerfile. */
export interface QueuedDockerfile extends QueuedOptions {
  readonly dockerfile: { readonly text: string } | QueuedFile
  readonly secrets?: Readonly<Record<string, QueuedSource>>
  readonly ssh?: Readonly<Record<string, QueuedAgent>>
  readonly target?: string
  readonly allowMissing?: readonly string[]
  readonly buildContexts?: Readonly<Record<string, string>>
}

/** A build from a requirement list. */
export interface QueuedRequirements extends QueuedOptions {
  readonly requirements: readonly string[] | QueuedFile
  readonly base: string
  readonly apt?: readonly string[]
  readonly workdir?: string
  readonly copy?: readonly { readonly from: string; readonly to: string }[]
  readonly delivery?: 'auto' | 'lifted' | 'filled'
  readonly isolate?: boolean
  readonly installer?: 'pip' | 'uv'
  readonly sshKeys?: readonly SshKey[]
  readonly knownHosts?: { readonly text: string }
}

/** A request as a server takes it. */
export type QueuedRequest = QueuedDockerfile | QueuedRequirements

/** What a request becomes one with. */
export interface QueuedPlace {
  readonly environment: string
  /** The unpacked context, empty where the build has none. */
  readonly folder: string
  /** Values that came with the build. They stay the caller's. */
  readonly given: ReadonlyMap<string, SecretValue>
}

/**
 * Makes the builder's request.
 *
 * @throws {@link Fault} `REQUEST_INVALID` for a file that is not in the context, a value that did not come, or a named
 * context that is a folder.
 */
export async function builderRequest(queued: QueuedRequest, place: QueuedPlace): Promise<BuildRequest> {
  return 'dockerfile' in queued ? await fromDockerfile(queued, place) : await fromList(queued, place)
}

async function fromDockerfile(queued: QueuedDockerfile, place: QueuedPlace): Promise<BuildRequest> {
  const { dockerfile, secrets = {}, ssh, buildContexts = {}, ...rest } = queued
  for (const reference of Object.values(buildContexts)) requireNoFolder(reference)
  const sources = await Promise.all(
    Object.entries(secrets).map(async ([id, source]) => [id, await sourceOf(source, place)] as const),
  )
  return {
    ...rest,
    environment: place.environment,
    dockerfile: 'file' in dockerfile ? { path: await fileOf(dockerfile.file, place) } : dockerfile,
    secrets: Object.fromEntries(sources),
    ...(ssh === undefined ? {} : { ssh: agentsOf(ssh, place) }),
    buildContexts,
    context: place.folder,
    contextIsFiltered: true,
  }
}

async function fromList(queued: QueuedRequirements, place: QueuedPlace): Promise<BuildRequest> {
  const { requirements, copy = [], ...rest } = queued
  const path = 'file' in requirements ? await fileOf(requirements.file, place) : null
  const root = path === null ? place.folder : dirname(path)
  for (const { from } of copy) await requireInside(join(root, from), place)
  return {
    ...rest,
    copy,
    environment: place.environment,
    ...('file' in requirements ? { requirements: { path: path ?? '' } } : { requirements, root }),
  }
}

async function sourceOf(source: QueuedSource, place: QueuedPlace): Promise<SecretSource> {
  if ('name' in source) return source
  if ('requirements' in source) return { requirements: await fileOf(source.requirements, place) }
  if ('credentialsOf' in source) return { credentialsOf: await fileOf(source.credentialsOf, place) }
  return givenValue(source.value, place)
}

function agentsOf(
  ssh: Readonly<Record<string, QueuedAgent>>,
  place: QueuedPlace,
): Record<string, { readonly name: string } | SecretValue> {
  const keys = Object.entries(ssh).map(
    ([id, agent]) => [id, 'name' in agent ? agent : givenValue(agent.value, place)] as const,
  )
  return Object.fromEntries(keys)
}

function givenValue(name: string, { given }: QueuedPlace): SecretValue {
  const value = given.get(name)
  if (value !== undefined) return value
  throw invalid(`The value ${name} did not come with the build.`)
}

/** A file of the context, by a path without links: what a list names is looked for in the folder of that path. */
async function fileOf(path: string, place: QueuedPlace): Promise<string> {
  const file = insideContext(place.folder, path)
  const real = file === null ? null : await realOf(join(place.folder, file))
  if (real !== null && (await isInside(real, place))) return real
  throw invalid('The build names a file that is not in its context.')
}

/** A path of which only the last part may be a link, which is then copied as one. */
async function requireInside(path: string, place: QueuedPlace): Promise<void> {
  const folder = await realOf(dirname(path))
  if (folder === null || !(await isInside(folder, place))) {
    throw invalid('The build copies a file that is not in its context.')
  }
}

async function isInside(real: string, { folder }: QueuedPlace): Promise<boolean> {
  return `${real}${sep}`.startsWith(`${await realpath(folder)}${sep}`)
}

async function realOf(file: string): Promise<string | null> {
  try {
    return await realpath(file)
  } catch (error) {
    if (error instanceof Error && 'code' in error) return null
    throw error
  }
}

/** A named context may be an image or an address; a path would be one of the machine that builds. */
function requireNoFolder(reference: string): void {
  if (/^(?:docker-image|https?):\/\//.test(reference)) return
  throw invalid(
    'A named context of a build on a server must be an image.',
    'Write NAME=docker-image://IMAGE.',
  )
}

const invalid = (message: string, hint?: string): Fault => new Fault('REQUEST_INVALID', message, { hint })
