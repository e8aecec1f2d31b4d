/** R8: lists in their places, and everything else of the file system beside them. */

import { chmod, lstat, readdir, readFile, stat } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { listMirror } from '../../src/runner/list-mirror.js'
import { temporaryFolder } from '../support/folder.js'

describe('R8 list mirror', () => {
  it('has the lists as given, and links to what stands beside them on every level', async () => {
    await using folder = await temporaryFolder({
      'reqs/a.txt': 'true a',
      'reqs/other.txt': 'other',
      'reqs/wheels/w.whl': 'wheel',
      'reqs/deep/b.txt': 'true b',
      'constraints.txt': 'constraints',
      '.hidden': 'hidden',
    })
    const at = folder.path.slice(1)
    const files = new Map([
      ['made.txt', Buffer.from('made')],
      [`${at}/reqs/a.txt`, Buffer.from('mirrored a')],
      [`${at}/reqs/deep/b.txt`, Buffer.from('mirrored b')],
    ])
    const mirror = await listMirror(files)
    const read = (path: string): Promise<string> => readFile(join(mirror.folder, path), 'utf8')
    expect(await read('made.txt')).toBe('made')
    expect(await read(`${at}/reqs/a.txt`)).toBe('mirrored a')
    expect(await read(`${at}/reqs/deep/b.txt`)).toBe('mirrored b')
    expect(await read(`${at}/reqs/other.txt`)).toBe('other')
    expect(await read(`${at}/reqs/wheels/w.whl`)).toBe('wheel')
    expect(await read(`${at}/constraints.txt`)).toBe('constraints')
    expect(await read(`${at}/.hidden`)).toBe('hidden')
    expect((await stat(join(mirror.folder, 'etc'))).isDirectory()).toBe(true)
    expect((await stat(mirror.folder)).mode & 0o777).toBe(0o700)
    expect((await lstat(join(mirror.folder, at, 'reqs/a.txt'))).mode & 0o777).toBe(0o600)
    await mirror[Symbol.asyncDispose]()
    expect(existsSync(mirror.folder)).toBe(false)
    expect(await readFile(folder.file('reqs/a.txt'), 'utf8')).toBe('true a')
    expect(await readdir(folder.file('reqs/wheels'))).toEqual(['w.whl'])
  })

  it('is gone when it could not be made', async () => {
    await using folder = await temporaryFolder({ 'a.txt': '' })
    await chmod(folder.path, 0o700)
    const before = process.env['TMPDIR']
    process.env['TMPDIR'] = folder.path
    try {
      const files = new Map([[`${folder.path.slice(1)}/nowhere/a.txt`, Buffer.from('')]])
      await expect(listMirror(files)).rejects.toThrow()
      expect(await readdir(folder.path)).toEqual(['a.txt'])
    } finally {
      if (before === undefined) delete process.env['TMPDIR']
      else process.env['TMPDIR'] = before
    }
  })
})
