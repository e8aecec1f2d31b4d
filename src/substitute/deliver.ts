/**
 * From a plan and the values to what a build mounts: lists that hold no value,
 * credentials beside them, and filled lists where the plan fills.
 *
 * @packageDocumentation
 */

import { createHash } from 'node:crypto'
import { faultOf, type Problem } from '../errors.js'
import { MAX_VALUE_BYTES, SecretValue, type SecretName, type SecretSet } from '../secret.js'
import {
  credentialOf,
  filledBytes,
  joinedAndWiped,
  trimmed,
  valueOf,
  whyUnfit,
  type Credential,
  type Fit,
} from './fill.js'
import { grouped } from './git-scope.js'
import type { Edit, ListFile, Login, LoginPart, RequirementList, Slot } from './list.js'
import { fitsNetrc, netrcEntry, netrcReader, type NetrcReader } from './netrc.js'
import {
  planDelivery,
  withoutLifting,
  type DeliveryChoice,
  type DeliveryPlan,
  type GitReader,
} from './plan.js'
import { parseRequirements, type ListSource, type ReadListFile } from './requirements.js'
import { requireSound, unknownNames } from './soundness.js'

/** What every mount has. */
interface DeliveredBytes {
  /** The secrets it is made from. */
  readonly names: ReadonlySet<SecretName>
  /**
   * Digest of everything the bytes are made from but the values: text of the list, names, hosts, the form of the file.
   * Two mounts of one kind, equal shape and equal values hold equal bytes; a key for a cache needs it beside the values'
   * versions.
   */
  readonly shape: string
  /** The bytes. The caller's to dispose. */
  readonly value: SecretValue
}

/** Something that the step in which pip runs has to mount. */
export type DeliveryMount =
  /**
   * What a credential helper of git prints: a `username=` and a `password=` line. The helper belongs to
   * `credential.<scope>.helper`; `scope` is `https://host[:port]`, with as much of the path as its host needs, and holds
   * only characters that a URL has.
   */
  | ({ readonly kind: 'git-credential'; readonly scope: string } & DeliveredBytes)
  /** A netrc file, to be named by `NETRC`; as `.netrc` of the home folder where the plan has git read it. */
  | ({ readonly kind: 'netrc'; readonly hosts: readonly string[] } & DeliveredBytes)
  /** A filled file, which takes the place of the file of that path. */
  | ({ readonly kind: 'list'; readonly path: string } & DeliveredBytes)

/** What pip and git get. */
export interface Delivery {
  readonly mode: 'lifted' | 'filled'
  /** Why the mode is `filled`. */
  readonly reasons: readonly string[]
  /**
   * All files of the list by path, without a single value. Lines have the numbers they had. Where a mount of kind `list`
   * has the same path, the file holds placeholders and is there to be mounted over.
   */
  readonly files: ReadonlyMap<string, Uint8Array>
  /** Path of the file to give to `pip -r`. */
  readonly root: string
  readonly mounts: readonly DeliveryMount[]
}

/** What is known of where the list goes. */
export interface DeliveryTarget {
  /** Version of the Python that runs pip, such as `3.11.2`. Without it only what every Python reads alike goes into a netrc. */
  readonly pythonVersion?: string | undefined
}

/**
 * Makes files and mounts.
 *
 * @param plan - from {@link planDelivery}, of the same list, both without problems.
 * @param values - a value for each of `plan.names`.
 * @throws {@link Fault} with all problems at once: `SECRET_UNKNOWN` for a name without a value, `REQUIREMENTS_INVALID`
 * for values that do not fit their place, for a login that this Python's netrc cannot carry and the plan's choice or an
 * editable line does not let be filled, and for a mount larger than an engine takes.
 */
