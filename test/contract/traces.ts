/** Where a value must not be: the files, what waits beside them, a backup, the record, and the memory of who only sets. */

import { open as openFile, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'kysely'
import { describe, expect, it } from 'vitest'
import type { Database } from '../../src/store/database.js'
import { openStore } from '../../src/store/open.js'
import { formsOf, unlessGone } from '../support/search.js'
import { changes, names, readAll, temporaryFolder } from '../support/store.js'
import { storeWorker } from '../support/worker.js'

/** A place for one store, empty. */
export interface TracePlace extends AsyncDisposable {
  readonly home: string
  /** Its URL; `undefined` for the embedded one. */
  readonly database: string | undefined
  tables(): Promise<Database>
  /** Every file that the database writes to, by its name. `isOpen`: while the store is in use. */
  files(isOpen: boolean): Promise<ReadonlyMap<string, Buffer>>
  /** What a person would keep as a backup. */
  backup(): Promise<Buffer>
}

const VALUE = 'Tr4ce-of-a-value-that-is-nowhere-else-7b1f'
const OTHER = 'Tr4ce-of-another-value-set-before-c0de'
const MAIN = { environment: 'main' }

/** A name may be in all those places. Where it is found, a value would be. */
const NAME = 'A_NAME_THAT_MAY_BE_SEEN'

const holds = (bytes: Buffer, value: string): boolean =>
  formsOf(value).some(({ needle }) => bytes.includes(needle))

/** Makes the tests. */
export function traceContract(kind: string, make: () => Promise<TracePlace>): void {
  describe(`S10: traces in ${kind}`, () => {
    it('S10: leaves no value in any file, in what waits beside them, in a backup or in the record', async () => {
      await using place = await make()
      const { home, database } = place
      const store = await openStore({ home, database, env: {} })
      await store.admin.set(MAIN, changes({ [NAME]: OTHER, B: VALUE }))
      await store.admin.set(MAIN, changes({ [NAME]: VALUE }), { stage: true })
      await store.admin.deploy('main')
      await store.admin.groups.create({ ...MAIN, name: 'g' }, changes({ C: VALUE }))
      await readAll(store)
      await store.admin.unset(MAIN, names('B'))
      await store.identity.rotate()
      const history = JSON.stringify(await store.admin.history({ max: 1000 }))
      const open = await place.files(true)
      const backup = await place.backup()
      await store.close()
      const after = [...(await place.files(false)), ...(await filesBelow(home))]
      const tables = await place.tables()
      const { rows } = await tables.read((tx) => sql`select * from event`.execute(tx))
      await tables.close()
      const record = Buffer.from(history + JSON.stringify(rows))
      for (const [name, bytes] of [...open, ...after, ['backup', backup], ['record', record]] as const) {
        expect(holds(bytes, VALUE) || holds(bytes, OTHER), name).toBe(false)
      }
      const seen = (files: Iterable<Buffer>): boolean => [...files].some((bytes) => bytes.includes(NAME))
      expect([
        seen(open.values()),
        seen(after.map(([, bytes]) => bytes)),
        seen([backup]),
        seen([record]),
      ]).toEqual([true, true, true, true])
    })

    it('S10: a process that only sets holds no private key, no root key and no value of others; its own is wiped', async () => {
      await using place = await make()
      await using folder = await temporaryFolder()
      const { home, database } = place
      await using store = await openStore({ home, database, env: {} })
      await store.admin.set(MAIN, changes({ OTHER }))
      const start = await storeWorker(folder.path)
      await using worker = start(['keep', home, database ?? ''])
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
}

/** Files of a folder and those below, by name. */
export async function filesBelow(folder: string): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>()
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    // A driver may take files along when it gets round to it, and a server makes and deletes some all the time.
    const bytes = await readFile(path).catch(unlessGone)
    if (bytes !== undefined) found.set(path, bytes)
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
