/** X3, R8: a value behind a path, in memory only. */

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readlinkSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { memoryFile, memoryFiles, memoryFolder } from '../../src/runner/memory-file.js'
import { SecretValue } from '../../src/secret.js'
import { faultFrom } from '../support/store.js'

describe('memory files', () => {
  it('are read by any program, from the beginning, as often as it likes, and have no name', async () => {
    const folder = await memoryFolder({})
    const bytes = Uint8Array.from({ length: 70_000 }, (_, at) => at % 256)
    const before = await readdir(folder)
    const file = memoryFile(new SecretValue(bytes), folder)
    expect(await readdir(folder)).toEqual(before)
    expect(readlinkSync(file.path)).toMatch(/ \(deleted\)$/)
    for (const _ of [1, 2]) expect(execFileSync('cat', [file.path])).toEqual(Buffer.from(bytes))
    file[Symbol.dispose]()
    expect(existsSync(file.path)).toBe(false)
  })

  it('are wiped, for those too that still have them open', async () => {
    const file = memoryFile(SecretValue.fromText('some-value'), await memoryFolder({}))
    const { openSync, closeSync } = await import('node:fs')
    const open = openSync(file.path, 'r')
    file[Symbol.dispose]()
    expect(readFileSync(open)).toEqual(Buffer.alloc(10))
    closeSync(open)
  })

  it('come several at once, each for its key', async () => {
    const values = new Map([
      ['a', SecretValue.fromText('first')],
      ['b', SecretValue.fromText('')],
    ])
    using files = memoryFiles(values, await memoryFolder({}))
    expect([...files.paths].map(([key, path]) => [key, readFileSync(path, 'utf8')])).toEqual([
      ['a', 'first'],
      ['b', ''],
    ])
  })

  it('are made in memory, never on a disk', async () => {
    expect(await memoryFolder({})).toBe('/dev/shm')
    // A file system that is certainly no tmpfs.
    await faultFrom(memoryFolder({ XDG_RUNTIME_DIR: '/proc' }, []), 'RUN_FAILED')
    await faultFrom(memoryFolder({ XDG_RUNTIME_DIR: '/no/such/folder' }, ['/proc']), 'RUN_FAILED')
    expect(await memoryFolder({ XDG_RUNTIME_DIR: '/dev/shm' }, [])).toBe('/dev/shm')
  })
})
