/**
 * How a value is written into the place of a placeholder, and which values no
 * encoding makes safe there. Works on bytes, so that everything it made can be
 * wiped.
 *
 * Which character breaks what was measured with git and pip 23 and 26; the
 * rule that came of it is one for all parts of a URL: every byte that RFC 3986
 * does not call unreserved is percent-encoded.
 *
 * @packageDocumentation
 */

import { isUtf8 } from 'node:buffer'
import type { SecretSet, SecretValue } from '../secret.js'
import { isPythonSpace } from './lines.js'
import type { Login, LoginPart, Slot } from './list.js'

/** What stands for itself in every part of a URL: https://www.rfc-editor.org/rfc/rfc3986#section-2.3 */
const UNRESERVED = /^[A-Za-z0-9._~-]$/

/** A user-info as RFC 3986 wants it: https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1 */
const USER_INFO = /^(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*$/

/** Bytes of a value as they are used: one line feed at the end is not part of it, because files end with one. */
export const trimmed = (bytes: Uint8Array): Uint8Array =>
  bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes

/** Every byte that is not unreserved as `%XX`, in upper case. */
export function percentEncoded(bytes: Uint8Array): Buffer {
  const out = Buffer.alloc(bytes.length * 3)
  let end = 0
  for (const byte of bytes) {
    if (UNRESERVED.test(String.fromCharCode(byte))) {
      out[end] = byte
      end += 1
    } else {
      end += out.write(`%${byte.toString(16).toUpperCase().padStart(2, '0')}`, end, 'latin1')
    }
  }
  return out.subarray(0, end)
}

/** `%XX` as the byte it means. Anything else stays, a lone `%` too, as Python's `unquote` and git have it. */
export function percentDecoded(bytes: Uint8Array): Buffer {
  const out = Buffer.alloc(bytes.length)
  let end = 0
  for (let at = 0; at < bytes.length; at += 1, end += 1) {
    const high = hexDigit(bytes[at + 1])
    const low = hexDigit(bytes[at + 2])
    if (bytes[at] === 0x25 && high !== -1 && low !== -1) {
      out[end] = high * 16 + low
      at += 2
    } else {
      out[end] = bytes[at] ?? 0
    }
  }
  return out.subarray(0, end)
}

function hexDigit(byte: number | undefined): number {
  return byte === undefined ? -1 : '0123456789abcdef'.indexOf(String.fromCharCode(byte).toLowerCase())
}

/** Where in a login a value stands; `whole`: there is no password, so a `|raw` value may bring one. */
export type LoginPlace = 'user' | 'password' | 'whole'

/** What decides whether a value fits. */
export interface Fit {
  readonly slot: Slot
  /** For user-infos: where, and whether pip is to send it. */
  readonly login?: { readonly at: LoginPlace; readonly byPip: boolean } | undefined
}

/**
 * Why a value cannot stand in a place, as the end of a sentence that holds nothing of it; `undefined` for one that
 * can. `bytes` are {@link trimmed}.
 */
export function whyUnfit(bytes: Uint8Array, { slot, login }: Fit): string | undefined {
  if (bytes.length === 0) return 'is empty'
  const general = whyNoText(bytes)
  if (general !== undefined) return general
  if (slot.position === 'option') return whyNoOption(bytes)
  if (slot.position === 'path') return isDots(bytes) ? 'means another folder in a path' : undefined
  if (login === undefined) return undefined
  if (!slot.raw) return whyNoLogin(bytes, login)
  if (!USER_INFO.test(Buffer.from(bytes).toString('latin1'))) {
    return 'is not percent-encoded as the user-info of a URL is, which |raw says it is'
  }
  return whyNoRawLogin(bytes, login)
}

function whyNoText(bytes: Uint8Array): string | undefined {
  if (!isUtf8(bytes)) return 'is not text in UTF-8'
  // C1 controls are two bytes in UTF-8, the first being 0xC2.
  const control = bytes.some(
    (byte, at) => byte < 0x20 || byte === 0x7f || (byte === 0xc2 && (bytes[at + 1] ?? 0xff) < 0xa0),
  )
  return control ? 'holds a control character or a line break' : undefined
}

/** pip splits options as a shell does, after it has expanded its own variables and cut comments. */
function whyNoOption(bytes: Uint8Array): string | undefined {
  const text = Buffer.from(bytes).toString('utf8')
  const breaks = Array.from(text).some(
    (character) => isPythonSpace(character) || ['"', "'", '\\', '#', '$'].includes(character),
  )
  return breaks
    ? 'holds white space, a quote, a backslash, "#" or "$", which the value of an option cannot'
    : undefined
}

const isDots = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0x2e)

