/**
 * The role that sets, lists and removes secrets and cannot read one. What it
 * holds are the recipients' public keys, the key of the digests and the key
 * that authenticates records.
 *
 * Types only; `store-admin.ts` makes one of a database.
 *
 * @packageDocumentation
 */

import type { SecretName, SecretValue } from '../secret.js'
import type { Exposure, UsageRecord } from './store.js'

/** A secret as a list shows it, without its value. One that is live and has a staged change is two entries. */
export interface SecretEntry {
  readonly name: SecretName
  readonly environment: string
  readonly group: string | null
  /** HMAC of environment, name and value, cut to 12 hex digits: shows whether this one secret changed. `null` for a staged removal. */
  readonly digest: string | null
  readonly status: 'live' | 'staged'
  readonly exposure: Exposure
  readonly guarded: boolean
  /** Random id of the version. `null` for a staged removal. */
  readonly version: string | null
  readonly createdAt: Date
  readonly createdBy: string
  readonly updatedAt: Date
  readonly lastUsedAt: Date | null
}

/** A value for one name. */
export interface SecretChange {
  readonly name: SecretName
  /** Stays the caller's: the admin copies nothing that it does not wipe. */
  readonly value: SecretValue
  /** Default: as it was, `everywhere` for a new secret. */
  readonly exposure?: Exposure | undefined
  /** Default: as it was, true for a new secret. */
  readonly guarded?: boolean | undefined
}

/** Where secrets stand. */
export interface SecretPlace {
  readonly environment: string
  /** Default: the environment itself. */
  readonly group?: string | undefined
}

/** One secret. */
export interface SecretRef extends SecretPlace {
  readonly name: SecretName
}

/** What one change came to. */
export interface ChangedSecret {
  readonly name: SecretName
  readonly group: string | null
  /** The version that is now live or staged; `null` for a removal. */
  readonly version: string | null
  readonly digest: string | null
  /** A staged change of this name was given up for this one. */
  readonly discardedStaged: boolean
}

/** What a call changed. A call changes everything it was asked to or nothing. */
export interface ChangeReport {
  readonly changed: readonly ChangedSecret[]
  /** Names that were not there and need not be. */
  readonly missing: readonly SecretName[]
}

/** Narrows a list. */
export interface ListQuery {
  /** Default: all environments. */
  readonly environment?: string | undefined
  /** Default: all groups and the environment's own; `null` for the environment's own alone. */
  readonly group?: string | null | undefined
  /** Secrets at most, newest first. Default: all. */
  readonly max?: number | undefined
  /** Only what was created before. What was made by one call has one time: to see all of it page by page, use `after`. */
  readonly createdBefore?: Date | undefined
  /** Only what comes after this entry, the last one of the page before. */
  readonly after?: Pick<SecretEntry, 'createdAt' | 'environment' | 'group' | 'name'> | undefined
}

/** One thing that happened. */
export interface HistoryEntry {
  readonly at: Date
  readonly actor: string
  readonly action: HistoryAction
  readonly environment: string | null
  readonly group: string | null
  readonly name: SecretName | null
  readonly version: string | null
  /** How a value came, what a read was for, how many it read. */
  readonly detail: string | null
}

/** What {@link HistoryEntry} tells of. `refused`: too many changes of one name. */
export type HistoryAction =
  | 'set'
  | 'unset'
  | 'stage'
  | 'stage-unset'
  | 'discard'
  | 'deploy'
  | 'deploy-forced'
  | 'rollback'
  | 'read'
  | 'create-group'
  | 'delete-group'
  | 'delete-environment'
  | 'refused'
  | 'add-recipient'
  | 'remove-recipient'

/** A version that a secret had. */
export interface VersionEntry {
  readonly version: string
  readonly digest: string
  readonly exposure: Exposure
  readonly guarded: boolean
  readonly createdAt: Date
  readonly createdBy: string
  readonly live: boolean
  readonly staged: boolean
  /** False when the value was dropped because too many newer ones came: it cannot come back. */
  readonly kept: boolean
}

/** An environment. */
export interface EnvironmentEntry {
  readonly name: string
  /** Live secrets in it, those of groups included. */
  readonly secrets: number
  readonly groups: number
  /** `null` for the default environment before its first use. */
  readonly createdAt: Date | null
  readonly createdBy: string | null
}

/** A group. */
export interface GroupEntry {
  readonly name: string
  readonly environment: string
  /** Names of its live secrets. */
  readonly keys: readonly SecretName[]
  readonly createdAt: Date
  readonly createdBy: string
}

/** A build or run and the versions it used of one secret. */
export interface UsageEntry {
  readonly id: string
  readonly kind: UsageRecord['kind']
  readonly environment: string
  readonly image: string | null
  readonly tags: readonly string[]
  readonly at: Date
  readonly group: string | null
  readonly version: string
  /** Whether that version is the live one: if not, what was made with it is to be made anew. */
  readonly current: boolean
}

