/**
 * A build request on its way to another machine: files become a context, the
 * Dockerfile becomes text, and values given at hand are taken out of it, to be
 * sealed.
 *
 * @packageDocumentation
 */

import { readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { listReader } from '../builder/list-sources.js'
import {
  checkOptions,
  checkSources,
  isRequirementsRequest,
  type BuildOptions,
  type BuildRequest,
  type DockerfileRequest,
  type RequirementsRequest,
} from '../builder/request.js'
import { readServers } from '../builder/ssh-keys.js'
import { checkAgents } from '../builder/ssh-mounts.js'
import { contextTar, ignoreLines, insideContext } from '../docker/context.js'
import { Fault, faultOf, type Problem } from '../errors.js'
import type { SecretValue } from '../secret.js'
import { parseRequirements } from '../substitute/index.js'
import type { Json } from './answer.js'

/** What is sent for a request. Dispose wipes the values. */
export interface PackedRequest extends Disposable {
  readonly environment: string
  readonly request: Json
  /** Values given at hand, by the names that the request has for them. */
  readonly values: ReadonlyMap<string, SecretValue>
  /** Makes the context; `null` for a build that needs none. */
  readonly context: (() => AsyncIterable<Uint8Array>) | null
}

/**
 * Packs a request. What can be checked here is checked before anything is sent.
 *
 * @throws {@link Fault} `REQUEST_INVALID`, `REQUIREMENTS_INVALID` with all problems.
 */
export async function packRequest(request: BuildRequest): Promise<PackedRequest> {
  const { options, problems: found } = checkOptions(request)
  const problems = [...found, ...(options.cgroupParent === undefined ? [] : [WORKERS_OWN])]
  if (problems.length > 0) throw faultOf(problems)
  return isRequirementsRequest(request) ? await packRequirements(request) : await packDockerfile(request)
}

/** A limit that who submits a build could lift would be none. */
const WORKERS_OWN: Problem = {
  code: 'REQUEST_INVALID',
  message: 'The cgroup of a build on a server is for its worker to say.',
  hint: 'Start the worker with --cgroup-parent.',
}

async function packDockerfile(request: DockerfileRequest): Promise<PackedRequest> {
  const { dockerfile, context, secrets, ssh, environment = 'main', ...rest } = request
  const options = optionsOf(rest)
  const path = 'path' in dockerfile ? dockerfile.path : undefined
  const text = 'path' in dockerfile ? await readText(dockerfile.path) : dockerfile.text
  const lines = context === undefined ? undefined : await ignoreLines(context, path)
  const { sources, problems } = checkSources(secrets)
  const values = new Map<string, SecretValue>()
  const dispose = (): void => {
    for (const value of values.values()) value[Symbol.dispose]()
  }
  const agents = checkAgents(ssh)
  const found: Problem[] = [...problems, ...agents.problems]
  const written: Record<string, Json> = {}
  const keys: Record<string, Json> = {}
  const inside = (id: string, file: string): string => {
    const relative = context === undefined ? null : insideContext(context, file)
    if (relative !== null) return relative
    found.push({
      code: 'REQUEST_INVALID',
      message: `The requirement list of the secret ${id} is not in the build context, where the server could read it.`,
    })
    return ''
  }
  for (const [id, source] of sources) {
    switch (source.kind) {
      case 'value':
        values.set(id, source.value)
        written[id] = { value: id }
        break
      case 'stored':
        written[id] = { name: source.name }
        break
      case 'requirements':
        written[id] = { requirements: inside(id, source.path) }
        break
      case 'credentials-of':
        written[id] = { credentialsOf: inside(id, source.path) }
        break
    }
  }
  for (const [id, agent] of agents.agents) {
    switch (agent.kind) {
      case 'value':
        // A mount of a secret may have the same id.
        values.set(`ssh:${id}`, agent.value)
        keys[id] = { value: `ssh:${id}` }
        break
      case 'stored':
        keys[id] = { name: agent.name }
        break
      case 'socket':
        found.push({
          code: 'REQUEST_INVALID',
          message: `The SSH agent ${id} runs on this machine, where the server cannot reach it.`,
          hint: `Store the key and give it with --ssh ${id}=NAME, or build without --server.`,
        })
        break
    }
  }
  if (found.length > 0) {
    dispose()
    throw faultOf(found)
  }
  return {
    environment,
    request: {
      ...options,
      dockerfile: { text },
      secrets: written,
      ...(ssh === undefined ? {} : { ssh: keys }),
    },
    values,
    context: context === undefined ? null : contextTar({ root: context, ignoreLines: lines }),
    [Symbol.dispose]: dispose,
  }
}

/** Where the image goes is not a part of the request: see {@link BuildOutput}. */
function optionsOf({ push: _push, archive: _archive, ...options }: BuildOptions): Json {
  return options
}

/** The list and all it names travel, and what `copy` takes: not the rest of the folder. */
async function packRequirements(request: RequirementsRequest): Promise<PackedRequest> {
  const { requirements, copy = [], environment = 'main', knownHosts, ...rest } = request
  const options = optionsOf(rest)
  const path = 'path' in requirements ? requirements.path : undefined
  const root = path === undefined ? process.cwd() : dirname(path)
  const files = new Map<string, Uint8Array>()
  const read = listReader(root)
  const list = await parseRequirements(
    path === undefined ? { lines: requirements as readonly string[] } : { path: basename(path) },
    async (name) => {
      const bytes = await read(name)
      if (bytes !== null) files.set(name, bytes)
      return bytes
    },
  )
  const problems: Problem[] = [...list.problems, ...list.localPaths]
  const servers = knownHosts === undefined ? undefined : await readServers(knownHosts)
  if (knownHosts !== undefined && servers === undefined) {
    problems.push({ code: 'REQUEST_INVALID', message: 'The file of known hosts names no server.' })
  }
  const only = copy.map(({ from }) => insideContext(root, from))
  if (only.includes(null)) {
    problems.push({
      code: 'REQUEST_INVALID',
      message: 'A path of --copy leads out of the folder of the requirement list.',
    })
  }
  if (problems.length > 0) throw faultOf(problems)
  const paths = only.filter((from) => from !== null)
  return {
    environment,
    request: {
      ...options,
      copy,
      ...(servers === undefined ? {} : { knownHosts: { text: Buffer.from(servers).toString('utf8') } }),
      requirements: path === undefined ? requirements : { file: basename(path) },
    },
    values: new Map(),
    context: files.size === 0 && paths.length === 0 ? null : contextTar({ root, only: paths, files }),
    [Symbol.dispose]: () => undefined,
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new Fault('REQUEST_INVALID', `The Dockerfile ${path} cannot be read.`, { cause: error })
  }
}