function whyNoLogin(bytes: Uint8Array, { at, byPip }: NonNullable<Fit['login']>): string | undefined {
  // https://www.rfc-editor.org/rfc/rfc7617#section-2: the first colon ends the user name.
  if (at !== 'password' && bytes.includes(0x3a)) return 'holds a colon, which a user name cannot'
  // requests encodes user and password as latin-1: `_basic_auth_str` in
  // https://github.com/psf/requests/blob/main/src/requests/auth.py
  return byPip && !isLatin1(bytes) ? 'holds a character outside of latin-1, which pip cannot send' : undefined
}

/** Code points up to U+00FF begin with 0xC2 or 0xC3 in UTF-8. */
const isLatin1 = (bytes: Uint8Array): boolean => bytes.every((byte) => byte < 0xc4)

function whyNoRawLogin(bytes: Uint8Array, login: NonNullable<Fit['login']>): string | undefined {
  const colon = bytes.indexOf(0x3a)
  const cut = login.at === 'whole' && colon !== -1
  const parts = cut
    ? ([
        [bytes.subarray(0, colon), 'user'],
        [bytes.subarray(colon + 1), 'password'],
      ] as const)
    : ([[bytes, login.at]] as const)
  for (const [part, at] of parts) {
    const decoded = percentDecoded(part)
    const why = whyNoText(decoded) ?? whyNoLogin(decoded, { ...login, at })
    decoded.fill(0)
    if (why !== undefined) return why
  }
  return undefined
}

/**
 * The text that takes a placeholder's place: percent-encoded in a URL, as it is in an option. What is encoded already
 * keeps its meaning and gets the one spelling that nobody takes for anything else.
 */
export function filledBytes(value: SecretValue, { position, raw }: Pick<Slot, 'position' | 'raw'>): Buffer {
  return value.use((bytes) => {
    const used = trimmed(bytes)
    if (position === 'option') return Buffer.from(used)
    return raw ? respelled(used) : percentEncoded(used)
  })
}

/** A user-info part by part: `:` stays, everything else is decoded and encoded again. */
function respelled(bytes: Uint8Array): Buffer {
  const parts: Uint8Array[] = []
  let from = 0
  for (let at = 0; at <= bytes.length; at += 1) {
    if (at < bytes.length && bytes[at] !== 0x3a) continue
    const decoded = percentDecoded(bytes.subarray(from, at))
    if (from > 0) parts.push(Buffer.from(':'))
    parts.push(percentEncoded(decoded))
    decoded.fill(0)
    from = at + 1
  }
  return joinedAndWiped(parts)
}

/** User and password as they are sent, decoded. Wipe them. */
export interface Credential {
  readonly user: Buffer
  readonly password: Buffer
}

/** Composes a login from the text of the list and the values. A user name without a password has an empty one. */
export function credentialOf({ user, password }: Login, values: SecretSet): Credential {
  const parts = password === undefined ? user : [...user, ':', ...password]
  const encoded = joinedAndWiped(parts.map((part) => partBytes(part, values)))
  // Values that are not raw hold no colon here, so the first one is the list's own or a raw value's.
  const colon = encoded.indexOf(0x3a)
  const end = colon === -1 ? encoded.length : colon
  const credential = {
    user: percentDecoded(encoded.subarray(0, end)),
    password: percentDecoded(encoded.subarray(end + 1)),
  }
  encoded.fill(0)
  return credential
}

function partBytes(part: LoginPart, values: SecretSet): Buffer {
  if (typeof part === 'string') return Buffer.from(part, 'utf8')
  return filledBytes(valueOf(part, values), part)
}

/** The value of a placeholder that {@link whyUnfit} was asked about before. */
export function valueOf({ name }: Slot, values: SecretSet): SecretValue {
  const value = values.get(name)
  if (value === undefined) throw new TypeError('a placeholder was filled before its value was checked')
  return value
}

/** One buffer of all parts, which are wiped. */
export function joinedAndWiped(parts: readonly Uint8Array[]): Buffer {
  const joined = Buffer.concat(parts)
  for (const part of parts) part.fill(0)
  return joined
}