/** Named sets of secrets. */
export interface GroupAdmin {
  /**
   * Makes a group with its first secrets.
   *
   * @param options - `allowExisting`: a group that is there stays as it is, whatever the values are, and `created` is
   * false. `stage`: the group is made and its secrets are staged.
   * @throws {@link Fault} `STORE_CONFLICT` for a group that is there.
   */
  create(
    group: { readonly environment: string; readonly name: string },
    secrets: readonly SecretChange[],
    options?: { readonly allowExisting?: boolean; readonly stage?: boolean },
  ): Promise<{ readonly created: boolean }>
  /** Sets secrets of a group and keeps its others. @throws {@link Fault} `SECRET_UNKNOWN` for an unknown group. */
  update(
    group: { readonly environment: string; readonly name: string },
    secrets: readonly SecretChange[],
    options?: { readonly stage?: boolean },
  ): Promise<ChangeReport>
  /** Groups, newest first. */
  list(query: Omit<ListQuery, 'group' | 'after'>): Promise<readonly GroupEntry[]>
  /** @throws {@link Fault} `SECRET_UNKNOWN` */
  info(group: { readonly environment: string; readonly name: string }): Promise<GroupEntry>
  /**
   * Deletes a group with its secrets and their versions.
   *
   * @returns whether there was one. @throws {@link Fault} `SECRET_UNKNOWN` for an unknown group without `allowMissing`.
   */
  delete(
    group: { readonly environment: string; readonly name: string },
    options?: { readonly allowMissing?: boolean },
  ): Promise<{ readonly deleted: boolean }>
}

/** Sets and lists. Every call that changes something is one transaction. */
export interface SecretAdmin {
  readonly storeId: string
  readonly groups: GroupAdmin
  /**
   * Sets secrets, all or none. A live set gives up a staged change of the same name.
   *
   * @param options - `stage`: keep what is live until {@link SecretAdmin.deploy}. `how` is recorded (`set` by default).
   * @throws {@link Fault} `REQUEST_INVALID`, `SECRET_UNKNOWN` for an unknown group, `RATE_LIMITED` for a name that
   * changed too often in the last hour, `IDENTITY_INVALID` when the store's public keys are not those that are pinned.
   */
  set(
    place: SecretPlace,
    changes: readonly SecretChange[],
    options?: { readonly stage?: boolean; readonly how?: 'set' | 'import' },
  ): Promise<ChangeReport>
  /**
   * Removes secrets, all or none. Their versions stay for {@link SecretAdmin.rollback}.
   *
   * @throws {@link Fault} `SECRET_UNKNOWN`, listing all names that are not there, without `allowMissing`.
   */
  unset(
    place: SecretPlace,
    names: readonly SecretName[],
    options?: { readonly stage?: boolean; readonly allowMissing?: boolean },
  ): Promise<ChangeReport>
  /**
   * Makes every staged change of an environment live at once, those of its groups included.
   *
   * @throws {@link Fault} `STORE_CONFLICT`, naming every secret whose live version is not the one its staged change was
   * based on, without `force`. Nothing is deployed then.
   */
  deploy(environment: string, options?: { readonly force?: boolean }): Promise<ChangeReport>
  /**
   * Makes an earlier version live again.
   *
   * @throws {@link Fault} `SECRET_UNKNOWN` when the secret has no version of that id, `STORE_CONFLICT` when its value is
   * no longer kept.
   */
  rollback(secret: SecretRef, version: string): Promise<ChangeReport>
  list(query?: ListQuery): Promise<readonly SecretEntry[]>
  /** Versions of a secret, newest first. @throws {@link Fault} `SECRET_UNKNOWN` for a name that never was. */
  versions(secret: SecretRef): Promise<readonly VersionEntry[]>
  /**
   * What happened to a secret, an environment or the store, newest first, reads included.
   *
   * @param query - `max` defaults to 100.
   */
  history(query?: {
    readonly environment?: string | undefined
    readonly group?: string | null | undefined
    readonly name?: SecretName | undefined
    readonly max?: number | undefined
  }): Promise<readonly HistoryEntry[]>
  /** Builds and runs that used a secret, newest first. */
  usage(query: {
    readonly environment: string
    readonly name: SecretName
    readonly max?: number | undefined
  }): Promise<readonly UsageEntry[]>
  environments(): Promise<readonly EnvironmentEntry[]>
  /**
   * Deletes an environment with its secrets, groups and versions. The audit stays.
   *
   * @throws {@link Fault} `SECRET_UNKNOWN` for one that is not there.
   */
  deleteEnvironment(name: string): Promise<{ readonly secrets: number; readonly groups: number }>
}
