/**
 * A build from a requirement list: the list is read and checked whole, and the
 * Dockerfile is ours.
 *
 * @packageDocumentation
 */

import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { contextTar } from '../docker/context.js'
import type { SshAgent } from '../docker/ssh-agent.js'
import { Fault, faultOf, type Problem } from '../errors.js'
import type { SecretName, SecretValue } from '../secret.js'
import {
  deliver,
  planDelivery,
  unknownNames,
  type Delivery,
  type DeliveryMount,
  type DeliveryPlan,
  type RequirementList,
} from '../substitute/index.js'
import { installDockerfile } from './install-recipe.js'
import { planIsolated, type IsolatedPlan } from './isolated-plan.js'
import { isolatedDockerfile } from './isolated-recipe.js'
import { MountLabels } from './mount-labels.js'
import type { AssembledBuild, PreparedBuild, Workshop } from './prepared.js'
import type { BaseFacts } from './probe.js'
import { LISTS, type InstallMount, type WrittenRecipe } from './recipe-parts.js'
import type { RequirementsRequest } from './request.js'
import { keyMounts, sshFiles, type SshAccess } from './ssh-keys.js'
import { ownAgent } from './ssh-mounts.js'
import { heldOf } from './step-choice.js'

/** First Git that takes settings from `GIT_CONFIG_COUNT`: https://github.com/git/git/blob/master/Documentation/RelNotes/2.31.0.txt */
const GIT_CONFIG_COUNT_SINCE = [2, 31] as const

/** Prepares a build from a list that was read. */
export function prepareRequirements(
  request: RequirementsRequest,
  {
    list,
    root,
    known,
    ssh,
  }: {
    readonly list: RequirementList
    readonly root: string
    readonly known: readonly SecretName[]
    readonly ssh: SshAccess | undefined
  },
): PreparedBuild {
  const isolated = request.isolate === true ? planIsolated(list) : undefined
  const plan = planDelivery(list, request.delivery ?? 'auto')
  const unknown = unknownNames(list, known)
  return {
    storedNames: new Set([...list.names, ...(ssh?.keys ?? []).map(({ name }) => name)]),
    given: new Map(),
    problems: [
      ...list.problems,
      ...list.localPaths,
      ...plan.problems,
      ...(isolated?.problems ?? []),
      ...unknown,
      ...recipeProblems(request),
      ...(request.installer === 'uv' ? uvProblems(request, { list, plan }) : []),
    ],
    images: [{ reference: request.base, hasOwnPlatform: false }],
    refusesTriggers: true,
    needs: [],
    assemble: (workshop) =>
      assemble(request, { list: isolated?.list ?? list, root, plan, isolated, ssh }, workshop),
  }
}

/** Debian's names of packages: https://www.debian.org/doc/debian-policy/ch-controlfields.html#source, with an optional version. */
const PACKAGE = /^[a-z0-9][a-z0-9+.-]+(?:=[A-Za-z0-9.+~:-]+)?$/

