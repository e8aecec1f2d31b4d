/**
 * What is known of layers before they are read: which were proven to be free
 * of which values. Verdicts on layers of an engine are of that engine, which
 * names its layers itself; those on layers of archives are on bytes that were
 * hashed here.
 *
 * @packageDocumentation
 */

import type { Digest, Engine, ImageLayout, ImageParts } from '../docker/engine.js'
import type { PartRead, ScanResult } from '../leak/findings.js'
import type { Guarded, NeedleSet } from '../leak/needles.js'
import { Verdicts, type VerdictStore } from '../leak/verdicts.js'
import type { SecretValue } from '../secret.js'

/** Where verdicts are kept, and what they are on. Nothing here is wiped: it belongs to the caller. */
export interface KeptVerdicts {
  readonly store: VerdictStore
  /** The store's key for verdicts. */
  readonly key: SecretValue
  /** The values that are searched for. */
  readonly values: readonly Guarded[]
}

/** A layer of an image, with the part that carries it. */
export type LayoutLayer = ImageLayout['layers'][number]

/** What is known of layers. */
export interface KnownLayers {
  /** The names that a part is yet to be searched for; `undefined` for all. */
  missing(part: string): ReadonlySet<string> | undefined
  /**
   * What is known of a layer that was not handed to the search: that it was proven before, that its bytes are not those
   * which the image names, or nothing.
   */
  stateOf(layer: LayoutLayer): 'proven' | 'other' | undefined
  /** Keeps what a search proved, by the digests of the layers that were read. */
  keep(result: ScanResult, digestOf: (part: PartRead) => string | undefined): Promise<void>
}

/** Parts to search, and what is known of them. */
export interface KnownParts {
  readonly parts: ImageParts
  readonly known: KnownLayers
}

/** Parts of images of an engine, without the layers that were proven before. */
export async function engineParts(
  engine: Engine,
  images: readonly Digest[],
  { kept, needles, signal }: { kept: KeptVerdicts; needles: NeedleSet; signal: AbortSignal },
): Promise<KnownParts> {
  const verdicts = verdictsOn(engine.info.id, { kept, needles })
  const layers = new Set<string>()
  for (const image of images)
    for (const layer of (await engine.inspect(image))?.layers ?? []) layers.add(layer)
  const missing = searchable(await verdicts.missing([...layers]), needles)
  const skip = new Set([...missing].filter(([, names]) => names.size === 0).map(([layer]) => layer))
  const all = searchableNames(needles).size
  // A layer that is searched for a few values only has to be told from the others.
  const apart = [...missing.values()].some(({ size }) => size < all)
  return {
    parts: await engine.parts(images, { skip, apart, signal }),
    known: {
      // The id of a part tells its digest: it is one, or the path of a blob. A layer that does not hash to it is not proven anyway.
      missing: (part) => missing.get(part.replace(/^blobs\/(sha256)\//, '$1:')),
      stateOf: ({ digest }) => (missing.get(digest)?.size === 0 ? 'proven' : undefined),
      keep: (result, digestOf) => verdicts.keep(result, digestOf),
    },
  }
}

/** The verdicts of one source on what these needles can find. */
export const verdictsOn = (
  source: string,
  { kept, needles }: { readonly kept: KeptVerdicts; readonly needles: NeedleSet },
): Verdicts =>
  new Verdicts(kept.store, { key: kept.key, source, minimumBytes: needles.minimumBytes }, kept.values)

/**
 * The same without the names of values that have no needle: no layer is ever proven to be free of one, and the report
 * says so anyway.
 */
export function searchable(
  missing: ReadonlyMap<string, ReadonlySet<string>>,
  needles: NeedleSet,
): ReadonlyMap<string, ReadonlySet<string>> {
  const names = searchableNames(needles)
  return new Map(
    [...missing].map(([layer, open]) => [layer, new Set([...open].filter((name) => names.has(name)))]),
  )
}

const searchableNames = ({ needles }: NeedleSet): ReadonlySet<string> =>
  new Set(needles.map(({ secret }) => secret))
