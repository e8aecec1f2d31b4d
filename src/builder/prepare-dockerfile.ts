/**
 * A build from the user's own Dockerfile: what it mounts is compared with what
 * was given before anything starts.
 *
 * @packageDocumentation
 */

import { assembleMounts, type Resolved } from './assemble-mounts.js'
import { cacheMountsOf } from './cache-mounts.js'
import { contextTar } from '../docker/context.js'
import type { Problem } from '../errors.js'
import { isSecretName, type SecretName, type SecretValue } from '../secret.js'
import { nearest } from '../suggest.js'
import { readDockerfile, type PlacedMount, type ReadDockerfile, type Stage } from './dockerfile-read.js'
import {
  isForeignFrontend,
  reachedStages,
  rewriteDockerfile,
  stageNames,
  stagesToRead,
  targetStage,
} from './dockerfile-rewrite.js'
import type { DerivedSource } from './list-sources.js'
import { MountLabels } from './mount-labels.js'
import type { AssembledBuild, BaseImage, EngineNeed, PreparedBuild, Workshop } from './prepared.js'
import { valuesOf, type CheckedOptions, type CheckedSource } from './request.js'
import { agentProblems, type CheckedAgent } from './ssh-mounts.js'

/** What a Dockerfile build is prepared from. */
export interface DockerfileInput {
  /** Name of the Dockerfile for messages. */
  readonly file: string
  readonly text: string
  readonly context: Parameters<typeof contextTar>[0]
  readonly sources: ReadonlyMap<string, CheckedSource>
  /** Values that stand behind `requirements` and `credentials-of` sources, by id. */
  readonly derived: ReadonlyMap<string, DerivedSource>
  /** SSH agents by id. */
  readonly agents: ReadonlyMap<string, CheckedAgent>
  readonly target: string | undefined
  readonly allowMissing: ReadonlySet<string>
  readonly namedContexts: ReadonlyMap<string, string>
  /** Stored names that could be meant. */
  readonly known: readonly SecretName[]
  readonly options: CheckedOptions
}

/**
 * How an image is written where a context is named: https://docs.docker.com/reference/cli/docker/buildx/build/#build-context.
 * Folders and addresses are not taken: what the engine reads from them by itself cannot be searched.
 */
const IMAGE_CONTEXT = 'docker-image://'

/** Prepares a Dockerfile build. */
export function prepareDockerfile(input: DockerfileInput): PreparedBuild {
  const dockerfile = readDockerfile(input.text, {
    file: input.file,
    buildArgs: input.options.buildArgs,
    namedContexts: new Set(input.namedContexts.keys()),
  })
  const problems: Problem[] = [...dockerfile.problems]
  const target = targetStage(dockerfile, input.target)
  if (target === undefined && dockerfile.problems.length === 0) {
    problems.push(problem(input, undefined, 'The Dockerfile has no stage of the name that is the target.'))
  }
  if ([...input.namedContexts.values()].some((value) => !value.startsWith(IMAGE_CONTEXT))) {
    problems.push({
      code: 'REQUEST_INVALID',
      message: 'A build context of a name of its own can only be an image.',
      hint: 'Write --build-context NAME=docker-image://IMAGE, or put the files into the context of the build.',
    })
  }
  const reached = target === undefined ? [] : reachedStages(dockerfile, target)
  problems.push(...stageProblems(input, dockerfile, reached))
  const mounts = reached.flatMap((stage) => stage.mounts)
  const resolution = resolveMounts(input, mounts)
  problems.push(...resolution.problems)
  // Where the target is not known, neither is what its steps mount.
  if (target !== undefined) {
    problems.push(...unusedSources(input, new Set(resolution.byId.keys())))
    problems.push(
      ...agentProblems(
        reached.flatMap((stage) => stage.sshMounts),
        input,
      ),
    )
  }
  return {
    storedNames: new Set([...namesOf(resolution.byId), ...keyNames(input)]),
    given: new Map([...valuesOf(input.sources), ...givenKeys(input)]),
    problems,
    images: imagesOf(reached, input.namedContexts),
    refusesTriggers: false,
    needs: needsOf(input, dockerfile, mounts),
    assemble: (workshop) =>
      assemble(input, { dockerfile, target: target ?? fail(), reached, byId: resolution.byId }, workshop),
  }
}

