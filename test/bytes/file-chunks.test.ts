import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { open, writeFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { CHUNK_BYTES, fileChunks, type FileChunksOptions } from '../../src/bytes/file-chunks.js'
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

async function bytesOf(path: string, options?: FileChunksOptions): Promise<Buffer> {
  const read: Buffer[] = []
  for await (const chunk of fileChunks(path, options)) {
    expect(chunk.length).toBeGreaterThan(0)
    read.push(Buffer.from(chunk))
  }
  return Buffer.concat(read)
}

/** Read at once, by another thread from the third chunk on, and either as it comes. */
describe.each([
  ['from memory', { cachedMs: Infinity }],
  ['by another thread', { cachedMs: 0 }],
  ['as it comes', {}],
])('fileChunks, %s', (_, options) => {
  it.for([0, 1, CHUNK_BYTES, BYTES.length])('gives all of a file of %i bytes', async (size) => {
    await withFile(BYTES.subarray(0, size), async (path) => {
      expect((await bytesOf(path, options)).equals(BYTES.subarray(0, size))).toBe(true)
    })
  })

  it('takes no more memory for a longer file, and does not touch a chunk that is being looked at', async () => {
    await withFile(BYTES, async (path) => {
      const memory = new Set<ArrayBufferLike>()
      let at = 0
      for await (const chunk of fileChunks(path, options)) {
        memory.add(chunk.buffer)
        // Long enough for the next chunk to have been read.
        await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
        expect(Buffer.from(chunk).equals(BYTES.subarray(at, at + chunk.length))).toBe(true)
        at += chunk.length
      }
      expect(memory.size).toBeLessThanOrEqual(3)
    })
  })

  it('closes the file where its reader leaves, and where the signal ends it', async () => {
    await withFile(BYTES, async (path) => {
      for await (const chunk of fileChunks(path, options)) {
        expect(chunk.length).toBe(CHUNK_BYTES)
        break
      }
    })
    await withFile(BYTES, async (path) => {
      const stop = new AbortController()
      const read = async (): Promise<void> => {
        for await (const _ of fileChunks(path, { ...options, signal: stop.signal }))
          stop.abort(new Error('enough'))
      }
      await expect(read()).rejects.toThrow('enough')
    })
  })

  it('lets others have their turn', async () => {
    await withFile(BYTES, async (path) => {
      const chunks = fileChunks(path, options)
      await chunks.next()
      let turns = 0
      setImmediate(() => (turns += 1))
      await chunks.next()
      expect(turns).toBe(1)
      await chunks.return(undefined)
    })
  })

  it('fails where there is no file', async () => {
    await withFile(BYTES, async (path) => {
      await expect(fileChunks(`${path}.not`, options).next()).rejects.toThrow('ENOENT')
    })
  })
})

describe('fileChunks of a pipe', () => {
  it('waits for what is written to it, and lets others have their turn meanwhile', async () => {
    await using folder = await temporaryFolder()
    const path = folder.file('pipe')
    execFileSync('mkfifo', [path])
    const reading = bytesOf(path)
    const writer = await open(path, 'w')
    await writer.write(BYTES.subarray(0, 5))
    await new Promise((resolve) => setTimeout(resolve, 20))
    await writer.write(BYTES.subarray(5, 9))
    await writer.close()
    expect((await reading).equals(BYTES.subarray(0, 9))).toBe(true)
  })
})
