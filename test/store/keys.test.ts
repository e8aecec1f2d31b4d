/** Derived keys, digests and the fields that codes are made of. */

import { createHmac, hkdfSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { secretName, SecretValue } from '../../src/secret.js'
import { joinFields } from '../../src/store/fields.js'
import {
  authenticate,
  createRootKey,
  deriveKeys,
  KEY_BYTES,
  rootMark,
  sameCode,
  shownDigest,
} from '../../src/store/keys.js'

const ROOT = new SecretValue(Uint8Array.from({ length: 32 }, (_, at) => at))
const hexOf = (key: SecretValue): string => key.use((bytes) => Buffer.from(bytes).toString('hex'))

describe('keys', () => {
  it('derives one key for each purpose, none of which is another or the root', () => {
    const { digest, record, mount, verdict } = deriveKeys(ROOT)
    const all = [ROOT, digest, record, mount, verdict].map(hexOf)
    expect(new Set(all).size).toBe(5)
    expect(all.every((key) => key.length === KEY_BYTES * 2)).toBe(true)
    expect(all).not.toContain(rootMark(ROOT))
  })

  it('derives by HKDF with the label of the purpose', () => {
    const keys = deriveKeys(ROOT)
    const root = Uint8Array.from({ length: 32 }, (_, at) => at)
    for (const purpose of ['digest', 'record', 'mount', 'verdict'] as const) {
      const expected = Buffer.from(hkdfSync('sha256', root, '', `traceless/v1/${purpose}`, 32)).toString(
        'hex',
      )
      expect(hexOf(keys[purpose])).toBe(expected)
    }
  })

  it('wipes what it derived', () => {
    const keys = deriveKeys(ROOT)
    keys[Symbol.dispose]()
    expect([keys.digest, keys.record, keys.mount, keys.verdict].map(hexOf)).toEqual(
      Array(4).fill('0'.repeat(64)),
    )
  })

  it('makes another root key each time', () => {
    expect(hexOf(createRootKey())).not.toBe(hexOf(createRootKey()))
  })

  it('S3: the digest is an HMAC of environment, name and value, cut to 12 digits', () => {
    const key = new SecretValue(Buffer.alloc(32, 7))
    const fields = joinFields('digest', 'main', 'A', Buffer.from('value'))
    expect(
      shownDigest(key, { environment: 'main', name: secretName('A'), value: SecretValue.fromText('value') }),
    ).toBe(createHmac('sha256', Buffer.alloc(32, 7)).update(fields).digest('hex').slice(0, 12))
  })

  it('compares codes of any length', () => {
    const code = authenticate(ROOT, 'a')
    expect(sameCode(code, authenticate(ROOT, 'a'))).toBe(true)
    expect(sameCode(code, authenticate(ROOT, 'b'))).toBe(false)
    expect(sameCode(code, code.subarray(1))).toBe(false)
    expect(sameCode(code, new Uint8Array())).toBe(false)
  })
})

describe('joinFields', () => {
  it('gives the same bytes for the same fields only', () => {
    const field = fc.oneof(fc.string({ maxLength: 3 }), fc.constantFrom('', '\0', '\0\0\0\x01a'))
    fc.assert(
      fc.property(fc.array(field, { maxLength: 4 }), fc.array(field, { maxLength: 4 }), (a, b) => {
        const same =
          a.length === b.length && a.every((text, at) => Buffer.from(text).equals(Buffer.from(b[at] ?? '')))
        expect(joinFields(...a).equals(joinFields(...b))).toBe(same)
      }),
      { numRuns: 2000 },
    )
  })

  it('takes text as UTF-8', () => {
    expect(joinFields('é').toString('hex')).toBe('00000002c3a9')
  })
})
