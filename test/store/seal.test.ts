/** HPKE: against RFC 9180's own vector and a slow reference on node:crypto, and what binding and padding promise. */

import {
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
  type webcrypto,
} from 'node:crypto'
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SecretValue } from '../../src/secret.js'
import { joinFields } from '../../src/store/fields.js'
import {
  createKeyPair,
  keyIdOf,
  open,
  PADDING_STEP,
  publicKeyOf,
  seal,
  SEAL_FORMAT,
  X25519_BYTES,
  type KeyPair,
  type Place,
} from '../../src/store/seal.js'
import { faultFrom, textOf } from '../support/store.js'

const PLACE: Place = { store: 's', environment: 'main', group: '', name: 'TOKEN', version: 'v1' }

describe('sealing', () => {
  it('opens in its place', async () => {
    const pair = await createKeyPair()
    const box = await seal(pair.publicKey, PLACE, SecretValue.fromText('hello'))
    const value = await open(pair, PLACE, box)
    expect(value === null ? null : textOf(value)).toBe('hello')
  })

  it.for<[field: keyof Place, other: string]>([
    ['store', 't'],
    ['environment', 'staging'],
    ['group', 'g'],
    ['name', 'TOKEN2'],
    ['version', 'v2'],
  ])('does not open with another %s', async ([field, other]) => {
    const pair = await createKeyPair()
    const box = await seal(pair.publicKey, PLACE, SecretValue.fromText('hello'))
    expect(await open(pair, { ...PLACE, [field]: other }, box)).toBeNull()
  })

  it('does not open where two fields share their letters in another way', async () => {
    const pair = await createKeyPair()
    const box = await seal(
      pair.publicKey,
      { ...PLACE, group: 'ab', name: 'C' },
      SecretValue.fromText('hello'),
    )
    expect(await open(pair, { ...PLACE, group: 'a', name: 'bC' }, box)).toBeNull()
  })

  it('does not open with another key, nor when the key is called by another id', async () => {
    const [pair, other] = [await createKeyPair(), await createKeyPair()]
    const box = await seal(pair.publicKey, PLACE, SecretValue.fromText('hello'))
    expect(await open(other, PLACE, box)).toBeNull()
    expect(await open({ ...pair, publicKey: other.publicKey }, PLACE, box)).toBeNull()
  })

  it('does not open when any byte is another, missing or added', async () => {
    const pair = await createKeyPair()
    const box = await seal(pair.publicKey, PLACE, SecretValue.fromText('hello'))
    for (let at = 0; at < box.length; at += 1) {
      const changed = Uint8Array.from(box)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(await open(pair, PLACE, changed), `byte ${at}`).toBeNull()
    }
    for (const cut of [0, 1, X25519_BYTES - 1, X25519_BYTES, X25519_BYTES + 15, box.length - 1]) {
      expect(await open(pair, PLACE, box.subarray(0, cut)), `cut at ${cut}`).toBeNull()
    }
    expect(await open(pair, PLACE, Buffer.concat([box, Buffer.alloc(1)]))).toBeNull()
  })

  it.for([0, 1, 59, 60, 61, 123, 124, 125])(
    'shows of %i bytes only how many steps they take',
    async (size) => {
      const { publicKey } = await createKeyPair()
      const box = await seal(publicKey, PLACE, new SecretValue(new Uint8Array(size)))
      const steps = Math.ceil((size + 4) / PADDING_STEP)
      expect(box.length).toBe(X25519_BYTES + steps * PADDING_STEP + 16)
    },
  )

  it('makes another box of the same value each time', async () => {
    const { publicKey } = await createKeyPair()
    const value = SecretValue.fromText('same')
    const [one, two] = [await seal(publicKey, PLACE, value), await seal(publicKey, PLACE, value)]
    expect(Buffer.compare(one, two)).not.toBe(0)
    expect(Buffer.compare(one.subarray(0, X25519_BYTES), two.subarray(0, X25519_BYTES))).not.toBe(0)
  })

  it('refuses a public key whose shared secret would be known', async () => {
    for (const publicKey of [
      new Uint8Array(32),
      Uint8Array.from([1, ...new Uint8Array(31)]),
      new Uint8Array(31),
    ]) {
      await faultFrom(seal(publicKey, PLACE, SecretValue.fromText('x')), 'IDENTITY_INVALID')
    }
  })

  it('finds the public half of a private key', async () => {
    const pair = await createKeyPair()
    expect(Buffer.compare(publicKeyOf(pair.privateKey), pair.publicKey)).toBe(0)
  })

  it('does not open what was padded in another way', async () => {
    const pair = await createKeyPair()
    const suite = new CipherSuite({
      kem: new DhkemX25519HkdfSha256(),
      kdf: new HkdfSha256(),
      aead: new Aes256Gcm(),
    })
    const { store, environment, group, name, version } = PLACE
    const bound = joinFields(
      String(SEAL_FORMAT),
      store,
      environment,
      group,
      name,
      version,
      keyIdOf(pair.publicKey),
    )
    const sealRaw = async (padded: Uint8Array): Promise<Uint8Array> => {
      const { enc, ct } = await suite.seal(
        {
          recipientPublicKey: (await suite.kem.deserializePublicKey(pair.publicKey)) as webcrypto.CryptoKey,
          info: Buffer.from('traceless/secret/v1'),
        },
        padded,
        bound,
      )
      return Buffer.concat([new Uint8Array(enc), new Uint8Array(ct)])
    }
    const right = await open(pair, PLACE, await sealRaw(Buffer.from([0, 0, 0, 2, 65, 66])))
    expect(right === null ? null : textOf(right)).toBe('AB')
    for (const padded of [[], [0, 0, 0], [0, 0, 0, 3, 65, 66], [255, 255, 255, 255, 65]]) {
      expect(await open(pair, PLACE, await sealRaw(Uint8Array.from(padded)))).toBeNull()
    }
  })

  it('is what RFC 9180 says, as the slow reference reads it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        const pair = await createKeyPair()
        const box = await seal(pair.publicKey, PLACE, new SecretValue(bytes))
        const { store, environment, group, name, version } = PLACE
        const padded = openSlowly({
          privateKey: keyObject(pair),
          enc: box.subarray(0, X25519_BYTES),
          sealed: box.subarray(X25519_BYTES),
          info: Buffer.from('traceless/secret/v1'),
          bound: joinFields(
            String(SEAL_FORMAT),
            store,
            environment,
            group,
            name,
            version,
            keyIdOf(pair.publicKey),
          ),
          aead: 'aes-256-gcm',
        })
        expect(padded.readUInt32BE()).toBe(bytes.length)
        expect(Buffer.compare(padded.subarray(4, 4 + bytes.length), bytes)).toBe(0)
        expect(padded.subarray(4 + bytes.length).every((byte) => byte === 0)).toBe(true)
      }),
      { numRuns: 10 },
    )
  })

  it('has a reference that opens the vector of RFC 9180, A.1.1', () => {
    const hex = (text: string): Buffer => Buffer.from(text, 'hex')
    const privateKey = hex('4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8')
    const plain = openSlowly({
      privateKey: keyObject({ publicKey: new Uint8Array(), privateKey: new SecretValue(privateKey) }),
      enc: hex('37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431'),
      sealed: hex(
        'f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a',
      ),
      info: hex('4f6465206f6e2061204772656369616e2055726e'),
      bound: Buffer.from('Count-0'),
      aead: 'aes-128-gcm',
    })
    expect(plain.toString()).toBe('Beauty is truth, truth beauty')
  })
})

