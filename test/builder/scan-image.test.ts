import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Ajv } from 'ajv'
import { pack, type Pack } from 'tar-stream'
import { dir } from 'tmp-promise'
import { describe, expect, it } from 'vitest'
import type { Report } from '../../src/builder/report.js'
import { sarifOf } from '../../src/builder/sarif.js'
import { scanImage, type ScanRequest } from '../../src/builder/scan-image.js'
import { reportLines } from '../../src/cli/report-text.js'
import { needlesFor } from '../../src/leak/needles.js'

const TOKEN = 'tr4celess-test-token'

async function tar(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const archive = pack()
  for (const [name, content] of Object.entries(files)) archive.entry({ name }, content)
  archive.finalize()
  return bytesOf(archive)
}

async function bytesOf(archive: Pack): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of archive as unknown as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function scan(bytes: Buffer, more: Partial<ScanRequest> = {}): Promise<Report> {
  const { path } = await dir({ unsafeCleanup: true })
  await writeFile(join(path, 'x.tar'), bytes)
  using needles = needlesFor([{ name: 'TOKEN', value: Buffer.from(TOKEN) }])
  return await scanImage({ kind: 'path', path: join(path, 'x.tar') }, { needles, ...more })
}

const schema = JSON.parse(
  readFileSync(resolve(import.meta.dirname, '../../schemas/report.schema.json'), 'utf8'),
) as object
const valid = new Ajv({ strictTypes: false, allowUnionTypes: true }).compile(schema)

function expectValid(report: Report): void {
  valid(JSON.parse(JSON.stringify(report)))
  expect(valid.errors ?? []).toEqual([])
}

describe('L4: the answer', () => {
  it('L1: finds a value in a header of a saved archive itself', async () => {
    const archive = pack()
    archive.entry({ name: 'blobs/sha256/x', pax: { comment: `c ${TOKEN}` } }, '{}')
    archive.entry({ name: 'index.json' }, JSON.stringify({ manifests: [] }))
    archive.finalize()
    const report = await scan(await bytesOf(archive))
    expect(report).toMatchObject({
      verdict: 'leak',
      findings: [{ where: 'document', path: 'blobs/sha256/x' }],
    })
    expectValid(report)
  })

  it('tells how far the reading of a file has come', async () => {
    const told: (readonly [number, number | undefined])[] = []
    const bytes = await tar({ 'etc/x': 'nothing' })
    await scan(bytes, { onProgress: (count, of) => told.push([count, of]) })
    expect(told.at(-1)).toEqual([bytes.length, bytes.length])
  })

  it('is clean for a tar without the value, and follows its schema', async () => {
    const report = await scan(await tar({ 'etc/x': 'nothing' }))
    expect(report).toMatchObject({ verdict: 'clean', findings: [], guarded: ['TOKEN'] })
    expectValid(report)
  })

  it('names secret, form, path, offset and count, and holds nothing of the value', async () => {
    const report = await scan(await tar({ 'etc/x': `a ${TOKEN} b ${TOKEN}` }))
    expect(report.verdict).toBe('leak')
    expect(report.findings).toMatchObject([
      { secret: 'TOKEN', form: 'raw', path: 'etc/x', where: 'content', offset: 2, count: 2, allowed: false },
    ])
    expectValid(report)
    const said = [
      JSON.stringify(report),
      JSON.stringify(sarifOf(report, '1')),
      ...reportLines(report, { color: false }),
    ].join('\n')
    for (const form of [
      TOKEN,
      Buffer.from(TOKEN).toString('base64').slice(0, 12),
      Buffer.from(TOKEN).toString('hex'),
    ]) {
      expect(said).not.toContain(form)
    }
  })

  it('holds nothing of a value that stands in a path', async () => {
    const report = await scan(await tar({ [`etc/${TOKEN}/x`]: 'nothing' }))
    expect(report.verdict).toBe('leak')
    expect(JSON.stringify(report)).not.toContain(TOKEN)
  })

  it('is not proven for an archive that ends too early', async () => {
    const archive = await tar({ 'etc/x': 'nothing '.repeat(500) })
    const report = await scan(archive.subarray(0, 2000))
    expect(report.verdict).toBe('not-proven')
    expectValid(report)
  })

  it('is not proven for a value that is too short, unless that is allowed', async () => {
    using needles = needlesFor([{ name: 'PIN', value: Buffer.from('1234') }])
    const bytes = await tar({ 'etc/x': 'nothing' })
    expect((await scan(bytes, { needles })).verdict).toBe('not-proven')
    expect((await scan(bytes, { needles, allowUnguarded: ['PIN'] })).verdict).toBe('clean')
  })

  it('shows what an allow rule accepts, and accepts nothing else', async () => {
    const bytes = await tar({ 'docs/example/x': TOKEN })
    const scanned = async (path: string): Promise<Report> =>
      scan(bytes, { allow: [{ secret: 'TOKEN', path }] })
    expect(await scanned('docs/')).toMatchObject({ verdict: 'clean', findings: [{ allowed: true }] })
    expect(await scanned('docs/example/x')).toMatchObject({ verdict: 'clean' })
    expect(await scanned('docs')).toMatchObject({ verdict: 'leak' })
    expect(await scanned('docs/example')).toMatchObject({ verdict: 'leak' })
    const other = await scan(bytes, { allow: [{ secret: 'OTHER', path: 'docs/' }] })
    expect(other.verdict).toBe('leak')
    expectValid(other)
  })
})

describe('SARIF', () => {
  it('has a result for each finding, with its place', async () => {
    const report = await scan(await tar({ 'etc/a b': TOKEN }))
    expect(sarifOf(report, '9.9.9')).toMatchObject({
      version: '2.1.0',
      runs: [
        {
          tool: { driver: { name: 'traceless', version: '9.9.9' } },
          results: [
            {
              ruleId: 'secret-in-image',
              level: 'error',
              locations: [
                { physicalLocation: { artifactLocation: { uri: 'etc/a%20b' }, region: { byteOffset: 0 } } },
              ],
            },
          ],
        },
      ],
    })
  })
})
