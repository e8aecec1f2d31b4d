/** Where a value must not be: the files, what waits beside them, the record, and the memory of who only sets. */

import { open as openFile, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openStore } from '../../src/store/open.js'
import { unlessGone } from '../support/search.js'
import { changes, names, readAll, temporaryFolder } from '../support/store.js'
import { storeWorker } from '../support/worker.js'

const VALUE = 'Tr4ce-of-a-value-that-is-nowhere-else-7b1f'
const OTHER = 'Tr4ce-of-another-value-set-before-c0de'
const MAIN = { environment: 'main' }

/** Bytes a value shows as, in the simplest ways. */
const formsOf = (value: string): Buffer[] => [
  Buffer.from(value),
  Buffer.from(value, 'utf16le'),
  Buffer.from(Buffer.from(value).toString('base64').slice(0, 32)),
  Buffer.from(Buffer.from(value).toString('hex')),
]

const holds = (bytes: Buffer, value: string): boolean => formsOf(value).some((form) => bytes.includes(form))

describe('S10: traces', () => {
  it('leaves no value in any file of the home, while it is open and after', async () => {
    await using folder = await temporaryFolder()
    const store = await openStore({ home: folder.path, env: {} })
    await store.admin.set(MAIN, changes({ A: OTHER, B: VALUE }))
    await store.admin.set(MAIN, changes({ A: VALUE }), { stage: true })
    await store.admin.deploy('main')
    await store.admin.groups.create({ ...MAIN, name: 'g' }, changes({ C: VALUE }))
    await readAll(store)
    await store.admin.unset(MAIN, names('B'))
    await store.identity.rotate()
    const open = await filesOf(folder.path)
    expect([...open.keys()]).toContain('store.db-wal')
    expect(open.get('store.db-wal')?.length).toBeGreaterThan(10_000)
    await store.close()
    for (const [name, bytes] of [...open, ...(await filesOf(folder.path))]) {
      expect(holds(bytes, VALUE) || holds(bytes, OTHER), name).toBe(false)
    }
    expect(open.get('store.db-wal')?.includes('deploy')).toBe(true)
  })

  it('tells nothing of a value by the size of what is sealed', async () => {
    await using folder = await temporaryFolder()
    await using store = await openStore({ home: folder.path, env: {} })
    await store.admin.set(MAIN, changes({ A: 'x', B: 'x'.repeat(60) }))
    const wal = (await filesOf(folder.path)).get('store.db-wal') ?? Buffer.alloc(0)
    expect(wal.includes('x'.repeat(10))).toBe(false)
  })

  it('a process that only sets holds no private key, no root key and no value of others; its own is wiped', async () => {
    await using folder = await temporaryFolder()
    const home = join(folder.path, 'home')
    await using store = await openStore({ home, env: {} })
    await store.admin.set(MAIN, changes({ OTHER }))
    const start = await storeWorker(folder.path)
    await using worker = start(['keep', home, ''])
    worker.process.stdin?.end(VALUE.repeat(50))
    await worker.printed(1)
    const memory = await memoryOf(worker.process.pid ?? 0)
    const encoded =
      /^traceless-identity-1\.(\S+)$/m.exec(await readFile(join(home, 'identity'), 'utf8'))?.[1] ?? ''
    const writer = await readFile(join(home, 'stores', store.id, 'writer'))
    const seen = (bytes: Buffer): boolean => memory.some((region) => region.includes(bytes))
    // The search itself works: this it must hold.
    expect(seen(Buffer.from(writer.subarray(-32)))).toBe(true)
    expect(seen(Buffer.from('KEPT'))).toBe(true)
    expect(encoded).toHaveLength(43)
    expect(seen(Buffer.from(encoded))).toBe(false)
    expect(seen(Buffer.from(encoded, 'base64url'))).toBe(false)
    expect(seen(Buffer.from(OTHER))).toBe(false)
    expect(seen(Buffer.from(VALUE))).toBe(false)
  })
})

async function filesOf(folder: string): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>()
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    // A store that was closed takes its two companion files along whenever the driver gets round to it.
    const bytes = await readFile(join(entry.parentPath, entry.name)).catch(unlessGone)
    if (bytes !== undefined) found.set(entry.name, bytes)
  }
  return found
}

/** All memory of a process that can be read and written, as a core of it would have it. */
async function memoryOf(pid: number): Promise<Buffer[]> {
  const regions: Buffer[] = []
  const maps = await readFile(`/proc/${pid}/maps`, 'utf8')
  const memory = await openFile(`/proc/${pid}/mem`, 'r')
  try {
    for (const line of maps.split('\n')) {
      const match = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line)
      if (match === null) continue
      const [from, to] = [parseInt(match[1] ?? '', 16), parseInt(match[2] ?? '', 16)]
      const bytes = Buffer.alloc(to - from)
      const { bytesRead } = await memory.read(bytes, 0, bytes.length, from).catch(() => ({ bytesRead: 0 }))
      regions.push(bytes.subarray(0, bytesRead))
    }
  } finally {
    await memory.close()
  }
  return regions
}
