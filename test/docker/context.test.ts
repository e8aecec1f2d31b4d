import { appendFile, chmod, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { extract } from 'tar-stream'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { contextTar, ignoreLines, insideContext } from '../../src/docker/context.js'
import { temporaryFolder, type Folder } from '../support/folder.js'
import { openFiles } from '../support/open-files.js'

const made: Folder[] = []
afterAll(async () => {
  for (const one of made) await one[Symbol.asyncDispose]()
})

async function folder(files: Readonly<Record<string, string>>): Promise<string> {
  const one = await temporaryFolder(files)
  made.push(one)
  return one.path
}

async function names(source: Parameters<typeof contextTar>[0]): Promise<string[]> {
  const archive = extract()
  const found: string[] = []
  const chunks: Uint8Array[] = []
  for await (const chunk of contextTar(source)()) chunks.push(Uint8Array.from(chunk))
  archive.end(Buffer.concat(chunks))
  for await (const entry of archive) {
    const { name, type, linkname } = entry.header
    found.push(type === 'symlink' ? `${name} -> ${linkname}` : name)
    entry.resume()
  }
  return found
}

/** Reads a context whose first file is changed after its header has come. */
async function readWhile(root: string, change: () => Promise<void>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of contextTar({ root })()) {
    if (chunks.length === 0) await change()
    chunks.push(Uint8Array.from(chunk))
  }
  return Buffer.concat(chunks)
}

async function entries(archive: Buffer): Promise<readonly (readonly [string, string])[]> {
  const reader = extract()
  const found: [string, string][] = []
  reader.end(archive)
  for await (const entry of reader) {
    const chunks: Buffer[] = []
    for await (const chunk of entry) chunks.push(chunk as Buffer)
    found.push([entry.header.name, Buffer.concat(chunks).toString('utf8')])
  }
  return found
}

describe('contextTar', () => {
  it('takes a folder in a fixed order, links as links', async () => {
    const root = await folder({ 'b.txt': 'b', 'a/x': 'x', Dockerfile: 'FROM x' })
    await symlink('/etc/passwd', join(root, 'link'))
    expect(await names({ root })).toEqual(['Dockerfile', 'a', 'a/x', 'b.txt', 'link -> /etc/passwd'])
  })
  it('leaves out what is ignored, and takes exceptions back in', async () => {
    const root = await folder({ 'a/x': 'x', 'a/keep': 'k', 'b.log': 'l', c: 'c' })
    expect(await names({ root, ignoreLines: '*.log\na\n!a/keep\n# note\n' })).toEqual(['a/keep', 'c'])
  })
  it('takes only the paths that were asked for', async () => {
    const root = await folder({ 'a/x': 'x', b: 'b' })
    expect(await names({ root, only: ['a'] })).toEqual(['a', 'a/x'])
  })
  it('lets files in memory hide files of the folder', async () => {
    const root = await folder({ a: 'disk' })
    expect(await names({ root, files: new Map([['a', Buffer.from('memory')]]) })).toEqual(['a'])
  })
  it('is never empty, because the engine takes an empty archive for none', async () => {
    expect(await names({ root: undefined })).toEqual(['./'])
  })
  it('gives the same bytes each time it is read', async () => {
    const make = contextTar({ root: await folder({ a: 'a' }) })
    const read = async (): Promise<Buffer> => {
      const chunks: Uint8Array[] = []
      for await (const chunk of make()) chunks.push(Uint8Array.from(chunk))
      return Buffer.concat(chunks)
    }
    expect((await read()).equals(await read())).toBe(true)
  })
  it('fails with the path of a file that is gone', async () => {
    const root = await folder({ a: 'a' })
    await expect(names({ root, only: ['gone'] })).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  })
  it('carries a file that grows while it is sent as long as it was', async () => {
    const content = 'x'.repeat(1_000_000)
    const root = await folder({ a: content, b: 'after' })
    const sent = await readWhile(root, () => appendFile(join(root, 'a'), 'more'))
    expect(await entries(sent)).toEqual([
      ['a', content],
      ['b', 'after'],
    ])
  })
  it('fails with the path of a file that becomes shorter while it is sent', async () => {
    const root = await folder({ a: 'x'.repeat(1_000_000) })
    await expect(readWhile(root, () => truncate(join(root, 'a'), 10))).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
      message: 'The file a of the context became shorter while it was sent.',
    })
  })
  it('fails with the path of a small file that is shorter than it says', async () => {
    // A file of the system, which says 4096 bytes and has a word.
    await expect(names({ root: '/sys/kernel', only: ['fscaps'] })).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
      message: 'The file fscaps of the context became shorter while it was sent.',
    })
  })
  it('lets others have their turn between many small files', async () => {
    const root = await folder(
      Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`f${at}`, 'x'.repeat(5000)])),
    )
    let turns = 0
    let isOver = false
    const count = (): void => {
      turns += 1
      if (!isOver) setImmediate(count)
    }
    setImmediate(count)
    for await (const _ of contextTar({ root })());
    isOver = true
    expect(turns).toBeGreaterThan(8)
  })
  it.for([1, 2, 4, 8])('leaves no file open when its reader stops after %i chunks', async (count) => {
    const root = await folder({ a: 'x'.repeat(1_000_000) })
    let read = 0
    for await (const _chunk of contextTar({ root })()) {
      read += 1
      if (read === count) break
    }
    await vi.waitFor(() => expect(openFiles()).not.toContain(join(root, 'a')))
  })
  it('carries files of every size to the block', async () => {
    const root = await folder({})
    const sizes = ['0', '1', '511', '512', '513', '70000', '131072', '131073', '300000']
    const content = (size: string): string => 'xyz'.repeat(Number(size) / 3 + 1).slice(0, Number(size))
    for (const size of sizes) await writeFile(join(root, size), content(size))
    await chmod(join(root, '0'), 0o600)
    const sent: Uint8Array[] = []
    for await (const chunk of contextTar({ root })()) sent.push(Uint8Array.from(chunk))
    expect(await entries(Buffer.concat(sent))).toEqual([...sizes].sort().map((size) => [size, content(size)]))
  })
})

describe('ignoreLines', () => {
  it('prefers the file that stands beside the Dockerfile', async () => {
    const root = await folder({ '.dockerignore': 'one', 'D.dockerignore': 'two', D: '' })
    expect(await ignoreLines(root, join(root, 'D'))).toBe('two')
    expect(await ignoreLines(root, join(root, 'E'))).toBe('one')
    expect(await ignoreLines(await folder({}), undefined)).toBeUndefined()
  })
})

describe('insideContext', () => {
  it.for([
    ['a/b', 'a/b'],
    ['./a', 'a'],
    ['a/../b', 'b'],
    ['..', null],
    ['../x', null],
    ['a/../../x', null],
    ['..x', '..x'],
    ['/etc', null],
  ])('%s -> %s', ([path, expected]) => {
    expect(insideContext('/root/folder', path ?? '')).toBe(expected)
  })
})