const fail = (): never => {
  throw new TypeError('a build with problems was assembled')
}

function namesOf(byId: ReadonlyMap<string, Resolved>): ReadonlySet<SecretName> {
  const names = new Set<SecretName>()
  for (const found of byId.values()) {
    if (found.kind === 'stored') names.add(found.name)
    else if (found.kind === 'derived') for (const name of found.source.names) names.add(name)
  }
  return names
}

/** Keys given at hand, by the name under which they are searched for. */
const givenKeys = ({ agents }: DockerfileInput): readonly (readonly [string, SecretValue])[] =>
  [...agents].flatMap(([id, agent]) => (agent.kind === 'value' ? [[`ssh:${id}`, agent.value] as const] : []))

const keyNames = ({ agents }: DockerfileInput): readonly SecretName[] =>
  [...agents.values()].flatMap((agent) => (agent.kind === 'stored' ? [agent.name] : []))

function stageProblems(
  input: DockerfileInput,
  dockerfile: ReadDockerfile,
  reached: readonly Stage[],
): readonly Problem[] {
  const problems: Problem[] = []
  if (isForeignFrontend(dockerfile.syntax)) {
    problems.push(
      problem(
        input,
        1,
        'The "# syntax" line names a frontend of its own, whose mounts cannot be separated.',
        {
          hint: 'Use docker/dockerfile, or leave the line out.',
        },
      ),
    )
  }
  const names = new Set<string>()
  for (const stage of reached) {
    const name = stage.name?.toLowerCase()
    if (name !== undefined && names.has(name)) {
      problems.push(
        problem(
          input,
          stage.line,
          'Two stages of the build have the same name, so that the first cannot be read.',
        ),
      )
    }
    if (name !== undefined) names.add(name)
    const base = stage.base.kind === 'stage' ? dockerfile.stages[stage.base.index] : undefined
    if (base?.hasOnBuildSecret === true) {
      problems.push(
        problem(input, stage.line, 'The stage builds on one whose ONBUILD trigger mounts a secret.'),
      )
    }
  }
  return problems
}

function resolveMounts(
  input: DockerfileInput,
  mounts: readonly PlacedMount[],
): { readonly byId: ReadonlyMap<string, Resolved>; readonly problems: readonly Problem[] } {
  const byId = new Map<string, Resolved>()
  const problems: Problem[] = []
  for (const placed of mounts) {
    const { id, required } = placed.mount
    const found = resolve(input, id)
    if (found.kind === 'absent' && required && !input.allowMissing.has(id)) {
      problems.push(missing(input, placed))
    }
    if (found.kind === 'stored' && !input.known.includes(found.name)) {
      problems.push(unknownName(input, found.name, placed))
    }
    byId.set(id, found)
  }
  return { byId, problems }
}

function unusedSources(input: DockerfileInput, used: ReadonlySet<string>): readonly Problem[] {
  const problems: Problem[] = []
  for (const id of input.sources.keys()) {
    if (used.has(id)) continue
    const meant = nearest(id, used)
    problems.push({
      code: 'REQUEST_INVALID',
      message: `The secret ${id} is given, and no step mounts it.`,
      hint: GIT_TOKEN.test(id)
        ? 'It is not used for ADD of a Git address: the engine would keep what it fetched for everyone who names it. Clone in a step that mounts the secret.'
        : meant === undefined
          ? undefined
          : `Did you mean ${meant}?`,
    })
  }
  return problems
}

/** An id that nothing was given for means the stored secret of that name; never a variable of this process. */
function resolve({ sources, derived, known }: DockerfileInput, id: string): Resolved {
  const source = sources.get(id)
  if (source === undefined) {
    return isSecretName(id) && known.includes(id) ? { kind: 'stored', name: id } : { kind: 'absent' }
  }
  switch (source.kind) {
    case 'value':
    case 'stored':
      return source
    case 'requirements':
    case 'credentials-of': {
      const found = derived.get(id)
      return found === undefined ? { kind: 'absent' } : { kind: 'derived', source: found }
    }
  }
}

