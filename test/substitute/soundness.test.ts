import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.js'
import { secretName } from '../../src/secret.js'
import { requireSound, unknownNames } from '../../src/substitute/soundness.js'
import { listOf } from './support.js'

describe('unknownNames', () => {
  it('names each place, with the nearest name as a hint', async () => {
    const list = await listOf('https://${GITHUB_TOKN}:${KNOWN}@h/x\n${github_token}\nhttps://$<OTHER>@h/x\n')
    const known = ['GITHUB_TOKEN', 'KNOWN'].map(secretName)
    expect(unknownNames(list, known)).toMatchObject([
      { code: 'SECRET_UNKNOWN', file: 'r.txt', line: 1, column: 9, hint: 'Did you mean GITHUB_TOKEN?' },
      { code: 'SECRET_UNKNOWN', line: 2, column: 1, hint: 'Did you mean GITHUB_TOKEN?' },
      { code: 'SECRET_UNKNOWN', line: 3, column: 9, hint: undefined },
    ])
  })
})

describe('requireSound', () => {
  it('throws one fault with all problems', async () => {
    expect(() => requireSound({ problems: [] })).not.toThrow()
    const { problems } = await listOf('${A}\n${B}\n')
    expect(() => requireSound({ problems })).toThrow(Fault)
    expect(() => requireSound({ problems })).toThrow(
      expect.objectContaining({ code: 'REQUIREMENTS_INVALID', problems }),
    )
  })
})
