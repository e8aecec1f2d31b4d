/**
 * The Dockerfile of a build from a requirement list. Its secret step stands
 * right behind the base image and its distribution packages: whatever
 * third-party code ran earlier would own the python and the git that see the
 * credentials.
 *
 * @packageDocumentation
 */

import type { GitReader } from '../substitute/index.js'
import type { BaseFacts } from './probe.js'
import { writeMount, type SecretMount } from './secret-mount.js'

/** A mount of the installing step and what makes pip or git read it. */
export type InstallMount =
  | { readonly kind: 'git-credential'; readonly id: string; readonly scope: string }
  | { readonly kind: 'netrc'; readonly id: string }
  | { readonly kind: 'list'; readonly id: string; readonly path: string }

/** What the Dockerfile is made from. */
export interface InstallRecipe {
  readonly base: string
  /** `user[:group]` of the base image; empty means root. */
  readonly baseUser: string
  readonly facts: BaseFacts
  readonly apt: readonly string[]
  readonly workdir: string | undefined
  readonly copy: readonly { readonly from: string; readonly to: string }[]
  readonly mode: 'lifted' | 'filled'
  /** Where git looks for credentials: `netrc` for one that is too old for helpers in its environment. */
  readonly git: GitReader
  /** The list's own path below {@link LISTS}. */
  readonly list: string
  /** What the user calls the list. */
  readonly listName: string
  readonly mounts: readonly InstallMount[]
}

/** Folder of the context that holds the requirement lists pip gets to see. */
export const LISTS = '.traceless-lists'

/** Where lists and wheels are mounted: a folder that images have, because the engine leaves a new mount point behind. */
const LISTS_AT = '/mnt'
const WHEELS_AT = '/mnt'

/** Credentials stand directly under /tmp, where a mount point leaves nothing behind. */
const SECRET_AT = '/tmp/.traceless-secret-'

/** The home folder of the user that installs. A file that is mounted there leaves nothing behind either. */
const HOME = '/root'

/** Where packages go when the system's Python is managed by its distribution (PEP 668). */
export const VENV = '/opt/venv'

/** Names of the stages, for reports. */
export const WHEEL_STAGE = 'traceless-wheels'

/**
 * Settings of every pip run: no cache that stays in the layer, no prompt, no setting of the base that would move the
 * installation, no redirect that carries a credential to another host.
 */
const SETTINGS: readonly (readonly [name: string, value: string])[] = [
  ['PIP_NO_CACHE_DIR', '1'],
  ['PIP_NO_INPUT', '1'],
  ['PIP_DISABLE_PIP_VERSION_CHECK', '1'],
  ['PIP_PROGRESS_BAR', 'off'],
  ['PIP_ROOT_USER_ACTION', 'ignore'],
  ['PIP_BREAK_SYSTEM_PACKAGES', '1'],
  ['PIP_USER', '0'],
  ['PIP_REQUIRE_VIRTUALENV', '0'],
  ['GIT_TERMINAL_PROMPT', '0'],
]

/** The Dockerfile, and its steps that run pip. */
export interface WrittenRecipe {
  readonly dockerfile: string
  readonly steps: readonly Step[]
}

/** A step that we wrote. */
export interface Step {
  readonly instruction: string
  /** What the engine runs, as its records repeat it. */
  readonly command: string
  /** A text in the instruction that no other one has. */
  readonly marker: string
  /** What to call it. */
  readonly words: string
}

/** Writes the Dockerfile. It names secrets and holds none. */
export function installDockerfile(recipe: InstallRecipe): WrittenRecipe {
  const { base, baseUser, facts, apt, workdir, copy, mode } = recipe
  const venv = facts.externallyManaged
  const install = installSteps(recipe)
  const lines = [`FROM ${base} AS ${mode === 'filled' ? WHEEL_STAGE : 'traceless-image'}`]
  // Installing needs root whatever the image runs as; the base's own user comes back at the end.
  if (!isRoot(baseUser)) lines.push('USER 0:0')
  lines.push(...aptLines(apt))
  if (mode === 'filled') {
    lines.push(install.first.instruction)
    lines.push(`FROM ${base} AS traceless-image`)
    if (!isRoot(baseUser)) lines.push('USER 0:0')
    lines.push(...aptLines(apt))
    lines.push(install.second.instruction)
  } else {
    lines.push(install.first.instruction)
  }
  if (venv) lines.push(`ENV VIRTUAL_ENV=${VENV} PATH=${VENV}/bin:$PATH`)
  if (!isRoot(baseUser)) lines.push(`USER ${baseUser}`)
  if (workdir !== undefined) lines.push(`WORKDIR ${workdir}`)
  for (const { from, to } of copy) lines.push(`COPY ${JSON.stringify([from, to])}`)
  const steps = mode === 'filled' ? [install.first, install.second] : [install.first]
  return { dockerfile: `${lines.join('\n')}\n`, steps }
}

/** The steps that run pip: one that installs, or one that makes wheels and one that installs them. */
function installSteps(recipe: InstallRecipe): { readonly first: Step; readonly second: Step } {
  const venv = recipe.facts.externallyManaged
  return {
    first: recipe.mode === 'filled' ? wheelStep(recipe) : installStep(recipe, venv),
    second: installWheelsStep(venv),
  }
}

/** The step that makes Debian packages available, the same in the probe and in the build so that it runs once. */
export function aptLines(packages: readonly string[]): readonly string[] {
  if (packages.length === 0) return []
  return [
    `RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${packages.join(' ')} && rm -rf /var/lib/apt/lists/*`,
  ]
}

