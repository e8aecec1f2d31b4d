/** S8: the library. */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.js'
import { SecretValue } from '../../src/secret.js'
import type { SecretAdmin } from '../../src/store/admin.js'
import { clientOver, createClient } from '../../src/store/client.js'
import { SecretGroup } from '../../src/store/secret-group.js'
import { clientContract } from '../contract/client.js'
import { faultFrom, temporaryFolder, textOf } from '../support/store.js'

const faultOfCall = (call: () => unknown): Fault => {
  try {
    call()
  } catch (error) {
    if (error instanceof Fault) return error
  }
  throw new Error('no fault')
}

const texts = (group: { values: ReadonlyMap<string, SecretValue> }): Record<string, string> =>
  Object.fromEntries([...group.values].map(([name, value]) => [name, textOf(value)]))

describe('S8: groups of values', () => {
  it('takes an object and leaves out what is undefined or null', () => {
    const group = SecretGroup.fromObject({
      A: '1',
      B: undefined,
      C: null,
      D: Buffer.from('2'),
      E: SecretValue.fromText('3'),
    })
    expect(texts(group)).toEqual({ A: '1', D: '2', E: '3' })
    group[Symbol.dispose]()
    expect(texts(group)).toEqual({ A: '\0', D: '\0', E: '\0' })
  })

  it('names every key that has no text, and no value', () => {
    const fault = faultOfCall(() =>
      SecretGroup.fromObject({ A: 1, B: { x: 'hunter2' }, OK: 'hunter2', 'a b': 'x' } as never),
    )
    expect(fault.problems.map(({ message }) => message)).toEqual([
      'The value of A is neither text nor bytes.',
      'The value of B is neither text nor bytes.',
      'A key of the object is no name for a secret.',
    ])
    expect(JSON.stringify(fault)).not.toContain('hunter2')
  })

  it('takes variables by name, and names all that are missing', () => {
    expect(texts(SecretGroup.fromLocalEnvironment(['A', 'B'], { A: '1', B: '', C: '3' }))).toEqual({
      A: '1',
      B: '',
    })
    const fault = faultOfCall(() => SecretGroup.fromLocalEnvironment(['A', 'X', 'Y'], { A: 'hunter2' }))
    expect([fault.code, fault.problems.map(({ message }) => message)]).toEqual([
      'SECRET_UNKNOWN',
      ['The variable X is not set.', 'The variable Y is not set.'],
    ])
    expect(JSON.stringify(fault)).not.toContain('hunter2')
  })

  it('finds a dotenv file in the folder or above it; a missing one is an error', async () => {
    await using folder = await temporaryFolder()
    const deep = join(folder.path, 'a', 'b')
    await mkdir(deep, { recursive: true })
    await writeFile(join(folder.path, '.env'), 'A=up\n')
    await writeFile(join(folder.path, 'a', 'other.env'), 'A=between\n')
    expect(texts(await SecretGroup.fromDotenv({ path: deep }))).toEqual({ A: 'up' })
    expect(texts(await SecretGroup.fromDotenv({ path: deep, filename: 'other.env' }))).toEqual({
      A: 'between',
    })
    await faultFrom(SecretGroup.fromDotenv({ path: deep, filename: 'no-such.env' }), 'REQUEST_INVALID')
    await mkdir(join(folder.path, 'a', 'dir.env'))
    await faultFrom(SecretGroup.fromDotenv({ path: deep, filename: 'dir.env' }), 'REQUEST_INVALID')
    await writeFile(join(deep, '.env'), 'A=p#ss')
    await faultFrom(SecretGroup.fromDotenv({ path: deep }), 'REQUEST_INVALID')
  })

  it('names a group of the store without looking', () => {
    expect(SecretGroup.fromName('db', { environment: 'staging', requiredKeys: ['A'] })).toEqual({
      kind: 'named',
      name: 'db',
      environment: 'staging',
      requiredKeys: ['A'],
    })
    for (const wrong of [
      () => SecretGroup.fromName('a b'),
      () => SecretGroup.fromName('db', { environment: '/' }),
      () => SecretGroup.fromName('db', { requiredKeys: ['a-b'] }),
    ]) {
      expect(faultOfCall(wrong).code).toBe('REQUEST_INVALID')
    }
  })
})

clientContract('SQLite', () => Promise.resolve(undefined))

describe('S8: client', () => {
  it('leaves the values of the caller alone and wipes its own copies', async () => {
    const seen: SecretValue[] = []
    const admin = {
      set: (_place: unknown, changes: readonly { value: SecretValue }[]) => {
        seen.push(...changes.map(({ value }) => value))
        return Promise.resolve({ changed: [], missing: [] })
      },
    } as unknown as SecretAdmin
    const client = clientOver({ admin: () => Promise.resolve(admin), close: () => Promise.resolve() })
    const mine = SecretValue.fromText('mine')
    const group = SecretGroup.fromObject({ B: 'group' })
    await client.secrets.set('A', mine)
    await client.secrets.setAll(group)
    await client.secrets.set('C', 'text')
    expect(seen.map((value) => value.use((bytes) => bytes.every((byte) => byte === 0)))).toEqual([
      true,
      true,
      true,
    ])
    expect([textOf(mine), texts(group)]).toEqual(['mine', { B: 'group' }])
  })

  it('refuses a name that is none before the store is opened, and does not repeat it', async () => {
    await using folder = await temporaryFolder()
    await using client = createClient({ home: join(folder.path, 'none'), env: {} })
    const fault = await faultFrom(client.secrets.set('ghp-hunter2', 'x'), 'REQUEST_INVALID')
    expect(JSON.stringify(fault)).not.toContain('hunter2')
  })

  it('opens the store at the first call, and again after a failure', async () => {
    await using folder = await temporaryFolder()
    const home = join(folder.path, 'file')
    await writeFile(home, '')
    await using client = createClient({ home, env: {} })
    await faultFrom(client.secrets.list(), 'STORE_UNAVAILABLE')
    await faultFrom(client.secrets.list(), 'STORE_UNAVAILABLE')
    await using wrong = createClient({ home, database: 'mysql://u:hunter2@h/d', env: {} })
    const fault = await faultFrom(wrong.secrets.list(), 'REQUEST_INVALID')
    expect(JSON.stringify(fault)).not.toContain('hunter2')
  })
})
