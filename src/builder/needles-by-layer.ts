/**
 * Which values a layer is searched for: those that it was not proven to be
 * free of before. A secret that is new to an environment is then looked for by
 * itself, and not together with all the others once more.
 *
 * @packageDocumentation
 */

import type { NeedleSet } from '../leak/needles.js'

/** Needles for layers, made as they are asked for. Dispose it. */
export class NeedlesByLayer implements Disposable {
  readonly #all: NeedleSet
  readonly #missing: ReadonlyMap<string, ReadonlySet<string>>
  readonly #sets = new Map<string, NeedleSet>()

  /** @param missing - by the digest of a layer the names that it is yet to be searched for; a layer that is not in it is searched for all. */
  constructor(all: NeedleSet, missing: ReadonlyMap<string, ReadonlySet<string>>) {
    this.#all = all
    this.#missing = missing
  }

  /**
   * The needles for a part; `undefined` for all of them. The part's id has to tell its digest: it is one, or the path of
   * a blob. A layer that turns out not to hash to it is not proven anyway.
   */
  readonly of = (part: string): NeedleSet | undefined => {
    const names = this.#missing.get(part.replace(/^blobs\/(sha256)\//, '$1:'))
    if (names === undefined || this.#all.names.every((name) => names.has(name))) return undefined
    const key = [...names].sort().join('\0')
    const set = this.#sets.get(key) ?? this.#all.only(names)
    this.#sets.set(key, set)
    return set
  };

  [Symbol.dispose](): void {
    for (const set of this.#sets.values()) set[Symbol.dispose]()
  }
}
