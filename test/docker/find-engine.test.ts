/** Where an engine is, said in every way in which Docker's client takes it. */

import { describe, expect, it } from 'vitest'
import { builderAddress, engineAddress } from '../../src/docker/find-engine.js'
import { fullReference, registryOf, shortReference, withoutHost } from '../../src/docker/reference.js'

const words = async (host: string | undefined, variables = {}): Promise<string> =>
  (await engineAddress(host, { DOCKER_CONFIG: '/nowhere', ...variables })).words

describe('B9: engineAddress', () => {
  it.for([
    [undefined, 'unix:///var/run/docker.sock'],
    ['', 'unix:///var/run/docker.sock'],
    ['unix://', 'unix:///var/run/docker.sock'],
    ['unix:///run/other.sock', 'unix:///run/other.sock'],
    ['tcp://build.example', 'tcp://build.example:2375'],
    ['build.example:4000', 'tcp://build.example:4000'],
    ['https://build.example', 'tcp://build.example:2376'],
    ['tcp://[::1]:2375', 'tcp://::1:2375'],
    ['ssh://me@build.example:2222/run/docker.sock', 'ssh://me@build.example'],
  ] as const)('%s', async ([host, expected]) => {
    expect(await words(host)).toBe(expected)
  })

  it('takes the host that is given before DOCKER_HOST, and that before a context', async () => {
    const variables = { DOCKER_HOST: 'tcp://one', DOCKER_CONTEXT: 'two' }
    expect(await words('tcp://zero', variables)).toBe('tcp://zero:2375')
    expect(await words(undefined, variables)).toBe('tcp://one:2375')
    expect(await words(undefined, { DOCKER_CONTEXT: 'default' })).toBe('unix:///var/run/docker.sock')
    await expect(words(undefined, { DOCKER_CONTEXT: 'two' })).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
    })
  })

  it.for([
    'ssh://me:secret@host',
    'ssh://-oProxyCommand=secret@host',
    'ssh://host/a b',
    'ssh://host/$(secret)',
    'ssh://-host',
    'tcp://me:secret@host',
    'fd://secret',
  ])('refuses %s without repeating it', async (host) => {
    const refusal = await words(host).catch((error: unknown) => error)
    expect(refusal).toMatchObject({ code: 'REQUEST_INVALID' })
    expect(JSON.stringify(refusal)).not.toContain('secret')
  })
})

describe('B9: builderAddress', () => {
  it('takes sockets and tcp, and nothing else', async () => {
    expect((await builderAddress('unix:///run/buildkit/buildkitd.sock', '')).words).toBe(
      'unix:///run/buildkit/buildkitd.sock',
    )
    expect((await builderAddress('tcp://builder:1234', '')).words).toBe('tcp://builder:1234')
    for (const address of ['ssh://builder', 'builder:1234', 'docker-container://x'])
      await expect(builderAddress(address, '')).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
    await expect(builderAddress('tcp://builder:1234', '/nowhere')).rejects.toMatchObject({
      message: expect.stringContaining('/nowhere/') as unknown,
    })
  })
})

describe('references', () => {
  it.for([
    ['app', 'docker.io/library/app:latest', 'app', 'docker.io', 'library/app'],
    ['me/app:1', 'docker.io/me/app:1', 'me/app:1', 'docker.io', 'me/app'],
    ['docker.io/library/app:1', 'docker.io/library/app:1', 'app:1', 'docker.io', 'library/app'],
    ['localhost/app', 'localhost/app:latest', 'localhost/app', 'localhost', 'app'],
    ['127.0.0.1:5000/a/b', '127.0.0.1:5000/a/b:latest', '127.0.0.1:5000/a/b', '127.0.0.1:5000', 'a/b'],
  ] as const)('%s', ([reference, full, short, registry, name]) => {
    expect(fullReference(reference)).toBe(full)
    expect(shortReference(reference)).toBe(short)
    expect(registryOf(reference)).toBe(registry)
    expect(withoutHost(reference)).toBe(name)
  })
})
