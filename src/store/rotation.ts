/**
 * Adding, removing and exchanging those who can open the store.
 *
 * Everything here can be killed at any moment and run again: values are sealed
 * to a new recipient in small transactions, a new recipient counts as `active`
 * only when nothing is missing, and an old one goes only after that. What the
 * home pins is widened before the database changes and narrowed afterwards, so
 * that writers go on meanwhile. Of one home only one process at a time does any
 * of this: two rotations at once would each take what the other needs.
 *
 * The root key stays when the identity is rotated: digests, mount ids and
 * verdicts do not change with it.
 *
 * @packageDocumentation
 */

import { rm } from 'node:fs/promises'
import { Fault } from '../errors.js'
import { recordEvents } from './events.js'
import {
  createIdentityFile,
  identitySource,
  loadIdentity,
  parsePublicKey,
  publicKeyText,
  saveIdentity,
  type Identity,
} from './identity.js'
import type { Home } from './home.js'
import { rootMark } from './keys.js'
import { openKeys, type Opened, type OpeningPlace } from './opening.js'
import { readPins, writePins } from './pins.js'
import { checkPinned, findRecipients, sealRoot, type Recipient } from './recipients.js'
import { isAnythingUnsealed, sealEverything } from './resealing.js'
import { createKeyPair, keyIdOf } from './seal.js'
import { lockFile } from './sqlite.js'

/** One who can open the store, as a list shows it. */
export interface RecipientEntry {
  /** Fingerprint of the public key: 32 hex digits. */
  readonly fingerprint: string
  /** The public key as text. */
  readonly publicKey: string
  /** False while values are still being sealed to it. */
  readonly ready: boolean
  /** Whether this home seals to it. */
  readonly pinned: boolean
}

/** Manages who can open the store. All but {@link IdentityAdmin.recipients} and `trust` need the identity. */
export interface IdentityAdmin {
  recipients(): Promise<readonly RecipientEntry[]>
  /** The identity's public key as text. @throws {@link Fault} `IDENTITY_INVALID` without an identity. */
  exportPublic(): Promise<string>
  /**
   * Seals everything to one more public key.
   *
   * @param publicKey - as `exportPublic` gives it.
   * @returns the key's fingerprint and how many values this call sealed.
   */
  addRecipient(publicKey: string): Promise<{ readonly fingerprint: string; readonly resealed: number }>
  /**
   * Takes the store from a recipient. What they have read they still know: rotate those values too.
   *
   * Removing one that is gone is not an error.
   *
   * @throws {@link Fault} `STORE_CONFLICT` for the last one that is ready.
   */
  removeRecipient(fingerprint: string): Promise<void>
  /**
   * Exchanges the home's identity for a new one and seals everything to it. Killed half-way, it goes on at the next call.
   *
   * @throws {@link Fault} `IDENTITY_INVALID` where the identity is not a file of the home.
   */
  rotate(): Promise<{ readonly fingerprint: string; readonly resealed: number }>
  /**
   * Pins the store's public keys anew, after someone compared them.
   *
   * @throws {@link Fault} `IDENTITY_INVALID` unless the fingerprints are exactly those of the store.
   */
  trust(fingerprints: readonly string[]): Promise<void>
}

/** What managing recipients needs. */
export interface IdentityParts extends OpeningPlace {
  readonly actor: string
  readonly now: () => Date
}

/**
 * Makes an identity in a home that has none, for a machine that is to join a store.
 *
 * @returns its public key as text.
 * @throws {@link Fault} `STORE_CONFLICT` where there is one.
 */
export async function createIdentity(home: Home): Promise<string> {
  if (!(await createIdentityFile(home))) {
    throw new Fault('STORE_CONFLICT', 'There is an identity already; it was left as it is.', {
      hint: 'Exchange it with "traceless identity rotate".',
    })
  }
  using identity = await loadIdentity(home, {})
  return publicKeyOfIdentity(identity)
}

/** Makes the admin of a store's recipients. */
export function identityAdmin(parts: IdentityParts): IdentityAdmin {
  return {
    async recipients() {
      const pins = await readPins(parts.home, parts.storeId)
      const all = await parts.database.read(findRecipients)
      return all.map(({ keyId, publicKey, state }) => ({
        fingerprint: keyId,
        publicKey: publicKeyText(publicKey),
        ready: state === 'active',
        pinned: pins?.recipients.includes(keyId) === true,
      }))
    },
    async exportPublic() {
      using identity = await loadIdentity(parts.home, parts.variables)
      return publicKeyOfIdentity(identity)
    },
    async addRecipient(publicKey) {
      using _alone = await lockFile(parts.home.lock)
      using opened = await openKeys(parts)
      return await join(parts, opened, parsePublicKey(publicKey))
    },
    async removeRecipient(fingerprint) {
      using _alone = await lockFile(parts.home.lock)
      await leave(parts, fingerprint)
    },
    async rotate() {
      requireOwnFile(parts)
      using _alone = await lockFile(parts.home.lock)
      return await rotateIdentity(parts)
    },
    async trust(fingerprints) {
      using _alone = await lockFile(parts.home.lock)
      using opened = await openKeys(parts)
      const found = await parts.database.read(findRecipients)
      const root = rootMark(opened.root)
      checkPinned(found, { root, recipients: fingerprints })
      if (fingerprints.some((given) => !found.some(({ keyId }) => keyId === given))) {
        throw new Fault('IDENTITY_INVALID', 'One of the fingerprints is not of this store.', {
          hint: 'Name all fingerprints that "traceless identity list" shows, and no other.',
        })
      }
      await writePins(parts.home, parts.storeId, { root, recipients: fingerprints })
    },
  }
}

