import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { pack, type Pack } from 'tar-stream'
import { describe, expect, it } from 'vitest'
import { archiveParts, HEADERS, PLAIN_TAR } from '../../src/docker/archive-parts.js'
import type { ImageLayout } from '../../src/docker/engine.js'
import { decodedTexts } from '../../src/leak/document.js'
import { unpackWhole, wholeKindOf } from '../../src/leak/archive/whole.js'
import { inPieces } from '../support/pieces.js'

type Member = readonly [name: string, content: string | Buffer | { readonly link: string }]

async function tar(members: readonly Member[]): Promise<Buffer> {
  const archive = pack()
  for (const [name, content] of members) {
    if (typeof content === 'object' && 'link' in content)
      archive.entry({ name, type: 'symlink', linkname: content.link })
    else archive.entry({ name }, content)
  }
  archive.finalize()
  return bytesOf(archive)
}

async function bytesOf(archive: Pack): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of archive as unknown as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** One entry without the end of an archive. */
async function headerOf(header: Parameters<Pack['entry']>[0]): Promise<Buffer> {
  const archive = pack()
  archive.entry(header)
  archive.finalize()
  return (await bytesOf(archive)).subarray(0, -1024)
}

interface Read {
  readonly parts: readonly string[]
  readonly contents: ReadonlyMap<string, Buffer>
  readonly layouts: readonly ImageLayout[]
}

async function read(bytes: Buffer, size = 700): Promise<Read> {
  const archive = archiveParts(inPieces(bytes, size), {
    unpacker(head) {
      const kind = wholeKindOf(head)
      return kind && ((packed, unread) => unpackWhole(kind, packed, unread))
    },
  })
  const parts: string[] = []
  const contents = new Map<string, Buffer>()
  for await (const part of archive) {
    const chunks: Uint8Array[] = []
    for await (const chunk of part.bytes) chunks.push(Uint8Array.from(chunk))
    parts.push(`${part.kind} ${part.id}`)
    contents.set(part.id, Buffer.concat(chunks))
  }
  return { parts, contents, layouts: archive.layouts() }
}

const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

async function savedOld(): Promise<Buffer> {
  const layer = await tar([['etc/x', 'layer one']])
  const config = Buffer.from(
    JSON.stringify({
      rootfs: { diff_ids: [`sha256:${sha(layer)}`, `sha256:${sha(layer)}`] },
      history: [{ created_by: 'one' }, { created_by: 'nothing', empty_layer: true }, { created_by: 'two' }],
    }),
  )
  const id = sha(config)
  return tar([
    [`${'a'.repeat(64)}/VERSION`, '1.0'],
    [`${'a'.repeat(64)}/json`, '{}'],
    [`${'a'.repeat(64)}/layer.tar`, layer],
    [`${'b'.repeat(64)}/layer.tar`, { link: `../${'a'.repeat(64)}/layer.tar` }],
    [`${id}.json`, config],
    [
      'manifest.json',
      JSON.stringify([
        {
          Config: `${id}.json`,
          RepoTags: null,
          Layers: [`${'a'.repeat(64)}/layer.tar`, `${'b'.repeat(64)}/layer.tar`],
        },
      ]),
    ],
  ])
}

async function savedOci(): Promise<Buffer> {
  const layer = await tar([['etc/x', 'layer one']])
  const packed = gzipSync(layer)
  const config = Buffer.from(JSON.stringify({ rootfs: { diff_ids: [`sha256:${sha(layer)}`] }, history: [] }))
  const manifest = Buffer.from(
    JSON.stringify({
      config: { digest: `sha256:${sha(config)}` },
      layers: [{ digest: `sha256:${sha(packed)}` }],
    }),
  )
  return tar([
    [`blobs/sha256/${sha(packed)}`, packed],
    [`blobs/sha256/${sha(config)}`, config],
    [`blobs/sha256/${sha(manifest)}`, manifest],
    ['index.json', JSON.stringify({ manifests: [{ digest: `sha256:${sha(manifest)}` }] })],
    ['oci-layout', '{"imageLayoutVersion":"1.0.0"}'],
  ])
}

