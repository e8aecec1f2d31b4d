/** S8: the library's client, over any kind of store. */

import { describe, expect, it } from 'vitest'
import { createClient } from '../../src/store/client.js'
import { openStore } from '../../src/store/open.js'
import { SecretGroup } from '../../src/store/secret-group.js'
import { faultFrom, readAll, temporaryFolder } from '../support/store.js'

/** Makes the tests. `createDatabase` gives the URL of an empty one, `undefined` for the embedded store. */
export function clientContract(kind: string, createDatabase: () => Promise<string | undefined>): void {
  describe(`client over ${kind}`, () => {
    it('S8: sets, stages, deploys, lists, unsets and tells the history', async () => {
      await using folder = await temporaryFolder()
      const database = await createDatabase()
      await using client = createClient({ home: folder.path, database, env: {}, actor: 'tester' })
      await client.secrets.set('A', 'one')
      await client.secrets.set('B', Buffer.from('two'), {
        environment: 'staging',
        exposure: 'build-only',
        guarded: false,
      })
      await client.secrets.stage('A', 'three')
      expect(
        (await client.secrets.list({ environment: 'main' })).map(({ name, status }) => [name, status]),
      ).toEqual([
        ['A', 'live'],
        ['A', 'staged'],
      ])
      await client.secrets.deploy()
      expect(await client.secrets.list({ environment: 'staging' })).toMatchObject([
        { exposure: 'build-only', guarded: false },
      ])
      const versions = await client.secrets.versions('A')
      await client.secrets.rollback('A', { to: versions[1]?.version ?? '' })
      expect((await client.secrets.history('A')).map(({ action }) => action)).toEqual([
        'rollback',
        'deploy',
        'stage',
        'set',
      ])
      expect(await client.secrets.history(undefined, { environment: 'staging', maxObjects: 1 })).toHaveLength(
        1,
      )
      await using store = await openStore({ home: folder.path, database, env: {} })
      expect(await readAll(store)).toEqual({ A: 'one' })
      await client.secrets.unset('B', { environment: 'staging' })
      await faultFrom(client.secrets.unset(['A', 'NO'], {}), 'SECRET_UNKNOWN')
      expect((await client.secrets.unset(['A', 'NO'], { allowMissing: true })).missing).toEqual(['NO'])
      expect(await client.secrets.list()).toEqual([])
      expect(await client.secrets.usage('A')).toEqual([])
      expect((await client.environments.list()).map(({ name }) => name)).toEqual(['main', 'staging'])
      await client.environments.delete('staging')
    })

    it('S8: keeps groups', async () => {
      await using folder = await temporaryFolder()
      const database = await createDatabase()
      await using client = createClient({ home: folder.path, database, env: {} })
      expect(await client.groups.create('db', { USER: 'u', NONE: null })).toEqual({ created: true })
      expect(
        await client.groups.create('db', SecretGroup.fromObject({ USER: 'v' }), { allowExisting: true }),
      ).toEqual({
        created: false,
      })
      await client.groups.update(SecretGroup.fromName('db'), SecretGroup.fromObject({ PASS: 'p' }))
      expect((await client.groups.info('db', { requiredKeys: ['USER'] })).keys).toEqual(['PASS', 'USER'])
      const required = SecretGroup.fromName('db', { requiredKeys: ['USER', 'HOST'] })
      const fault = await faultFrom(
        client.groups.info(required, { requiredKeys: ['PORT'] }),
        'SECRET_UNKNOWN',
      )
      expect(fault.problems.map(({ message }) => message)).toEqual([
        'The group db has no secret HOST.',
        'The group db has no secret PORT.',
      ])
      await faultFrom(
        client.groups.info(SecretGroup.fromName('db', { environment: 'x' }), { environment: 'y' }),
        'REQUEST_INVALID',
      )
      expect(await client.groups.list({ environment: 'main', maxObjects: 1 })).toHaveLength(1)
      expect(await client.groups.delete('db')).toEqual({ deleted: true })
      await faultFrom(client.groups.delete('db'), 'SECRET_UNKNOWN')
      expect(await client.groups.delete('db', { allowMissing: true })).toEqual({ deleted: false })
    })
  })
}
