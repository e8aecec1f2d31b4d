/** L7 for engines: what is left out, what is wanted apart, and for whom a verdict counts. */

import { describe, expect, it } from 'vitest'
import type { Report } from '../../src/builder/report.js'
import { scanImage } from '../../src/builder/scan-image.js'
import { archiveParts } from '../../src/docker/archive-parts.js'
import type { Digest, Engine, ImageFacts } from '../../src/docker/engine.js'
import { needlesFor } from '../../src/leak/needles.js'
import { verdictsInMemory, type VerdictStore } from '../../src/leak/verdicts.js'
import { SecretValue } from '../../src/secret.js'
import { tarOf } from '../leak/support/tar.js'
import { digestOf, imageArchive } from '../support/image-archives.js'

const LAYER = tarOf({ name: 'etc/x', content: 'nothing\n'.repeat(2000) })
const ARCHIVE = imageArchive('docker', { layers: [LAYER] })
const KEY = SecretValue.fromText('k'.repeat(32))

async function* bytes(): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Uint8Array.from(ARCHIVE))
}

/** Scans an engine that gives archives only, or standard input. Tells what the engine was asked for. */
async function scan(
  id: string | undefined,
  { store, names = ['A'] }: { store: VerdictStore; names?: readonly string[] },
): Promise<{ report: Report; asked: { skip: readonly string[]; apart: boolean } | undefined }> {
  let asked: { skip: readonly string[]; apart: boolean } | undefined
  const image = digestOf(Buffer.from('image')) as Digest
  const engine = {
    info: { id },
    inspect: async () => Promise.resolve({ id: image, layers: [digestOf(LAYER)] } as unknown as ImageFacts),
    parts: async (
      _images: readonly Digest[],
      { skip = new Set(), apart = false }: Parameters<Engine['parts']>[1],
    ) => {
      asked = { skip: [...skip], apart }
      return await Promise.resolve(archiveParts(bytes()))
    },
  } satisfies Record<keyof Pick<Engine, 'info' | 'inspect' | 'parts'>, unknown> as unknown as Engine
  const values = names.map((name) => ({ name, value: Buffer.from(`value-of-${name}`) }))
  using needles = needlesFor(values)
  const report = await scanImage(
    id === undefined
      ? { kind: 'stream', name: 'x', bytes: bytes() }
      : { kind: 'image', reference: 'app:1', engine: () => Promise.resolve(engine) },
    { needles, verdicts: { store, key: KEY, values } },
  )
  return { report, asked }
}

describe('L7: the layers of an engine', () => {
  it('are left out when they were proven, and wanted apart when only some values are new', async () => {
    const store = verdictsInMemory()
    const digest = digestOf(LAYER)
    expect((await scan('one', { store })).asked).toEqual({ skip: [], apart: false })
    expect((await scan('one', { store })).asked).toEqual({ skip: [digest], apart: true })
    expect((await scan('one', { store, names: ['A', 'B'] })).asked).toEqual({ skip: [], apart: true })
    expect((await scan('one', { store, names: ['B'] })).asked).toEqual({ skip: [digest], apart: true })
    expect((await scan('one', { store, names: ['C'] })).asked).toEqual({ skip: [], apart: false })
  })

  it('were proven for that engine, and not for another one or for archives', async () => {
    const store = verdictsInMemory()
    await scan('one', { store })
    expect((await scan('two', { store })).asked?.skip).toEqual([])
    const state = async (): Promise<unknown> => (await scan(undefined, { store })).report.layers[0]?.state
    expect(await state()).toBe('clean')
    expect(await state()).toBe('proven')
    expect((await scan('three', { store })).asked?.skip).toEqual([])
  })
})
