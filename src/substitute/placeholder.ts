/**
 * The placeholder forms: `${NAME}` and `$<NAME>`, each also as `${NAME|raw}`,
 * and `$${` or `$$<` for the text itself.
 *
 * Pure: text in, pieces out. Knows neither files nor URLs nor values. The form
 * in braces is the one pip expands from its environment, upper-case names only
 * (https://pip.pypa.io/en/stable/reference/requirements-file-format/); the
 * form in angle brackets means nothing to pip. What was written `$${NAME}`
 * reaches pip as `%24{NAME}` in a URL; elsewhere as `${NAME}`, which pip leaves
 * as it is only while its environment has no such variable.
 *
 * @packageDocumentation
 */

import { isSecretName, type SecretName } from '../secret.js'

/**
 * A run of text. `source` is what stands in the text; the sources of all
 * pieces, joined, are the text that was split. `at` counts UTF-16 units from 0.
 */
export type Piece =
  | { readonly kind: 'text'; readonly source: string; readonly at: number }
  /** The two dollars before a bracket, which mean one dollar. */
  | { readonly kind: 'escape'; readonly source: '$$'; readonly at: number }
  | {
      readonly kind: 'placeholder'
      readonly source: string
      readonly at: number
      readonly name: SecretName
      /** The value is percent-encoded already. */
      readonly raw: boolean
    }
  /** The start of a placeholder that is none: not closed, a bad name, an unknown modifier. */
  | { readonly kind: 'malformed'; readonly source: '${' | '$<'; readonly at: number }

const MARK = /\$\$(?=[{<])|\$(?:\{(\w+)(\|raw)?\}|<(\w+)(\|raw)?>)|\$[{<]/g

/**
 * Splits text at its placeholders. Total: every text has a result. The two
 * dollars directly before a bracket belong together, so `$$${A}` is a dollar
 * and the text `${A}`.
 */
export function splitPlaceholders(text: string): readonly Piece[] {
  const pieces: Piece[] = []
  let end = 0
  for (const match of text.matchAll(MARK)) {
    const at = match.index
    if (at > end) pieces.push({ kind: 'text', source: text.slice(end, at), at: end })
    const piece = pieceOf(match, at)
    pieces.push(piece)
    end = at + piece.source.length
  }
  if (end < text.length) pieces.push({ kind: 'text', source: text.slice(end), at: end })
  return pieces
}

function pieceOf(match: RegExpMatchArray, at: number): Piece {
  const source = match[0]
  if (source === '$$') return { kind: 'escape', source, at }
  const name = match[1] ?? match[3] ?? ''
  if (!isSecretName(name)) {
    return { kind: 'malformed', source: source.startsWith('${') ? '${' : '$<', at }
  }
  return { kind: 'placeholder', source, at, name, raw: (match[2] ?? match[4]) !== undefined }
}

/** The text with `$${` and `$$<` as the one dollar they mean; placeholders stay as written. */
export function unescaped(text: string): string {
  return text.replace(/\$\$(?=[{<])/g, '$')
}
