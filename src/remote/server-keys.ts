/**
 * To whom values given at hand are sealed. The server tells, and the pins
 * decide: a server, or whoever stands in its place, cannot make anyone seal to
 * another key.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import type { SecretValue } from '../secret.js'
import { givenValuePlace } from '../store/given-value.js'
import { keyIdOf, seal, X25519_BYTES } from '../store/seal.js'
import { listOf, strangeAnswer, textOf } from './answer.js'
import type { Connection } from './connection.js'
import type { ServerPins } from './known-servers.js'

/** Who can open the store behind a server. */
export interface ServerKeys {
  readonly storeId: string
  readonly recipients: readonly { readonly keyId: string; readonly publicKey: Uint8Array }[]
}

/** A value as it travels. */
export interface SealedValue {
  readonly name: string
  readonly boxes: readonly { readonly keyId: string; readonly box: string }[]
}

/** Asks a server who can open its store. Needs a token that may submit builds or set secrets. */
export async function readServerKeys({ json }: Connection, signal?: AbortSignal): Promise<ServerKeys> {
  const { storeId, recipients } = await json({ path: '/keys', signal })
  const keys = listOf(recipients, ({ publicKey }) => {
    const bytes = new Uint8Array(Buffer.from(textOf(publicKey), 'base64'))
    if (bytes.length !== X25519_BYTES) throw strangeAnswer()
    // The id is made of the key here: one that the server tells proves nothing.
    return { keyId: keyIdOf(bytes), publicKey: bytes }
  })
  if (keys.length === 0) throw strangeAnswer()
  return { storeId: textOf(storeId), recipients: keys }
}

/**
 * Checks that every key is pinned, and the store the one that is.
 *
 * @throws {@link Fault} `IDENTITY_INVALID`
 */
export function requirePinned({ storeId, recipients }: ServerKeys, pins: ServerPins | null): void {
  if (pins === null || pins.recipients.length === 0) {
    throw new Fault(
      'IDENTITY_INVALID',
      'No public key of that server is pinned here, so no value is sealed to it.',
      {
        hint: 'Compare the fingerprints with "traceless identity list" on the server, and pin them with "traceless login" or in TRACELESS_PIN.',
        detail: { found: recipients.map(({ keyId }) => keyId) },
      },
    )
  }
  const strangers = recipients.filter(({ keyId }) => !pins.recipients.includes(keyId))
  if (strangers.length === 0 && (pins.storeId === '' || pins.storeId === storeId)) return
  throw new Fault('IDENTITY_INVALID', 'The public keys of the server are not those that are pinned here.', {
    hint: 'If the identity was rotated there, compare the fingerprints and pin them with "traceless login --trust FINGERPRINT". Otherwise someone stands between here and the server.',
    detail: { pinned: pins.recipients, found: recipients.map(({ keyId }) => keyId) },
  })
}

/** Seals values to every recipient, each for one submission. */
export async function sealValues(
  { storeId, recipients }: ServerKeys,
  values: ReadonlyMap<string, SecretValue>,
  { environment, submission }: { readonly environment: string; readonly submission: string },
): Promise<readonly SealedValue[]> {
  const sealed: SealedValue[] = []
  for (const [name, value] of values) {
    const place = givenValuePlace({ store: storeId, environment, submission, name })
    const boxes: { keyId: string; box: string }[] = []
    for (const { keyId, publicKey } of recipients) {
      boxes.push({ keyId, box: Buffer.from(await seal(publicKey, place, value)).toString('base64') })
    }
    sealed.push({ name, boxes })
  }
  return sealed
}
