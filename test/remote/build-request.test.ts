/** What of a request goes to a server, and what never does. */

import { describe, expect, it } from 'vitest'
import { packRequest } from '../../src/remote/build-request.js'
import { temporaryFolder } from '../support/folder.js'
import { textOf } from '../support/store.js'

describe('V2: a request for a server', () => {
  const dockerfile = { text: 'FROM x' }

  it('names stored keys, and takes those given at hand out of it', async () => {
    const ssh = { stored: { name: 'KEY' }, given: 'a private key' }
    using packed = await packRequest({ dockerfile, tags: ['a:1'], ssh, secrets: { given: 'a value' } })
    expect(packed.request).toMatchObject({
      ssh: { stored: { name: 'KEY' }, given: { value: 'ssh:given' } },
      secrets: { given: { value: 'given' } },
    })
    expect(JSON.stringify(packed)).not.toContain('a private key')
    expect([...packed.values].map(([name, value]) => [name, textOf(value)])).toEqual([
      ['given', 'a value'],
      ['ssh:given', 'a private key'],
    ])
  })

  it('has the public keys of servers in it, and no path of this machine', async () => {
    await using folder = await temporaryFolder({ hosts: 'host.test ssh-ed25519 AAAA\n' })
    const list = { requirements: ['flask'], base: 'b', tags: ['a:1'], sshKeys: [{ name: 'KEY', host: 'h' }] }
    using packed = await packRequest({ ...list, knownHosts: folder.file('hosts') })
    expect(packed.request).toMatchObject({
      sshKeys: [{ name: 'KEY', host: 'h' }],
      knownHosts: { text: 'host.test ssh-ed25519 AAAA\n' },
    })
    expect(JSON.stringify(packed.request)).not.toContain(folder.path)
    await expect(packRequest({ ...list, knownHosts: folder.file('none') })).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
    })
  })

  it('stays here where it means an agent that runs here', async () => {
    const request = { dockerfile, tags: ['a:1'], ssh: { default: { socket: '/run/agent' } } }
    await expect(packRequest(request)).rejects.toThrow('where the server cannot reach it')
  })

  it('V6: says nothing of a cgroup, which is for the worker to choose', async () => {
    const request = { dockerfile, tags: ['a:1'], cgroupParent: '/builds' }
    await expect(packRequest(request)).rejects.toThrow('for its worker to say')
  })

  it('says that an install is to be isolated', async () => {
    const request = {
      requirements: ['flask'],
      base: 'b',
      tags: ['a:1'],
      isolate: true,
      installer: 'pip',
    } as const
    using packed = await packRequest(request)
    expect(packed.request).toMatchObject({ isolate: true, installer: 'pip' })
  })
})
