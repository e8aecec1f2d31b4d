/** X1, X3: which values can be environment variables. The limits are the kernel's, so the kernel is asked, too. */

import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  MAX_VARIABLE_BYTES,
  MAX_VARIABLES_BYTES,
  requireVariables,
  variablesOf,
  type VariableWay,
} from '../../src/runner/variables.js'
import { Fault } from '../../src/errors.js'
import { secretName, SecretValue, type SecretSet } from '../../src/secret.js'

const setOf = (values: Readonly<Record<string, string | Uint8Array>>): SecretSet =>
  new Map(
    Object.entries(values).map(([name, value]) => [secretName(name), new SecretValue(Buffer.from(value))]),
  )

/** Messages of what is wrong, none where the values pass. */
function refusals(values: Readonly<Record<string, string | Uint8Array>>, way: VariableWay): string[] {
  try {
    requireVariables({ values: setOf(values), way, instead: (name) => `use the file of ${name}` })
    return []
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    for (const { hint } of error.problems) expect(hint).toMatch(/^use the file of \w+$/)
    return error.problems.map(({ message }) => message)
  }
}

describe('values that cannot be environment variables', () => {
  it.for([
    { why: 'a NUL byte', value: 'a\0b', text: true, bytes: true },
    { why: 'a NUL byte at the end', value: 'a\0', text: true, bytes: true },
    { why: 'bytes that are not UTF-8', value: Uint8Array.of(0xc3, 0x28), text: true, bytes: false },
    { why: 'half a surrogate pair', value: Uint8Array.of(0xed, 0xa0, 0x80), text: true, bytes: false },
    { why: 'nothing wrong', value: 'Grüße\n\x01\x7f', text: false, bytes: false },
    { why: 'nothing at all', value: '', text: false, bytes: false },
  ])('says so for $why', ({ value, text, bytes }) => {
    expect(refusals({ V: value }, 'text').length > 0).toBe(text)
    expect(refusals({ V: value }, 'bytes').length > 0).toBe(bytes)
  })

  it('are longer than the kernel takes, and not by a byte less', () => {
    const most = 'x'.repeat(MAX_VARIABLE_BYTES - 'V='.length - 1)
    const starts = (value: string): boolean => spawnSync('/bin/true', { env: { V: value } }).status === 0
    expect([refusals({ V: most }, 'text'), starts(most)]).toEqual([[], true])
    expect([refusals({ V: `${most}x` }, 'text').length, starts(`${most}x`)]).toEqual([1, false])
  })

  it('are more together than the kernel takes, with some room for other variables', () => {
    const each = 1000
    const count = (bytes: number): number => Math.floor(bytes / ('V1000='.length + each + 1 + 8))
    const valuesOf = (n: number): Record<string, string> =>
      Object.fromEntries(Array.from({ length: n }, (_, at) => [`V${String(1000 + at)}`, 'x'.repeat(each)]))
    const fit = count(MAX_VARIABLES_BYTES)
    expect(refusals(valuesOf(fit), 'text')).toEqual([])
    expect(spawnSync('/bin/true', { env: variablesOf(setOf(valuesOf(fit))) }).status).toBe(0)
    expect(refusals(valuesOf(fit + 10), 'text')).toEqual([
      'The values together are more than a process can take as environment variables.',
    ])
  })

  it.for(['_', 'UID', 'PPID', 'OPTIND', 'RANDOM', 'BASH_ENV', 'COMP_WORDS', 'SHELLOPTS'])(
    'have a name such as %s, which a shell would not set as it is told',
    (name) => {
      expect(refusals({ [name]: 'v' }, 'bytes')).toHaveLength(1)
      expect(refusals({ [name]: 'v' }, 'text')).toEqual([])
    },
  )

  it.for(['PATH', 'HOME', 'IFS', 'LANG', 'PWD', 'USER', 'UIDS', 'MY_RANDOM', 'BASH'])(
    'do not have a name such as %s',
    (name) => {
      expect(refusals({ [name]: 'v' }, 'bytes')).toEqual([])
    },
  )
})

describe('variablesOf', () => {
  it('keeps every text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(variablesOf(setOf({ V: text }))).toEqual({ V: text })
      }),
    )
  })
})