/** By these ids BuildKit asks for what opens a Git address: https://docs.docker.com/build/building/secrets/#git-authentication-for-remote-contexts */
const GIT_TOKEN = /^GIT_AUTH_(?:TOKEN|HEADER)(?:\.|$)/

function unknownName(input: DockerfileInput, name: SecretName, { line, column }: PlacedMount): Problem {
  const meant = nearest(name, input.known)
  return {
    code: 'SECRET_UNKNOWN',
    message: `There is no secret ${name} in this environment.`,
    hint: meant === undefined ? `Set it with "traceless secrets set ${name}".` : `Did you mean ${meant}?`,
    file: input.file,
    line,
    column,
  }
}

function missing(input: DockerfileInput, { mount, line, column }: PlacedMount): Problem {
  const meant = nearest(mount.id, [...input.sources.keys(), ...input.known])
  return {
    code: 'SECRET_UNKNOWN',
    message: `The step mounts the secret ${mount.id}, and there is no value for it.`,
    hint:
      meant === undefined
        ? `Set it with "traceless secrets set", pass it with --secret id=${mount.id},…, or let the step do without it: required=false in the mount, or --allow-missing ${mount.id}.`
        : `Did you mean ${meant}?`,
    file: input.file,
    line,
    column,
  }
}

/** Images that `FROM`, `COPY --from` and `--mount=from` name, with named contexts put in their place. */
function imagesOf(
  reached: readonly Stage[],
  namedContexts: ReadonlyMap<string, string>,
): readonly BaseImage[] {
  const images = new Map<string, BaseImage>()
  const add = (reference: string, hasOwnPlatform: boolean): void => {
    if (images.get(reference)?.hasOwnPlatform !== false) images.set(reference, { reference, hasOwnPlatform })
  }
  for (const { base, uses, hasOwnPlatform } of reached) {
    for (const source of [base, ...uses]) if (source.kind === 'image') add(source.reference, hasOwnPlatform)
  }
  for (const value of namedContexts.values()) {
    if (value.startsWith(IMAGE_CONTEXT)) add(value.slice(IMAGE_CONTEXT.length), false)
  }
  return [...images.values()]
}

function needsOf(
  { file, namedContexts }: DockerfileInput,
  dockerfile: ReadDockerfile,
  mounts: readonly PlacedMount[],
): readonly EngineNeed[] {
  const needs: EngineNeed[] = mounts
    .filter(({ mount }) => mount.env !== undefined)
    .map(({ line }) => ({ feature: 'env-mount', file, line }))
  if (dockerfile.hasHereDocument) needs.push({ feature: 'here-document', file, line: undefined })
  if (namedContexts.size > 0) needs.push({ feature: 'named-context', file, line: undefined })
  return needs
}

interface Reading {
  readonly dockerfile: ReadDockerfile
  readonly target: Stage
  readonly reached: readonly Stage[]
  readonly byId: ReadonlyMap<string, Resolved>
}

async function assemble(
  input: DockerfileInput,
  reading: Reading,
  workshop: Workshop,
): Promise<AssembledBuild> {
  const { dockerfile, target, reached, byId } = reading
  const labels = new MountLabels()
  const { agents } = input
  const assembled = await assembleMounts(dockerfile, { reached, byId, agents, labels }, workshop)
  const names = stageNames(dockerfile)
  const caches = cacheMountsOf(dockerfile, reached)
  return {
    dockerfile: rewriteDockerfile(dockerfile, (placed) => assembled.flagOf(placed)),
    context: contextTar(input.context),
    namedContexts: input.namedContexts,
    mounts: assembled.mounts,
    agents: assembled.agents,
    secretSteps: assembled.secretSteps,
    targets: [target, ...stagesToRead(reached, target)].map(({ index }) => names[index] ?? ''),
    labels,
    secretCommands: reached.flatMap((stage) =>
      [...stage.mounts, ...stage.sshMounts].map(({ command }) => command),
    ),
    caches: caches.readable,
    doubts: caches.doubts,
    delivery: undefined,
  }
}

function problem(
  { file }: DockerfileInput,
  line: number | undefined,
  message: string,
  more: { readonly hint?: string } = {},
): Problem {
  return { code: 'DOCKERFILE_INVALID', message, file, line, ...more }
}