/** @throws {@link Fault} `IDENTITY_INVALID` where the identity is not a file of the home. */
function requireOwnFile({ variables }: IdentityParts): void {
  if (identitySource(variables) === 'file') return
  throw new Fault(
    'IDENTITY_INVALID',
    'The identity is not a file of this home, so it cannot be exchanged here.',
    {
      hint: 'Make a new one elsewhere, then "traceless identity add" and "traceless identity remove".',
    },
  )
}

async function rotateIdentity(
  parts: IdentityParts,
): Promise<{ readonly fingerprint: string; readonly resealed: number }> {
  const { home, storeId } = parts
  using opened = await openKeys(parts)
  await createNextIdentity(home, opened.identity)
  using both = await loadIdentity(home, {})
  using next = await loadIdentity({ ...home, identity: home.nextIdentity }, {})
  const key = next?.keys[0]
  if (both === null || key === undefined) throw new TypeError('the next identity was written and is gone')
  const joined = await join(parts, opened, key.publicKey)
  const old = both.keys.filter(({ id }) => id !== key.id)
  for (const { id } of old) await leave(parts, id)
  // A home may hold the identity of other stores as well; what they are sealed to must not go.
  const others = [...both.stores.keys()].some((id) => id !== storeId)
  await saveIdentity(
    home.identity,
    { keys: others ? [key, ...old] : [key], stores: both.stores },
    { replace: true },
  )
  await rm(home.nextIdentity, { force: true })
  return joined
}

/** The new key is on disk before anything is sealed to it. One of an earlier attempt is used on. */
async function createNextIdentity(home: Home, current: Identity): Promise<void> {
  const pair = await createKeyPair()
  try {
    await saveIdentity(home.nextIdentity, { keys: [pair], stores: current.stores }, { replace: false })
  } finally {
    pair.privateKey[Symbol.dispose]()
  }
}

/** Seals everything to a new public key. Does only what is missing. */
async function join(
  parts: IdentityParts,
  opened: Opened,
  publicKey: Uint8Array,
): Promise<{ readonly fingerprint: string; readonly resealed: number }> {
  const { database, home, storeId, actor, now } = parts
  const keyId = keyIdOf(publicKey)
  const root = await sealRoot(storeId, publicKey, opened.root)
  const pins = (await readPins(home, storeId)) ?? { root: rootMark(opened.root), recipients: [] }
  await writePins(home, storeId, { ...pins, recipients: [...new Set([...pins.recipients, keyId])] })
  await database.write(async (tx) => {
    const made = await tx
      .insertInto('recipient')
      .values({
        key_id: keyId,
        public_key: publicKey,
        state: 'joining',
        root,
        created_at: now().toISOString(),
        created_by: actor,
      })
      .onConflict((conflict) => conflict.column('key_id').doNothing())
      .executeTakeFirst()
    if (Number(made.numInsertedOrUpdatedRows ?? 0) > 0) {
      await recordEvents(tx, parts, [{ action: 'add-recipient', detail: keyId }])
    }
  })
  const resealed = await sealEverything({ database, storeId, opened, to: { keyId, publicKey } })
  await database.write(async (tx) => {
    if (await isAnythingUnsealed(tx, keyId)) {
      throw new Fault('IDENTITY_INVALID', 'Not every value could be sealed to the new key.', {
        hint: 'The identity used here does not open all of the store, or someone removed it meanwhile. Nothing is lost: use an identity that opens everything.',
      })
    }
    await tx.updateTable('recipient').set({ state: 'active' }).where('key_id', '=', keyId).execute()
  })
  return { fingerprint: keyId, resealed }
}

async function leave(parts: IdentityParts, keyId: string): Promise<void> {
  const { database, home, storeId } = parts
  await database.write(async (tx) => {
    const all = await findRecipients(tx)
    if (!all.some((recipient) => recipient.keyId === keyId)) return
    if (!othersReady(all, keyId)) {
      throw new Fault('STORE_CONFLICT', 'This is the last recipient that everything is sealed to.', {
        hint: 'Add another one first; without any, no value could be read again.',
      })
    }
    await tx.deleteFrom('sealed').where('key_id', '=', keyId).execute()
    await tx.deleteFrom('recipient').where('key_id', '=', keyId).execute()
    await recordEvents(tx, parts, [{ action: 'remove-recipient', detail: keyId }])
  })
  const pins = await readPins(home, storeId)
  if (pins?.recipients.includes(keyId) === true) {
    await writePins(home, storeId, {
      ...pins,
      recipients: pins.recipients.filter((pinned) => pinned !== keyId),
    })
  }
}

const othersReady = (all: readonly Recipient[], keyId: string): boolean =>
  all.some((recipient) => recipient.keyId !== keyId && recipient.state === 'active')

function publicKeyOfIdentity(identity: Identity | null): string {
  const key = identity?.keys[0]
  if (key === undefined) {
    throw new Fault('IDENTITY_INVALID', 'There is no identity here.', {
      hint: 'Make one with "traceless identity create".',
    })
  }
  return publicKeyText(key.publicKey)
}