describe('archiveParts', () => {
  it('reads what an engine of 20.10 saves, and follows a linked layer', async () => {
    const { parts, layouts } = await read(await savedOld())
    expect(parts.map((part) => part.split(' ')[0])).toEqual([
      'document',
      'document',
      'layer',
      'document',
      'document',
      'document',
    ])
    const [layout] = layouts
    expect(layout?.layers.map(({ part, createdBy }) => [part, createdBy])).toEqual([
      [`${'a'.repeat(64)}/layer.tar`, 'one'],
      [`${'a'.repeat(64)}/layer.tar`, 'two'],
    ])
    expect(layout?.image).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect(layout?.unread).toEqual([])
  })

  it('reads an OCI layout with packed layers', async () => {
    const { parts, layouts, contents } = await read(await savedOci())
    expect(parts.filter((part) => part.startsWith('layer'))).toHaveLength(1)
    expect(layouts).toHaveLength(1)
    const part = layouts[0]?.layers[0]?.part ?? ''
    expect(contents.get(part)?.subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]))
    expect(layouts[0]?.unread).toEqual([])
  })

  it('gives every byte of a plain tar as one part, and of a packed one unpacked', async () => {
    const plain = await tar([['home/x', 'text']])
    for (const bytes of [plain, gzipSync(plain)]) {
      const { parts, contents, layouts } = await read(bytes)
      expect(parts).toEqual([`layer ${PLAIN_TAR}`])
      expect(contents.get(PLAIN_TAR)?.equals(plain)).toBe(true)
      expect(layouts).toEqual([])
    }
  })

  it('knows an archive that begins with its folders, as `tar -C FOLDER .` packs one', async () => {
    const saved = await savedOci()
    const folder = (name: string): Promise<Buffer> => headerOf({ name, type: 'directory' })
    const records = await headerOf({ name: './', type: 'directory', pax: { comment: 'a record' } })
    for (const lead of [
      await folder('./'),
      Buffer.concat([await folder('./'), await folder('./blobs/')]),
      records,
    ]) {
      const { layouts } = await read(Buffer.concat([lead, saved]))
      expect(layouts).toHaveLength(1)
      expect(layouts[0]?.unread).toEqual([])
    }
  })

  it('L1: gives names, links, owners and records of the archive itself as a document', async () => {
    const archive = pack()
    archive.entry(
      { name: 'blobs/sha256/name-of-it', pax: { comment: 'record-of-it' }, uname: 'owner-of-it' },
      '{}',
    )
    archive.entry({ name: 'blobs/link', type: 'symlink', linkname: 'target-of-it', gname: 'group-of-it' })
    // More than is looked at to tell the layout, which is copied.
    archive.entry({ name: 'blobs/other' }, 'x'.repeat(20_000))
    archive.finalize()
    const bytes = await bytesOf(archive)
    const { contents } = await read(bytes, bytes.length)
    const headers = contents.get(HEADERS)?.toString() ?? ''
    const ways = [...decodedTexts(headers)].map(({ way, text }) => `${way.join('/')} ${text}`)
    expect(ways).toContainEqual(expect.stringMatching(/^blobs\/sha256\/name-of-it [^]*record-of-it/))
    expect(ways).toContainEqual(expect.stringMatching(/^blobs\/link [^]*target-of-it/))
    // The bytes themselves as well.
    expect(headers).toContain(`blobs/link${'\0'.repeat(90)}`)
    for (const what of ['name', 'record', 'owner', 'target', 'group'])
      expect(headers).toContain(`${what}-of-it`)
  })

  it('gives the headers of very many members in several documents', async () => {
    const archive = pack()
    for (let at = 0; at < 12_000; at += 1) archive.entry({ name: `blobs/${'n'.repeat(80)}${at}` }, '')
    archive.finalize()
    const { parts, contents } = await read(await bytesOf(archive), 1 << 16)
    const headers = parts.filter((part) => part.startsWith(`document ${HEADERS}`))
    expect(headers.length).toBeGreaterThan(1)
    const names = headers.flatMap(
      (part) =>
        contents
          .get(part.slice(9))
          ?.toString('latin1')
          .match(/^\W?"blobs\/n+\d+":/gm) ?? [],
    )
    expect(new Set(names).size).toBe(12_000)
  })

  it('gives the same whatever way the stream is cut', async () => {
    const archive = await savedOci()
    const whole = await read(archive, archive.length)
    for (const size of [1, 7, 511, 512, 513]) {
      const cut = await read(archive, size)
      expect(cut.parts).toEqual(whole.parts)
      for (const [id, bytes] of whole.contents) expect(cut.contents.get(id)?.equals(bytes)).toBe(true)
    }
  })

  it('says which layer is missing, and that a configuration is', async () => {
    const archive = await tar([
      [
        'manifest.json',
        JSON.stringify([{ Config: 'c.json', RepoTags: ['x:1'], Layers: ['gone/layer.tar'] }]),
      ],
    ])
    expect((await read(archive)).layouts[0]?.unread).toEqual([
      'the configuration c.json is missing or not JSON',
      'the layer gone/layer.tar is missing',
    ])
  })

  it('says when there are more layers than the configuration names', async () => {
    const layer = await tar([['x', 'y']])
    const archive = await tar([
      [`${'a'.repeat(64)}/layer.tar`, layer],
      ['c.json', JSON.stringify({ rootfs: { diff_ids: [] } })],
      ['manifest.json', JSON.stringify([{ Config: 'c.json', Layers: [`${'a'.repeat(64)}/layer.tar`] }])],
    ])
    expect((await read(archive)).layouts[0]?.unread).toEqual([
      'the number of layers is not the one in the configuration',
    ])
  })

  it('says that an archive is damaged or ends too early, wherever it is cut', async () => {
    const archive = await savedOld()
    for (let end = 513; end < archive.length - 1024; end += 97) {
      const { layouts } = await read(archive.subarray(0, end))
      expect(
        layouts.flatMap(({ unread }) => unread),
        `cut at ${String(end)}`,
      ).not.toEqual([])
    }
    const packed = gzipSync(await tar([['home/x', 'text']]))
    const { layouts } = await read(packed.subarray(0, packed.length - 20))
    expect(layouts.flatMap(({ unread }) => unread)).toContain('It ends before its data does.')
  })

  it('says that a header is damaged, and that something follows the end', async () => {
    const archive = await savedOld()
    const unreadOf = async (bytes: Buffer): Promise<readonly string[]> =>
      (await read(bytes)).layouts.flatMap(({ unread }) => unread)
    const damaged = Buffer.from(archive)
    const last = archive.lastIndexOf('manifest.json')
    damaged.fill(0x55, last, last + 512)
    expect(await unreadOf(damaged)).toContain('The archive is damaged or ends too early.')
    expect(await unreadOf(Buffer.concat([archive, Buffer.alloc(600, 'x')]))).toEqual([
      'Something follows the end of the archive.',
    ])
    expect(await unreadOf(Buffer.concat([archive, Buffer.alloc(10_000)]))).toEqual([])
  })

  it('has an answer to whatever stands in its documents', async () => {
    const anything = fc.oneof(
      { weight: 3, arbitrary: fc.jsonValue() },
      fc.constantFrom({ digest: 5 }, [{ digest: 'x' }], [null], [{ Config: 'config' }], { diff_ids: [7] }),
    )
    const list = fc.record(
      { Config: fc.oneof(anything, fc.constant('config')), Layers: anything, RepoTags: anything },
      { requiredKeys: [] },
    )
    const index = fc.record({ manifests: anything, config: anything, layers: anything }, { requiredKeys: [] })
    const config = fc.record({ rootfs: anything, history: anything }, { requiredKeys: [] })
    const content = fc.record({
      'blobs/link': fc.constantFrom({ link: 'http://[' }, { link: '/' }, { link: '../../..' }),
      'manifest.json': fc.option(fc.oneof(anything, fc.array(list, { maxLength: 2 })), { nil: undefined }),
      'index.json': fc.option(fc.oneof(anything, index), { nil: undefined }),
      config: fc.oneof(anything, config),
    })
    await fc.assert(
      fc.asyncProperty(content, async (documents) => {
        const members = Object.entries(documents).flatMap(([name, value]): Member[] =>
          value === undefined
            ? []
            : [[name, name === 'blobs/link' ? (value as { link: string }) : JSON.stringify(value)]],
        )
        const { layouts } = await read(await tar(members))
        for (const { layers } of layouts)
          for (const { digest } of layers) expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/)
      }),
      { numRuns: 300 },
    )
  })

  it('follows symbolic links from their folder and hard ones from the top', async () => {
    const layer = await tar([['x', 'y']])
    for (const [type, linkname] of [
      ['symlink', '../real/layer.tar'],
      ['link', 'real/layer.tar'],
    ] as const) {
      const archive = pack()
      archive.entry(
        { name: 'manifest.json' },
        JSON.stringify([{ Config: 'c.json', Layers: ['l/layer.tar'] }]),
      )
      archive.entry({ name: './real/layer.tar' }, layer)
      archive.entry({ name: './l/layer.tar', type, linkname })
      archive.finalize()
      const { layouts } = await read(await bytesOf(archive))
      expect(layouts[0]?.layers[0]?.part).toBe('real/layer.tar')
    }
  })

  it('passes on the failure of the source', async () => {
    const archive = await savedOld()
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield archive.subarray(0, 2000)
      await Promise.resolve()
      throw new Error('gone')
    }
    const parts = archiveParts(broken())
    await expect(
      (async () => {
        for await (const part of parts) for await (const _ of part.bytes);
      })(),
    ).rejects.toThrow('gone')
  })
})
