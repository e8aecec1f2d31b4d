/** What of a request goes to a server, and what never does. */

import { describe, expect, it } from 'vitest'
import type { BuildRequest } from '../../src/builder/request.js'
import { packRequest } from '../../src/remote/build-request.js'

describe('V2: a request for a server', () => {
  const dockerfile = { text: 'FROM x' }
  it.for<[name: string, request: BuildRequest]>([
    ['a key given at hand', { dockerfile, tags: ['a:1'], ssh: { default: 'a private key' } }],
    ['a running agent', { dockerfile, tags: ['a:1'], ssh: { default: { socket: '/run/agent' } } }],
    ['a stored key', { requirements: ['flask'], base: 'b', tags: ['a:1'], sshKeys: [{ name: 'KEY' }] }],
    ['a file of servers', { requirements: ['flask'], base: 'b', tags: ['a:1'], knownHosts: '/etc/passwd' }],
  ])('%s stays here', async ([, request]) => {
    await expect(packRequest(request)).rejects.toThrow('A server does not take SSH keys')
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
