/**
 * `--compose FILE [SERVICE]` of the build command: what the file says, with
 * what stands on the command line before it.
 *
 * @packageDocumentation
 */

import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { ComposeBuild, ComposeSecret } from '../builder/compose.js'
import type { BuildOptions, DockerfileRequest, SecretSource } from '../builder/request.js'
import { Fault } from '../errors.js'
import { SecretValue } from '../secret.js'
import { valueFromFile, type Io } from './io.js'
import { readSshOptions } from './ssh-option.js'

/** What of a request can stand on the command line beside a Compose file. */
export interface ComposeOverrides {
  readonly file: string
  readonly service: string | undefined
  /** From the command line; what it has wins. */
  readonly options: BuildOptions
  readonly secrets: NonNullable<DockerfileRequest['secrets']>
  readonly ssh: NonNullable<DockerfileRequest['ssh']>
  readonly target: string | undefined
  readonly allowMissing: readonly string[]
}

/** Makes a request of a service's build. Secrets of the file that are variables or files are read here. */
export async function composeRequest(given: ComposeOverrides, io: Io): Promise<DockerfileRequest> {
  const path = resolve(io.cwd, given.file)
  // Loaded only here: reading YAML takes longer to load than most commands to run.
  const { readCompose } = await import('../builder/compose.js')
  const build = readCompose(await textOf(path), { path, service: given.service, variables: io.env })
  const { options } = given
  const secrets: Record<string, SecretSource> = {}
  for (const [id, secret] of Object.entries(build.secrets)) secrets[id] = await sourceOf(secret, io)
  const ssh = { ...(await readSshOptions(build.ssh, io)), ...given.ssh }
  const target = given.target ?? build.target
  const network = options.network ?? build.network
  const platform = options.platform ?? build.platform
  return {
    ...options,
    tags: options.tags === undefined || options.tags.length === 0 ? tagsOf(build) : options.tags,
    buildArgs: { ...build.args, ...options.buildArgs },
    labels: { ...build.labels, ...options.labels },
    extraHosts: [...build.extraHosts, ...(options.extraHosts ?? [])],
    noCache: options.noCache === true || build.noCache,
    pull: options.pull === true || build.pull,
    ...(network === undefined ? {} : { network }),
    ...(platform === undefined ? {} : { platform }),
    dockerfile: build.dockerfile,
    context: build.context,
    secrets: { ...secrets, ...given.secrets },
    ...(Object.keys(ssh).length === 0 ? {} : { ssh }),
    ...(target === undefined ? {} : { target }),
    allowMissing: given.allowMissing,
    buildContexts: build.buildContexts,
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new Fault('REQUEST_INVALID', `The Compose file ${path} cannot be read.`, { cause: error })
  }
}

/** Without a name Compose calls the image after its project; a request of ours says so. */
function tagsOf({ tags, service }: ComposeBuild): readonly string[] {
  if (tags.length > 0) return tags
  throw new Fault(
    'REQUEST_INVALID',
    `The service ${service} has no "image", and so no name for what is built.`,
    {
      hint: 'Add one to the file, or give a name with -t NAME:TAG.',
    },
  )
}

async function sourceOf(secret: ComposeSecret, io: Io): Promise<SecretSource> {
  switch (secret.kind) {
    case 'stored':
      return { name: secret.name }
    case 'variable':
      return valueFromVariable(secret.name, io)
    case 'file':
      return valueFromFile(secret.path)
  }
}

function valueFromVariable(name: string, { env }: Io): SecretValue {
  const value = env[name]
  if (value !== undefined) return SecretValue.fromText(value)
  throw new Fault(
    'REQUEST_INVALID',
    `A secret of the Compose file is the variable ${name}, which is not set.`,
  )
}
