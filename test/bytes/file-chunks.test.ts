import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { CHUNK_BYTES, fileChunks } from '../../src/bytes/file-chunks.js'
import { temporaryFolder } from '../support/folder.js'
import { openFiles } from '../support/open-files.js'

const BYTES = randomBytes(3 * CHUNK_BYTES + 5)

async function withFile(bytes: Uint8Array, use: (path: string) => Promise<void>): Promise<void> {
  await using folder = await temporaryFolder()
  const path = folder.file('x')
  await writeFile(path, bytes)
  await use(path)
  expect(openFiles()).not.toContain(path)
}

describe('fileChunks', () => {
  it.for([0, 1, CHUNK_BYTES, BYTES.length])('gives all of a file of %i bytes', async (size) => {
    await withFile(BYTES.subarray(0, size), async (path) => {
      const read: Buffer[] = []
      for await (const chunk of fileChunks(path)) {
        expect(chunk.length).toBeGreaterThan(0)
        read.push(Buffer.from(chunk))
      }
      expect(Buffer.concat(read).equals(BYTES.subarray(0, size))).toBe(true)
    })
  })

  it('takes no more memory for a longer file, and does not touch a chunk that is being looked at', async () => {
    await withFile(BYTES, async (path) => {
      const memory = new Set<ArrayBufferLike>()
      let at = 0
      for await (const chunk of fileChunks(path)) {
        memory.add(chunk.buffer)
        // Long enough for the next chunk to have been read.
        await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
        expect(Buffer.from(chunk).equals(BYTES.subarray(at, at + chunk.length))).toBe(true)
        at += chunk.length
      }
      expect(memory.size).toBe(2)
    })
  })

  it('closes the file where its reader leaves, and where the signal ends it', async () => {
    await withFile(BYTES, async (path) => {
      for await (const chunk of fileChunks(path)) {
        expect(chunk.length).toBe(CHUNK_BYTES)
        break
      }
    })
    await withFile(BYTES, async (path) => {
      const stop = new AbortController()
      const read = async (): Promise<void> => {
        for await (const _ of fileChunks(path, stop.signal)) stop.abort(new Error('enough'))
      }
      await expect(read()).rejects.toThrow('enough')
    })
  })

  it('fails where there is no file', async () => {
    await withFile(BYTES, async (path) => {
      await expect(fileChunks(`${path}.not`).next()).rejects.toThrow('ENOENT')
    })
  })
})
