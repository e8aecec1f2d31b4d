/** Every form in every place, made by other programs: see fixtures/leak-corpus. They have to be installed. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Place } from '../../src/leak/findings.js'
import { needlesFor } from '../../src/leak/needles.js'
import type { ScanPart } from '../../src/leak/scan.js'
import { document, layer, scanFor } from './support/scan.js'

/** One character of each kind that some form has to write differently. */
const VALUE = `tl-Q7"x&<\\é/+ p%9Zk$4'mWv8`
const OTHER = VALUE.replace('Q7', '7Q').replace('9Zk', 'k9Z').replace('mWv', 'vWm')

interface Planted {
  readonly file: string
  readonly place: string
  readonly kind: ScanPart['kind']
  /** By form, how the way to it begins. */
  readonly ways: Readonly<Record<string, string>>
}

const needles = needlesFor([{ name: 'TOKEN', value: Buffer.from(VALUE) }])

const wayOf = ({ path = '', inner = [] }: Place): string => [path, ...inner].join(' > ')

const folders: string[] = []

function corpus(value: string): {
  readonly planted: readonly Planted[]
  part: (planted: Planted) => ScanPart
} {
  const folder = mkdtempSync(join(tmpdir(), 'corpus-'))
  folders.push(folder)
  const script = resolve(import.meta.dirname, '../../fixtures/leak-corpus/build.py')
  execFileSync('python3', ['-B', script, folder], { input: value })
  const read = (name: string): Buffer => readFileSync(join(folder, name))
  return {
    planted: JSON.parse(read('index.json').toString()) as Planted[],
    part: ({ file, kind }) => (kind === 'layer' ? layer(read(file), 16_384) : document(read(file), 16_384)),
  }
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true })
})

describe('the corpus', () => {
  let withValue: ReturnType<typeof corpus>
  let withOther: ReturnType<typeof corpus>

  beforeAll(() => {
    withValue = corpus(VALUE)
    withOther = corpus(OTHER)
  }, 60_000)

  it('holds several hundred cases', () => {
    const cases = withValue.planted.flatMap(({ place, ways }) =>
      Object.keys(ways).map((form) => `${place} ${form}`),
    )
    expect(new Set(cases).size).toBe(cases.length)
    expect(cases.length).toBeGreaterThan(2000)
  })

  it('is found, every form in every place', async () => {
    const missed: string[] = []
    for (const planted of withValue.planted) {
      const { findings, unread } = await scanFor(withValue.part(planted), { needles })
      const found = findings.map(wayOf)
      for (const [form, way] of Object.entries(planted.ways)) {
        if (!found.some((place) => place.startsWith(way))) missed.push(`${form} in ${planted.place}`)
      }
      for (const row of unread) missed.push(`${row.why} in ${planted.place} ${wayOf(row)}`)
    }
    expect(missed).toEqual([])
  })

  it('gives no finding for another value', async () => {
    const found: string[] = []
    for (const planted of withOther.planted) {
      const { findings, unread } = await scanFor(withOther.part(planted), { needles })
      for (const finding of findings) found.push(`${finding.form} in ${planted.place} ${finding.path ?? ''}`)
      for (const row of unread) found.push(`${row.why} in ${planted.place} ${wayOf(row)}`)
    }
    expect(found).toEqual([])
  })
})
