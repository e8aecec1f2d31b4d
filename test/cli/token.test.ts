/** V1: tokens, made on the host of a server. */

import { expect, it } from 'vitest'
import { openShell } from './support.js'

it('V1: makes a token that is printed once, lists it, and revokes it', async () => {
  await using shell = await openShell()
  const made = await shell.run(['token', 'create', 'ci', '--scope', 'builds:submit', '--for', 'main'])
  expect(made).toMatchObject({ status: 0, err: '' })
  expect(made.out).toMatch(/^tls_[A-Za-z0-9_-]{43}\n$/)
  const listed = await shell.json('token', 'list')
  expect(listed).toMatchObject([
    { name: 'ci', scopes: ['builds:submit'], environments: ['main'], expiresAt: null },
  ])
  expect(JSON.stringify(listed)).not.toContain(made.out.trim().slice(4))
  const [{ id } = { id: '' }] = listed as { id: string }[]
  expect(await shell.json('token', 'revoke', id)).toEqual({ revoked: true })
  expect(await shell.run(['token', 'revoke', id])).toMatchObject({ status: 8 })
})

it('V1: refuses a token without a scope, with a wrong one, or with a wrong end', async () => {
  await using shell = await openShell()
  for (const words of [[], ['--scope', 'hunter2'], ['--scope', 'admin', '--expires', '0']]) {
    const ran = await shell.run(['token', 'create', 'ci', ...words])
    expect(ran).toMatchObject({ status: 2, out: '' })
    expect(ran.err).not.toContain('hunter2')
  }
})
