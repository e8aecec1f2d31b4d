import { mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { pack, type Header } from 'tar-stream'
import { describe, expect, it } from 'vitest'
import { checkedContext, unpackContext } from '../../src/docker/context-archive.js'
import type { Fault } from '../../src/errors.js'

type Entry = Partial<Header> & { readonly name: string; readonly text?: string }

async function archiveOf(entries: readonly Entry[]): Promise<Buffer> {
  const archive = pack()
  for (const { text, ...header } of entries) {
    if (text === undefined) archive.entry(header)
    else archive.entry(header, text)
  }
  archive.finalize()
  const chunks: Uint8Array[] = []
  for await (const chunk of archive) chunks.push(chunk as Uint8Array)
  return Buffer.concat(chunks)
}

async function* cut(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function passed(
  bytes: Uint8Array,
  size = 65_536,
  limits?: { bytes: number; entries: number },
): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of checkedContext(cut(bytes, size), limits)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function inFolder<T>(work: (folder: string, outside: string) => Promise<T>): Promise<T> {
  const root = await mkdtemp(join(tmpdir(), 'traceless-test-'))
  try {
    const [folder, outside] = [join(root, 'in'), join(root, 'out')]
    await Promise.all(
      [folder, outside].map((path) => import('node:fs/promises').then(({ mkdir }) => mkdir(path))),
    )
    return await work(folder, outside)
  } finally {
    await rm(root, { recursive: true })
  }
}

const GOOD: readonly Entry[] = [
  { name: './', type: 'directory' },
  { name: 'Dockerfile', text: 'FROM scratch\n' },
  { name: 'src/', type: 'directory' },
  { name: 'src/run.sh', text: '#!/bin/sh\n', mode: 0o755 },
  { name: 'src/passwd', type: 'symlink', linkname: '/etc/passwd' },
  { name: 'src/again.sh', type: 'link', linkname: 'src/run.sh' },
  { name: 'deep/er/file', text: 'without entries for its folders' },
  { name: 'src/', type: 'directory' },
]

/** What must not pass, and the word of the fault that tells. */
const BAD: readonly (readonly [what: string, entries: readonly Entry[], words: string])[] = [
  ['an absolute path', [{ name: '/etc/passwd', text: 'x' }], 'leads out'],
  ['a path with ..', [{ name: 'a/../../b', text: 'x' }], 'leads out'],
  ['a bare ..', [{ name: '..', type: 'directory' }], 'leads out'],
  ['a hard link that leads out', [{ name: 'a', type: 'link', linkname: '../b' }], 'leads out'],
  ['a hard link to an absolute path', [{ name: 'a', type: 'link', linkname: '/etc/shadow' }], 'leads out'],
  ['a hard link to what is not there', [{ name: 'a', type: 'link', linkname: 'b' }], 'no file of it'],
  [
    'a hard link to a symbolic one',
    [
      { name: 'b', type: 'symlink', linkname: '/etc/shadow' },
      { name: 'a', type: 'link', linkname: 'b' },
    ],
    'no file of it',
  ],
  [
    'an entry behind a symbolic link',
    [
      { name: 'a', type: 'symlink', linkname: '/etc' },
      { name: 'a/passwd', text: 'x' },
    ],
    'behind a link',
  ],
  [
    'a file in place of a link',
    [
      { name: 'a', type: 'symlink', linkname: '/etc/passwd' },
      { name: 'a', text: 'x' },
    ],
    'two entries',
  ],
  [
    'a link in place of a folder that holds something',
    [
      { name: 'a/b', text: 'x' },
      { name: 'a', type: 'symlink', linkname: '/etc' },
    ],
    'two entries',
  ],
  [
    'a device',
    [{ name: 'null', type: 'character-device', devmajor: 1, devminor: 3 }],
    'no file, folder or link',
  ],
  ['a pipe', [{ name: 'pipe', type: 'fifo' }], 'no file, folder or link'],
  ['a file in place of the folder itself', [{ name: './', text: 'x', type: 'file' }], 'two entries'],
]

describe('a context that comes from somebody else', () => {
  it.for([1, 7, 511, 512, 513, 65_536])('passes as it is, in chunks of %d bytes', async (size) => {
    const bytes = await archiveOf(GOOD)
    expect(Buffer.compare(await passed(bytes, size), bytes)).toBe(0)
  })

  it('is unpacked, links last', async () => {
    await inFolder(async (folder) => {
      await unpackContext(cut(await archiveOf(GOOD), 100), folder)
      expect((await readdir(folder)).sort()).toEqual(['Dockerfile', 'deep', 'src'])
      expect(await readFile(join(folder, 'src/again.sh'), 'utf8')).toBe('#!/bin/sh\n')
      expect((await stat(join(folder, 'src/run.sh'))).mode & 0o777).toBe(0o755)
      expect(await readlink(join(folder, 'src/passwd'))).toBe('/etc/passwd')
    })
  })

  it.for(BAD)('is refused with %s', async ([, entries, words]) => {
    const bytes = await archiveOf(entries)
    await expect(passed(bytes)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
    await expect(passed(bytes)).rejects.toThrow(words)
    await expect(passed(bytes, 1)).rejects.toThrow(words)
    await inFolder(async (folder, outside) => {
      await writeFile(join(outside, 'b'), 'untouched')
      await expect(unpackContext(cut(bytes, 100), folder)).rejects.toThrow(words)
      expect(await readdir(outside)).toEqual(['b'])
      expect(await readFile(join(outside, 'b'), 'utf8')).toBe('untouched')
    })
  })

  it('is refused when it is larger than it may be, by what it says and by what it is', async () => {
    const bytes = await archiveOf([{ name: 'large', text: 'x'.repeat(5000) }])
    await expect(passed(bytes, 512, { bytes: 4999, entries: 10 })).rejects.toThrow('larger than')
    await expect(
      passed(Buffer.concat([bytes, Buffer.alloc(100_000)]), 512, { bytes: 6000, entries: 1 }),
    ).rejects.toThrow('larger than')
  })

  it('is refused with too many entries, folders that have none of their own included', async () => {
    const bytes = await archiveOf([
      { name: 'a/b/c/d', text: 'x' },
      { name: 'e', text: 'x' },
    ])
    await expect(passed(bytes, 512, { bytes: 6000, entries: 4 })).rejects.toThrow('more than 4 entries')
  })

  it.for([
    ['is cut', (bytes: Buffer): Buffer => bytes.subarray(0, 600)],
    ['is no tar', (): Buffer => Buffer.from('not a tar at all '.repeat(100))],
    ['is compressed', (bytes: Buffer): Buffer => gzipSync(bytes)],
  ] as const)('is refused when it %s', async ([, spoil]) => {
    const bytes = spoil(await archiveOf(GOOD))
    const fault = (await passed(bytes).catch((error: unknown) => error)) as Fault
    expect(fault).toMatchObject({
      code: 'REQUEST_INVALID',
      message: 'The context is not a whole tar archive.',
    })
    await inFolder(async (folder) => {
      await expect(unpackContext(cut(bytes, 100), folder)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
    })
  })

  it('ends what it reads from when it refuses', async () => {
    const bytes = await archiveOf([{ name: '../x', text: 'x'.repeat(100_000) }])
    let ended = false
    const source = (async function* () {
      try {
        yield* cut(bytes, 512)
      } finally {
        ended = true
      }
    })()
    await expect(
      (async () => {
        for await (const _chunk of checkedContext(source));
      })(),
    ).rejects.toThrow('leads out')
    expect(ended).toBe(true)
  })
})
