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
  readonly #missing: (part: string) => ReadonlySet<string> | undefined
  readonly #sets = new Map<string, NeedleSet>()

  /** @param missing - for the id of a part the names that it is yet to be searched for; `undefined` for all. */
  constructor(all: NeedleSet, missing: (part: string) => ReadonlySet<string> | undefined) {
    this.#all = all
    this.#missing = missing
  }

  /** The needles for a part; `undefined` for all of them. */
  readonly of = (part: string): NeedleSet | undefined => {
    const names = this.#missing(part)
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
