/** Lists and values for the tests of this folder. */

import fc from 'fast-check'
import { isSecretName, secretName, SecretValue, type SecretSet } from '../../src/secret.js'
import { parseRequirements, type ReadListFile } from '../../src/substitute/requirements.js'
import type { RequirementList } from '../../src/substitute/list.js'

/** Files by path; a `Uint8Array` is given as it is. */
export type Files = Readonly<Record<string, string | Uint8Array>>

export const readerOf =
  (files: Files): ReadListFile =>
  (path) => {
    const file = Object.hasOwn(files, path) ? files[path] : undefined
    return Promise.resolve(file === undefined ? null : Buffer.from(file))
  }

/** The list `r.txt` of some files, or of one text. */
export const listOf = (files: Files | string): Promise<RequirementList> =>
  parseRequirements({ path: 'r.txt' }, readerOf(typeof files === 'string' ? { 'r.txt': files } : files))

export const valuesOf = (values: Readonly<Record<string, string | Uint8Array>>): SecretSet =>
  new Map(
    Object.entries(values).map(([name, value]) => [
      secretName(name),
      typeof value === 'string' ? SecretValue.fromText(value) : new SecretValue(value),
    ]),
  )

export const textOf = (value: SecretValue): string =>
  value.use((bytes) => Buffer.from(bytes).toString('utf8'))

/** `line:column message` of each problem. */
export const places = (
  problems: readonly { file?: string | undefined; line?: number | undefined; column?: number | undefined }[],
): readonly string[] =>
  problems.map(({ file, line, column }) =>
    [file, line, column].filter((part) => part !== undefined).join(':'),
  )

/** Short runs of property tests by default, long ones with TRACELESS_SOAK=1. */
export const runs = (short: number): { numRuns: number } => ({
  numRuns: process.env['TRACELESS_SOAK'] === '1' ? short * 50 : short,
})

export const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,5}$/).filter(isSecretName)

/** Values that fit any part of a URL: text without control characters. */
export const value = fc
  .string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 20 })
  .filter((text) => !/^\.+$/.test(text))
