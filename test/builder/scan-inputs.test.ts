/** L6: every kind of input, packed in every way, is read to its end or said not to be. */

import { writeFile } from 'node:fs/promises'
import { describe, expect, it, vi } from 'vitest'
import type { Report } from '../../src/builder/report.js'
import { scanImage, type ScanSubject } from '../../src/builder/scan-image.js'
import { CHUNK_BYTES } from '../../src/bytes/file-chunks.js'
import { needlesFor } from '../../src/leak/needles.js'
import { tarOf } from '../leak/support/tar.js'
import { temporaryFolder } from '../support/folder.js'
import { openFiles } from '../support/open-files.js'
import { inPieces } from '../support/pieces.js'
import {
  imageArchive,
  imageMembers,
  packed,
  tarOfMembers,
  writeMembers,
  type ArchiveLayout,
  type Packing,
} from '../support/image-archives.js'

const TOKEN = 'tr4celess-test-token'
/** Incompressible, so that a cut anywhere in what is packed takes content away. */
const noise = Buffer.from(Array.from({ length: 6000 }, (_, at) => Math.imul(at + 1, 0x9e3779b1) >>> 24))
const LAYERS = [
  tarOf({ name: 'etc/one', content: noise }),
  tarOf({ name: 'etc/two', content: `${TOKEN}\n` }, { name: 'etc/three', content: noise }),
]
const LABELS = { quoted: `a "${TOKEN}"` }

const LAYOUTS: readonly ArchiveLayout[] = ['docker-old', 'docker', 'oci', 'skopeo', 'crane']
const WHOLE: readonly Packing[] = ['plain', 'gz', 'zst', 'xz', 'bz2']

const needles = needlesFor([{ name: 'TOKEN', value: Buffer.from(TOKEN) }])
const scan = (subject: ScanSubject): Promise<Report> => scanImage(subject, { needles })

/** The same bytes from a file and on standard input. The file is not left open, however the scan ends. */
async function scanBytes(bytes: Uint8Array): Promise<readonly Report[]> {
  await using folder = await temporaryFolder()
  const path = folder.file('archive')
  await writeFile(path, bytes)
  const reports = [
    await scan({ kind: 'path', path }),
    await scan({ kind: 'stream', name: 'standard input', bytes: inPieces(bytes, 1000) }),
  ]
  await vi.waitFor(() => expect(openFiles()).not.toContain(path))
  return reports
}

/** Findings but those in packed bytes: packers leave what does not repeat itself as it is. */
const content = ({ findings }: Report): Report['findings'] =>
  findings.filter(({ path }) => path !== 'bytes of the packed archive')

/** What a report has to say of the image above. */
function expectWhole(report: Report): void {
  expect(report.unread).toEqual([])
  expect(report.verdict).toBe('leak')
  expect(report.layers.map(({ state }) => state)).toEqual(['clean', 'leak'])
  const raw = content(report).filter(({ form }) => form === 'raw')
  expect(raw.filter(({ where }) => where === 'content')).toMatchObject([{ layer: 2, path: 'etc/two' }])
  // In a document the text is found as it is meant, which tells that the archive was understood.
  expect(raw.filter(({ where }) => where === 'document')).toMatchObject([{ path: 'config/Labels/quoted' }])
}

