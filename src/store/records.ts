/**
 * What is authenticated, and how. Every row that decides which value a reader
 * gets carries a code made with the store's record key: which version is live,
 * what a version says of itself, which bytes were sealed for it. A row that was
 * moved, mixed or made by someone without the key does not read.
 *
 * Not detected: rows that all stood in the database together at an earlier
 * time, put back as they were.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import type { SecretValue } from '../secret.js'
import { authenticate, sameCode } from './keys.js'
import type { SealedTable, SecretTable, VersionTable } from './schema.js'

/** Makes and checks the codes of one store's rows. */
export interface RecordSeal {
  readonly storeId: string
  liveCode(row: LiveRow): Uint8Array
  stagedCode(row: StagedRow): Uint8Array
  versionCode(row: Omit<VersionTable, 'code'>): Uint8Array
  boxCode(row: Omit<SealedTable, 'code'>): Uint8Array
  /** @throws {@link Fault} `STORE_INVALID` */
  checkLive(row: LiveRow & { readonly live_code: Uint8Array }): void
  /** Whether a staged change is what was staged; true where nothing is. */
  isStagedRight(row: StagedRow & { readonly staged_code: Uint8Array | null }): boolean
  /**
   * Checks a version, and that it is one of that secret.
   *
   * @throws {@link Fault} `STORE_INVALID`
   */
  checkVersion(row: VersionTable, secret: SecretKey): void
  /** @throws {@link Fault} `STORE_INVALID` */
  checkBox(row: SealedTable, secret: SecretKey): void
  /** What {@link RecordSeal.checkVersion} checks, without a fault. */
  isVersionRight(row: VersionTable, secret: SecretKey): boolean
  /** What {@link RecordSeal.checkBox} checks, without a fault. */
  isBoxRight(row: SealedTable): boolean
}

/** What names a secret in the tables. */
export type SecretKey = Pick<SecretTable, 'environment' | 'group_name' | 'name'>

type LiveRow = SecretKey & Pick<SecretTable, 'live' | 'updated_at'>
type StagedRow = SecretKey &
  Pick<SecretTable, 'staged' | 'staged_version' | 'staged_base' | 'staged_at' | 'staged_by'>

/** Codes under one record key. */
export function recordSeal(storeId: string, key: SecretValue): RecordSeal {
  const code = (...fields: readonly (string | Uint8Array)[]): Uint8Array =>
    authenticate(key, storeId, ...fields)
  const codes: Pick<RecordSeal, 'liveCode' | 'stagedCode' | 'versionCode' | 'boxCode'> = {
    liveCode: (row) => code('live', ...place(row), row.live ?? '', row.updated_at),
    stagedCode: (row) =>
      code(
        'staged',
        ...place(row),
        row.staged ?? '',
        row.staged_version ?? '',
        row.staged_base ?? '',
        row.staged_at ?? '',
        row.staged_by ?? '',
      ),
    versionCode: (row) =>
      code(
        'version',
        ...place(row),
        row.id,
        String(row.ordinal),
        row.exposure,
        String(row.guarded),
        row.digest,
        row.created_at,
        row.created_by,
      ),
    boxCode: (row) => code('box', row.version, row.key_id, row.box),
  }
  const isVersionRight = (row: VersionTable, secret: SecretKey): boolean =>
    place(secret).every((part, index) => part === place(row)[index]) &&
    sameCode(row.code, codes.versionCode(row))
  const isBoxRight = (row: SealedTable): boolean => sameCode(row.code, codes.boxCode(row))
  return {
    storeId,
    ...codes,
    isVersionRight,
    isBoxRight,
    isStagedRight: (row) =>
      row.staged === null || (row.staged_code !== null && sameCode(row.staged_code, codes.stagedCode(row))),
    checkLive: (row) => {
      if (!sameCode(row.live_code, codes.liveCode(row))) throw forged(row)
    },
    checkVersion: (row, secret) => {
      if (!isVersionRight(row, secret)) throw forged(secret)
    },
    checkBox: (row, secret) => {
      if (!isBoxRight(row)) throw forged(secret)
    },
  }
}

/** The fault for a record that nobody who may write to the store wrote. */
export function forged({ environment, group_name: group, name }: SecretKey): Fault {
  return new Fault('STORE_INVALID', `The record of ${name} in ${environment} is not what was stored.`, {
    hint: 'Someone without the right to do so changed the database, or it is damaged. Unset the secret and set it again, and find out who can write there.',
    detail: { environment, name, ...(group === '' ? {} : { group }) },
  })
}

const place = ({ environment, group_name: group, name }: SecretKey): [string, string, string] => [
  environment,
  group,
  name,
]