export function deliver(
  plan: DeliveryPlan,
  list: RequirementList,
  values: SecretSet,
  target: DeliveryTarget = {},
): Delivery {
  requireSound({ problems: [...list.problems, ...plan.problems] })
  requireFit(list, values)
  const reader = plan.git === 'netrc' ? 'any' : netrcReader(target.pythonVersion)
  const settled = refitted(plan, list, { values, reader })
  requireSound(settled)
  const mounts = [
    ...gitMounts(settled, values),
    ...netrcMounts(settled, { values, reader }),
    ...listMounts(settled, list, values),
  ]
  if (mounts.some(({ value }) => value.size > MAX_VALUE_BYTES)) {
    for (const { value } of mounts) value[Symbol.dispose]()
    const message = `The filled list or its credentials would be larger than a secret can be, ${MAX_VALUE_BYTES} bytes.`
    throw faultOf([{ code: 'REQUIREMENTS_INVALID', message }])
  }
  const files = new Map(
    [...list.files].map(([path, file]) => [path, written(file, fixedEdits(file, settled))]),
  )
  return { mode: settled.mode, reasons: settled.reasons, files, root: list.root, mounts }
}

/**
 * Reads a list, checks it against the values and delivers it, in one call.
 *
 * @param options - `read` gives the files; `choice` is `auto` by default, `git` is `helper`.
 * @throws {@link Fault} with everything that is wrong with the list, its names and the choice, or with the values.
 */
export async function resolveRequirements(
  source: ListSource,
  values: SecretSet,
  options: {
    readonly read: ReadListFile
    readonly choice?: DeliveryChoice
    readonly git?: GitReader
  } & DeliveryTarget,
): Promise<Delivery> {
  const list = await parseRequirements(source, options.read)
  const plan = planDelivery(list, options.choice ?? 'auto', options.git)
  requireSound({ problems: [...list.problems, ...unknownNames(list, values.keys()), ...plan.problems] })
  return deliver(plan, list, values, options)
}

function requireFit(list: RequirementList, values: SecretSet): void {
  const logins = new Map<LoginPart, Fit['login']>()
  for (const { user, password, client } of list.logins) {
    const byPip = client === 'pip'
    for (const part of user) logins.set(part, { at: password === undefined ? 'whole' : 'user', byPip })
    for (const part of password ?? []) logins.set(part, { at: 'password', byPip })
  }
  const problems = list.placeholders.flatMap((slot): readonly Problem[] => {
    const { name, file, line, column } = slot
    const value = values.get(name)
    if (value === undefined) {
      return [{ code: 'SECRET_UNKNOWN', message: `There is no secret ${name}.`, file, line, column }]
    }
    const why = value.use((bytes) => whyUnfit(trimmed(bytes), { slot, login: logins.get(slot) }))
    if (why === undefined) return []
    return [{ code: 'REQUIREMENTS_INVALID', message: `The value of ${name} ${why}.`, file, line, column }]
  })
  requireSound({ problems })
}

/** Fills what the netrc reader at hand would read differently. */
function refitted(
  plan: DeliveryPlan,
  list: RequirementList,
  { values, reader }: { readonly values: SecretSet; readonly reader: NetrcReader },
): DeliveryPlan {
  const logins = new Set(
    [...plan.lifted]
      .filter(([login, { kind }]) => {
        if (kind !== 'netrc') return false
        const credential = credentialOf(login, values)
        const fits = fitsNetrc(credential, reader)
        wipe(credential)
        return !fits
      })
      .map(([login]) => login),
  )
  if (logins.size === 0) return plan
  const reason =
    plan.git === 'netrc'
      ? 'A netrc file that git reads too cannot carry a login that is empty or holds such characters.'
      : 'The netrc reader of this Python cannot carry a login that is empty or holds such characters.'
  return withoutLifting(plan, list, { logins, reason })
}

function gitMounts({ lifted }: DeliveryPlan, values: SecretSet): readonly DeliveryMount[] {
  const scoped = [...lifted].flatMap(([login, carrier]) =>
    carrier.kind === 'git-credential' ? [{ login, scope: carrier.scope }] : [],
  )
  return [...grouped(scoped, ({ scope }) => scope)].flatMap(([scope, [first]]) => {
    if (first === undefined) return []
    const { login } = first
    const { user, password } = credentialOf(login, values)
    const lines = [Buffer.from('username='), user, Buffer.from('\npassword='), password, Buffer.from('\n')]
    const shape = shapeOf([scope, ...loginShape(login)])
    return [{ kind: 'git-credential', scope, names: namesOf([login]), shape, value: secretOf(lines) }]
  })
}

