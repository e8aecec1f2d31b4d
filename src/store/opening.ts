/**
 * The private side of a store: the identity is looked for when something has
 * to be opened for the first time, never before.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import type { Database } from './database.js'
import { loadIdentity, type Identity } from './identity.js'
import type { Home, Variables } from './home.js'
import { deriveKeys, type StoreKeys } from './keys.js'
import { readPins } from './pins.js'
import { openRoot } from './recipients.js'
import type { SecretValue } from '../secret.js'

/** An opened store: the private keys and all derived keys. Dispose wipes both. */
export interface Opened extends Disposable {
  readonly identity: Identity
  readonly root: SecretValue
  readonly keys: StoreKeys
}

/** Where the identity of a store is looked for. */
export interface OpeningPlace {
  readonly database: Database
  readonly storeId: string
  readonly home: Home
  readonly variables: Variables
}

/**
 * Loads the identity and opens the root key with it.
 *
 * @throws {@link Fault} `IDENTITY_INVALID` where there is no identity, or it is none of this store's.
 */
export async function openKeys(place: OpeningPlace): Promise<Opened> {
  return await whileIdentityMoves(async () => {
    const identity = await loadIdentity(place.home, place.variables)
    if (identity === null) {
      throw new Fault('IDENTITY_INVALID', 'There is no identity here that opens the store.', {
        hint: `Put it into ${place.home.identity}, or name it in TRACELESS_IDENTITY or TRACELESS_IDENTITY_COMMAND.`,
      })
    }
    return { identity, work: () => openWith(place, identity) }
  })
}

/**
 * Does work with an identity, and again with the identity as it is then when that failed for it: a rotation may have
 * ended in between. Two failures with the same keys are final.
 */
export async function whileIdentityMoves<T>(
  begin: () => Promise<{ readonly identity: Identity; readonly work: () => Promise<T> }>,
): Promise<T> {
  for (let before = ''; ;) {
    const { identity, work } = await begin()
    const now = identity.keys.map(({ id }) => id).join()
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'IDENTITY_INVALID' || now === before) throw error
      before = now
    }
  }
}

async function openWith({ database, storeId, home }: OpeningPlace, identity: Identity): Promise<Opened> {
  try {
    const pins = await readPins(home, storeId)
    const { root } = await database.read((tx) => openRoot(tx, { storeId, identity, pins }))
    const keys = deriveKeys(root)
    return {
      identity,
      root,
      keys,
      [Symbol.dispose]() {
        identity[Symbol.dispose]()
        root[Symbol.dispose]()
        keys[Symbol.dispose]()
      },
    }
  } catch (error) {
    identity[Symbol.dispose]()
    throw error
  }
}
