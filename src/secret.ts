/**
 * Names and values of secrets. A value is an object that cannot become text by
 * accident: joining it throws, showing it gives `[secret]`.
 *
 * Floor 0: imports the errors only.
 *
 * @packageDocumentation
 */

import { inspect } from 'node:util'
import { Fault } from './errors.js'

declare const checked: unique symbol

/** A checked name: `[A-Za-z_][A-Za-z0-9_]*`, at most 128 characters. Made by {@link secretName}. */
export type SecretName = string & { readonly [checked]: 'SecretName' }

/** Longest name of a secret, in characters. */
export const MAX_NAME_LENGTH = 128

/**
 * Largest value, in bytes. The limit of BuildKit's own client: `MaxSecretSize` in
 * https://github.com/moby/buildkit/blob/master/session/secrets/secretsprovider/secretsprovider.go
 */
export const MAX_VALUE_BYTES = 500 * 1024

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/

/** Whether `text` can name a secret. */
export const isSecretName = (text: string): text is SecretName => NAME.test(text)

/**
 * Checks a name.
 *
 * @throws {@link Fault} `REQUEST_INVALID`; the text is not repeated, because a value typed in the wrong place
 * is a common mistake.
 */
export function secretName(text: string): SecretName {
  if (!isSecretName(text)) {
    throw new Fault('REQUEST_INVALID', 'The name of a secret is not valid.', {
      hint: `A name has letters, digits and underscores, does not start with a digit, and is at most ${String(MAX_NAME_LENGTH)} characters long.`,
    })
  }
  return text
}

/** Bytes that must not be printed. Joining one to a string throws; inspecting or serialising one shows `[secret]`. */
export class SecretValue {
  readonly #bytes: Uint8Array<ArrayBuffer>

  /** Takes a copy of `bytes`; the caller may wipe its own. */
  constructor(bytes: Uint8Array) {
    // A buffer of its own: V8 keeps small arrays on its heap, where the collector may leave copies behind.
    this.#bytes = new Uint8Array(new ArrayBuffer(bytes.length))
    this.#bytes.set(bytes)
  }

  /** A value from text, as UTF-8. The text itself cannot be wiped: prefer bytes where there is a choice. */
  static fromText(text: string): SecretValue {
    return new SecretValue(Buffer.from(text, 'utf8'))
  }

  /** Number of bytes. */
  get size(): number {
    return this.#bytes.length
  }

  /** Lends the bytes for the length of one call. Do not keep the array: it is wiped by dispose. */
  use<T>(read: (bytes: Uint8Array) => T): T {
    return read(this.#bytes)
  }

  /** Overwrites the bytes. Copies made by a reader (a JavaScript string, a socket's buffer) are out of reach. */
  [Symbol.dispose](): void {
    this.#bytes.fill(0)
  }

  [Symbol.toPrimitive](): never {
    throw new TypeError('a SecretValue cannot become text; use value.use(bytes => …)')
  }

  toString(): never {
    throw new TypeError('a SecretValue cannot become text; use value.use(bytes => …)')
  }

  toJSON(): string {
    return '[secret]'
  }

  [inspect.custom](): string {
    return '[secret]'
  }
}

/** The values one build may use, and no others. */
export type SecretSet = ReadonlyMap<SecretName, SecretValue>