const AEADS = { 'aes-128-gcm': { id: 1, keyBytes: 16 }, 'aes-256-gcm': { id: 2, keyBytes: 32 } } as const

/** HPKE base mode, one message, written down from RFC 9180 sections 4 and 5. */
function openSlowly({
  privateKey,
  enc,
  sealed,
  info,
  bound,
  aead,
}: {
  privateKey: KeyObject
  enc: Uint8Array
  sealed: Uint8Array
  info: Uint8Array
  bound: Uint8Array
  aead: keyof typeof AEADS
}): Buffer {
  const kem = Buffer.from('KEM\x00\x20', 'latin1')
  const suite = Buffer.from(`HPKE\x00\x20\x00\x01\x00${String.fromCharCode(AEADS[aead].id)}`, 'latin1')
  const spki = (bytes: Uint8Array): KeyObject =>
    createPublicKey({
      key: Buffer.concat([Buffer.from('302a300506032b656e032100', 'hex'), bytes]),
      format: 'der',
      type: 'spki',
    })
  const own = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32)
  const shared = diffieHellman({ privateKey, publicKey: spki(enc) })
  const eae = extract(
    Buffer.alloc(0),
    Buffer.concat([Buffer.from('HPKE-v1'), kem, Buffer.from('eae_prk'), shared]),
  )
  const secret = expand(eae, {
    suite: kem,
    label: 'shared_secret',
    context: Buffer.concat([enc, own]),
    size: 32,
  })
  const labelled = (label: string, input: Uint8Array): Buffer =>
    Buffer.concat([Buffer.from('HPKE-v1'), suite, Buffer.from(label), input])
  const context = Buffer.concat([
    Buffer.from([0]),
    extract(Buffer.alloc(0), labelled('psk_id_hash', Buffer.alloc(0))),
    extract(Buffer.alloc(0), labelled('info_hash', info)),
  ])
  const schedule = extract(secret, labelled('secret', Buffer.alloc(0)))
  const key = expand(schedule, { suite, label: 'key', context, size: AEADS[aead].keyBytes })
  const nonce = expand(schedule, { suite, label: 'base_nonce', context, size: 12 })
  const decipher = createDecipheriv(aead, key, nonce)
  decipher.setAAD(bound)
  decipher.setAuthTag(sealed.subarray(-16))
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()])
}

const extract = (salt: Uint8Array, input: Uint8Array): Buffer =>
  createHmac('sha256', salt).update(input).digest()

/** LabeledExpand; no more than one block is ever asked for. */
function expand(
  key: Uint8Array,
  { suite, label, context, size }: { suite: Uint8Array; label: string; context: Uint8Array; size: number },
): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(size)
  const info = Buffer.concat([length, Buffer.from('HPKE-v1'), suite, Buffer.from(label), context])
  return createHmac('sha256', key)
    .update(info)
    .update(Buffer.from([1]))
    .digest()
    .subarray(0, size)
}

const keyObject = ({ privateKey }: KeyPair): KeyObject =>
  createPrivateKey({
    key: privateKey.use((bytes) =>
      Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), bytes]),
    ),
    format: 'der',
    type: 'pkcs8',
  })
