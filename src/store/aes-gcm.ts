/**
 * AES-256-GCM for HPKE by Node's own ciphers.
 *
 * The library brings one of its own, over Web Crypto. That works on a copy of
 * the plain text, which stays in memory until it is collected: a core of a
 * process would show what it has sealed.
 *
 * @packageDocumentation
 */

import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto'
import type { AeadInterface } from '@hpke/core'

/** Sizes of the cipher in bytes: RFC 9180 section 7.3. */
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

type Bytes = ArrayBufferLike | ArrayBufferView

/** The cipher as the library takes one. */
export async function loadAes256Gcm(): Promise<AeadInterface> {
  const { AeadId, OpenError } = await import('@hpke/core')
  return {
    id: AeadId.Aes256Gcm,
    keySize: KEY_BYTES,
    nonceSize: NONCE_BYTES,
    tagSize: TAG_BYTES,
    createEncryptionContext(key) {
      const secret = createSecretKey(viewOf(key))
      return {
        seal(nonce, plain, bound) {
          const cipher = createCipheriv('aes-256-gcm', secret, viewOf(nonce))
          cipher.setAAD(viewOf(bound))
          return Promise.resolve(
            bufferOf(Buffer.concat([cipher.update(viewOf(plain)), cipher.final(), cipher.getAuthTag()])),
          )
        },
        open(nonce, sealed, bound) {
          const bytes = viewOf(sealed)
          if (bytes.length < TAG_BYTES) return Promise.reject(new OpenError('too short'))
          const decipher = createDecipheriv('aes-256-gcm', secret, viewOf(nonce), {
            authTagLength: TAG_BYTES,
          })
          decipher.setAAD(viewOf(bound))
          decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
          const plain = decipher.update(bytes.subarray(0, -TAG_BYTES))
          try {
            decipher.final()
          } catch (error) {
            // Thrown for one reason only, without a code: the tag is not that of these bytes.
            plain.fill(0)
            return Promise.reject(new OpenError(error))
          }
          return Promise.resolve(bufferOf(plain))
        },
      }
    },
  }
}

/** The bytes themselves, not a copy. */
const viewOf = (bytes: Bytes): Uint8Array =>
  ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes)

/** A buffer of these bytes and no others; `bytes` are wiped where that takes a copy. */
function bufferOf(bytes: Buffer): ArrayBuffer {
  if (bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength) return bytes.buffer
  const own = new ArrayBuffer(bytes.length)
  new Uint8Array(own).set(bytes)
  bytes.fill(0)
  return own
}
