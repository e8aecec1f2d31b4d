/**
 * The texts in a JSON document as they are meant: every key and string with
 * its escapes resolved, JSON and base64 of JSON inside a string included.
 * That is how a value in a label, a command of the history or the payload of
 * an attestation is found whatever way it is written.
 *
 * The document is read token by token and not by a parser of objects: a key
 * that stands twice, several documents in one file or a broken end hide
 * nothing.
 *
 * @packageDocumentation
 */

/** One text, with the way to it. */
export interface DocumentText {
  /** Keys and indices from the root, such as `config`, `Env`, `3`. A key is its own last step. */
  readonly way: readonly string[]
  readonly text: string
}

/** Documents inside strings are followed this far. */
const MAX_DEPTH = 4

/** Levels of one document that {@link DocumentText.way} tells apart. */
const MAX_LEVELS = 64

interface Level {
  readonly array: boolean
  step: string
}

/** All keys and strings of a JSON document, in their order. Total: any text has a result, in linear time. */
export function* decodedTexts(json: string, way: readonly string[] = [], depth = 0): Generator<DocumentText> {
  const levels: Level[] = []
  let beyond = 0
  for (let at = 0; at < json.length; at += 1) {
    const character = json[at]
    const level = levels.at(-1)
    if (character === '{' || character === '[') {
      if (levels.length === MAX_LEVELS) beyond += 1
      else levels.push({ array: character === '[', step: character === '[' ? '0' : '' })
    } else if (character === '}' || character === ']') {
      if (beyond > 0) beyond -= 1
      else levels.pop()
    } else if (character === ',' && level?.array === true) level.step = String(Number(level.step) + 1)
    else if (character === '"') {
      const end = endOfString(json, at)
      const text = decoded(json.slice(at, end))
      if (level?.array === false && isKey(json, end)) level.step = text
      const here = [...way, ...levels.map(({ step }) => step)]
      yield { way: here, text }
      if (depth < MAX_DEPTH)
        for (const inner of documentsIn(text)) yield* decodedTexts(inner, here, depth + 1)
      at = end - 1
    }
  }
}

/** Offset after the closing quote of the string that begins at `at`, or the end of the text. */
function endOfString(json: string, at: number): number {
  for (let end = at + 1; end < json.length; end += 1) {
    if (json[end] === '"') return end + 1
    if (json[end] === '\\') end += 1
  }
  return json.length
}

function isKey(json: string, end: number): boolean {
  let at = end
  while (' \t\n\r'.includes(json[at] ?? '.')) at += 1
  return json[at] === ':'
}

/** A string token without its escapes; one that is not valid JSON as it stands. */
function decoded(token: string): string {
  try {
    return String(JSON.parse(token))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return token.slice(1, token.endsWith('"') ? -1 : undefined)
  }
}

function* documentsIn(text: string): Generator<string> {
  if (/^\s*[{[]/.test(text)) yield text
  else if (text.length >= 16 && /^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) {
    const inner = Buffer.from(text, 'base64').toString('utf8')
    if (/^\s*[{[]/.test(inner)) yield inner
  }
}