describe('L6: an archive of an image', () => {
  const kinds = LAYOUTS.flatMap((layout) =>
    (['plain', 'gz', 'zst'] as const).map((packing) => [layout, packing] as const),
  )
  it.for(kinds)('of layout %s with %s layers', async ([layout, packing]) => {
    const spec = { layers: LAYERS, packing, labels: LABELS }
    for (const report of await scanBytes(imageArchive(layout, spec))) expectWhole(report)
  })

  it.for(LAYOUTS.flatMap((layout) => WHOLE.map((packing) => [layout, packing] as const)))(
    'of layout %s, packed as a whole: %s',
    async ([layout, packing]) => {
      const archive = imageArchive(layout, { layers: LAYERS, labels: LABELS })
      for (const report of await scanBytes(packed(archive, packing))) expectWhole(report)
    },
  )

  it('whose members begin with ./, as `tar -C FOLDER .` writes them', async () => {
    for (const layout of LAYOUTS) {
      const members = imageMembers(layout, { layers: LAYERS, labels: LABELS })
      for (const report of await scanBytes(tarOfMembers(members, './'))) expectWhole(report)
    }
  })

  it('of several times the size in which a file is read', async () => {
    const large = Buffer.concat(Array.from({ length: 500 }, () => noise))
    const layers = [
      tarOf({ name: 'etc/one', content: large }),
      tarOf({ name: 'etc/one', content: large }, { name: 'etc/two', content: `${TOKEN}\n` }),
    ]
    expect(large.length).toBeGreaterThan(2 * CHUNK_BYTES)
    for (const layout of LAYOUTS)
      for (const report of await scanBytes(imageArchive(layout, { layers, labels: LABELS })))
        expectWhole(report)
  })

  it('in a folder', async () => {
    for (const packing of ['plain', 'gz', 'zst'] as const) {
      await using folder = await temporaryFolder()
      await writeMembers(folder.path, imageMembers('oci', { layers: LAYERS, packing, labels: LABELS }))
      expectWhole(await scan({ kind: 'path', path: folder.path }))
    }
  })

  it('with xz inside xz is said not to be read, and does not wait for itself', async () => {
    const inner = tarOf({
      name: 'etc/x.xz',
      content: packed(Buffer.from(`${'filler '.repeat(99)}${TOKEN}`), 'xz'),
    })
    const archive = imageArchive('oci', { layers: [inner] })
    expect((await scanBytes(archive)).map(({ verdict }) => verdict)).toEqual(['leak', 'leak'])
    for (const report of await scanBytes(packed(archive, 'xz'))) {
      expect(report.unread).toMatchObject([{ layer: 1, path: 'etc/x.xz' }])
      expect(report.verdict).toBe('not-proven')
    }
  })
})

describe('L6: a plain tar', () => {
  it.for(WHOLE)('packed as %s', async (packing) => {
    for (const report of await scanBytes(packed(LAYERS[1] ?? noise, packing))) {
      expect(report.unread).toEqual([])
      expect(content(report)).toMatchObject([{ path: 'etc/two', where: 'content', layer: null }])
    }
  })
})

describe('L1: the packed bytes of an archive', () => {
  /** A comment, as RFC 1952 has it (FCOMMENT), and a frame to be skipped, as RFC 8878 has it (3.1.2). */
  const SAYING: Readonly<Partial<Record<Packing, (bytes: Buffer, text: string) => Buffer>>> = {
    gz: (bytes, text) => {
      const head = Buffer.from(bytes.subarray(0, 10))
      head[3] = 0x10
      return Buffer.concat([head, Buffer.from(`${text}\0`), bytes.subarray(10)])
    },
    zst: (bytes, text) => {
      const head = Buffer.alloc(8)
      head.writeUInt32LE(0x184d2a50)
      head.writeUInt32LE(text.length, 4)
      return Buffer.concat([bytes, head, Buffer.from(text)])
    },
  }
  const clean = imageArchive('docker', { layers: [tarOf({ name: 'etc/one', content: noise })] })

  it.for(['gz', 'zst'] as const)('are searched as they are: %s', async (packing) => {
    const saying = (text: string): Promise<readonly Report[]> =>
      scanBytes(SAYING[packing]?.(packed(clean, packing), text) ?? clean)
    for (const report of await saying('nothing'))
      expect(report).toMatchObject({ verdict: 'clean', findings: [] })
    for (const text of [TOKEN, Buffer.from(TOKEN).toString('base64')])
      for (const report of await saying(`a comment: ${text}`))
        expect(report).toMatchObject({
          verdict: 'leak',
          findings: [{ secret: 'TOKEN', layer: null, path: 'bytes of the packed archive' }],
        })
  })
})

