/**
 * The values of one run: read once, used, recorded, and wiped at its end.
 *
 * @packageDocumentation
 */

import { randomUUID } from 'node:crypto'
import { faultOf, type Problem } from '../errors.js'
import { needlesFor, type NeedleSet } from '../leak/needles.js'
import { secretName, type SecretName, type SecretSet } from '../secret.js'
import {
  DEFAULT_ENVIRONMENT,
  type HeldSecret,
  type SecretReader,
  type UsageRecord,
  type UsageRecorder,
} from '../store/store.js'
import { nearest } from '../suggest.js'
import type { Console } from './console.js'

/** What a run of any kind is given to work with. */
export interface RunnerParts {
  readonly secrets: SecretReader
  readonly usage: UsageRecorder
}

/** What is around a run. */
export interface RunControls {
  readonly console: Console
  /** Aborting it before the start means that there is none. Signals afterwards go to the program. */
  readonly signal: AbortSignal
}

/** Which values are meant. */
export interface ValueScope {
  /** Default: `main`. */
  readonly environment?: string | undefined
  /** Groups whose secrets are added. */
  readonly groups?: readonly string[] | undefined
  /** Names of the only secrets to use. Default: all that the environment and the groups have. */
  readonly only?: readonly string[] | undefined
}

/** Values that were read. Dispose them: they are wiped. */
export class RunValues implements Disposable {
  readonly values: SecretSet
  readonly #held: readonly HeldSecret[]
  readonly #environment: string

  constructor(environment: string, held: readonly HeldSecret[]) {
    this.#environment = environment
    this.#held = held
    this.values = new Map(held.map(({ name, value }) => [name, value]))
  }

  /**
   * What the output is searched for: every value but plain configuration.
   *
   * @param more - other bytes that are as secret as the value of that name.
   */
  needles(more: SecretSet = new Map()): NeedleSet {
    const guarded = this.#held.filter((secret) => secret.guarded)
    const names = new Set(guarded.map(({ name }) => name))
    const derived = [...more].flatMap(([name, value]) => (names.has(name) ? [{ name, value }] : []))
    return needlesFor([...guarded, ...derived])
  }

  /** What the run used, for the record. */
  usage(kind: UsageRecord['kind'], image?: string): UsageRecord {
    return {
      kind,
      id: randomUUID(),
      environment: this.#environment,
      image,
      used: this.#held.map(({ name, group, version }) => ({ name, group, version })),
    }
  }

  [Symbol.dispose](): void {
    for (const { value } of this.#held) value[Symbol.dispose]()
  }
}

/**
 * Reads live values.
 *
 * @param required - names that must be among them.
 * @throws {@link Fault} as {@link SecretReader.read} does; `SECRET_UNKNOWN` for a required name that is not there, and
 * `REQUEST_INVALID` for one that is no name.
 */
export async function readValues(
  secrets: SecretReader,
  scope: ValueScope,
  required: ReadonlySet<SecretName>,
): Promise<RunValues> {
  const environment = scope.environment ?? DEFAULT_ENVIRONMENT
  const names = scope.only === undefined ? 'all' : new Set([...scope.only.map(secretName), ...required])
  const held = await secrets.read({ environment, groups: scope.groups ?? [], purpose: 'run' }, names)
  const read = new RunValues(environment, held)
  const problems = [...required].flatMap((name): readonly Problem[] => {
    if (read.values.has(name)) return []
    const meant = nearest(name, read.values.keys())
    const hint = meant === undefined ? undefined : `Did you mean ${meant}?`
    return [{ code: 'SECRET_UNKNOWN', message: `There is no secret ${name}.`, hint }]
  })
  if (problems.length === 0) return read
  read[Symbol.dispose]()
  throw faultOf(problems)
}

/** A sentence on values that the output is not searched for, `undefined` where there are none. */
export function unmaskedNotice({ unmasked }: NeedleSet): string | undefined {
  const names = [...new Set(unmasked.map(({ name }) => name))]
  return names.length === 0 ? undefined : `note: too short to be masked in the output: ${names.join(', ')}.`
}

/** Values that are among those names. */
export const within = (values: SecretSet, names: ReadonlySet<SecretName>): SecretSet =>
  new Map([...values].filter(([name]) => names.has(name)))

/** Values that are not among those names. */
export const without = (values: SecretSet, names: ReadonlySet<SecretName>): SecretSet =>
  new Map([...values].filter(([name]) => !names.has(name)))
