/**
 * The library's view of a store: names and values as a program has them,
 * options by name, one environment unless another is meant.
 *
 * {@link clientOver} makes a client of any {@link SecretAdmin}, so that one
 * that talks to a server has the same interface.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import { secretName } from '../secret.js'
import type {
  ChangeReport,
  EnvironmentEntry,
  GroupEntry,
  HistoryEntry,
  SecretAdmin,
  SecretEntry,
  UsageEntry,
  VersionEntry,
} from './admin.js'
import type { Variables } from './home.js'
import { openStore, type Store } from './open.js'
import {
  copyValue,
  requireKeys,
  SecretGroup,
  type GivenSecrets,
  type GivenValue,
  type NamedSecrets,
} from './secret-group.js'
import { DEFAULT_ENVIRONMENT, type Exposure } from './store.js'

/** Which environment is meant. Default: `main`; there is no falling back from one to another. */
export interface InEnvironment {
  readonly environment?: string | undefined
}

/** Narrows a list. */
export interface ListOptions extends InEnvironment {
  /** Entries at most, newest first. */
  readonly maxObjects?: number | undefined
  readonly createdBefore?: Date | undefined
}

/** How a secret may be used. */
export interface UseOptions extends InEnvironment {
  readonly exposure?: Exposure | undefined
  readonly guarded?: boolean | undefined
}

/** Values for a group: an object of them, or values at hand. */
export type GroupValues = Readonly<Record<string, GivenValue | null | undefined>> | GivenSecrets

/** A group by name, or as `SecretGroup.fromName` made it. */
export type GroupRef = string | NamedSecrets

/** Secrets of the environments. */
export interface ClientSecrets {
  /** Sets one secret; it is live at once. */
  set(name: string, value: GivenValue, options?: UseOptions): Promise<ChangeReport>
  /** Sets several secrets, all or none. */
  setAll(values: GroupValues, options?: UseOptions & { readonly stage?: boolean }): Promise<ChangeReport>
  /** Prepares a change that {@link ClientSecrets.deploy} makes live. */
  stage(name: string, value: GivenValue, options?: UseOptions): Promise<ChangeReport>
  /** Makes all staged changes of an environment live. @throws {@link Fault} `STORE_CONFLICT` */
  deploy(options?: InEnvironment & { readonly force?: boolean }): Promise<ChangeReport>
  /** Removes secrets, all or none. @throws {@link Fault} `SECRET_UNKNOWN` */
  unset(
    names: string | readonly string[],
    options?: InEnvironment & { readonly stage?: boolean; readonly allowMissing?: boolean },
  ): Promise<ChangeReport>
  /** All environments where none is named. */
  list(options?: ListOptions): Promise<readonly SecretEntry[]>
  /** What happened, newest first: to one secret, or with no name to the environment. */
  history(
    name?: string,
    options?: InEnvironment & { readonly maxObjects?: number },
  ): Promise<readonly HistoryEntry[]>
  versions(
    name: string,
    options?: InEnvironment & { readonly group?: string },
  ): Promise<readonly VersionEntry[]>
  /** Makes an earlier version live again. */
  rollback(
    name: string,
    options: InEnvironment & { readonly to: string; readonly group?: string },
  ): Promise<ChangeReport>
  /** Builds and runs that used a secret. */
  usage(
    name: string,
    options?: InEnvironment & { readonly maxObjects?: number },
  ): Promise<readonly UsageEntry[]>
}

/** Named sets of secrets. */
export interface ClientGroups {
  /** @throws {@link Fault} `STORE_CONFLICT` for one that is there, without `allowExisting`. */
  create(
    name: string,
    values: GroupValues,
    options?: UseOptions & { readonly allowExisting?: boolean; readonly stage?: boolean },
  ): Promise<{ readonly created: boolean }>
  /** All environments where none is named. */
  list(options?: ListOptions): Promise<readonly GroupEntry[]>
  /** @throws {@link Fault} `SECRET_UNKNOWN` for one that is not there, without `allowMissing`. */
  delete(
    group: GroupRef,
    options?: InEnvironment & { readonly allowMissing?: boolean },
  ): Promise<{ readonly deleted: boolean }>
  /** @throws {@link Fault} `SECRET_UNKNOWN` for one that is not there, or lacks a required key. */
  info(
    group: GroupRef,
    options?: InEnvironment & { readonly requiredKeys?: readonly string[] },
  ): Promise<GroupEntry>
  /** Sets some secrets of a group and keeps its others. */
  update(
    group: GroupRef,
    values: GroupValues,
    options?: UseOptions & { readonly stage?: boolean },
  ): Promise<ChangeReport>
}

/** Environments. They come to be when something is set in them. */
export interface ClientEnvironments {
  list(): Promise<readonly EnvironmentEntry[]>
  delete(name: string): Promise<{ readonly secrets: number; readonly groups: number }>
}

/** A store, without a way to read a value. */
export interface Client extends AsyncDisposable {
  readonly secrets: ClientSecrets
  readonly groups: ClientGroups
  readonly environments: ClientEnvironments
  close(): Promise<void>
}

/** Which store. */
export interface ClientOptions {
  /** The home's folder. Default: as for the command line. */
  readonly home?: string | undefined
  /** `postgres://…`. Default: `TRACELESS_DATABASE`, else the embedded store of the home. */
  readonly database?: string | undefined
  /** Who acts, as the record shows it. */
  readonly actor?: string | undefined
  /** Default: the process's variables. */
  readonly env?: Variables | undefined
}

