import { pack, type Pack } from 'tar-stream'
import { describe, expect, it } from 'vitest'
import { cutLayers } from '../../src/docker/layer-cut.js'
import { inPieces } from '../support/pieces.js'

type Entry = readonly [Parameters<Pack['entry']>[0], string?]

const LONG = 'n'.repeat(300)
const ENTRIES: readonly Entry[] = [
  [{ name: './', type: 'directory' }],
  [{ name: './000/', type: 'directory' }],
  [{ name: './000/etc/one' }, 'first '.repeat(400)],
  // Records before the header, which may end a chunk.
  [{ name: `./000/${LONG}`, pax: { comment: 'first' } }, 'x'],
  [{ name: './001/', type: 'directory', pax: { comment: 'second' } }],
  [{ name: `./001/${LONG}`, pax: { comment: 'second' } }, 'second '.repeat(150)],
  [{ name: './001/hard', type: 'link', linkname: `001/${LONG}` }],
  [{ name: './002/', type: 'directory' }],
  [{ name: './003/', type: 'directory', pax: { comment: 'fourth' } }],
  [{ name: './003/four' }, 'fourth'],
]

async function tarOf(entries: readonly Entry[]): Promise<Buffer> {
  const archive = pack()
  for (const [header, content] of entries)
    if (content === undefined) archive.entry({ ...header, mtime: new Date(0) })
    else archive.entry({ ...header, mtime: new Date(0) }, content)
  archive.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of archive as unknown as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

interface Cut {
  readonly folders: readonly string[]
  readonly bytes: readonly Buffer[]
  readonly crossed: readonly string[]
}

async function cut(source: AsyncIterable<Uint8Array>): Promise<Cut> {
  const crossed = new Set<string>()
  const folders: string[] = []
  const bytes: Buffer[] = []
  for await (const layer of cutLayers(source, crossed)) {
    const pieces: Buffer[] = []
    for await (const piece of layer.bytes) pieces.push(Buffer.from(piece))
    folders.push(layer.folder)
    bytes.push(Buffer.concat(pieces))
  }
  return { folders, bytes, crossed: [...crossed] }
}

/** What stands in the tar for entries of one folder: those before them taken away. */
async function alone(folder: string): Promise<Buffer> {
  const whole = await tarOf(ENTRIES.filter(([{ name }]) => name.startsWith(`./${folder}/`)))
  return folder === '003' ? whole : whole.subarray(0, -1024)
}

describe('cutLayers', () => {
  it('gives each layer its own bytes, wherever the chunks end', async () => {
    const tar = await tarOf(ENTRIES)
    const folders = ['000', '001', '002', '003']
    const expected = await Promise.all(folders.map(alone))
    // The folder around them comes before all.
    expected[0] = Buffer.concat([tar.subarray(0, 512), expected[0] ?? tar])
    for (const size of [1, 7, 511, 512, 513, 1024, 1536, 2000, tar.length]) {
      const { folders: found, bytes, crossed } = await cut(inPieces(tar, size))
      expect(found).toEqual(folders)
      expect(crossed).toEqual([])
      for (const [at, layer] of expected.entries())
        expect(bytes[at]?.equals(layer), `${folders[at] ?? ''} in ${size}`).toBe(true)
    }
  })

  it('loses nothing of what is no tar, is damaged, or ends too early', async () => {
    const tar = await tarOf(ENTRIES)
    const second = tar.indexOf('./001/')
    const damaged = Buffer.from(tar)
    damaged.fill(0x55, second, second + 512)
    expect(Buffer.concat((await cut(inPieces(damaged, 1000))).bytes).equals(damaged)).toBe(true)
    for (let end = 1024; end < tar.length; end += 333) {
      const { bytes } = await cut(inPieces(tar.subarray(0, end), 700))
      expect(Buffer.concat(bytes).equals(tar.subarray(0, end)), `cut at ${end}`).toBe(true)
    }
    expect((await cut(inPieces(Buffer.from('nothing'), 3))).folders).toEqual([])
  })

  it('tells a layer with hard links into another', async () => {
    const tar = await tarOf([
      ...ENTRIES.slice(0, 4),
      [{ name: './001/', type: 'directory' }],
      [{ name: './001/shared', type: 'link', linkname: './000/etc/one' }],
    ])
    for (const size of [1, 512, 700]) expect((await cut(inPieces(tar, size))).crossed).toEqual(['001'])
  })

  it('goes on with the next layer where one is not read to its end, and closes what it reads', async () => {
    const tar = await tarOf(ENTRIES)
    let isClosed = false
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield* inPieces(tar, 600)
      } finally {
        isClosed = true
      }
    }
    const folders: string[] = []
    for await (const { folder, bytes } of cutLayers(source(), new Set())) {
      folders.push(folder)
      if (folder === '000') for await (const _ of bytes) break
      if (folder === '002') break
    }
    expect(folders).toEqual(['000', '001', '002'])
    expect(isClosed).toBe(true)
  })

  it('passes on the failure of its source', async () => {
    const tar = await tarOf(ENTRIES)
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield* inPieces(tar.subarray(0, 3000))
      throw new Error('gone')
    }
    await expect(cut(broken())).rejects.toThrow('gone')
  })
})
