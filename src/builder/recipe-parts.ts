/**
 * What Dockerfiles that install a requirement list are made of: the base with
 * its distribution packages, mounts, settings of pip and git, the end of the
 * image's own stage.
 *
 * @packageDocumentation
 */

import type { GitReader } from '../substitute/index.js'
import type { BaseFacts } from './probe.js'
import { SCRIPTS } from './programs/scripts.js'
import { writeMount, writeSshMount, type SecretMount } from './secret-mount.js'

/** A mount of the installing step and what makes pip or git read it. */
export type InstallMount =
  | { readonly kind: 'git-credential'; readonly id: string; readonly scope: string }
  | { readonly kind: 'netrc'; readonly id: string }
  | { readonly kind: 'list'; readonly id: string; readonly path: string }
  /** The socket of an agent. */
  | { readonly kind: 'ssh'; readonly id: string; readonly target: string }

/** What a Dockerfile is made from. */
export interface InstallRecipe {
  readonly base: string
  /** `user[:group]` of the base image; empty means root. */
  readonly baseUser: string
  readonly facts: BaseFacts
  readonly apt: readonly string[]
  readonly workdir: string | undefined
  readonly copy: readonly { readonly from: string; readonly to: string }[]
  readonly mode: 'lifted' | 'filled'
  readonly installer: 'pip' | 'uv'
  /** Where git looks for credentials: `netrc` for one that is too old for helpers in its environment. */
  readonly git: GitReader
  /** The list's own path below {@link LISTS}. */
  readonly list: string
  /** What the user calls the list. */
  readonly listName: string
  readonly mounts: readonly InstallMount[]
  /** Some requirement comes from a repository. */
  readonly hasRepositories: boolean
}

/** Folder of the context that holds the requirement lists pip gets to see. */
export const LISTS = '.traceless-lists'

/** Where lists and wheels are mounted: a folder that images have, because the engine leaves a new mount point behind. */
export const LISTS_AT = '/mnt'
export const WHEELS_AT = '/mnt'

/** Credentials stand directly under /tmp, where a mount point leaves nothing behind. */
const SECRET_AT = '/tmp/.traceless-secret-'

/** The home folder of the user that installs. A file that is mounted there leaves nothing behind either. */
const HOME = '/root'

/** Where packages go when the system's Python is managed by its distribution (PEP 668). */
export const VENV = '/opt/venv'

/** Folder of the context that holds our own programs, and where steps mount it. */
export const PROGRAMS = '.traceless-programs'
export const PROGRAMS_AT = '/run/traceless-programs'

/** Name of the stage that becomes the image. */
export const IMAGE_STAGE = 'traceless-image'

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

