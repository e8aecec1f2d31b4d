/**
 * The roles of one store that open or use values. What sets and lists secrets
 * cannot read them: the server and the dashboard are given a
 * {@link SecretAdmin} (`admin.ts`), the builder and the runner a
 * {@link SecretReader}, and there is no third way in.
 *
 * @packageDocumentation
 */

import type { SecretName, SecretValue } from '../secret.js'
import type { StepMemory } from './steps.js'
import type { Turns } from './turns.js'

/** Environment that is meant when none is named. */
export const DEFAULT_ENVIRONMENT = 'main'

/** Where a secret may be used. */
export type Exposure = 'everywhere' | 'build-only' | 'runtime-only'

/** A secret as its reader holds it. The reader disposes the value. */
export interface HeldSecret {
  readonly name: SecretName
  readonly environment: string
  /** The group it stands in; `null` for a secret of the environment itself. */
  readonly group: string | null
  readonly value: SecretValue
  /** Random id of the version, the same for everyone who reads that version. Never an ordinal. */
  readonly version: string
  readonly exposure: Exposure
  /** False for plain configuration that is not searched for. */
  readonly guarded: boolean
}

/** Keys derived from the store's root key. 32 bytes each; held by readers only, and wiped by them when they are closed. */
export interface ReaderKeys {
  /** Makes the opaque ids under which an engine sees mounts. */
  readonly mount: SecretValue
  /** Makes the keys of kept verdicts. */
  readonly verdict: SecretValue
}

/** Opens values. */
export interface SecretReader {
  /** Random id of the store, part of what makes a tenant. */
  readonly storeId: string
  /** Keys for mount ids and verdicts. */
  keys(): Promise<ReaderKeys>
  /** Names that a build or run of this environment could ask for, groups included. Opens nothing. */
  names(scope: ReadScope): Promise<readonly SecretName[]>
  /**
   * Opens the named live secrets, or all of the scope with `names: 'all'`.
   *
   * @throws {@link Fault} `SECRET_UNKNOWN`, naming every missing secret at once.
   * @throws {@link Fault} `STORE_INVALID` for a record that is not what its author sealed; `IDENTITY_INVALID`
   * without the identity that opens it; `REQUEST_INVALID` where two groups give one name different values.
   */
  read(scope: ReadScope, names: ReadonlySet<SecretName> | 'all'): Promise<readonly HeldSecret[]>
}

/** Which secrets a reader means. */
export interface ReadScope {
  readonly environment: string
  /** Groups whose secrets are added to those of the environment. */
  readonly groups?: readonly string[]
  /** What the values are for: secrets exposed to the other are left out and count as unknown. */
  readonly purpose: 'build' | 'run' | 'scan'
}

/** One use of secrets by a build or run, for the audit and for `secrets usage`. Holds names and versions only. */
export interface UsageRecord {
  readonly kind: 'build' | 'run' | 'exec' | 'pip'
  /** Random id of the build or run. */
  readonly id: string
  readonly environment: string
  /** `sha256:…` of the image that was made or started, where there is one. */
  readonly image?: string | undefined
  readonly tags?: readonly string[] | undefined
  readonly used: readonly {
    readonly name: SecretName
    readonly group: string | null
    readonly version: string
  }[]
}

/** Keeps which version went into which image. */
export interface UsageRecorder {
  record(use: UsageRecord): Promise<void>
}

/** What builds need that reuse steps of an earlier version, or tell steps to run again. */
export interface Keeping {
  readonly steps: StepMemory
  readonly turns: Turns
  /**
   * Opens every version of the named live secrets whose value is still kept, but for the live one. The caller disposes
   * the values.
   *
   * @throws as {@link SecretReader.read} does, for a version that is not what was sealed too.
   */
  earlier(scope: ReadScope, names: ReadonlySet<SecretName>): Promise<readonly HeldSecret[]>
}
