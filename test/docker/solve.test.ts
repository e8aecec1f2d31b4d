import { expect, it } from 'vitest'
import { attributes } from '../../src/docker/solve.js'
import type { BuildInput } from '../../src/docker/engine.js'

const INPUT: Omit<BuildInput, 'dockerfile' | 'context' | 'mounts' | 'targets' | 'credentials'> = {
  buildArgs: new Map([['WORD', 'w']]),
  labels: new Map(),
  extraHosts: ['host:::1'],
  platform: undefined,
  network: 'default',
  noCache: false,
  pull: false,
  cacheNamespace: 'c-1',
}

const asked = (more: Partial<BuildInput> = {}): Record<string, string> =>
  attributes({ ...INPUT, ...more } as BuildInput, 'http://context', '')

it('V6: names the cgroup of the steps where one is meant, and none otherwise', () => {
  expect(asked({ cgroupParent: '/builds' })).toEqual({ ...asked(), 'cgroup-parent': '/builds' })
  expect(Object.keys(asked())).not.toContain('cgroup-parent')
})

it('says what a build says', () => {
  expect(asked()).toEqual({
    context: 'http://context',
    dockerfilekey: 'dockerfile',
    filename: expect.any(String) as string,
    'build-arg:BUILDKIT_CACHE_MOUNT_NS': 'c-1',
    'build-arg:WORD': 'w',
    'add-hosts': 'host=::1',
  })
})