/**
 * A client of a local store. The store is opened at the first call, whose promise therefore tells what is wrong with it.
 */
export function createClient({ env = process.env, ...options }: ClientOptions = {}): Client {
  let store: Promise<Store> | null = null
  return clientOver({
    async admin() {
      store ??= openStore({ ...options, env })
      try {
        return (await store).admin
      } catch (error) {
        store = null
        throw error
      }
    },
    async close() {
      const opened = store
      store = null
      if (opened !== null) await (await opened).close()
    },
  })
}

/** A client over any admin. */
export function clientOver({
  admin,
  close,
}: {
  readonly admin: () => Promise<SecretAdmin>
  readonly close: () => Promise<void>
}): Client {
  return {
    secrets: clientSecrets(admin),
    groups: clientGroups(admin),
    environments: {
      list: async () => await (await admin()).environments(),
      delete: async (name) => await (await admin()).deleteEnvironment(name),
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function clientSecrets(admin: () => Promise<SecretAdmin>): ClientSecrets {
  const setAll: ClientSecrets['setAll'] = async (values, options = {}) =>
    await withChanges(values, options, async (changes) =>
      (await admin()).set({ environment: environmentOf(options) }, changes, {
        stage: options.stage === true,
      }),
    )
  return {
    setAll,
    set: async (name, value, options) => await setAll({ [secretName(name)]: value }, options),
    stage: async (name, value, options) =>
      await setAll({ [secretName(name)]: value }, { ...options, stage: true }),
    deploy: async (options = {}) => await (await admin()).deploy(environmentOf(options), options),
    unset: async (names, options = {}) => {
      const wanted = (typeof names === 'string' ? [names] : names).map(secretName)
      return await (await admin()).unset({ environment: environmentOf(options) }, wanted, options)
    },
    list: async ({ environment, maxObjects, createdBefore } = {}) =>
      await (await admin()).list({ environment, max: maxObjects, createdBefore }),
    history: async (name, options = {}) =>
      await (
        await admin()
      ).history({
        environment: environmentOf(options),
        name: name === undefined ? undefined : secretName(name),
        max: options.maxObjects,
      }),
    versions: async (name, { group, ...options } = {}) =>
      await (await admin()).versions({ environment: environmentOf(options), group, name: secretName(name) }),
    rollback: async (name, { to, group, ...options }) =>
      await (
        await admin()
      ).rollback({ environment: environmentOf(options), group, name: secretName(name) }, to),
    usage: async (name, options = {}) =>
      await (
        await admin()
      ).usage({ environment: environmentOf(options), name: secretName(name), max: options.maxObjects }),
  }
}

function clientGroups(admin: () => Promise<SecretAdmin>): ClientGroups {
  return {
    create: async (name, values, options = {}) =>
      await withChanges(values, options, async (changes) =>
        (await admin()).groups.create({ environment: environmentOf(options), name }, changes, {
          allowExisting: options.allowExisting === true,
          stage: options.stage === true,
        }),
      ),
    list: async ({ environment, maxObjects, createdBefore } = {}) =>
      await (await admin()).groups.list({ environment, max: maxObjects, createdBefore }),
    delete: async (group, options = {}) =>
      await (await admin()).groups.delete(groupOf(group, options), options),
    info: async (group, options = {}) => {
      const entry = await (await admin()).groups.info(groupOf(group, options))
      const named = typeof group === 'string' ? [] : group.requiredKeys
      requireKeys(
        entry.name,
        [...new Set([...named, ...(options.requiredKeys ?? []).map(secretName)])],
        entry.keys,
      )
      return entry
    },
    update: async (group, values, options = {}) =>
      await withChanges(values, options, async (changes) =>
        (await admin()).groups.update(groupOf(group, options), changes, { stage: options.stage === true }),
      ),
  }
}

/** Lends the values as changes and wipes the copies made for that. */
async function withChanges<T>(
  values: GroupValues,
  { exposure, guarded }: UseOptions,
  use: (changes: Parameters<SecretAdmin['set']>[1]) => Promise<T>,
): Promise<T> {
  const copies = isGiven(values)
    ? new Map([...values.values].map(([name, value]) => [name, copyValue(value)]))
    : SecretGroup.fromObject(values).values
  try {
    return await use([...copies].map(([name, value]) => ({ name, value, exposure, guarded })))
  } finally {
    for (const value of copies.values()) value[Symbol.dispose]()
  }
}

/** Only what this library made has a map of values; an object of secrets may well have a key named `kind`. */
const isGiven = (values: GroupValues): values is GivenSecrets => Symbol.dispose in values

const environmentOf = ({ environment }: InEnvironment): string => environment ?? DEFAULT_ENVIRONMENT

function groupOf(
  group: GroupRef,
  options: InEnvironment,
): { readonly environment: string; readonly name: string } {
  if (typeof group === 'string') return { environment: environmentOf(options), name: group }
  if (
    group.environment !== undefined &&
    options.environment !== undefined &&
    group.environment !== options.environment
  ) {
    throw new Fault('REQUEST_INVALID', 'The group is of one environment and another one is named.')
  }
  return { environment: group.environment ?? environmentOf(options), name: group.name }
}
