/**
 * What an isolated install fetches, by names alone: repositories are taken out
 * of the list and fetched by git, everything else stays in it and is
 * downloaded as wheels. What cannot be had without running a package's code
 * where credentials are is told here, before anything starts.
 *
 * @packageDocumentation
 */

import type { Problem } from '../errors.js'
import type { DirectRequirement, Edit, RequirementList, Slot } from '../substitute/index.js'

/** A repository to fetch, as the fetching program reads it. */
export interface IsolatedSource {
  /** `git+SCHEME://…[@REVISION]`, without credentials. */
  readonly url: string
  readonly subdirectory: string
  readonly extras: readonly string[]
  readonly marker: string
}

/** The parts of an isolated install. */
export interface IsolatedPlan {
  /** The list, its repositories turned into comments. */
  readonly list: RequirementList
  readonly sources: readonly IsolatedSource[]
  readonly problems: readonly Problem[]
}

/** Takes a list apart. */
export function planIsolated(list: RequirementList): IsolatedPlan {
  const problems: Problem[] = []
  const repositories: DirectRequirement[] = []
  for (const direct of list.directs) {
    const why = whyNot(direct, list.placeholders)
    if (why !== undefined) problems.push(refused(direct, why))
    else if (isRepository(direct)) repositories.push(direct)
  }
  return {
    list: withComments(list, repositories),
    sources: repositories.map(({ url, subdirectory, extras, marker }) => ({
      url,
      subdirectory,
      extras: extras.split(',').filter((extra) => extra !== ''),
      marker,
    })),
    problems,
  }
}

const isRepository = ({ scheme }: DirectRequirement): boolean => scheme.startsWith('git+')

const GIT_SCHEMES = new Set(['git+http', 'git+https', 'git+ssh'])

/** Why a requirement cannot be fetched without running code; `undefined` for one that can. */
function whyNot(
  direct: DirectRequirement,
  placeholders: readonly Slot[],
): readonly [message: string, hint: string] | undefined {
  const { scheme, archive } = direct
  if (direct.editable) {
    return ['An editable requirement cannot be installed in isolation.', 'Leave -e out, or --isolate.']
  }
  if (GIT_SCHEMES.has(scheme)) return whyNoRepository(direct, placeholders)
  if (/^https?$/.test(scheme)) {
    return /\.whl$/i.test(archive)
      ? undefined
      : [
          'An archive of sources cannot be fetched in isolation: its code would have to run to read it.',
          'Name a wheel or the Git repository, or leave --isolate out.',
        ]
  }
  return [
    'An isolated install fetches from http and https, and from Git over them or SSH.',
    'Name another source, or leave --isolate out.',
  ]
}

function whyNoRepository(
  direct: DirectRequirement,
  placeholders: readonly Slot[],
): readonly [message: string, hint: string] | undefined {
  if (direct.constrains) {
    return [
      'A constraint that names a repository cannot be used in isolation.',
      'Write it into the list itself, or leave --isolate out.',
    ]
  }
  if (direct.hasOptions) {
    return [
      'A repository with options behind it cannot be installed in isolation.',
      'Leave the options out, or --isolate.',
    ]
  }
  const { lineStarts } = direct
  const inside = placeholders.some(
    ({ path, position, from, line }) =>
      path === direct.path &&
      position !== 'user-info' &&
      from >= (lineStarts[0] ?? 0) &&
      line === direct.line,
  )
  return inside || direct.url.includes('$')
    ? [
        'In an isolated install a placeholder of a repository is its user name or password.',
        'Move it there, or leave --isolate out.',
      ]
    : undefined
}

const refused = (
  { file, line, column }: DirectRequirement,
  [message, hint]: readonly [string, string],
): Problem => ({
  code: 'REQUIREMENTS_INVALID',
  message,
  hint,
  file,
  line,
  column,
})

/** Every physical line becomes a comment of its own, so that the lines keep their numbers. */
function withComments(list: RequirementList, directs: readonly DirectRequirement[]): RequirementList {
  const files = [...list.files].map(([path, file]) => {
    const marks: readonly Edit[] = directs
      .filter((direct) => direct.path === path)
      .flatMap(({ lineStarts }) => lineStarts.map((from) => ({ from, to: from, text: '# ' })))
    return [path, { ...file, escapes: [...marks, ...file.escapes] }] as const
  })
  return { ...list, files: new Map(files) }
}
