/**
 * Decides, by names alone, how the values of a list reach pip. *Lifted*: a
 * credential is taken out of its URL and handed to git or pip beside the list,
 * which then holds nothing. *Filled*: what cannot be lifted is written into
 * the list, and the list is a secret.
 *
 * @packageDocumentation
 */

import type { Problem } from '../errors.js'
import type { SecretName } from '../secret.js'
import { gitScopes } from './git-scope.js'
import type { Login, Place, RequirementList, Slot } from './list.js'
import { netrcHosts } from './netrc.js'

/** `auto` lifts what can be lifted and fills the rest; `lifted` refuses to fill; `filled` lifts nothing. */
export type DeliveryChoice = 'auto' | 'lifted' | 'filled'

/**
 * Where git finds its credentials. `helper`: settings in the environment name a program that prints them, which takes
 * Git 2.31 (https://github.com/git/git/blob/master/Documentation/RelNotes/2.31.0.txt). `netrc`: the netrc file that pip
 * reads too, as `.netrc` in the home folder.
 */
export type GitReader = 'helper' | 'netrc'

/** What carries a login beside the list. */
export type Carrier =
  /** A credential helper of git, `credential.<scope>.helper`. */
  | { readonly kind: 'git-credential'; readonly scope: string }
  /** An entry of the netrc file. */
  | { readonly kind: 'netrc' }

/** The way that is taken. */
export interface DeliveryPlan {
  readonly choice: DeliveryChoice
  readonly git: GitReader
  readonly mode: 'lifted' | 'filled'
  /** Why the mode is `filled`, a sentence each. Empty where it is `lifted`. */
  readonly reasons: readonly string[]
  /** Names of the secrets that are needed. */
  readonly names: ReadonlySet<SecretName>
  /** What makes the choice, or filling, impossible. */
  readonly problems: readonly Problem[]
  /** Logins that are lifted. */
  readonly lifted: ReadonlyMap<Login, Carrier>
  /** Placeholders whose values are written into the list. */
  readonly filled: readonly Slot[]
}

/**
 * Decides for a list. Pass `plan.problems` on with those of the list.
 *
 * @param git - default: `helper`.
 */
export function planDelivery(
  list: RequirementList,
  choice: DeliveryChoice,
  git: GitReader = 'helper',
): DeliveryPlan {
  if (choice === 'filled') {
    return planOf(list, { choice, git, lifted: new Map(), reasons: ['A filled list was asked for.'] })
  }
  const lifted = new Map<Login, Carrier>()
  const reasons: string[] = []
  const scopes = gitScopes(list.logins.filter(({ client }) => client === 'git'))
  const hosts = netrcHosts(list, git === 'netrc' ? ['pip', 'git'] : ['pip'])
  for (const login of list.logins) {
    const carried = carrierOf(login, {
      git,
      scope: scopes.get(login),
      whyNoNetrc: hosts.get(login.host),
    })
    if (typeof carried === 'string') reasons.push(carried)
    else lifted.set(login, carried)
  }
  return planOf(list, { choice, git, lifted, reasons })
}

/**
 * The plan without some of its lifted logins, because a value cannot travel as the plan meant it to.
 *
 * @param reason - one sentence.
 */
export function withoutLifting(
  plan: DeliveryPlan,
  list: RequirementList,
  { logins, reason }: { readonly logins: ReadonlySet<Login>; readonly reason: string },
): DeliveryPlan {
  const lifted = new Map([...plan.lifted].filter(([login]) => !logins.has(login)))
  const reasons = plan.mode === 'lifted' ? [reason] : [...plan.reasons, reason]
  return planOf(list, { choice: plan.choice, git: plan.git, lifted, reasons })
}

function carrierOf(
  login: Login,
  {
    git,
    scope,
    whyNoNetrc,
  }: {
    readonly git: GitReader
    readonly scope: string | undefined
    readonly whyNoNetrc: string | undefined
  },
): Carrier | string {
  switch (login.client) {
    case 'git':
      if (git === 'netrc') return whyNoNetrc ?? { kind: 'netrc' }
      if (scope !== undefined) return { kind: 'git-credential', scope }
      return `Git cannot tell the logins of one path of ${login.origin} apart.`
    case 'pip':
      return whyNoNetrc ?? { kind: 'netrc' }
    case 'other':
      return 'A credential can be lifted out of URLs of http, https, git+http and git+https only.'
  }
}

const REASONS = {
  path: 'A placeholder stands in the path of a URL.',
  query: 'A placeholder stands in the query of a URL.',
  option: 'A placeholder stands in the value of an option.',
} as const

function planOf(
  list: RequirementList,
  { choice, git, lifted, reasons }: Pick<DeliveryPlan, 'choice' | 'git' | 'lifted' | 'reasons'>,
): DeliveryPlan {
  const inLifted = new Set([...lifted.keys()].flatMap(({ user, password = [] }) => [...user, ...password]))
  const filled = list.placeholders.filter((slot) => !inLifted.has(slot))
  const elsewhere = filled.flatMap(({ position }) => (position === 'user-info' ? [] : [REASONS[position]]))
  const mode = filled.length > 0 || choice === 'filled' ? 'filled' : 'lifted'
  return {
    choice,
    git,
    mode,
    reasons: mode === 'lifted' ? [] : [...new Set([...reasons, ...elsewhere])],
    names: list.names,
    problems: impossible(list, { choice, mode, filled }),
    lifted,
    filled,
  }
}

function impossible(
  list: RequirementList,
  { choice, mode, filled }: Pick<DeliveryPlan, 'choice' | 'mode' | 'filled'>,
): readonly Problem[] {
  if (mode === 'lifted') return []
  if (choice === 'lifted') {
    return filled.map((slot) => ({
      code: 'REQUIREMENTS_INVALID',
      message: `The value of ${slot.name} cannot be lifted out of the list here.`,
      hint: 'Give it as user name or password of a URL, or let the list be filled.',
      ...placeOf(slot),
    }))
  }
  return list.editables.map((place) => ({
    code: 'REQUIREMENTS_INVALID',
    message:
      'An editable requirement cannot be installed from a filled list: its checkout would keep the URL.',
    hint: 'Leave -e out, or give every credential as user name or password of a URL.',
    ...placeOf(place),
  }))
}

const placeOf = ({ file, line, column }: Place): Place => ({ file, line, column })
