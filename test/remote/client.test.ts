/** V2: the library over a server does what it does over a store of this machine. */

import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.js'
import { secretName, SecretValue } from '../../src/secret.js'
import { SecretGroup } from '../../src/store/secret-group.js'
import { faultFrom, readAll } from '../support/store.js'
import { TOKEN } from '../support/server-double.js'
import { serve } from './support.js'

const CANARY = 'ghp-canary_0123456789'

describe('V2: createClient({ server, token })', () => {
  it('V2: sets, lists, stages, deploys and removes', async () => {
    await using served = await serve()
    const { client, store } = served
    const report = await client.secrets.set('A', CANARY, { exposure: 'build-only' })
    expect(report.changed).toMatchObject([{ name: 'A', group: null, discardedStaged: false }])
    await client.secrets.stage('A', 'two')
    expect(await readAll(store)).toEqual({ A: CANARY })
    expect(
      (await client.secrets.list()).map(({ name, status, exposure }) => [name, status, exposure]),
    ).toEqual([
      ['A', 'live', 'build-only'],
      ['A', 'staged', 'build-only'],
    ])
    await client.secrets.deploy()
    expect(await readAll(store)).toEqual({ A: 'two' })
    await client.secrets.unset('A')
    expect(await readAll(store)).toEqual({})
  })

  it('V2: gives what the store gives, dates and all', async () => {
    await using served = await serve()
    const { client, store } = served
    await client.secrets.setAll({ A: '1', B: '2' }, { environment: 'staging', guarded: false })
    await client.groups.create('web', { C: '3' }, { environment: 'staging' })
    const { admin } = store
    expect(await client.secrets.list({ environment: 'staging' })).toEqual(
      await admin.list({ environment: 'staging' }),
    )
    expect(await client.groups.list()).toEqual(await admin.groups.list({}))
    expect(await client.groups.info('web', { environment: 'staging' })).toEqual(
      await admin.groups.info({ environment: 'staging', name: 'web' }),
    )
    expect(await client.environments.list()).toEqual(await admin.environments())
    expect(await client.secrets.history('A', { environment: 'staging' })).toEqual(
      await admin.history({ environment: 'staging', name: secretName('A') }),
    )
    expect(await client.secrets.versions('A', { environment: 'staging' })).toEqual(
      await admin.versions({ environment: 'staging', name: secretName('A') }),
    )
    expect(await client.secrets.usage('A', { environment: 'staging' })).toEqual([])
  })

  it('V2: keeps any bytes, and rolls back', async () => {
    await using served = await serve()
    const { client, store } = served
    const bytes = Uint8Array.from({ length: 512 }, (_, at) => at % 256)
    const first = await client.secrets.set('A', bytes)
    const [held] = await store.reader.read({ environment: 'main', purpose: 'scan' }, 'all')
    expect(held?.value.use((lent) => Buffer.compare(lent, bytes))).toBe(0)
    await client.secrets.set('A', 'other')
    await client.secrets.rollback('A', { to: first.changed[0]?.version ?? '' })
    const [again] = await store.reader.read({ environment: 'main', purpose: 'scan' }, 'all')
    expect(again?.value.use((lent) => Buffer.compare(lent, bytes))).toBe(0)
  })

  it('V2: groups, environments and their ends', async () => {
    await using served = await serve()
    const { client } = served
    await client.groups.create('web', { C: '3' })
    expect(await client.groups.create('web', { C: '4' }, { allowExisting: true })).toEqual({ created: false })
    await faultFrom(client.groups.create('web', { C: '4' }), 'STORE_CONFLICT')
    await client.groups.update('web', SecretGroup.fromObject({ D: '5' }))
    await expect(client.groups.info('web', { requiredKeys: ['C', 'D'] })).resolves.toBeDefined()
    await faultFrom(client.groups.info('web', { requiredKeys: ['E'] }), 'SECRET_UNKNOWN')
    expect(await client.groups.delete('web')).toEqual({ deleted: true })
    expect(await client.groups.delete('web', { allowMissing: true })).toEqual({ deleted: false })
    await client.secrets.set('X', '1', { environment: 'gone' })
    expect(await client.environments.delete('gone')).toEqual({ secrets: 1, groups: 0 })
  })

  it('V2: fails with the faults of the store, problems and details too', async () => {
    await using served = await serve()
    const { client, store } = served
    const remote = await faultFrom(client.secrets.unset(['NOPE', 'NADA']), 'SECRET_UNKNOWN')
    const local = await faultFrom(
      store.admin.unset({ environment: 'main' }, ['NOPE', 'NADA'].map(secretName)),
      'SECRET_UNKNOWN',
    )
    expect(remote.toJSON()).toEqual(local.toJSON())
    await faultFrom(client.secrets.set('A', '1', { environment: '../x' }), 'REQUEST_INVALID')
  })

  it('V2: leaves the value of the caller alone, and sends it nowhere but in the body', async () => {
    await using served = await serve()
    const value = SecretValue.fromText(CANARY)
    await served.client.secrets.set('A', value)
    expect(value.use((bytes) => Buffer.from(bytes).toString())).toBe(CANARY)
    for (const { url, headers } of served.double.taken) {
      const seen = `${url} ${JSON.stringify(headers)}`
      expect(seen).not.toContain(CANARY)
      expect(seen).not.toContain(Buffer.from(CANARY).toString('base64'))
    }
  })

  it('V2: sends the token in one header alone', async () => {
    await using served = await serve()
    await served.client.secrets.set('A', '1')
    await served.client.secrets.list({ environment: 'main' })
    for (const { url, headers, body } of served.double.taken) {
      expect(url).not.toContain(TOKEN)
      expect(body.includes(TOKEN)).toBe(false)
      expect(Object.entries(headers).filter(([, text]) => String(text).includes(TOKEN))).toEqual([
        ['authorization', `Bearer ${TOKEN}`],
      ])
    }
  })

  it('V2: tells an unknown token apart', async () => {
    await using served = await serve()
    const { createClient } = await import('../../src/remote/client.js')
    const other = `tls_${'b'.repeat(43)}`
    const client = createClient({ server: served.double.url, token: other })
    const fault = await faultFrom(client.secrets.list(), 'UNAUTHORIZED')
    expect(fault).toBeInstanceOf(Fault)
    expect(JSON.stringify(fault)).not.toContain(other)
  })
})
