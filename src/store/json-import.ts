/**
 * Reads secrets from a JSON object of texts, `{"NAME": "value"}`.
 *
 * @packageDocumentation
 */

import { Fault, faultOf, type Problem } from '../errors.js'
import { isSecretName, SecretValue, type SecretName } from '../secret.js'

/**
 * Reads a JSON file.
 *
 * @param file - its name, for messages.
 * @returns the values; the caller disposes them.
 * @throws {@link Fault} `REQUEST_INVALID` with every problem. Nothing of the file is repeated but valid names.
 */
export function parseJsonSecrets(bytes: Uint8Array, file = 'standard input'): Map<SecretName, SecretValue> {
  const data = parse(bytes, file)
  const values = new Map<SecretName, SecretValue>()
  const problems: Problem[] = []
  for (const [name, value] of Object.entries(data)) {
    if (!isSecretName(name)) {
      problems.push({ code: 'REQUEST_INVALID', file, message: 'A name is not valid.' })
    } else if (typeof value !== 'string') {
      const hint = 'Put it between double quotes.'
      problems.push({ code: 'REQUEST_INVALID', file, message: `The value of ${name} is no text.`, hint })
    } else {
      values.set(name, SecretValue.fromText(value))
    }
  }
  if (problems.length === 0) return values
  for (const value of values.values()) value[Symbol.dispose]()
  throw faultOf(problems)
}

function parse(bytes: Uint8Array, file: string): object {
  let data: unknown
  try {
    data = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    // The parser's words repeat a part of the text.
    if (error instanceof SyntaxError || error instanceof TypeError) throw notAnObject(file)
    throw error
  }
  if (typeof data !== 'object' || data === null || Array.isArray(data)) throw notAnObject(file)
  return data
}

const notAnObject = (file: string): Fault =>
  new Fault('REQUEST_INVALID', `${file} holds no JSON object.`, {
    hint: 'It looks like {"NAME": "value", "OTHER": "value"}.',
  })
