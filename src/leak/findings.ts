/**
 * What a search found, what it could not read, and how much of either is
 * listed. The verdict drawn from it belongs to the caller, who knows which
 * parts the build made itself.
 *
 * Nothing in here holds a value or bytes beside one: names of files pass
 * {@link Place} only after the values in them were masked.
 *
 * @packageDocumentation
 */

import type { FormName } from './forms.js'

/** Why something was not read, by code, with the sentence that a report shows. */
export const UNREAD_REASONS = {
  truncated: 'It ends before its data does.',
  damaged: 'It is damaged, or is not what its first bytes say.',
  'trailing-data': 'Data follows its end.',
  'not-a-tar': 'It is no tar archive, so the names and archives in it are unknown.',
  'not-opened': 'Archives of its kind are recognised but not opened.',
  encrypted: 'It is encrypted.',
  'unknown-method': 'It is packed by a method that is not known here.',
  'hidden-data': 'It holds packed data that its own directory does not list.',
  'too-deep': 'It lies deeper in archives than the limit allows.',
  'too-large': 'Its content is larger than the limit allows.',
  'too-dense': 'It grows more than the limit allows when it is unpacked.',
  'total-too-large': 'The contents of all archives together are larger than the limit allows.',
  'too-many': 'There are more archives and members in archives than the limit allows.',
  'window-too-large': 'Unpacking it takes more memory than the limit allows.',
  'document-too-large': 'The document is too large to decode, so it was searched as it stands only.',
} as const satisfies Record<string, string>

/** A key of {@link UNREAD_REASONS}. */
export type UnreadReason = keyof typeof UNREAD_REASONS

/** Where something lies. Texts are safe to print: values are masked, control characters are written as escapes. */
export interface Place {
  /** Id of the part. */
  readonly part: string
  /** In a layer the path of the entry, as the tar spells it; in a JSON document the keys and indices that lead there, such as `history/3/created_by`. */
  readonly path?: string
  /** Path inside that entry, one step for each archive in an archive. */
  readonly inner?: readonly string[]
}

/** One value found in one place in one form. */
export interface Finding extends Place {
  /** Name of the secret. */
  readonly secret: string
  readonly form: FormName
  /**
   * What holds it: a file's content; a name; the target of a link; any other byte of an archive, such as an
   * extended attribute, a comment or padding; a document such as the image's configuration.
   */
  readonly where: 'content' | 'name' | 'link' | 'header' | 'document'
  /**
   * Where the first occurrence begins, in bytes: for `content` from the start of the file, otherwise from the start
   * of the part (or of the innermost archive) after decompression.
   */
  readonly offset: number
  /** Occurrences here. */
  readonly count: number
}

/** Something that was not read, or not to its end. */
export interface Unread extends Place {
  readonly why: UnreadReason
  /** How many things this row stands for: more than one only in a row without `path` that sums up what is not listed. */
  readonly count: number
}

/** Content whose bytes were searched as they are though a packed form of text may be inside: media, fonts, differences in git packs. */
export interface Opaque {
  /** Such as `png`. */
  readonly kind: string
  readonly count: number
  readonly bytes: number
}

/** One part after it was read. */
export interface PartRead {
  readonly id: string
  /** Bytes after decompression. */
  readonly bytes: number
  /** Entries of a layer's tar. */
  readonly entries: number
  /** Names of the values it was searched for: not of those that are too short. */
  readonly searched: readonly string[]
  /** `sha256:…` of the bytes after decompression, a layer's diffID. `undefined` unless it was asked for. */
  readonly sha256: string | undefined
}

/** The outcome of a search. Every part was read to its end, whatever is in `unread`. */
export interface ScanResult {
  readonly parts: readonly PartRead[]
  readonly findings: readonly Finding[]
  readonly unread: readonly Unread[]
  readonly opaque: readonly Opaque[]
  /** Bytes searched: the parts after decompression and everything unpacked from them. */
  readonly bytes: number
}

/** Rows that are listed one by one: findings for each secret and form, unread for each part and reason. The rest is counted in one row each. */
export const LISTED = 100

type Row<T> = { -readonly [K in keyof T]: T[K] }

/** Collects the rows of a result in bounded memory. */
export class Ledger {
  readonly #findings = new Map<string, Row<Finding>>()
  readonly #listedFindings = new Map<string, number>()
  readonly #unread = new Map<string, Row<Unread>>()
  readonly #listedUnread = new Map<string, number>()
  readonly #opaque = new Map<string, Row<Opaque>>()

  /** Adds the rows of another ledger, which stand for what comes after what is in here. */
  add({ findings, unread, opaque }: Pick<ScanResult, 'findings' | 'unread' | 'opaque'>): void {
    for (const { count, ...finding } of findings) this.found(finding, count)
    for (const { count, why, ...place } of unread) this.unread(place, why, count)
    for (const { kind, count, bytes } of opaque) this.opaque(kind, bytes, count)
  }

  /** Adds occurrences in one place; `offset` is the first one's. */
  found(finding: Omit<Finding, 'count'>, count = 1): void {
    const { secret, form, part, path, inner, where, offset } = finding
    const full = key(secret, form, part, where, ...steps(path, inner))
    const known = this.#findings.get(full)
    if (known !== undefined) {
      known.count += count
      known.offset = Math.min(known.offset, offset)
      return
    }
    if (isListed(this.#listedFindings, key(secret, form))) {
      this.#findings.set(full, { ...finding, count })
      return
    }
    const summary = key(secret, form, part, where)
    const row = this.#findings.get(summary)
    if (row === undefined) this.#findings.set(summary, { secret, form, part, where, offset, count })
    else row.count += count
  }

  /** Adds something that was not read. */
  unread(place: Place, why: UnreadReason, count = 1): void {
    if (isListed(this.#listedUnread, key(place.part, why))) {
      this.#unread.set(key(place.part, why, String(this.#unread.size)), { ...place, why, count })
      return
    }
    const summary = key(place.part, why)
    const row = this.#unread.get(summary)
    if (row === undefined) this.#unread.set(summary, { part: place.part, why, count })
    else row.count += count
  }

  /** Counts something opaque. */
  opaque(kind: string, bytes: number, count = 1): void {
    const row = this.#opaque.get(kind)
    if (row === undefined) this.#opaque.set(kind, { kind, count, bytes })
    else {
      row.count += count
      row.bytes += bytes
    }
  }

  /** The rows: findings grouped by secret, the rest in the order in which it was met. */
  rows(): Pick<ScanResult, 'findings' | 'unread' | 'opaque'> {
    return {
      findings: [...this.#findings.values()].sort((a, b) =>
        a.secret < b.secret ? -1 : a.secret > b.secret ? 1 : 0,
      ),
      unread: [...this.#unread.values()],
      opaque: [...this.#opaque.values()],
    }
  }
}

// Texts of a place hold no control characters, so the separator cannot occur in one.
const key = (...texts: readonly string[]): string => texts.join('\0')

const steps = (path: string | undefined, inner: readonly string[] = []): readonly string[] => [
  ...(path === undefined ? [] : [`/${path}`]),
  ...inner.map((step) => `>${step}`),
]

function isListed(listed: Map<string, number>, group: string): boolean {
  const count = listed.get(group) ?? 0
  if (count >= LISTED) return false
  listed.set(group, count + 1)
  return true
}