function recipeProblems({ apt = [], workdir, base }: RequirementsRequest): readonly Problem[] {
  const problems: Problem[] = []
  const invalid = (message: string): void => void problems.push({ code: 'REQUEST_INVALID', message })
  if (!apt.every((name) => PACKAGE.test(name)))
    invalid('A package of --apt is not a name of a Debian package.')
  if (workdir !== undefined && !/^\/[^\s$"'\\]*$/.test(workdir))
    invalid('The working directory is not an absolute path.')
  if (!/^[^\s$"'\\]+$/.test(base)) invalid('The base image is not a name of an image.')
  return problems
}

/** What uv cannot do, of that which pip can. */
function uvProblems(
  { isolate = false }: RequirementsRequest,
  { list, plan }: { readonly list: RequirementList; readonly plan: DeliveryPlan },
): readonly Problem[] {
  const hint = 'Leave --installer uv out.'
  const problems: Problem[] = []
  const invalid = (message: string): void => void problems.push({ code: 'REQUEST_INVALID', message, hint })
  if (isolate) invalid('An isolated install is made by pip, which can be kept from running code.')
  if (plan.mode === 'filled') {
    invalid('A filled list is made into wheels first, which uv cannot do.')
  }
  if (list.hasEditable) invalid('uv does not install editable requirements from repositories.')
  return problems
}

async function assemble(
  request: RequirementsRequest,
  {
    list,
    root,
    plan,
    isolated,
    ssh,
  }: {
    readonly list: RequirementList
    readonly root: string
    readonly plan: DeliveryPlan
    readonly isolated: IsolatedPlan | undefined
    readonly ssh: SshAccess | undefined
  },
  workshop: Workshop,
): Promise<AssembledBuild> {
  const apt = request.apt ?? []
  const facts = await workshop.probe(request.base, apt)
  requireSuitable(facts, { list, ssh, installer: request.installer ?? 'pip' })
  // Which Git is there is known only now, and all but the oldest take the plan that was made without knowing.
  const settled = readsHelpers(facts) ? plan : planDelivery(list, plan.choice, 'netrc')
  if (settled.problems.length > 0) throw faultOf(settled.problems)
  const values = new Map<SecretName, SecretValue>()
  for (const name of list.names) {
    const held = workshop.stored.get(name)
    if (held !== undefined) values.set(name, held.value)
  }
  const keys = await keyMounts(ssh, workshop)
  const delivery = deliver(settled, list, values, { pythonVersion: facts.python })
  const labels = new MountLabels()
  const mounts = new Map<string, SecretValue>()
  const place = { command: installation(request, delivery), stage: 0 }
  const secretSteps = await workshop.choose([
    ...delivery.mounts.map(({ kind, shape, names }) => ({
      kind: 'derived' as const,
      use: kind,
      shape,
      secrets: heldOf(names, workshop.stored),
      ...place,
    })),
    ...keys.map(({ mount }) => ({ ...mount, ...place })),
  ])
  const recipeMounts = delivery.mounts.map((mount, index): InstallMount => {
    const { id, kept } = secretSteps[index] ?? missingStep()
    if (kept) mount.value[Symbol.dispose]()
    else mounts.set(id, mount.value)
    labels.add(id, labelOf(mount))
    if (mount.kind === 'git-credential') return { kind: mount.kind, id, scope: mount.scope }
    return mount.kind === 'netrc' ? { kind: mount.kind, id } : { kind: mount.kind, id, path: mount.path }
  })
  const agents = new Map<string, SshAgent>()
  const agentMounts = keys.map(({ agent, target, words }, index): InstallMount => {
    const { id, kept } = secretSteps[delivery.mounts.length + index] ?? missingStep()
    if (!kept) agents.set(id, ownAgent(agent))
    labels.add(id, words)
    return { kind: 'ssh', id, target }
  })
  const copy = request.copy ?? []
  const offline = workshop.supports('step-network')
  const recipe = {
    base: request.base,
    baseUser: workshop.image(request.base).user,
    facts,
    apt,
    workdir: request.workdir,
    copy,
    mode: delivery.mode,
    installer: request.installer ?? 'pip',
    git: settled.git,
    list: delivery.root,
    listName: 'path' in request.requirements ? basename(request.requirements.path) : delivery.root,
    mounts: [...recipeMounts, ...agentMounts],
    hasRepositories: list.needsGit,
  }
  const written: WrittenRecipe =
    isolated === undefined
      ? installDockerfile(recipe)
      : isolatedDockerfile({ ...recipe, offline, sources: isolated.sources })
  const files = new Map([...listFiles(delivery), ...written.files, ...sshFiles(ssh)])
  for (const { marker, words } of written.steps) labels.addStep(marker, words)
  return {
    dockerfile: written.dockerfile,
    context: contextTar({ root, only: copy.map(({ from }) => from), files }),
    namedContexts: new Map(),
    mounts,
    secretSteps,
    agents,
    targets: written.targets,
    commitsStage: written.commitsStage,
    labels,
    secretCommands: written.steps.map(({ command }) => command),
    caches: [],
    doubts: [],
    delivery: {
      mode: delivery.mode,
      reasons: delivery.reasons,
      ...(isolated === undefined
        ? {}
        : { isolated: { network: offline ? ('none' as const) : ('on' as const) } }),
    },
  }
}

/** @throws {@link Fault} `BASE_UNSUITABLE` with everything the base lacks. */
function requireSuitable(
  facts: BaseFacts,
  {
    list,
    ssh,
    installer,
  }: {
    readonly list: RequirementList
    readonly ssh: SshAccess | undefined
    readonly installer: 'pip' | 'uv'
  },
): void {
  if (facts.uv === undefined && installer === 'uv') {
    throw new Fault('BASE_UNSUITABLE', 'The base image lacks uv.', {
      hint: 'Use a base image that has it, or leave --installer uv out.',
    })
  }
  const missing: string[] = []
  if (facts.python === undefined) missing.push('python3')
  if (facts.pip === undefined && installer === 'pip') missing.push('python3-pip')
  if (facts.git === undefined && list.needsGit) missing.push('git')
  if (facts.ssh === undefined && ssh !== undefined) missing.push('openssh-client')
  if (missing.length > 0) {
    throw new Fault('BASE_UNSUITABLE', `The base image lacks ${missing.join(', ')}.`, {
      hint: `Add it with --apt ${[...missing, ...(missing.includes('git') ? ['ca-certificates'] : [])].join(',')}, or use another base.`,
    })
  }
}

/** Whether git, where there is one, can be given its credentials by helpers. */
function readsHelpers({ git }: BaseFacts): boolean {
  if (git === undefined) return true
  const [major = 0, minor = 0] = git.split('.').map(Number)
  const [sinceMajor, sinceMinor] = GIT_CONFIG_COUNT_SINCE
  return major > sinceMajor || (major === sinceMajor && minor >= sinceMinor)
}

/** Stands for what pip is told to install, and into what. */
const installation = (
  { base, apt = [], isolate = false, installer = 'pip' }: RequirementsRequest,
  { root, files }: Delivery,
): string => {
  const lists = [...files].map(([path, bytes]) => [path, Buffer.from(bytes).toString('latin1')])
  return createHash('sha256')
    .update(
      JSON.stringify([
        base,
        apt,
        root,
        lists,
        ...(isolate ? ['isolated'] : []),
        ...(installer === 'uv' ? ['uv'] : []),
      ]),
    )
    .digest('hex')
}

const missingStep = (): never => {
  throw new TypeError('a mount was given no id')
}

const labelOf = (mount: DeliveryMount): string =>
  mount.kind === 'git-credential'
    ? `credential:${mount.scope}`
    : mount.kind === 'netrc'
      ? 'netrc'
      : `list:${mount.path}`

const listFiles = ({ files }: Delivery): ReadonlyMap<string, Uint8Array> =>
  new Map([...files].map(([path, bytes]) => [`${LISTS}/${path}`, bytes]))
