/**
 * Remembers which layer was proven to be free of which value, so that a base
 * image is read once and not at every build.
 *
 * An entry stands for one layer and one value. Only its key is kept: an HMAC
 * over everything that the verdict rests on, with a key that never leaves the
 * readers of the store. Who steals the entries learns neither values nor
 * layers, and cannot try values without the key; who can write them could also
 * write the code.
 *
 * @packageDocumentation
 */

import { createHmac } from 'node:crypto'
import type { SecretValue } from '../secret.js'
import { KINDS } from './archive/kinds.js'
import { DEFAULT_LIMITS, type ArchiveLimits } from './archive/limits.js'
import type { PartRead, ScanResult } from './findings.js'
import { FORMS } from './forms.js'
import { SEARCHED_BYTES, type Guarded } from './needles.js'

/**
 * Raise this with every change by which a scan finds more than before. Changes of the tables of forms and kinds count
 * by themselves.
 */
export const SCANNER_VERSION = 1

/** Key of a kept verdict: 64 hex digits that tell nothing. */
export type VerdictKey = string

/** Keeps keys. Losing some costs time only. */
export interface VerdictStore {
  /** Those of `keys` that are kept. */
  has(keys: readonly VerdictKey[]): Promise<ReadonlySet<VerdictKey>>
  add(keys: readonly VerdictKey[]): Promise<void>
}

/** What verdicts rest on besides the layer and the value. */
export interface VerdictScope {
  /** The store's key for verdicts, 32 bytes. */
  readonly key: SecretValue
  /**
   * Who says that a digest belongs to the bytes: the id of an engine that names its layers itself, or any other fixed
   * text where the digests are those of {@link PartRead.sha256}, hashed here. Verdicts of one count for no other.
   */
  readonly source: string
  /** The limits of the scan. */
  readonly limits?: Partial<ArchiveLimits> | undefined
  /** The shortest needle of the scan, in bytes; {@link SEARCHED_BYTES} unless given. */
  readonly minimumBytes?: number | undefined
}

/** The kept verdicts on some values. */
export class Verdicts {
  readonly #store: VerdictStore
  readonly #scope: VerdictScope
  readonly #values: readonly Guarded[]
  readonly #scanner: string

  /** @param values - all values of the scan. A name may stand for several, such as the versions of a secret. */
  constructor(store: VerdictStore, scope: VerdictScope, values: readonly Guarded[]) {
    this.#store = store
    this.#scope = scope
    this.#values = values
    const limits = { ...DEFAULT_LIMITS, ...scope.limits }
    const minimumBytes = scope.minimumBytes ?? SEARCHED_BYTES
    this.#scanner = JSON.stringify([SCANNER_VERSION, KINDS, Object.keys(FORMS), limits, minimumBytes])
  }

  /**
   * For each layer the names of the values that it has yet to be searched for. A layer with none need not be read.
   *
   * @param layers - digests of the layers' bytes after decompression.
   */
  async missing(layers: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    const wanted = layers.map((layer) => ({ layer, keys: this.#keys(layer) }))
    const kept = await this.#store.has(wanted.flatMap(({ keys }) => keys.map(({ key }) => key)))
    return new Map(
      wanted.map(({ layer, keys }) => {
        const open = keys.filter(({ key }) => !kept.has(key))
        return [layer, new Set(open.map(({ name }) => name))]
      }),
    )
  }

  /**
   * Keeps what a scan proved: of each layer that was read without anything left unread, each value that it was searched
   * for and not found to hold.
   *
   * @param digestOf - the digest of a part that is a layer; `undefined` for any other.
   */
  async keep(
    { parts, findings, unread }: Pick<ScanResult, 'parts' | 'findings' | 'unread'>,
    digestOf: (part: PartRead) => string | undefined,
  ): Promise<void> {
    const notRead = new Set(unread.map(({ part }) => part))
    const leaks = new Set(findings.map(({ part, secret }) => `${part} ${secret}`))
    const proven = parts.flatMap((part) => {
      const layer = digestOf(part)
      if (layer === undefined || notRead.has(part.id)) return []
      const searched = new Set(part.searched)
      return this.#keys(layer)
        .filter(({ name }) => searched.has(name) && !leaks.has(`${part.id} ${name}`))
        .map(({ key }) => key)
    })
    if (proven.length > 0) await this.#store.add(proven)
  }

  /** The key for each value. */
  #keys(layer: string): readonly { readonly name: string; readonly key: VerdictKey }[] {
    return this.#values.map(({ name, value }) => {
      const keyed = (secret: Uint8Array): VerdictKey => this.#key(layer, secret)
      return { name, key: value instanceof Uint8Array ? keyed(value) : value.use(keyed) }
    })
  }

  #key(layer: string, secret: Uint8Array): VerdictKey {
    return this.#scope.key.use((bytes) => {
      const mac = createHmac('sha256', bytes)
      // Each field with its length, so that no two lists of fields are the same bytes.
      for (const field of [this.#scope.source, layer, this.#scanner, secret]) {
        const content = typeof field === 'string' ? Buffer.from(field) : field
        mac.update(`${content.length}:`).update(content)
      }
      return mac.digest('hex')
    })
  }
}

/** A store that forgets when the process ends. */
export function verdictsInMemory(): VerdictStore {
  const kept = new Set<VerdictKey>()
  return {
    has: (keys) => Promise.resolve(new Set(keys.filter((key) => kept.has(key)))),
    add: (keys) => {
      for (const key of keys) kept.add(key)
      return Promise.resolve()
    },
  }
}
