/** L7 for archives: what is left out of the search was hashed, and nothing else is left out. */

import { writeFile } from 'node:fs/promises'
import { describe, expect, it, vi } from 'vitest'
import { knownArchive } from '../../src/builder/known-archive.js'
import { prove } from '../../src/builder/prove.js'
import type { Report } from '../../src/builder/report.js'
import { scanImage, type ScanSubject } from '../../src/builder/scan-image.js'
import { archiveParts } from '../../src/docker/archive-parts.js'
import type { Digest } from '../../src/docker/engine.js'
import { needlesFor, type Guarded } from '../../src/leak/needles.js'
import { verdictsInMemory, type VerdictStore } from '../../src/leak/verdicts.js'
import { SecretValue } from '../../src/secret.js'
import { tarOf } from '../leak/support/tar.js'
import { temporaryFolder } from '../support/folder.js'
import { inPieces } from '../support/pieces.js'
import {
  digestOf,
  imageArchive,
  imageMembers,
  packed,
  tarOfMembers,
  writeMembers,
  type ArchiveLayout,
  type ImageSpec,
  type Packing,
} from '../support/image-archives.js'

const TOKEN = 'tr4celess-test-token'
const A: Guarded = { name: 'A', value: Buffer.from(TOKEN) }
const B: Guarded = { name: 'B', value: Buffer.from('another-test-token') }
const KEY = SecretValue.fromText('k'.repeat(32))

const filler = 'nothing of interest\n'.repeat(5000)
const CLEAN: ImageSpec = {
  layers: [tarOf({ name: 'etc/one', content: filler }), tarOf({ name: 'etc/two', content: filler })],
}

interface Scanned {
  readonly report: Report
  /** Sets of names that a part was searched for alone. */
  readonly apart: readonly (readonly string[])[]
}

async function scan(
  subject: ScanSubject,
  { store, values = [A], key = KEY }: { store: VerdictStore; values?: readonly Guarded[]; key?: SecretValue },
): Promise<Scanned> {
  using needles = needlesFor(values)
  const only = vi.spyOn(needles, 'only')
  const report = await scanImage(subject, { needles, verdicts: { store, key, values } })
  return { report, apart: only.mock.calls.map(([names]) => [...names]) }
}

const stream = (bytes: Uint8Array): ScanSubject => ({
  kind: 'stream',
  name: 'x',
  bytes: inPieces(bytes, 70_000),
})

/** The archive in a file. */
async function inFile<T>(bytes: Uint8Array, use: (subject: ScanSubject) => Promise<T>): Promise<T> {
  await using folder = await temporaryFolder()
  await writeFile(folder.file('x.tar'), bytes)
  return await use({ kind: 'path', path: folder.file('x.tar') })
}

const states = ({ layers }: Report): readonly string[] => layers.map(({ state }) => state)
const whys = ({ unread }: Report): readonly string[] => unread.map(({ why }) => why)
const OTHER = 'Its bytes are not those that the image names.'

describe('L7: an archive in a file', () => {
  const all: readonly (readonly [ArchiveLayout, Packing])[] = [
    ['docker-old', 'plain'],
    ['docker', 'plain'],
    ['docker', 'gz'],
    ['oci', 'plain'],
    ['oci', 'gz'],
    ['oci', 'zst'],
    ['skopeo', 'plain'],
  ]
  it.for(all)('of layout %s with %s layers is searched once for each value', async ([layout, packing]) => {
    const store = verdictsInMemory()
    await inFile(imageArchive(layout, { ...CLEAN, packing }), async (subject) => {
      const first = await scan(subject, { store })
      expect(first.report.verdict).toBe('clean')
      expect(states(first.report)).toEqual(['clean', 'clean'])
      expect(first.report.bytes).toBeGreaterThan(200_000)

      const again = await scan(subject, { store })
      expect(again.report.verdict).toBe('clean')
      expect(states(again.report)).toEqual(['proven', 'proven'])
      expect(again.report.layers.map(({ step }) => step)).toEqual(first.report.layers.map(({ step }) => step))
      // The documents, and the headers of the archive.
      expect(again.report.bytes).toBeLessThan(20_000)

      const more = await scan(subject, { store, values: [A, B] })
      expect(states(more.report)).toEqual(['clean', 'clean'])
      expect(more.apart).toEqual([['B']])
      expect(states((await scan(subject, { store, values: [B, A] })).report)).toEqual(['proven', 'proven'])
    })
  })

  it('is searched again with another key, which is another store', async () => {
    const store = verdictsInMemory()
    await inFile(imageArchive('oci', CLEAN), async (subject) => {
      await scan(subject, { store })
      const other = await scan(subject, { store, key: SecretValue.fromText('l'.repeat(32)) })
      expect(states(other.report)).toEqual(['clean', 'clean'])
    })
  })

  it('is known from a folder and from standard input, too, where its layers stand under their own digests', async () => {
    const store = verdictsInMemory()
    await inFile(imageArchive('docker', CLEAN), (subject) => scan(subject, { store }))
    expect(states((await scan(stream(imageArchive('oci', CLEAN)), { store })).report)).toEqual([
      'proven',
      'proven',
    ])
    await using folder = await temporaryFolder()
    await writeMembers(folder.path, imageMembers('oci', CLEAN))
    expect(states((await scan({ kind: 'path', path: folder.path }, { store })).report)).toEqual([
      'proven',
      'proven',
    ])
  })

  it('is searched on standard input where nothing says beforehand what its layers are', async () => {
    const store = verdictsInMemory()
    for (const [layout, packing] of [
      ['docker-old', 'plain'],
      ['oci', 'gz'],
    ] as const) {
      const archive = imageArchive(layout, { ...CLEAN, packing })
      for (let round = 0; round < 2; round += 1)
        expect(states((await scan(stream(archive), { store })).report)).toEqual(['clean', 'clean'])
    }
  })

  it('has nothing kept of a plain tar, which nothing names', async () => {
    const store = verdictsInMemory()
    const add = vi.spyOn(store, 'add')
    await inFile(tarOf({ name: 'etc/x', content: filler }), async (subject) => {
      expect((await scan(subject, { store })).report.verdict).toBe('clean')
      expect((await scan(subject, { store })).report.bytes).toBeGreaterThan(90_000)
    })
    expect(add).not.toHaveBeenCalled()
  })
})

