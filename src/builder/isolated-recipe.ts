/**
 * The Dockerfile of an isolated install. Two kinds of stages take turns: one
 * that has the credentials and runs no code of a package, and one that runs it
 * and has nothing, not even a network where the engine can do that. Each kind
 * builds on itself only: what packages' code ran in never gets a credential.
 *
 * @packageDocumentation
 */

import { installWheelsStep } from './install-recipe.js'
import type { IsolatedSource } from './isolated-plan.js'
import {
  bindLists,
  bindPrograms,
  environment,
  imageStage,
  LISTS_AT,
  programFiles,
  PROGRAMS,
  PROGRAMS_AT,
  run,
  secretMounts,
  settings,
  stageStart,
  written,
  type InstallRecipe,
  type Step,
  type WrittenRecipe,
} from './recipe-parts.js'

/** What the Dockerfile is made from, beside what any installation is made from. */
export interface IsolatedRecipe extends InstallRecipe {
  /** Whether the engine can take a step's network away. */
  readonly offline: boolean
  readonly sources: readonly IsolatedSource[]
}

/** Names of the stages that are read beside the image. */
export const FETCH_STAGE = 'traceless-fetch'
export const BUILD_STAGE = 'traceless-build'

/** How many times repositories may name further ones that are known only once their own metadata was built. */
const ROUNDS = 3

const FETCHED = '/traceless'
const BUILT = '/traceless-built'

/** The steps' programs. */
const NAMES = ['guarded_pip.py', 'isolated.py', 'packages.py', 'repositories.py', 'wheels.py'] as const

/** The programs, and what they are to fetch. */
function filesOf({ list, mounts, sources }: IsolatedRecipe): ReadonlyMap<string, Uint8Array> {
  const schemes = ['http', 'https', ...(mounts.some(({ kind }) => kind === 'ssh') ? ['ssh'] : [])]
  const plan = { list: `${LISTS_AT}/${list}`, schemes, sources }
  return new Map([...programFiles(NAMES), [`${PROGRAMS}/plan.json`, Buffer.from(JSON.stringify(plan))]])
}

/** Writes the Dockerfile. It names secrets and holds none. */
export function isolatedDockerfile(recipe: IsolatedRecipe): WrittenRecipe {
  const rounds = recipe.sources.length === 0 ? 0 : ROUNDS
  const lines: string[] = []
  const steps: Step[] = []
  const stage = (from: string | undefined, name: string, step: Step): void => {
    lines.push(
      ...(from === undefined ? stageStart(recipe, name) : [`FROM ${from} AS ${name}`]),
      step.instruction,
    )
    steps.push(step)
  }
  let fetched: string | undefined
  let built: string | undefined
  for (let round = 1; round <= rounds; round += 1) {
    const fetching = `${FETCH_STAGE}-${String(round)}`
    const building = round === rounds ? BUILD_STAGE : `${BUILD_STAGE}-${String(round)}`
    stage(fetched, fetching, fetchStep(recipe, { round, built }))
    stage(built, building, buildStep(recipe, { round, fetched: fetching }))
    fetched = fetching
    built = building
  }
  stage(fetched, FETCH_STAGE, resolveStep(recipe, built))
  const install = installWheelsStep(recipe.facts.externallyManaged, {
    from: FETCH_STAGE,
    folder: `${FETCHED}/wheels`,
    flags: offline(recipe),
  })
  lines.push(...imageStage(recipe, install))
  return written(lines, {
    steps: [...steps, install],
    targets: rounds === 0 ? [FETCH_STAGE] : [FETCH_STAGE, BUILD_STAGE],
    commitsStage: FETCH_STAGE,
    files: filesOf(recipe),
  })
}

function fetchStep(
  recipe: IsolatedRecipe,
  { round, built }: { readonly round: number; readonly built: string | undefined },
): Step {
  return run([...programs(recipe), bindLists(), ...bindBuilt(built), ...secretMounts(recipe)], {
    name: `fetch-${String(round)}`,
    words: round === 1 ? 'fetch what the list names' : `fetch what that names, ${String(round)}`,
    command: `${environment(recipe)} ${program(round === 1 ? 'first' : 'next')}`,
  })
}

/** What it writes into the mounted folder is lost at its end, so that no later stage finds a source that code changed. */
function buildStep(
  recipe: IsolatedRecipe,
  { round, fetched }: { readonly round: number; readonly fetched: string },
): Step {
  const sources = `--mount=type=bind,from=${fetched},source=${FETCHED},target=${FETCHED},rw=true`
  return run([...offline(recipe), bindPrograms(), sources], {
    name: `build-${String(round)}`,
    words: `build wheels of it, ${String(round)}`,
    command: `${settings()} ${program('build')}`,
  })
}

function resolveStep(recipe: IsolatedRecipe, built: string | undefined): Step {
  return run([...programs(recipe), bindLists(), ...bindBuilt(built), ...secretMounts(recipe)], {
    name: 'resolve',
    words: 'download the wheels of everything else',
    command: `${environment(recipe)} ${program('resolve')}`,
  })
}

/** Mounts of agents bring them along. */
const programs = ({ mounts }: IsolatedRecipe): readonly string[] =>
  mounts.some(({ kind }) => kind === 'ssh') ? [] : [bindPrograms()]

const program = (step: string): string => `python3 ${PROGRAMS_AT}/isolated.py ${step}`

const bindBuilt = (stage: string | undefined): readonly string[] =>
  stage === undefined ? [] : [`--mount=type=bind,from=${stage},source=${BUILT},target=${BUILT}`]

const offline = ({ offline }: IsolatedRecipe): readonly string[] => (offline ? ['--network=none'] : [])
