import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { builderRequest, type QueuedRequest } from '../../src/queue/queued-request.js'
import { SecretValue } from '../../src/secret.js'

interface Folders {
  readonly folder: string
  /** Where the machine keeps what no build may see. */
  readonly outside: string
}

/** A context with files, a folder, and links that lead within it and out of it. */
async function withContext(work: (folders: Folders) => Promise<void>): Promise<void> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'traceless-test-')))
  try {
    const [folder, outside] = [join(root, 'context'), join(root, 'machine')]
    await mkdir(join(folder, 'sub'), { recursive: true })
    await mkdir(outside)
    await writeFile(join(outside, 'file'), 'of the machine')
    for (const name of ['Dockerfile', 'list.txt', 'sub/list.txt']) await writeFile(join(folder, name), '')
    await symlink(join(outside, 'file'), join(folder, 'out-file'))
    await symlink(outside, join(folder, 'out'))
    await symlink('sub/list.txt', join(folder, 'in-file'))
    await work({ folder, outside })
  } finally {
    await rm(root, { recursive: true })
  }
}

const made = async (queued: QueuedRequest, { folder }: Folders): Promise<unknown> =>
  await builderRequest(queued, {
    environment: 'main',
    folder,
    given: new Map([['token', SecretValue.fromText('given value')]]),
  })

const TEXT = { dockerfile: { text: 'FROM a' } }

describe('a request that waited', () => {
  it('is the builder’s, with files of the context and the values that came with it', async () => {
    await withContext(async (folders) => {
      const { folder } = folders
      expect(
        await made(
          {
            dockerfile: { file: 'Dockerfile' },
            tags: ['a:1'],
            guard: 'plan',
            secrets: {
              one: { name: 'STORED' },
              two: { value: 'token' },
              three: { requirements: 'in-file' },
              four: { credentialsOf: 'sub/../list.txt' },
            },
            ssh: { one: { name: 'STORED' }, two: { value: 'token' } },
          },
          folders,
        ),
      ).toEqual({
        dockerfile: { path: join(folder, 'Dockerfile') },
        tags: ['a:1'],
        guard: 'plan',
        environment: 'main',
        context: folder,
        contextIsFiltered: true,
        buildContexts: {},
        ssh: { one: { name: 'STORED' }, two: expect.any(SecretValue) as SecretValue },
        secrets: {
          one: { name: 'STORED' },
          two: expect.any(SecretValue) as SecretValue,
          three: { requirements: join(folder, 'sub/list.txt') },
          four: { credentialsOf: join(folder, 'list.txt') },
        },
      })
      expect(
        await made(
          { requirements: { file: 'sub/list.txt' }, base: 'b', copy: [{ from: 'x', to: '/x' }] },
          folders,
        ),
      ).toMatchObject({
        requirements: { path: join(folder, 'sub/list.txt') },
        copy: [{ from: 'x', to: '/x' }],
      })
    })
  })

  it('reads what its lines name from the context and from no folder of the machine', async () => {
    await withContext(async (folders) => {
      expect(await made({ requirements: ['-r list.txt'], base: 'b' }, folders)).toMatchObject({
        requirements: ['-r list.txt'],
        root: folders.folder,
      })
    })
  })

  it.for<[what: string, queued: QueuedRequest]>([
    ['a Dockerfile by an absolute path', { dockerfile: { file: '/etc/passwd' } }],
    ['a Dockerfile above', { dockerfile: { file: '../machine/file' } }],
    ['a Dockerfile behind a link', { dockerfile: { file: 'out-file' } }],
    ['a Dockerfile behind a linked folder', { dockerfile: { file: 'out/file' } }],
    ['a Dockerfile that is not there', { dockerfile: { file: 'none' } }],
    ['a list behind a link', { requirements: { file: 'out-file' }, base: 'b' }],
    ['a mounted list behind a link', { ...TEXT, secrets: { a: { requirements: 'out/file' } } }],
    ['credentials of a list above', { ...TEXT, secrets: { a: { credentialsOf: '../machine/file' } } }],
    ['a copy from above', { requirements: [], base: 'b', copy: [{ from: '../machine/file', to: '/x' }] }],
    [
      'a copy through a linked folder',
      { requirements: [], base: 'b', copy: [{ from: 'out/file', to: '/x' }] },
    ],
    ['a key that did not come', { ...TEXT, ssh: { a: { value: 'other' } } }],
    ['a value that did not come', { ...TEXT, secrets: { a: { value: 'other' } } }],
    ['a folder as a named context', { ...TEXT, buildContexts: { other: '/etc' } }],
    ['a local address as a named context', { ...TEXT, buildContexts: { other: 'file:///etc' } }],
  ])('is refused with %s', async ([, queued]) => {
    await withContext(async (folders) => {
      await expect(made(queued, folders)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
    })
  })
})
