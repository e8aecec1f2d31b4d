/**
 * "Did you mean": the known word nearest to one that is not known.
 *
 * Floor 0: imports nothing of ours.
 *
 * @packageDocumentation
 */

import { distance } from 'fastest-levenshtein'

/**
 * The known word nearest to `word`, or `undefined` when none is near: a third of
 * its letters may differ, two in words of four to eight so that swapped
 * neighbours count as near (case counts, but less than any other letter).
 */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(word.length < 4 ? 1 : 2, Math.floor(word.length / 3)) + 1
  for (const candidate of known) {
    const apart =
      candidate !== word && candidate.toLowerCase() === word.toLowerCase() ? 0.5 : distance(word, candidate)
    if (apart < bestDistance) {
      best = candidate
      bestDistance = apart
    }
  }
  return best
}
