/**
 * The keys of one store. One random root key is kept sealed to every
 * recipient; everything else is derived from it, each key for one purpose, so
 * that a key that gets out opens nothing the others protect. Whoever only sets
 * secrets is given {@link WriterKeys} and never the root.
 *
 * @packageDocumentation
 */

import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import { SecretValue, type SecretName } from '../secret.js'
import { joinFields } from './fields.js'

/** Bytes of the root key and of each derived key. */
export const KEY_BYTES = 32

/** Hex digits of a digest as lists show it. */
export const DIGEST_DIGITS = 12

/** What a process needs to set secrets, besides the recipients' public keys. It opens nothing. */
export interface WriterKeys extends Disposable {
  /** Makes the digests that lists show. */
  readonly digest: SecretValue
  /** Authenticates records: who reads can tell that a holder of this key wrote them. */
  readonly record: SecretValue
}

/** All keys of a store, for who can read it. */
export interface StoreKeys extends WriterKeys {
  readonly mount: SecretValue
  readonly verdict: SecretValue
}

/** A new root key. */
export function createRootKey(): SecretValue {
  const bytes = randomBytes(KEY_BYTES)
  const root = new SecretValue(bytes)
  bytes.fill(0)
  return root
}

/** Derives the keys of a store from its root key (HKDF with SHA-256, one label for each purpose; RFC 5869). */
export function deriveKeys(root: SecretValue): StoreKeys {
  const [digest, record, mount, verdict] = [
    derive(root, 'digest'),
    derive(root, 'record'),
    derive(root, 'mount'),
    derive(root, 'verdict'),
  ]
  return {
    digest,
    record,
    mount,
    verdict,
    [Symbol.dispose]() {
      for (const key of [digest, record, mount, verdict]) key[Symbol.dispose]()
    },
  }
}

/** A text that tells root keys apart and says nothing else of them: 32 hex digits. What is pinned to notice a swapped root key. */
export function rootMark(root: SecretValue): string {
  return derive(root, 'mark').use((bytes) => Buffer.from(bytes).toString('hex', 0, 16))
}

/** HMAC-SHA-256 of fields. */
export function authenticate(key: SecretValue, ...fields: readonly (string | Uint8Array)[]): Uint8Array {
  return key.use((bytes) =>
    createHmac('sha256', bytes)
      .update(joinFields(...fields))
      .digest(),
  )
}

/** Compares two authentication codes without telling by time where they differ. */
export function sameCode(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

/** The digest that lists show: whether the value of this one name changed. The same value under another name has another digest. */
export function shownDigest(
  key: SecretValue,
  { environment, name, value }: { environment: string; name: SecretName; value: SecretValue },
): string {
  const code = value.use((bytes) => {
    const fields = joinFields('digest', environment, name, bytes)
    const made = key.use((keyBytes) => createHmac('sha256', keyBytes).update(fields).digest('hex'))
    fields.fill(0)
    return made
  })
  return code.slice(0, DIGEST_DIGITS)
}

function derive(root: SecretValue, purpose: string): SecretValue {
  const bytes = new Uint8Array(
    root.use((key) => hkdfSync('sha256', key, '', `traceless/v1/${purpose}`, KEY_BYTES)),
  )
  const key = new SecretValue(bytes)
  bytes.fill(0)
  return key
}