function netrcMounts(
  { lifted }: DeliveryPlan,
  { values, reader }: { readonly values: SecretSet; readonly reader: NetrcReader },
): readonly DeliveryMount[] {
  const logins = [...lifted].flatMap(([login, { kind }]) => (kind === 'netrc' ? [login] : []))
  if (logins.length === 0) return []
  const entries: Buffer[] = []
  const shape: string[] = [reader]
  const hosts = grouped(logins, ({ host }) => host)
  for (const [host, [login]] of hosts) {
    if (login === undefined) continue
    const credential = credentialOf(login, values)
    entries.push(netrcEntry(host, credential, reader))
    shape.push(host, ...loginShape(login))
    wipe(credential)
  }
  return [
    {
      kind: 'netrc',
      hosts: [...hosts.keys()],
      names: namesOf(logins),
      shape: shapeOf(shape),
      value: secretOf(entries),
    },
  ]
}

function listMounts(plan: DeliveryPlan, list: RequirementList, values: SecretSet): readonly DeliveryMount[] {
  return [...grouped(plan.filled, ({ path }) => path)].flatMap(([path, slots]) => {
    const file = list.files.get(path)
    if (file === undefined) return []
    const fixed = fixedEdits(file, plan)
    const edits = slots.map((slot: Slot): ByteEdit => {
      return { from: slot.from, to: slot.to, bytes: filledBytes(valueOf(slot, values), slot) }
    })
    const filled = written(file, [...fixed, ...edits])
    const value = new SecretValue(filled)
    for (const bytes of [filled, ...edits.map((edit) => edit.bytes)]) bytes.fill(0)
    const shape = shapeOf([path, Buffer.from(written(file, fixed)).toString('latin1')])
    return [{ kind: 'list', path, names: new Set(slots.map(({ name }) => name)), shape, value }]
  })
}

interface ByteEdit {
  readonly from: number
  readonly to: number
  readonly bytes: Uint8Array
}

/**
 * Edits that need no value: lifted user-infos go, doubled dollars become one. They do not meet, because no login holds an
 * escape; what is put in before a line comes first, because a login may begin that line.
 */
function fixedEdits({ path, escapes }: ListFile, { lifted }: DeliveryPlan): readonly ByteEdit[] {
  const gone = [...lifted.keys()].filter((login) => login.path === path)
  const edits: readonly Edit[] = [...escapes, ...gone.map(({ from, to }) => ({ from, to, text: '' }))]
  return edits.map(({ from, to, text }) => ({ from, to, bytes: Buffer.from(text) }))
}

/** Tells Python that the rest is UTF-8, whatever a declaration in the file says. */
const UTF8_MARK = Buffer.from([0xef, 0xbb, 0xbf])

/** A file with edits. A file without any is given back as it was read; what was not plain UTF-8 becomes UTF-8 with a mark. */
function written({ text, bytes, plain }: ListFile, edits: readonly ByteEdit[]): Buffer {
  if (edits.length === 0 && bytes !== undefined) return Buffer.from(bytes)
  const parts: Uint8Array[] = plain ? [] : [UTF8_MARK]
  let at = 0
  for (const edit of edits.toSorted((a, b) => a.from - b.from)) {
    parts.push(Buffer.from(text.slice(at, edit.from)), edit.bytes)
    at = edit.to
  }
  parts.push(Buffer.from(text.slice(at)))
  return Buffer.concat(parts)
}

const namesOf = (logins: readonly Login[]): ReadonlySet<SecretName> =>
  new Set(
    logins.flatMap(({ user, password = [] }) =>
      [...user, ...password].flatMap((part) => (typeof part === 'string' ? [] : [part.name])),
    ),
  )

const loginShape = ({ user, password }: Login): readonly string[] =>
  [user, password ?? []].map((parts) =>
    JSON.stringify(parts.map((part) => (typeof part === 'string' ? part : [part.name, part.raw]))),
  )

const shapeOf = (parts: readonly string[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex')

/** A value from parts, which are wiped. */
function secretOf(parts: readonly Uint8Array[]): SecretValue {
  const joined = joinedAndWiped(parts)
  const value = new SecretValue(joined)
  joined.fill(0)
  return value
}

function wipe({ user, password }: Credential): void {
  user.fill(0)
  password.fill(0)
}