describe('L7: what is kept counts for nothing else', () => {
  const LEAKY = tarOf({ name: 'etc/one', content: `${filler}${TOKEN}` })

  it.for(['docker-old', 'docker', 'oci', 'skopeo'] as const)(
    'other bytes under the name of a proven layer are not proven (%s)',
    async (layout) => {
      const store = verdictsInMemory()
      const members = imageMembers(layout, CLEAN)
      await inFile(tarOfMembers(members), (subject) => scan(subject, { store }))
      const changed = new Map(
        [...members].map(([name, bytes]) => [
          name,
          bytes === CLEAN.layers[0] || Buffer.from(bytes).equals(CLEAN.layers[0] ?? LEAKY) ? LEAKY : bytes,
        ]),
      )
      const { report } = await inFile(tarOfMembers(changed), (subject) => scan(subject, { store }))
      expect(report.verdict).toBe('not-proven')
      expect(whys(report)).toEqual([OTHER])
      expect([...states(report)].sort()).toEqual(['proven', 'unread'])
      // Nothing was kept of it either.
      const once = await inFile(tarOfMembers(changed), (subject) =>
        scan(subject, { store: verdictsInMemory() }),
      )
      expect(once.report.verdict).toBe('leak')
    },
  )

  it('packed bytes that were proven do not stand for another content', async () => {
    const store = verdictsInMemory()
    await inFile(imageArchive('oci', { ...CLEAN, packing: 'gz' }), (subject) => scan(subject, { store }))
    const diffIds = [digestOf(LEAKY), digestOf(CLEAN.layers[1] ?? LEAKY)]
    const lying = imageArchive('oci', { ...CLEAN, packing: 'gz', diffIds })
    for (let round = 0; round < 2; round += 1) {
      const { report } = await inFile(lying, (subject) => scan(subject, { store }))
      expect(report.verdict).toBe('not-proven')
      expect(whys(report)).toEqual([OTHER])
      expect(states(report)).toEqual(['unread', 'proven'])
    }
  })

  it('bytes under a name that is not theirs leave nothing behind that counts for the ones with that name', async () => {
    const store = verdictsInMemory()
    const [clean = LEAKY] = CLEAN.layers
    const named = (bytes: Uint8Array): Buffer => {
      const members = imageMembers('oci', { layers: [LEAKY], packing: 'gz', diffIds: [digestOf(clean)] })
      const name = `blobs/sha256/${digestOf(packed(LEAKY, 'gz')).slice(7)}`
      expect(members.has(name)).toBe(true)
      return tarOfMembers(new Map([...members, [name, bytes]]))
    }
    await inFile(named(packed(clean, 'gz')), async (subject) => {
      expect(states((await scan(subject, { store })).report)).toEqual(['clean'])
      expect(states((await scan(subject, { store })).report)).toEqual(['clean'])
    })
    const { report } = await inFile(named(packed(LEAKY, 'gz')), (subject) => scan(subject, { store }))
    expect(report.verdict).toBe('leak')
  })

  it('what is left out has to be what the image names in the end, whatever was claimed before', async () => {
    const store = verdictsInMemory()
    const values = [A]
    using needles = needlesFor(values)
    const [clean = LEAKY] = CLEAN.layers
    const spec: ImageSpec = { layers: [clean], packing: 'gz' }
    await inFile(imageArchive('oci', spec), (subject) => scan(subject, { store }))
    const name = `blobs/sha256/${digestOf(packed(clean, 'gz')).slice(7)}`
    const claims = new Map([[name, digestOf(clean) as Digest]])
    const proven = async (bytes: Uint8Array): Promise<Report> =>
      prove({
        image: 'x',
        ...knownArchive(archiveParts(inPieces(bytes, 70_000)), {
          kept: { store, key: KEY, values },
          needles,
          claims,
        }),
        expected: new Map(),
        baseLayers: new Set(),
        needles,
        unguarded: [],
        mustGuard: new Set(),
        allow: [],
        doubts: [],
        strict: true,
        signal: new AbortController().signal,
      })
    expect(states(await proven(imageArchive('oci', spec)))).toEqual(['proven'])
    const changed = await proven(imageArchive('oci', { ...spec, diffIds: [digestOf(LEAKY)] }))
    expect(changed.verdict).toBe('not-proven')
    expect(whys(changed)).toEqual([OTHER])
  })

  it('a member that stands there twice is searched', async () => {
    const store = verdictsInMemory()
    const members = [...imageMembers('oci', CLEAN)]
    await inFile(tarOfMembers(new Map(members)), (subject) => scan(subject, { store }))
    const name = `blobs/sha256/${digestOf(CLEAN.layers[0] ?? LEAKY).slice(7)}`
    const twice = Buffer.concat([
      tarOfMembers(new Map(members)).subarray(0, -1024),
      tarOf({ name, content: LEAKY }),
    ])
    // The first of the two is known; where only another value is new, the second is searched for both all the same.
    for (const values of [[A], [A, B]]) {
      const { report } = await inFile(twice, (subject) => scan(subject, { store, values }))
      expect(report.verdict).toBe('leak')
      expect(report.findings[0]).toMatchObject({ layer: 1, path: 'etc/one' })
    }
  })

  it('a blob that no image names is searched, or said not to be what its name says', async () => {
    const store = verdictsInMemory()
    const [clean = LEAKY, other = LEAKY] = CLEAN.layers
    await inFile(imageArchive('oci', CLEAN), (subject) => scan(subject, { store }))
    const name = `blobs/sha256/${digestOf(clean).slice(7)}`
    const alone = imageMembers('oci', { layers: [other] })
    for (const values of [[A], [A, B], [B]]) {
      for (const subject of [stream, undefined]) {
        const archive = tarOfMembers(new Map([...alone, [name, LEAKY]]))
        const { report } = subject
          ? await scan(subject(archive), { store, values })
          : await inFile(archive, (file) => scan(file, { store, values }))
        // B is not in it, and nothing was known of B.
        if (values.length === 1 && values[0] === B) expect(report.verdict).toBe('clean')
        else {
          expect(report.verdict).toBe('not-proven')
          expect(whys(report)).toEqual([`${name} is not what its name says`])
        }
      }
    }
    const { report } = await scan(stream(tarOfMembers(new Map([...alone, [name, clean]]))), { store })
    expect(report.verdict).toBe('clean')
  })

  it('a leak, something unread and an accepted finding stay what they are', async () => {
    const store = verdictsInMemory()
    const broken = tarOf({ name: 'x.gz', content: Buffer.from('1f8b0800', 'hex') })
    const layers = [LEAKY, broken, CLEAN.layers[1] ?? LEAKY]
    await inFile(imageArchive('oci', { layers }), async (subject) => {
      for (const expected of ['clean', 'proven']) {
        const { report } = await scan(subject, { store })
        expect(states(report)).toEqual(['leak', 'unread', expected])
        expect(report.verdict).toBe('leak')
      }
      using needles = needlesFor([A])
      const verdicts = { store, key: KEY, values: [A] }
      const allow = [{ secret: 'A', path: 'etc/one' }]
      for (let round = 0; round < 2; round += 1) {
        const report = await scanImage(subject, { needles, verdicts, allow })
        expect(report.findings).toMatchObject([{ allowed: true, layer: 1 }])
      }
    })
  })

  it('configuration, history and names are read each time', async () => {
    const store = verdictsInMemory()
    await inFile(imageArchive('oci', CLEAN), (subject) => scan(subject, { store }))
    const labelled = imageArchive('oci', { ...CLEAN, labels: { it: TOKEN } })
    const { report } = await inFile(labelled, (subject) => scan(subject, { store }))
    expect(states(report)).toEqual(['proven', 'proven'])
    expect(report.findings).toMatchObject([{ where: 'document', path: 'config/Labels/it' }])
  })

  it('an archive that ends too early is not proven, whatever is known of it', async () => {
    const store = verdictsInMemory()
    const archive = imageArchive('docker-old', CLEAN)
    await inFile(archive, (subject) => scan(subject, { store }))
    for (const end of [150_000, 50_000, archive.length - 2000]) {
      const { report } = await inFile(archive.subarray(0, end), (subject) => scan(subject, { store }))
      expect(report.verdict, `cut at ${String(end)}`).toBe('not-proven')
    }
  })

  it('nothing is kept or left out where nothing is searched for', async () => {
    const store = verdictsInMemory()
    const { report } = await scan(stream(imageArchive('oci', CLEAN)), { store, values: [] })
    expect(states(report)).toEqual(['clean', 'clean'])
  })
})