function installStep(recipe: InstallRecipe, venv: boolean): Step {
  const list = `${LISTS_AT}/${recipe.list}`
  const install = `${environment(recipe)} python3 -m pip ${venv ? `--python ${VENV}/bin/python ` : ''}install -r ${quoted(list)}`
  return run([bindLists(), ...secretMounts(recipe)], {
    name: 'install',
    words: `pip install -r ${recipe.listName}`,
    command: venv ? `${makeVenv()} && ${install}` : install,
  })
}

function wheelStep(recipe: InstallRecipe): Step {
  const list = `${LISTS_AT}/${recipe.list}`
  return run([bindLists(), ...secretMounts(recipe)], {
    name: 'wheel',
    words: `pip wheel -r ${recipe.listName}`,
    command: `${environment(recipe)} python3 -m pip wheel -q -w /traceless-wheels -r ${quoted(list)}`,
  })
}

/**
 * Installs exactly the wheels of the wheel stage, by name and version: by path, pip would write that path into each
 * package's `direct_url.json` (PEP 610).
 */
function installWheelsStep(venv: boolean): Step {
  const python = venv ? `--python ${VENV}/bin/python ` : ''
  const names = `set --; for w in ${WHEELS_AT}/*.whl; do b=\${w##*/}; r=\${b#*-}; set -- "$@" "\${b%%-*}==\${r%%-*}"; done`
  const install = `${settings()} python3 -m pip ${python}install --no-index --no-deps --find-links ${WHEELS_AT} "$@"`
  return run([`--mount=type=bind,from=${WHEEL_STAGE},source=/traceless-wheels,target=${WHEELS_AT}`], {
    name: 'install-wheels',
    words: 'pip install the wheels',
    command: `${venv ? `${makeVenv()} && ` : ''}${names}; ${install}`,
  })
}

function secretMounts(recipe: InstallRecipe): readonly string[] {
  return recipe.mounts.map((delivered, index) => {
    const mount: SecretMount = {
      id: delivered.id,
      // A filled list takes the place of the one without values, so that the lists that name it find it.
      target: placeOf(delivered, { index, git: recipe.git }),
      required: true,
      env: undefined,
      mode: '0400',
      uid: undefined,
      gid: undefined,
    }
    return writeMount(mount)
  })
}

function placeOf(
  mount: InstallMount,
  { index, git }: { readonly index: number; readonly git: GitReader },
): string {
  if (mount.kind === 'list') return `${LISTS_AT}/${mount.path}`
  return mount.kind === 'netrc' && git === 'netrc' ? `${HOME}/.netrc` : `${SECRET_AT}${String(index)}`
}

/** Variables that make git and pip read the mounted credentials, each git credential for its own scheme, host and port. */
function environment({ mounts, git }: InstallRecipe): string {
  const parts = [settings()]
  // A redirect to another host would take the credential with it.
  const gitSettings: (readonly [key: string, value: string])[] = [['http.followRedirects', 'false']]
  mounts.forEach((mount, index) => {
    const path = placeOf(mount, { index, git })
    if (mount.kind === 'netrc') parts.push(`NETRC=${path}`)
    else if (mount.kind === 'git-credential') {
      gitSettings.push([`credential.${mount.scope}.helper`, `!f() { test "$1" = get && cat ${path}; }; f`])
    }
  })
  parts.push(...(git === 'netrc' ? oldGitEnvironment(gitSettings) : gitEnvironment(gitSettings)))
  return parts.join(' ')
}

type GitSettings = readonly (readonly [key: string, value: string])[]

/** https://git-scm.com/docs/git-config#ENVIRONMENT */
const gitEnvironment = (settings: GitSettings): readonly string[] => [
  `GIT_CONFIG_COUNT=${String(settings.length)}`,
  ...settings.map(
    ([key, value], index) =>
      `GIT_CONFIG_KEY_${String(index)}=${quoted(key)} GIT_CONFIG_VALUE_${String(index)}=${quoted(value)}`,
  ),
]

/**
 * For a Git before 2.31: its home is where the netrc file is, and its settings go the way on which `git -c` hands them to
 * the programs it starts (https://github.com/git/git/blob/v2.30.0/config.c, `git_config_push_parameter`).
 */
const oldGitEnvironment = (settings: GitSettings): readonly string[] => [
  `HOME=${HOME}`,
  `GIT_CONFIG_PARAMETERS=${quoted(settings.map(([key, value]) => `'${key}=${value}'`).join(' '))}`,
]

const settings = (): string => SETTINGS.map(([name, value]) => `${name}=${value}`).join(' ')

/** Without pip of its own, which not every base can give it: the base's pip installs into it. */
const makeVenv = (): string => `python3 -m venv --without-pip ${VENV}`

const bindLists = (): string => `--mount=type=bind,source=${LISTS},target=${LISTS_AT}`

/** The exec form, so that a SHELL of the base changes nothing. Its first word names the step. */
function run(
  flags: readonly string[],
  { name, words, command }: { name: string; words: string; command: string },
): Step {
  const marker = `traceless-${name};`
  const args = ['/bin/sh', '-c', `: ${marker} ${command}`]
  return {
    instruction: `RUN ${flags.join(' ')} ${JSON.stringify(args)}`,
    command: args.join(' '),
    marker,
    words,
  }
}

const quoted = (text: string): string =>
  /^[A-Za-z0-9_./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`

const isRoot = (user: string): boolean => /^(?:|root|0)(?::.*)?$/.test(user)
