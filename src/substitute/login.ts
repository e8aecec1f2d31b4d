/**
 * The login that a URL of a list carries, and whether it can be told from the
 * rest of the URL in one way only. Where a secret is sent must not depend on
 * which program reads the URL.
 *
 * @packageDocumentation
 */

import type { SecretName } from '../secret.js'
import type { Span } from './lines.js'
import type { Client, Position } from './list.js'
import { hasPlainHost, hostOf, originOf, type UrlParts } from './url.js'

/** A URL in a line. */
export interface UrlTarget {
  readonly kind: 'url'
  readonly span: Span
  readonly parts: UrlParts
}

/** Something wrong at an offset of the file. `name` is set for a placeholder that stands in a wrong place. */
export interface Refusal {
  readonly offset: number
  readonly message: string
  readonly hint?: string | undefined
  readonly name?: SecretName
}

/** A placeholder in its place, with offsets in the file. */
export interface FoundSlot {
  readonly name: SecretName
  readonly raw: boolean
  readonly position: Position
  readonly from: number
  readonly to: number
}

/** A user-info with at least one placeholder, with offsets in the file. */
export interface FoundLogin {
  readonly from: number
  readonly to: number
  readonly user: readonly (string | FoundSlot)[]
  readonly password: readonly (string | FoundSlot)[] | undefined
  readonly client: Client
  readonly origin: string
  readonly host: string
  readonly segments: readonly string[]
}

/** What RFC 3986 lets stand in a user-info, https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1 */
const USER_INFO = /^(?:[\w.~!$&'()*+,;=:-]|%[0-9a-f]{2})*$/i

/** A line end in a user name would be a line of its own in what git is told. */
const CONTROL = /%(?:[01][0-9a-f]|7f)/i

/**
 * The login of a URL: `undefined` where there is none, an offset where one is written out without placeholders.
 *
 * @param slots - the placeholders of this URL.
 */
export function loginOf(
  { span, parts }: UrlTarget,
  slots: readonly FoundSlot[],
): FoundLogin | Refusal | { readonly literal: number } | undefined {
  if (slots.length > 0 && !hasPlainHost(span.text, parts)) {
    const offset = span.at[parts.host.from] ?? span.at[0] ?? 0
    return { offset, message: 'The host or port of a URL with a placeholder is not valid.' }
  }
  if (parts.userInfo === undefined) return undefined
  const { from, to } = parts.userInfo
  const start = span.at[from] ?? 0
  const end = span.at[to] ?? 0
  const text = span.text.slice(from, to)
  const inside = slots.filter(({ position }) => position === 'user-info')
  if (inside.length > 0 && end - start !== to - from) {
    return {
      offset: start,
      message:
        'The user-info of a URL with a placeholder is broken by the end of a line, a quote or a backslash.',
      hint: 'Write the user-info in one piece.',
    }
  }
  const cut = cutUserInfo(text, start, inside)
  const literal = [...cut.user, ...(cut.password ?? [])].filter((part) => typeof part === 'string')
  if (slots.length > 0 && !literal.every((part) => USER_INFO.test(part) && !CONTROL.test(part))) {
    return {
      offset: start,
      message:
        'The user-info of a URL with a placeholder holds a control character, or one that must be percent-encoded there.',
    }
  }
  if (inside.length === 0) {
    return /:./.test(text) && clientOf(parts) !== 'other' ? { literal: start } : undefined
  }
  return {
    from: start,
    to: end + 1,
    ...cut,
    client: clientOf(parts),
    origin: originOf(span.text, parts),
    host: hostOf(span.text, parts),
    segments: segmentsOf(span, parts),
  }
}

/** Cuts a user-info at its first `:` and at its placeholders. The text of placeholders holds no `:`. */
function cutUserInfo(
  text: string,
  start: number,
  slots: readonly FoundSlot[],
): Pick<FoundLogin, 'user' | 'password'> {
  const cut = (from: number, to: number): readonly (string | FoundSlot)[] => {
    const parts: (string | FoundSlot)[] = []
    let at = from
    for (const slot of slots) {
      const index = slot.from - start
      if (index < from || index >= to) continue
      if (index > at) parts.push(text.slice(at, index))
      parts.push(slot)
      at = slot.to - start
    }
    if (at < to) parts.push(text.slice(at, to))
    return parts
  }
  const colon = text.indexOf(':')
  return colon === -1
    ? { user: cut(0, text.length), password: undefined }
    : { user: cut(0, colon), password: cut(colon + 1, text.length) }
}

/** More segments than this are not told apart: nothing real needs them. */
const MAX_SEGMENTS = 16

/** Segments that are the same text for us, for pip and for git, up to the first that is not: a placeholder has a dollar. */
function segmentsOf({ text }: Span, { scheme, path }: UrlParts): readonly string[] {
  const whole = text.slice(path.from, path.to)
  const revision = scheme.startsWith('git+') ? whole.lastIndexOf('@') : -1
  const segments = whole
    .slice(0, revision === -1 ? undefined : revision)
    .split('/', MAX_SEGMENTS + 1)
    .slice(1)
  const odd = segments.findIndex((segment) => !/^(?!\.{1,2}$)[\w.~+-]+$/.test(segment))
  return odd === -1 ? segments : segments.slice(0, odd)
}

/** Who fetches a URL. */
export function clientOf({ scheme }: UrlParts): Client {
  if (/^https?$/.test(scheme)) return 'pip'
  return /^git\+https?$/.test(scheme) ? 'git' : 'other'
}
