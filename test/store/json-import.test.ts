/** S6: JSON. */

import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.js'
import { parseJsonSecrets } from '../../src/store/json-import.js'
import { textOf } from '../support/store.js'

const fault = (text: string | Uint8Array): Fault => {
  try {
    parseJsonSecrets(Buffer.from(text), 'x.json')
  } catch (error) {
    if (error instanceof Fault) return error
  }
  throw new Error('no fault')
}

describe('S6: JSON', () => {
  it('reads an object of texts', () => {
    const values = parseJsonSecrets(Buffer.from('{"A": "1", "B": "line\\nline", "C": ""}'))
    expect([...values].map(([name, value]) => [name, textOf(value)])).toEqual([
      ['A', '1'],
      ['B', 'line\nline'],
      ['C', ''],
    ])
  })

  it.for([
    '',
    '[]',
    '"hunter2"',
    'null',
    '{"A": "hunter2"',
    '{"A": hunter2}',
    Buffer.from([0x22, 0xff, 0x22]),
  ])('refuses %j without repeating it', (text) => {
    expect(fault(text).message).toBe('x.json holds no JSON object.')
  })

  it('names every value that is no text and repeats no value', () => {
    const found = fault('{"A": 1, "B": {"x": "hunter2"}, "C": "ok", "bad name": "hunter2", "D": null}')
    expect(found.problems.map(({ message }) => message)).toEqual([
      'The value of A is no text.',
      'The value of B is no text.',
      'A name is not valid.',
      'The value of D is no text.',
    ])
    expect(JSON.stringify(found)).not.toContain('hunter2')
  })
})
