/**
 * The byte strings that are looked for: every form of every value, made once
 * and shared by the leak check and the redactor.
 *
 * @packageDocumentation
 */

import { SecretValue } from '../secret.js'
import { FORM_NAMES, FORMS, type Breaks, type Form, type FormName } from './forms.js'

/** A value to look for. */
export interface Guarded {
  /** Shown where the value was found. */
  readonly name: string
  /** Bytes are copied: the caller may wipe its own. */
  readonly value: Uint8Array | SecretValue
}

/** One byte string that shows a value. */
export interface Needle {
  /** Name of the secret. */
  readonly secret: string
  readonly form: FormName
  /** Do not keep: it is wiped when the set is disposed. */
  readonly bytes: Uint8Array
  /** How the bytes may be broken up where they stand. */
  readonly breaks?: Breaks
}

/** A value, or a form of it, that is not looked for because it is too short to mean anything. */
export interface TooShort {
  readonly name: string
  /** Absent where the value itself is too short. */
  readonly form?: FormName
}

/** Shortest needle of the leak check, in bytes: a shorter one occurs by chance in an image. */
export const SEARCHED_BYTES = 6

/** Shortest needle of the redactor, in bytes. */
export const MASKED_BYTES = 4

/** Everything that is looked for. Dispose it: it holds the values. */
export class NeedleSet implements Disposable {
  /** Names of the secrets, in the order given. */
  readonly names: readonly string[]
  /** What the leak check searches for. A {@link Hit} counts in this list. */
  readonly needles: readonly Needle[]
  /** What the redactor masks: the same, from {@link MASKED_BYTES} on. */
  readonly masked: readonly Needle[]
  /** What the leak check does not search for. An empty value is not listed: there is nothing to find. */
  readonly tooShort: readonly TooShort[]
  /** What the redactor does not mask. */
  readonly unmasked: readonly TooShort[]
  readonly #compiled = new Map<object, Disposable>()

  /** Shortest needle of {@link NeedleSet.needles}, in bytes. */
  readonly minimumBytes: number

  constructor(
    names: readonly string[],
    all: readonly Needle[],
    minimumBytes = SEARCHED_BYTES,
    tooShort = shorterThan(minimumBytes, all),
  ) {
    this.names = names
    this.minimumBytes = minimumBytes
    this.needles = all.filter(({ bytes }) => bytes.length >= minimumBytes)
    this.masked = all.filter(({ bytes }) => bytes.length >= MASKED_BYTES)
    this.tooShort = tooShort
    this.unmasked = shorterThan(MASKED_BYTES, all)
  }

  /** The needles of some of the secrets, as a set of its own: each is disposed by itself. */
  only(names: ReadonlySet<string>): NeedleSet {
    const needles = [...new Set([...this.needles, ...this.masked])].filter(({ secret }) => names.has(secret))
    return new NeedleSet(
      this.names.filter((name) => names.has(name)),
      needles.map((needle) => ({ ...needle, bytes: Uint8Array.from(needle.bytes) })),
      this.minimumBytes,
      this.tooShort.filter(({ name }) => names.has(name)),
    )
  }

  /**
   * What `make` makes of this set, made once: the set is searched by many streams. Disposed with the set.
   *
   * @internal
   */
  compiled<T extends Disposable>(make: (set: this) => T): T {
    const known = this.#compiled.get(make)
    if (known !== undefined) return known as T
    const made = make(this)
    this.#compiled.set(make, made)
    return made
  }

  /** Overwrites the needles and what was compiled from them. The set and whatever uses it are spent. */
  [Symbol.dispose](): void {
    for (const made of this.#compiled.values()) made[Symbol.dispose]()
    this.#compiled.clear()
    for (const { bytes } of [...this.needles, ...this.masked]) bytes.fill(0)
  }
}

/**
 * Makes the needles of some values.
 *
 * @param options - `minimumBytes`: shortest needle of the leak check, {@link SEARCHED_BYTES} unless given.
 */
export function needlesFor(values: readonly Guarded[], options: { minimumBytes?: number } = {}): NeedleSet {
  const seen = new Map(values.map(({ name }) => [name, new Set<string>()]))
  const needles = values.flatMap((guarded) => needlesOf(guarded, seen.get(guarded.name) ?? new Set()))
  return new NeedleSet([...seen.keys()], needles, options.minimumBytes)
}

/** Every form of one value. A text that the name has already is left out, so it counts for the form first in the table. */
function needlesOf({ name, value }: Guarded, seen: Set<string>): readonly Needle[] {
  const bytes =
    value instanceof SecretValue ? value.use((lent) => Uint8Array.from(lent)) : Uint8Array.from(value)
  if (bytes.length === 0) return []
  const needles: Needle[] = []
  for (const form of FORM_NAMES) {
    const { encode, breaks }: Form = FORMS[form]
    for (const text of encode(bytes)) {
      const key = `${breaks === 'dump' ? 'dump ' : ''}${Buffer.from(text).toString('latin1')}`
      if (text.length === 0 || seen.has(key)) continue
      seen.add(key)
      needles.push({ secret: name, form, bytes: text, ...(breaks === undefined ? {} : { breaks }) })
    }
  }
  return needles
}

/** Only the value and what is left of it are told: that a base64 core of a short value is short says nothing more. */
function shorterThan(minimumBytes: number, needles: readonly Needle[]): readonly TooShort[] {
  return needles.flatMap(({ secret, form, bytes }) => {
    if (bytes.length >= minimumBytes) return []
    if (form === 'raw') return [{ name: secret }]
    return form === 'trimmed' ? [{ name: secret, form }] : []
  })
}
