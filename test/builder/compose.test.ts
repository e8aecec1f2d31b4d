/** The build of a Compose service: what it means, and that nothing it asks for is passed over. */

import { describe, expect, it } from 'vitest'
import { readCompose, type ComposeBuild } from '../../src/builder/compose.js'
import { Fault } from '../../src/errors.js'

const read = (
  text: string,
  service?: string,
  variables: Readonly<Record<string, string>> = {},
): ComposeBuild => readCompose(text, { path: '/work/app/compose.yaml', service, variables })

const problemsOf = (text: string, service?: string, variables?: Readonly<Record<string, string>>): string => {
  try {
    read(text, service, variables)
  } catch (error) {
    if (error instanceof Fault) return JSON.stringify(error)
    throw error
  }
  throw new Error('it was read')
}

const WHOLE = `
x-shared: &shared
  labels: [a=b]
services:
  db: { image: postgres }
  app:
    image: app:\${TAG:-latest}
    build:
      <<: *shared
      context: ./src
      dockerfile: Containerfile
      target: final
      args: { A: 1, FROM_SHELL: }
      extra_hosts: { h: 10.0.0.1 }
      network: host
      tags: ["app:\${TAG:-latest}-x", "price:$$5"]
      ssh: [default, "deploy=./key"]
      secrets:
        - npm_token
        - { source: from_file, target: pip }
        - source: shared
secrets:
  npm_token: { environment: NPM_TOKEN }
  from_file: { file: ./secrets/pip.txt }
  shared: { external: true, name: PIP_TOKEN }
`

describe('B2: the build of a Compose service', () => {
  it('B2: is read with its secrets, in both forms', () => {
    expect(read(WHOLE, undefined, { FROM_SHELL: 'yes', NPM_TOKEN: 'not looked at' })).toEqual({
      service: 'app',
      context: '/work/app/src',
      dockerfile: { path: '/work/app/src/Containerfile' },
      target: 'final',
      args: { A: '1', FROM_SHELL: 'yes' },
      labels: { a: 'b' },
      extraHosts: ['h:10.0.0.1'],
      network: 'host',
      platform: undefined,
      noCache: false,
      pull: false,
      buildContexts: {},
      secrets: {
        npm_token: { kind: 'variable', name: 'NPM_TOKEN' },
        pip: { kind: 'file', path: '/work/app/secrets/pip.txt' },
        shared: { kind: 'stored', name: 'PIP_TOKEN' },
      },
      ssh: ['default', 'deploy=./key'],
      tags: ['app:latest', 'app:latest-x', 'price:$5'],
    })
  })

  it('takes a folder alone, and a Dockerfile in the file', () => {
    expect(read('services: { a: { build: . } }').context).toBe('/work/app')
    const inline = read('services: { a: { build: { context: ., dockerfile_inline: "FROM $${BASE}" } } }')
    expect(inline.dockerfile).toEqual({ text: 'FROM ${BASE}' })
  })

  const service = (build: string, more = ''): string =>
    `services: { a: { build: { context: ., ${build} } } }\n${more}`
  it.for<[text: string, words: string]>([
    ['services: { a: { build: . }, b: { build: . } }', 'Name one of them: a, b.'],
    ['services: { a: { image: x } }', 'no service with a build'],
    [service('privileged: true'), 'has \\"privileged\\", which is not known here'],
    [service('secrets: [tok]'), 'no secret tok at the top level'],
    [service('secrets: [tok]', 'secrets: { tokn: { environment: T } }'), 'Did you mean tokn?'],
    [service('secrets: [tok]', 'secrets: { tok: {} }'), 'neither'],
    [
      service('secrets: [{ source: tok, mode: 0400 }]', 'secrets: { tok: { file: f } }'),
      'belongs to the mount',
    ],
    [service('secrets: [tok, tok]', 'secrets: { tok: { file: f } }'), 'same target'],
    [service('target: "${UNSET}"'), 'variable UNSET, which is not set'],
    [service('target: "a$-b"'), 'begins no variable'],
    [service('network: bridge'), 'default, host or none'],
    [service('platforms: [linux/amd64, linux/arm64]'), 'one platform'],
    [service('args: [A]'), 'has no value'],
    ['services: { a: { build: [', 'not YAML'],
  ])('%s', ([text, words]) => {
    expect(problemsOf(text)).toContain(words)
  })

  it('finds a service by name, or says which was meant', () => {
    expect(read('services: { a: { build: ./a }, b: { build: ./b } }', 'b').context).toBe('/work/app/b')
    expect(problemsOf('services: { app: { build: . } }', 'ap')).toContain('Did you mean app?')
  })

  it('never repeats what may be a value', () => {
    const text = service('"s3cret value": 1, secrets: [{ source: "t0ken t0ken" }], "x": 1', 'secrets: {}')
    expect(problemsOf(text)).not.toMatch(/s3cret|t0ken/)
  })
})
