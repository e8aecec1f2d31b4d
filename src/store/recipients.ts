/**
 * Who values are sealed to. The database tells, and the pins of the home
 * decide: nothing is sealed as long as the database names a recipient that is
 * not pinned.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import type { SecretValue } from '../secret.js'
import type { Statements } from './database.js'
import type { Identity, IdentityKey } from './identity.js'
import { rootMark } from './keys.js'
import type { Pins } from './pins.js'
import { keyIdOf, open, seal, type Place } from './seal.js'
import type { RecipientTable } from './schema.js'

/** One who can open the store. */
export interface Recipient {
  readonly keyId: string
  readonly publicKey: Uint8Array
  readonly state: RecipientTable['state']
}

/** The recipients in a fixed order. */
export async function findRecipients(tx: Statements): Promise<readonly Recipient[]> {
  const rows = await tx
    .selectFrom('recipient')
    .select(['key_id', 'public_key', 'state'])
    .orderBy('key_id')
    .execute()
  return rows.map((row) => ({
    keyId: row.key_id,
    publicKey: new Uint8Array(row.public_key),
    state: row.state,
  }))
}

/**
 * Whether each recipient is pinned, there is one, and each public key is the one its id names.
 *
 * One that is pinned and not there is in order: it is about to join, or was just removed.
 */
export function isPinned(recipients: readonly Recipient[], pins: Pins): boolean {
  return (
    recipients.length > 0 &&
    recipients.every(
      ({ publicKey, keyId }) => pins.recipients.includes(keyId) && keyIdOf(publicKey) === keyId,
    )
  )
}

/**
 * Checks what {@link isPinned} tells.
 *
 * @throws {@link Fault} `IDENTITY_INVALID`
 */
export function checkPinned(recipients: readonly Recipient[], pins: Pins): void {
  if (isPinned(recipients, pins)) return
  throw new Fault('IDENTITY_INVALID', 'The public keys of the store are not those that are pinned here.', {
    hint: 'If you rotated the identity or added a recipient elsewhere, compare the fingerprints there and run "traceless identity trust FINGERPRINT…". Otherwise someone swapped a key: find out who can write to the database.',
    detail: { pinned: pins.recipients, found: recipients.map(({ publicKey }) => keyIdOf(publicKey)) },
  })
}

/** The root key sealed for a recipient, as its row keeps it. */
export async function sealRoot(
  storeId: string,
  publicKey: Uint8Array,
  root: SecretValue,
): Promise<Uint8Array> {
  return await seal(publicKey, rootPlace(storeId), root)
}

/**
 * Opens the store's root key.
 *
 * @param pins - of this home; an identity that pins the store has the last word.
 * @throws {@link Fault} `IDENTITY_INVALID` when no key of the identity is a recipient's, or the root key is not the
 * one that is pinned.
 */
export async function openRoot(
  tx: Statements,
  { storeId, identity, pins }: { storeId: string; identity: Identity; pins: Pins | null },
): Promise<{ root: SecretValue; key: IdentityKey }> {
  const pinned = identity.stores.get(storeId)
  if (identity.stores.size > 0 && pinned === undefined && pins === null) {
    throw new Fault('IDENTITY_INVALID', 'The identity is pinned to another store.', {
      hint: 'Check which database is used. If the store is the right one, compare its fingerprint with "traceless identity trust".',
    })
  }
  const rows = await tx.selectFrom('recipient').select(['key_id', 'root']).execute()
  for (const key of identity.keys) {
    const row = rows.find(({ key_id }) => key_id === key.id)
    const root = row === undefined ? null : await open(key, rootPlace(storeId), row.root)
    if (root === null) continue
    const mark = rootMark(root)
    if ((pinned ?? mark) === mark && (pins?.root ?? mark) === mark) return { root, key }
    root[Symbol.dispose]()
    throw new Fault('IDENTITY_INVALID', "The store's root key is not the one that is pinned here.", {
      hint: 'Someone changed the database, or put another store in its place.',
    })
  }
  throw new Fault('IDENTITY_INVALID', 'The identity does not open this store.', {
    hint: 'Its key is none of the recipients. Use the identity the store was made with, or have it add this one.',
    detail: { identity: identity.keys.map(({ id }) => id), recipients: rows.map(({ key_id }) => key_id) },
  })
}

/** No secret can stand in an environment without a name, so no value's box opens as a root key or the other way round. */
const rootPlace = (store: string): Place => ({ store, environment: '', group: '', name: '', version: 'root' })
