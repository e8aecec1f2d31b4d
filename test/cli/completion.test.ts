/** Completion: what the scripts offer, run in bash; those for zsh and fish offer the same. */

import { execFileSync } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { openShell, type Shell } from './support.js'

/** Completes the last word in bash. The program itself is replaced by one that prints what it was asked for. */
async function complete(shell: Shell, ...words: string[]): Promise<string[]> {
  const { out } = await shell.run(['completion', 'bash'])
  const script = `
traceless() { echo "asked:$*" | tr ' ' ':'; }
${out}
COMP_WORDS=(traceless ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}
_traceless; printf '%s\\n' "\${COMPREPLY[@]}"`
  return execFileSync('bash', ['-c', script], { encoding: 'utf8' })
    .split('\n')
    .filter((word) => word !== '')
}

describe('completion', () => {
  it.for([
    ['commands', ['sec'], ['secrets']],
    ['commands below one', ['secrets', 'u'], ['unset', 'usage']],
    ['commands below one by its other name', ['secret', 'u'], ['unset', 'usage']],
    ['options', ['secrets', 'list', '--c'], ['--created-before']],
    ['options behind others', ['secrets', 'list', '--env', 'st', '--m'], ['--max']],
    ['values of an option', ['build', '--progress', 'p'], ['plain']],
    ['names of secrets', ['secrets', 'unset', 'asked'], ['asked:completion:names:secrets']],
    ['names of environments', ['secrets', 'list', '-e', ''], ['asked:completion:names:environments']],
    ['names of groups', ['groups', 'info', 'asked'], ['asked:completion:names:groups']],
    ['shells', ['completion', ''], ['bash', 'zsh', 'fish', '--help']],
    ['nothing for a word that is free', ['secrets', 'set', 'X='], []],
  ] as const)('completes %s', async ([, words, offers]) => {
    await using shell = await openShell()
    expect(await complete(shell, ...words)).toEqual(offers)
  })

  it('names what is in the store', async () => {
    await using shell = await openShell()
    await shell.run(['secrets', 'set', 'A=1', 'B=1'])
    await shell.run(['secrets', 'set', 'A=1', '-e', 'st'])
    await shell.run(['groups', 'create', 'npm', 'C=1'])
    const named = async (kind: string): Promise<string[]> =>
      (await shell.run(['completion', 'names', kind])).out.trim().split('\n').sort()
    expect(await named('secrets')).toEqual(['A', 'B', 'C'])
    expect(await named('environments')).toEqual(['main', 'st'])
    expect(await named('groups')).toEqual(['npm'])
  })

  it('makes no store where there is none', async () => {
    await using shell = await openShell()
    expect(await shell.run(['completion', 'names', 'secrets'])).toEqual({ status: 0, out: '', err: '' })
    expect(await readdir(shell.folder)).toEqual([])
  })

  it.for(['bash', 'zsh', 'fish'])('offers every command in %s', async (name) => {
    await using shell = await openShell()
    const { out } = await shell.run(['completion', name])
    for (const word of ['secrets', 'rollback', 'export-public', 'redact', '--created-before'.slice(2)]) {
      expect(out).toContain(word)
    }
  })

  it('does not repeat a shell that it does not know', async () => {
    await using shell = await openShell()
    const ran = await shell.run(['completion', 'canary'])
    expect(ran.status).toBe(2)
    expect(ran.err).not.toContain('canary')
  })
})