/** The Dockerfile, and its steps that we wrote. */
export interface WrittenRecipe {
  readonly dockerfile: string
  readonly steps: readonly Step[]
  /** Stages to solve, the image first. Those they build on are read with them. */
  readonly targets: readonly string[]
  /** The one that says which commits were installed. */
  readonly commitsStage: string | undefined
  /** Files that the steps need in their context. */
  readonly files: ReadonlyMap<string, Uint8Array>
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

/** The beginning of a stage: the base and its distribution packages, as root whatever the image runs as. */
export function stageStart({ base, baseUser, apt }: InstallRecipe, name: string): readonly string[] {
  return [`FROM ${base} AS ${name}`, ...(isRoot(baseUser) ? [] : ['USER 0:0']), ...aptLines(apt)]
}

/** The image's own stage. The base's user comes back at the end. */
export function imageStage(recipe: InstallRecipe, install: Step): readonly string[] {
  const { baseUser, facts, workdir, copy } = recipe
  return [
    ...stageStart(recipe, IMAGE_STAGE),
    install.instruction,
    ...(facts.externallyManaged ? [`ENV VIRTUAL_ENV=${VENV} PATH=${VENV}/bin:$PATH`] : []),
    ...(isRoot(baseUser) ? [] : [`USER ${baseUser}`]),
    ...(workdir === undefined ? [] : [`WORKDIR ${workdir}`]),
    ...copy.map(({ from, to }) => `COPY ${JSON.stringify([from, to])}`),
  ]
}

/** A Dockerfile of lines, with its image's stage before the other targets. */
export const written = (
  lines: readonly string[],
  {
    targets = [],
    commitsStage,
    files = new Map(),
    steps,
  }: Partial<WrittenRecipe> & Pick<WrittenRecipe, 'steps'>,
): WrittenRecipe => ({
  dockerfile: `${lines.join('\n')}\n`,
  steps,
  targets: [IMAGE_STAGE, ...targets],
  commitsStage,
  files,
})

/** The step that makes Debian packages available, the same in the probe and in the build so that it runs once. */
export function aptLines(packages: readonly string[]): readonly string[] {
  if (packages.length === 0) return []
  return [
    `RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${packages.join(' ')} && rm -rf /var/lib/apt/lists/*`,
  ]
}

export function secretMounts(recipe: InstallRecipe): readonly string[] {
  const flags = recipe.mounts.map((delivered, index) => {
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
    return delivered.kind === 'ssh' ? writeSshMount(mount) : writeMount(mount)
  })
  // ssh is told by files of the context which agent is whose.
  return usesSsh(recipe) ? [bindPrograms(), ...flags] : flags
}

const usesSsh = ({ mounts }: InstallRecipe): boolean => mounts.some(({ kind }) => kind === 'ssh')

function placeOf(
  mount: InstallMount,
  { index, git }: { readonly index: number; readonly git: GitReader },
): string {
  if (mount.kind === 'list') return `${LISTS_AT}/${mount.path}`
  if (mount.kind === 'ssh') return mount.target
  return mount.kind === 'netrc' && git === 'netrc' ? `${HOME}/.netrc` : `${SECRET_AT}${String(index)}`
}

/** Variables that make git and pip read the mounted credentials, each git credential for its own scheme, host and port. */
export function environment(recipe: InstallRecipe): string {
  const { mounts, git } = recipe
  const parts = [settings()]
  if (usesSsh(recipe)) parts.push(`GIT_SSH_COMMAND='ssh -F ${PROGRAMS_AT}/ssh_config'`)
  // A redirect to another host would take the credential with it.
  const gitSettings: (readonly [key: string, value: string])[] = [['http.followRedirects', 'false']]
  mounts.forEach((mount, index) => {
    const path = placeOf(mount, { index, git })
    if (mount.kind === 'netrc') parts.push(`NETRC=${path}`)
    else if (mount.kind === 'git-credential') {
      // The empty one makes git forget the helpers of the base for this scope: one that keeps what it is told would keep it
      // in the layer.
      gitSettings.push([`credential.${mount.scope}.helper`, ''])
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

export const settings = (): string => SETTINGS.map(([name, value]) => `${name}=${value}`).join(' ')

/** Without pip of its own, which not every base can give it: the base's pip installs into it. */
export const makeVenv = (): string => `python3 -m venv --without-pip ${VENV}`

/** Our own programs of those names, as files of the context. */
export const programFiles = (names: readonly string[]): ReadonlyMap<string, Uint8Array> =>
  new Map(names.map((name) => [`${PROGRAMS}/${name}`, Buffer.from(SCRIPTS.get(name) ?? '')]))

export const bindPrograms = (): string => `--mount=type=bind,source=${PROGRAMS},target=${PROGRAMS_AT}`

export const bindLists = (): string => `--mount=type=bind,source=${LISTS},target=${LISTS_AT}`

/** The exec form, so that a SHELL of the base changes nothing. Its first word names the step. */
export function run(
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

export const quoted = (text: string): string =>
  /^[A-Za-z0-9_./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`

const isRoot = (user: string): boolean => /^(?:|root|0)(?::.*)?$/.test(user)
