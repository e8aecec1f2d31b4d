/** Docker hands its own options to a plugin, in front of the plugin's name. */

import { describe, expect, it } from 'vitest'
import { pluginCall } from '../../src/cli/plugin.js'

describe('a call by Docker', () => {
  it.for<[argv: string, words: string, variables: Readonly<Record<string, string>>]>([
    ['docker-cli-plugin-metadata', 'docker-cli-plugin-metadata', {}],
    ['traceless build -f x .', 'build -f x .', {}],
    ['build .', 'build .', {}],
    ['-H unix:///a traceless build', 'build', { DOCKER_HOST: 'unix:///a' }],
    ['--host unix:///a traceless build', 'build', { DOCKER_HOST: 'unix:///a' }],
    ['--host=unix:///a=b traceless build', 'build', { DOCKER_HOST: 'unix:///a=b' }],
    [
      '--config /c -H tcp://h:1 traceless scan x',
      'scan x',
      { DOCKER_CONFIG: '/c', DOCKER_HOST: 'tcp://h:1' },
    ],
    // Behind the plugin's name an option is the plugin's.
    ['traceless build --host x', 'build --host x', {}],
    ['traceless traceless', 'traceless', {}],
    // What is not understood is left to be refused.
    ['--context far traceless build', '--context far traceless build', {}],
    ['-H', '-H', {}],
  ])('%s', ([argv, words, variables]) => {
    expect(pluginCall(argv.split(' '))).toEqual({ words: words.split(' '), variables })
  })
})
