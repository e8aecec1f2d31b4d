/**
 * From a request to a prepared build: reads the Dockerfile or the requirement
 * lists, and nothing else.
 *
 * @packageDocumentation
 */

import { readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { ignoreLines, insideContext } from '../docker/context.js'
import type { Problem } from '../errors.js'
import type { SecretName } from '../secret.js'
import { parseRequirements } from '../substitute/index.js'
import { deriveSources, listReader } from './list-sources.js'
import { prepareDockerfile } from './prepare-dockerfile.js'
import { prepareRequirements } from './prepare-requirements.js'
import type { PreparedBuild } from './prepared.js'
import {
  checkSources,
  isAddress,
  isRequirementsRequest,
  valuesOf,
  type BuildRequest,
  type CheckedOptions,
  type CheckedSource,
  type DockerfileRequest,
  type RequirementsRequest,
} from './request.js'
import { readSshAccess } from './ssh-keys.js'
import { checkAgents } from './ssh-mounts.js'

/**
 * Prepares a build.
 *
 * @param known - stored names that could be meant.
 * @throws {@link Fault} `REQUEST_INVALID` for a `.dockerignore` that cannot be read. Everything else that is wrong is in
 * the result.
 */
export async function prepare(
  request: BuildRequest,
  options: CheckedOptions,
  known: readonly SecretName[],
): Promise<PreparedBuild> {
  if (isRequirementsRequest(request)) return fromRequirements(request, known)
  return fromDockerfile(request, options, known)
}

async function fromDockerfile(
  request: DockerfileRequest,
  options: CheckedOptions,
  known: readonly SecretName[],
): Promise<PreparedBuild> {
  const { dockerfile, context } = request
  const path = 'path' in dockerfile ? dockerfile.path : undefined
  const { sources, problems } = checkSources(request.secrets)
  const ssh = checkAgents(request.ssh)
  if (context !== undefined && isAddress(context))
    return unprepared([NO_FOLDER, ...problems, ...ssh.problems], sources)
  const text = 'path' in dockerfile ? await textOf(dockerfile.path) : dockerfile.text
  if (text === undefined) {
    const message = `The Dockerfile ${path ?? ''} cannot be read.`
    return unprepared([{ code: 'REQUEST_INVALID', message }, ...problems, ...ssh.problems], sources)
  }
  const lists = await deriveSources(sources, known)
  const filtered = context === undefined || request.contextIsFiltered === true
  const lines = filtered ? undefined : await ignoreLines(context, path)
  const prepared = prepareDockerfile({
    file: path ?? 'Dockerfile',
    text,
    context: { root: context, ignoreLines: lines },
    sources,
    derived: lists.derived,
    agents: ssh.agents,
    target: request.target,
    allowMissing: new Set(request.allowMissing),
    namedContexts: new Map(Object.entries(request.buildContexts ?? {})),
    known,
    options,
  })
  return { ...prepared, problems: [...problems, ...ssh.problems, ...lists.problems, ...prepared.problems] }
}

/**
 * An engine fetches such a context by itself, and keeps it by its address: who has no token gets what another tenant's
 * token fetched.
 */
const NO_FOLDER: Problem = {
  code: 'REQUEST_INVALID',
  message: 'A build context cannot be an address.',
  hint: 'The engine would keep what a token fetched for everyone who names the address. Clone it, and give the folder.',
}

async function fromRequirements(
  request: RequirementsRequest,
  known: readonly SecretName[],
): Promise<PreparedBuild> {
  const { requirements } = request
  const isFile = !Array.isArray(requirements)
  const path = isFile ? (requirements as { readonly path: string }).path : undefined
  const root = path === undefined ? (request.root ?? process.cwd()) : dirname(path)
  const source = path === undefined ? { lines: requirements as readonly string[] } : { path: basename(path) }
  const list = await parseRequirements(source, listReader(root))
  const problems: Problem[] = (request.copy ?? [])
    .filter(({ from }) => insideContext(root, from) === null)
    .map(() => ({
      code: 'REQUEST_INVALID',
      message: 'A path of --copy leads out of the folder of the requirement list.',
    }))
  const ssh = await readSshAccess(request, { list, known })
  const prepared = prepareRequirements(request, { list, root, known, ssh: ssh.access })
  return { ...prepared, problems: [...prepared.problems, ...ssh.problems, ...problems] }
}

/** A text file; `undefined` for one that cannot be read. */
async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined
    throw error
  }
}

/** What a request comes to of which nothing could be read. */
const unprepared = (
  problems: readonly Problem[],
  sources: ReadonlyMap<string, CheckedSource>,
): PreparedBuild => ({
  storedNames: new Set(),
  given: valuesOf(sources),
  problems,
  images: [],
  refusesTriggers: false,
  needs: [],
  assemble: () => Promise.reject(new TypeError('a build with problems was assembled')),
})
