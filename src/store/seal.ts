/**
 * Sealing: what was sealed to a public key opens with the private key alone,
 * and only in the place it was sealed for.
 *
 * HPKE in base mode (RFC 9180, https://www.rfc-editor.org/rfc/rfc9180) with
 * DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM. The place goes in as
 * associated data. Anyone can seal, therefore a box proves nothing about who
 * made it; the records around it are authenticated apart (`records.ts`).
 *
 * The library is loaded at the first use: listing secrets needs none of it.
 *
 * @packageDocumentation
 */

import { createHash, createPrivateKey, createPublicKey, type webcrypto } from 'node:crypto'
import { Fault } from '../errors.js'
import { SecretValue } from '../secret.js'
import { loadAes256Gcm } from './aes-gcm.js'
import { joinFields } from './fields.js'

/** The part of the library's suite that is used here. Its own types name a global that Node's types of version 20 lack. */
interface Suite {
  readonly kem: {
    generateKeyPair(): Promise<{ readonly publicKey: Key; readonly privateKey: Key }>
    serializePublicKey(key: Key): Promise<ArrayBuffer>
    serializePrivateKey(key: Key): Promise<ArrayBuffer>
    deserializePublicKey(key: Uint8Array): Promise<Key>
    importKey(format: 'raw', key: Uint8Array, isPublic: boolean): Promise<Key>
  }
  seal(
    to: { readonly recipientPublicKey: Key; readonly info: Uint8Array },
    plain: ArrayBuffer,
    bound: Uint8Array,
  ): Promise<{ readonly enc: ArrayBuffer; readonly ct: ArrayBuffer }>
  open(
    from: { readonly recipientKey: Key; readonly enc: Uint8Array; readonly info: Uint8Array },
    sealed: Uint8Array,
    bound: Uint8Array,
  ): Promise<ArrayBuffer>
}

type Key = webcrypto.CryptoKey

/** Version of the box: suite, padding and the order of what is bound. */
export const SEAL_FORMAT = 1

/** Bytes of an X25519 key, private or public, and of the encapsulated key at the head of a box. RFC 9180 section 7.1. */
export const X25519_BYTES = 32

/** A value's length shows in steps of this many bytes only. */
export const PADDING_STEP = 64

/** Bytes of the length that stands before the padded value. */
const LENGTH_BYTES = 4

const INFO = Buffer.from('traceless/secret/v1')

/** Where a box belongs. It opens there and nowhere else. */
export interface Place {
  readonly store: string
  readonly environment: string
  /** Empty for a secret of the environment itself. */
  readonly group: string
  readonly name: string
  readonly version: string
}

/** Both halves of an X25519 key pair. */
export interface KeyPair {
  readonly publicKey: Uint8Array
  readonly privateKey: SecretValue
}

/** The name of a public key: 32 hex digits of its SHA-256. It is what people compare and what is pinned. */
export function keyIdOf(publicKey: Uint8Array): string {
  return createHash('sha256').update(joinFields('traceless/key/v1', publicKey)).digest('hex').slice(0, 32)
}

/** A new key pair. */
export async function createKeyPair(): Promise<KeyPair> {
  const { kem } = await loadSuite()
  const pair = await kem.generateKeyPair()
  const bytes = new Uint8Array(await kem.serializePrivateKey(pair.privateKey))
  const privateKey = new SecretValue(bytes)
  bytes.fill(0)
  return { privateKey, publicKey: new Uint8Array(await kem.serializePublicKey(pair.publicKey)) }
}

/**
 * Seals a value to a public key, for one place.
 *
 * @returns the encapsulated key (32 bytes) followed by the ciphertext.
 * @throws {@link Fault} `IDENTITY_INVALID` for a public key no value can be sealed to.
 */
export async function seal(publicKey: Uint8Array, place: Place, value: SecretValue): Promise<Uint8Array> {
  const suite = await loadSuite()
  const { HpkeError } = await import('@hpke/core')
  // As a whole buffer: of a view, the library would make a copy that nobody wipes.
  const padded = value.use(pad)
  try {
    const recipientPublicKey = await suite.kem.deserializePublicKey(publicKey)
    const { enc, ct } = await suite.seal(
      { recipientPublicKey, info: INFO },
      padded.buffer,
      bind(publicKey, place),
    )
    return Buffer.concat([new Uint8Array(enc), new Uint8Array(ct)])
  } catch (error) {
    if (!(error instanceof HpkeError)) throw error
    throw new Fault('IDENTITY_INVALID', 'A recipient of this store has a public key that is not one.', {
      cause: error,
    })
  } finally {
    padded.fill(0)
  }
}

/**
 * Opens a box in its place.
 *
 * @returns the value, or `null` when the box was not sealed to this key for this place.
 */
export async function open(pair: KeyPair, place: Place, box: Uint8Array): Promise<SecretValue | null> {
  const suite = await loadSuite()
  const { HpkeError } = await import('@hpke/core')
  if (box.length < X25519_BYTES) return null
  try {
    const recipientKey = await importPrivate(suite, pair.privateKey)
    const padded = new Uint8Array(
      await suite.open(
        { recipientKey, enc: new Uint8Array(box.subarray(0, X25519_BYTES)), info: INFO },
        new Uint8Array(box.subarray(X25519_BYTES)),
        bind(pair.publicKey, place),
      ),
    )
    try {
      return unpad(padded)
    } finally {
      padded.fill(0)
    }
  } catch (error) {
    if (error instanceof HpkeError) return null
    throw error
  }
}

/** The public half of a private key. */
export function publicKeyOf(privateKey: SecretValue): Uint8Array {
  const der = privateKey.use((bytes) => Buffer.concat([PKCS8_X25519, bytes]))
  try {
    const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))
    return new Uint8Array(key.export({ format: 'der', type: 'spki' }).subarray(-X25519_BYTES))
  } finally {
    der.fill(0)
  }
}

/** The fixed head of a PKCS #8 file that holds an X25519 key: RFC 8410 section 7. */
const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex')

/** Value and its length, filled with zeros to a full step. */
function pad(value: Uint8Array): Uint8Array<ArrayBuffer> {
  const size = Math.ceil((LENGTH_BYTES + value.length) / PADDING_STEP) * PADDING_STEP
  // An array made by its length alone may live on the collector's heap, which moves it and leaves copies behind.
  const padded = new Uint8Array(new ArrayBuffer(size))
  new DataView(padded.buffer).setUint32(0, value.length)
  padded.set(value, LENGTH_BYTES)
  return padded
}

/** `null` for bytes that {@link pad} does not make. */
function unpad(padded: Uint8Array): SecretValue | null {
  if (padded.length < LENGTH_BYTES) return null
  const length = Buffer.from(padded.buffer, padded.byteOffset, padded.length).readUInt32BE()
  return length > padded.length - LENGTH_BYTES
    ? null
    : new SecretValue(padded.subarray(LENGTH_BYTES, LENGTH_BYTES + length))
}

/** Everything that names the place, each field after its length. */
function bind(
  publicKey: Uint8Array,
  { store, environment, group, name, version }: Place,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(
    joinFields(String(SEAL_FORMAT), store, environment, group, name, version, keyIdOf(publicKey)),
  )
}

async function importPrivate(suite: Suite, privateKey: SecretValue): Promise<Key> {
  const bytes = privateKey.use((lent) => new Uint8Array(lent))
  try {
    return await suite.kem.importKey('raw', bytes, false)
  } finally {
    bytes.fill(0)
  }
}

async function loadSuite(): Promise<Suite> {
  const { CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } = await import('@hpke/core')
  const aead = await loadAes256Gcm()
  return new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead })
}
