/**
 * Several secrets as one thing a program passes on: values at hand, or the
 * name of a group that the store keeps.
 *
 * What is missing is always an error, and always one that names everything
 * that is missing: an empty group where a file or variable was expected would
 * make a build that only fails later.
 *
 * @packageDocumentation
 */

import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { Fault, faultOf, type Problem } from '../errors.js'
import { isSecretName, secretName, SecretValue, type SecretName } from '../secret.js'
import { parseDotenv } from './dotenv.js'
import { codeOf, type Variables } from './home.js'
import { environmentName, groupName } from './names.js'

/** A value as a program may have it. Text is kept as UTF-8. */
export type GivenValue = string | Uint8Array | SecretValue

/** Values at hand. Dispose wipes them. */
export interface GivenSecrets extends Disposable {
  readonly kind: 'given'
  readonly values: ReadonlyMap<SecretName, SecretValue>
}

/** A group of the store, by name. Nothing is looked up before it is used. */
export interface NamedSecrets {
  readonly kind: 'named'
  readonly name: string
  /** Default: the environment of what uses it. */
  readonly environment: string | undefined
  /** Names it must have when it is used. */
  readonly requiredKeys: readonly SecretName[]
}

/** Values at hand, or a group of the store. */
export type SecretGroup = GivenSecrets | NamedSecrets

/** File that {@link SecretGroup.fromDotenv} looks for when no other is named. */
export const DOTENV_FILE = '.env'

/** Makes groups. */
export const SecretGroup = {
  /**
   * Values of an object; keys that are `undefined` or `null` are left out.
   *
   * @throws {@link Fault} `REQUEST_INVALID`, naming every key whose value is neither text nor bytes.
   */
  fromObject(values: Readonly<Record<string, GivenValue | null | undefined>>): GivenSecrets {
    const held = new Map<SecretName, SecretValue>()
    const problems: Problem[] = []
    for (const [name, value] of Object.entries(values)) {
      if (value === null || value === undefined) continue
      if (!isSecretName(name)) {
        problems.push({ code: 'REQUEST_INVALID', message: 'A key of the object is no name for a secret.' })
      } else if (!isGivenValue(value)) {
        problems.push({ code: 'REQUEST_INVALID', message: `The value of ${name} is neither text nor bytes.` })
      } else {
        held.set(name, copyValue(value))
      }
    }
    return given(held, problems)
  },

  /**
   * Variables of this process, by their names.
   *
   * @throws {@link Fault} `SECRET_UNKNOWN`, naming every variable that is not set.
   */
  fromLocalEnvironment(names: readonly string[], variables: Variables = process.env): GivenSecrets {
    const held = new Map<SecretName, SecretValue>()
    const problems: Problem[] = []
    for (const name of names.map(secretName)) {
      const value = variables[name]
      if (value === undefined) {
        problems.push({ code: 'SECRET_UNKNOWN', message: `The variable ${name} is not set.` })
      } else {
        held.set(name, SecretValue.fromText(value))
      }
    }
    return given(held, problems)
  },

  /**
   * A dotenv file: `filename` in the folder `path` or the nearest folder above it.
   *
   * @param options - `path` defaults to the working folder, `filename` to `.env`.
   * @throws {@link Fault} `REQUEST_INVALID` where there is no such file, or with every problem in it.
   */
  async fromDotenv({
    path = '.',
    filename = DOTENV_FILE,
  }: { path?: string; filename?: string } = {}): Promise<GivenSecrets> {
    const bytes = await readUpwards(resolve(path), filename)
    if (bytes === null) {
      throw new Fault(
        'REQUEST_INVALID',
        `There is no file ${filename} in ${resolve(path)} or any folder above it.`,
      )
    }
    try {
      return given(parseDotenv(bytes, filename), [])
    } finally {
      bytes.fill(0)
    }
  },

  /**
   * A group of the store.
   *
   * @param options - `requiredKeys`: names it must have; looked at when the group is used.
   * @throws {@link Fault} `REQUEST_INVALID` for a name that is not valid.
   */
  fromName(
    name: string,
    { environment, requiredKeys = [] }: { environment?: string; requiredKeys?: readonly string[] } = {},
  ): NamedSecrets {
    return {
      kind: 'named',
      name: groupName(name),
      environment: environment === undefined ? undefined : environmentName(environment),
      requiredKeys: requiredKeys.map(secretName),
    }
  },
}

/**
 * Checks that a group has the names it must have.
 *
 * @throws {@link Fault} `SECRET_UNKNOWN`, naming every one it lacks.
 */
export function requireKeys(
  group: string,
  required: readonly SecretName[],
  there: readonly SecretName[],
): void {
  const problems = required
    .filter((name) => !there.includes(name))
    .map((name): Problem => ({
      code: 'SECRET_UNKNOWN',
      message: `The group ${group} has no secret ${name}.`,
    }))
  if (problems.length > 0) throw faultOf(problems)
}

/** A copy of a value that the one who makes it disposes. */
export function copyValue(value: GivenValue): SecretValue {
  if (typeof value === 'string') return SecretValue.fromText(value)
  return value instanceof SecretValue ? value.use((bytes) => new SecretValue(bytes)) : new SecretValue(value)
}

/** Types end at the edge of a library: a caller in JavaScript may pass anything. */
const isGivenValue = (value: unknown): value is GivenValue =>
  typeof value === 'string' || value instanceof Uint8Array || value instanceof SecretValue

function given(values: ReadonlyMap<SecretName, SecretValue>, problems: readonly Problem[]): GivenSecrets {
  const dispose = (): void => {
    for (const value of values.values()) value[Symbol.dispose]()
  }
  if (problems.length > 0) {
    dispose()
    throw faultOf(problems)
  }
  return { kind: 'given', values, [Symbol.dispose]: dispose }
}

async function readUpwards(folder: string, filename: string): Promise<Buffer | null> {
  try {
    return await readFile(join(folder, filename))
  } catch (error) {
    const code = codeOf(error)
    if (code !== 'ENOENT' && code !== 'ENOTDIR') {
      throw new Fault('REQUEST_INVALID', `${join(folder, filename)} cannot be read.`, { cause: error })
    }
  }
  return dirname(folder) === folder ? null : await readUpwards(dirname(folder), filename)
}
