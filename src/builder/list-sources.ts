/**
 * Mounts that are made from a requirement list, for steps of a Dockerfile that
 * run pip themselves: the list with its values filled in, or the credentials
 * that stand in it as a netrc file.
 *
 * @packageDocumentation
 */

import { createHash } from 'node:crypto'
import { readFile, realpath } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import type { Problem } from '../errors.js'
import { SecretValue, type SecretName, type SecretSet } from '../secret.js'
import {
  deliver,
  parseRequirements,
  planDelivery,
  unknownNames,
  type DeliveryPlan,
  type Login,
  type Place,
  type ReadListFile,
  type RequirementList,
} from '../substitute/index.js'
import type { CheckedSource } from './request.js'

/** A mount that is made from a requirement list once values are known. */
export interface DerivedSource {
  readonly names: ReadonlySet<SecretName>
  /** Makes the bytes, which the caller wipes, and what they were made from beside the values. */
  make(values: SecretSet): { readonly value: SecretValue; readonly shape: string }
}

/** Reads the files of a list from a folder; `null` for one that cannot be read, or that a link takes out of the folder. */
export const listReader =
  (root: string): ReadListFile =>
  async (path) => {
    try {
      const [folder, file] = await Promise.all([realpath(root), realpath(join(root, path))])
      return file.startsWith(join(folder, sep)) ? await readFile(file) : null
    } catch (error) {
      if (error instanceof Error && 'code' in error) return null
      throw error
    }
  }

/**
 * Reads the lists that `requirements` and `credentials-of` sources name.
 *
 * @param known - stored names that could be meant.
 * @returns a source for each such id, and everything that is wrong with the lists.
 */
export async function deriveSources(
  sources: ReadonlyMap<string, CheckedSource>,
  known: readonly SecretName[],
): Promise<{ readonly derived: ReadonlyMap<string, DerivedSource>; readonly problems: readonly Problem[] }> {
  const derived = new Map<string, DerivedSource>()
  const problems: Problem[] = []
  for (const [id, source] of sources) {
    if (source.kind !== 'requirements' && source.kind !== 'credentials-of') continue
    const list = await parseRequirements({ path: basename(source.path) }, listReader(dirname(source.path)))
    const { plan, refusals } = source.kind === 'requirements' ? filledPlan(list) : credentialsPlan(list)
    derived.set(id, { names: list.names, make: (values) => made(list, plan, values) })
    problems.push(...list.problems, ...plan.problems, ...refusals, ...unknownNames(list, known))
  }
  return { derived, problems }
}

interface Planned {
  readonly plan: DeliveryPlan
  readonly refusals: readonly Problem[]
}

function filledPlan(list: RequirementList): Planned {
  const refusals: Problem[] = []
  if (list.files.size > 1) {
    refusals.push(
      problem(list, 'A list that is mounted cannot name other lists, which would not be there.', {
        hint: 'Write all requirements into one file.',
      }),
    )
  }
  return { plan: planDelivery(list, 'filled'), refusals }
}

/** Which programs read the file, and which versions of them, is the Dockerfile's affair: only what all read alike goes in. */
function credentialsPlan(list: RequirementList): Planned {
  const refusals =
    list.logins.length > 0 || list.problems.length > 0
      ? list.logins.flatMap((login) => withoutPassword(list, login))
      : [problem(list, 'No URL of the list has a placeholder as user name or password.')]
  return { plan: planDelivery(list, 'lifted', 'netrc'), refusals }
}

/** Readers of netrc files do not agree on how an empty password is written. */
function withoutPassword(list: RequirementList, { user, password = [] }: Login): readonly Problem[] {
  const slot = user.find((part) => typeof part !== 'string')
  if (slot === undefined || password.length > 0) return []
  return [
    problem(
      list,
      `${slot.name} is a user name without a password, which not every reader of a netrc file takes.`,
      {
        hint: `Write a user name before it, such as git:\${${slot.name}}@, if the server takes one.`,
        place: slot,
      },
    ),
  ]
}

function made(
  list: RequirementList,
  plan: DeliveryPlan,
  values: SecretSet,
): ReturnType<DerivedSource['make']> {
  const delivery = deliver(plan, list, values)
  const [mount] = delivery.mounts
  if (mount !== undefined) return mount
  // A list without placeholders is mounted as it stands.
  const text = delivery.files.get(delivery.root) ?? new Uint8Array()
  return { value: new SecretValue(text), shape: createHash('sha256').update(text).digest('hex') }
}

const problem = (
  { root }: RequirementList,
  message: string,
  { hint, place }: { readonly hint?: string; readonly place?: Place } = {},
): Problem => ({
  code: 'REQUIREMENTS_INVALID',
  message,
  hint,
  file: place?.file ?? root,
  line: place?.line,
  column: place?.column,
})
