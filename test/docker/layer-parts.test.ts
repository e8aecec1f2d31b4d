/** Layers of an engine that keeps each one as a folder: against a double of the engine, which packs what it is asked for. */

import type Docker from 'dockerode'
import { describe, expect, it } from 'vitest'
import { prove } from '../../src/builder/prove.js'
import type { Report } from '../../src/builder/report.js'
import type { Digest } from '../../src/docker/engine.js'
import { layerParts } from '../../src/docker/layer-parts.js'
import { needlesFor } from '../../src/leak/needles.js'
import { tarOf, type TarSpec } from '../leak/support/tar.js'
import { inPieces } from '../support/pieces.js'

const TOKEN = 'tr4celess-test-token'
const IMAGE: Digest = 'sha256:image'
const LAYERS: readonly Digest[] = ['sha256:one', 'sha256:two', 'sha256:three']

interface Double {
  readonly docker: Docker
  /** Paths that were packed. */
  readonly packed: readonly string[]
  readonly removed: () => number
}

/** An engine with an image of three layers. @param tars - what it packs, by path. */
function engine(tars: Readonly<Record<string, Uint8Array>>, driver = 'overlay2'): Double {
  const packed: string[] = []
  let removed = 0
  const container = {
    getArchive: ({ path }: { path: string }) => {
      packed.push(path)
      return Promise.resolve(inPieces(tars[path] ?? new Uint8Array(0), 700))
    },
    remove: () => Promise.resolve((removed += 1)),
  }
  const image = {
    inspect: () =>
      Promise.resolve({
        RootFS: { Layers: LAYERS },
        GraphDriver: { Name: driver, Data: { UpperDir: '/three', LowerDir: '/two:/one' } },
      }),
    history: () => Promise.resolve([]),
  }
  const docker = { getImage: () => image, createContainer: () => Promise.resolve(container) }
  return { docker: docker as unknown as Docker, packed, removed: () => removed }
}

const folder = (name: string): TarSpec => ({ name: `./${name}/`, type: '5' })

async function proven({ docker }: Double, skip: readonly Digest[] = []): Promise<Report> {
  const signal = new AbortController().signal
  const parts = await layerParts(docker, [IMAGE], { skip: new Set(skip), signal })
  if (parts === null) throw new Error('the double keeps its layers as folders')
  return await prove({
    image: IMAGE,
    parts,
    expected: new Map([[IMAGE, null]]),
    baseLayers: new Set(),
    needles: needlesFor([{ name: 'TOKEN', value: Buffer.from(TOKEN) }]),
    unguarded: [],
    mustGuard: new Set(['TOKEN']),
    allow: [{ secret: 'TOKEN', path: 'etc/allowed' }],
    doubts: [],
    strict: true,
    signal,
  })
}

const states = ({ layers }: Report): readonly string[] => layers.map(({ state }) => state)

describe('layerParts', () => {
  const all = tarOf(
    folder('000'),
    { name: './000/etc/one', content: 'nothing' },
    folder('001'),
    { name: './001/etc/two', content: `a ${TOKEN}` },
    { name: './001/etc/allowed', content: TOKEN },
    folder('002'),
  )

  it('has all layers packed in one answer, and names files as they are in the image', async () => {
    const double = engine({ '/traceless-layers/.': all })
    const report = await proven(double)
    expect(double.packed).toEqual(['/traceless-layers/.'])
    expect(double.removed()).toBe(1)
    expect(states(report)).toEqual(['clean', 'leak', 'clean'])
    expect(report.findings).toMatchObject([
      { layer: 2, path: 'etc/two', where: 'content', offset: 2, allowed: false },
      { layer: 2, path: 'etc/allowed', allowed: true },
    ])
    expect(JSON.stringify(report)).not.toContain('001/')
  })

  it('does not read what is to be left out', async () => {
    const double = engine({
      '/traceless-layers/.': tarOf(folder('000'), { name: './000/x', content: TOKEN }),
    })
    const report = await proven(double, LAYERS.slice(0, 2))
    expect(report.findings).toMatchObject([{ layer: 3, path: 'x' }])
  })

  it('does not call a layer clean that the engine did not pack', async () => {
    const report = await proven(engine({ '/traceless-layers/.': tarOf(folder('000'), folder('001')) }))
    expect(report.verdict).toBe('not-proven')
    expect(states(report)).toEqual(['clean', 'clean', 'unread'])
  })

  it('does not call a layer clean whose tar is damaged or ends too early', async () => {
    for (const bytes of [
      all.subarray(0, all.indexOf('./001/etc/two') + 300),
      Buffer.from(all).fill(1, 3072, 3584),
    ]) {
      const report = await proven(engine({ '/traceless-layers/.': bytes }))
      expect(report.unread).not.toEqual([])
      expect(report.verdict).not.toBe('clean')
    }
  })

  it('reads a layer by itself that shares a file with another by a hard link', async () => {
    const content = `shared ${TOKEN}`
    const double = engine({
      '/traceless-layers/.': tarOf(
        folder('000'),
        { name: './000/shared', content },
        folder('001'),
        { name: './001/shared', type: '1', link: './000/shared' },
        folder('002'),
      ),
      '/traceless-layers/001': tarOf({ name: '001/', type: '5' }, { name: '001/shared', content }),
    })
    const report = await proven(double)
    expect(double.packed).toEqual(['/traceless-layers/.', '/traceless-layers/001'])
    expect(states(report)).toEqual(['leak', 'leak', 'clean'])
    expect(report.findings.map(({ layer, path }) => [layer, path])).toEqual([
      [1, 'shared'],
      [2, 'shared'],
    ])
  })

  it('leaves it to an archive where layers are no folders', async () => {
    const { docker } = engine({}, 'zfs')
    const signal = new AbortController().signal
    expect(await layerParts(docker, [IMAGE], { skip: new Set(), signal })).toBeNull()
  })
})