describe('L5: an archive that is not whole', () => {
  const spec = { layers: [tarOf({ name: 'etc/one', content: noise })] }
  const cases = [
    ...LAYOUTS.map((layout) => [layout, 'plain', 'plain'] as const),
    ...WHOLE.map((packing) => ['docker', 'plain', packing] as const),
    ['oci', 'gz', 'plain'],
    ['oci', 'zst', 'plain'],
  ] as const

  it.for(cases)(
    '%s, layers %s, packed as %s: is never clean when it ends too early',
    async ([layout, layers, packing]) => {
      const whole = packed(imageArchive(layout, { ...spec, packing: layers }), packing)
      expect((await scanBytes(whole)).map(({ verdict }) => verdict)).toEqual(['clean', 'clean'])
      // A tar may end without its blocks of zeros, and an image is there without the version of its layout.
      const last = ['docker', 'oci'].includes(layout) ? whole.lastIndexOf('oci-layout') : whole.length - 1024
      const end = packing === 'plain' ? last : whole.length
      for (let part = 1; part < 10; part += 1) {
        const cut = whole.subarray(0, Math.floor((end * part) / 10))
        for (const { verdict, unread } of await scanBytes(cut)) {
          expect(verdict, `cut at ${String(cut.length)}`).toBe('not-proven')
          expect(unread).not.toEqual([])
        }
      }
      for (const { verdict } of await scanBytes(whole.subarray(0, end - 1)))
        expect(verdict).toBe('not-proven')
    },
  )

  it.for(cases)(
    '%s, layers %s, packed as %s: is never clean when a byte of its layer is another',
    async ([layout, layers, packing]) => {
      const archive = imageArchive(layout, { ...spec, packing: layers })
      const layer = packed(spec.layers[0] ?? noise, layers)
      const at = packing === 'plain' ? archive.indexOf(layer) + Math.floor(layer.length / 2) : undefined
      const whole = packed(archive, packing)
      const changed = Buffer.from(whole)
      const place = at ?? Math.floor(whole.length / 2)
      changed.writeUInt8((changed[place] ?? 0) ^ 0x55, place)
      for (const { verdict, unread } of await scanBytes(changed)) {
        expect(verdict).toBe('not-proven')
        expect(unread).not.toEqual([])
      }
    },
  )

  it.for([
    ['gz', 'It is damaged, or is not what its first bytes say.'],
    ['zst', 'Data follows its end.'],
    ['xz', 'It is damaged, or is not what its first bytes say.'],
    ['bz2', 'Data follows its end.'],
  ] as const)('says what follows the end of what is packed as %s', async ([packing, why]) => {
    const archive = Buffer.concat([packed(imageArchive('docker', spec), packing), Buffer.from('more of it')])
    for (const { verdict, unread } of await scanBytes(archive)) {
      expect(verdict).toBe('not-proven')
      expect(unread).toContainEqual(expect.objectContaining({ why }))
    }
  })

  it('says that one is packed in a way that is not opened', async () => {
    const sevenZip = Buffer.concat([Buffer.from('377abcaf271c0004', 'hex'), noise])
    for (const { verdict, unread } of await scanBytes(sevenZip)) {
      expect(verdict).toBe('not-proven')
      expect(unread).not.toEqual([])
    }
  })

  it('masks values and controls in what it says of members', async () => {
    const list = [{ Config: `${TOKEN}.json`, Layers: [`\u001b[2J${TOKEN}/layer.tar`] }]
    const archive = tarOf({ name: 'manifest.json', content: JSON.stringify(list) })
    for (const report of await scanBytes(archive)) {
      const said = report.unread.map(({ why }) => why).join('\n')
      expect(said).toContain('the configuration ***.json is missing')
      expect(said).toContain('\\u{1b}[2J***/layer.tar is missing')
      expect(JSON.stringify(report)).not.toContain(TOKEN)
    }
  })

  it('believes nothing to be a digest that is none', async () => {
    const archive = imageArchive('docker', { ...spec, diffIds: [TOKEN] })
    for (const report of await scanBytes(archive)) {
      expect(report.verdict).toBe('leak')
      expect(report.unread).toMatchObject([{ why: 'Its bytes are not those that the image names.' }])
      expect(JSON.stringify(report)).not.toContain(TOKEN)
    }
  })
})
