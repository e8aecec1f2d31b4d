/** L4: the report as a person reads it. */

import { describe, expect, it } from 'vitest'
import type { Report, ReportLayer } from '../../src/builder/report.js'
import { reportLines } from '../../src/cli/report-text.js'
import { tarOf } from '../leak/support/tar.js'
import { imageArchive } from '../support/image-archives.js'
import { openShell } from './support.js'

const layer: ReportLayer = {
  stage: null,
  layer: 1,
  digest: `sha256:${'a'.repeat(64)}`,
  step: `RUN /bin/sh -c ${'make all && '.repeat(30)}true # buildkit`,
  bytes: 287_000_000,
  origin: 'built',
  state: 'clean',
}
const report: Report = {
  version: 1,
  verdict: 'clean',
  image: 'app:1',
  reasons: [],
  findings: [],
  unread: [],
  opaque: [],
  layers: [layer, { ...layer, layer: 2, state: 'proven' }, { ...layer, layer: 12, state: 'leak' }],
  steps: [],
  guarded: ['A'],
  tooShort: [],
  unguarded: [],
  allow: [],
  bytes: 1000,
  durationMs: 1500,
}

describe('L4: the report on a terminal', () => {
  it('has a line for each layer, as wide as the terminal', () => {
    for (const columns of [80, 200]) {
      const lines = reportLines(report, { color: false, columns }).filter((line) => line.includes('make all'))
      expect(lines.map(({ length }) => length)).toEqual([columns, columns, columns])
    }
    expect(reportLines(report, { color: false, columns: 10 }).join('\n')).toContain('RUN make all')
  })

  it('says how many layers were proven before', () => {
    expect(reportLines(report, { color: false })).toContain(
      '  not searched again: 1 layer, proven before for all of these',
    )
    const none = reportLines({ ...report, layers: [layer] }, { color: false })
    expect(none.join('\n')).not.toContain('again')
  })

  it('lists some of very many names', () => {
    const guarded = Array.from({ length: 200 }, (_, at) => `NAME_${String(at)}`)
    const text = reportLines({ ...report, guarded }, { color: false }).join('\n')
    expect(text).toContain('NAME_11 and 188 more (--json lists them)')
    expect(text).not.toContain('NAME_12')
  })

  it('shows no control characters that whoever made the image put there', () => {
    const evil = '\u001b]0;title\u0007\u001b[2J\r\u202e\u0085'
    const place = { stage: null, layer: 1, path: null, inner: [], inherited: false }
    const lines = reportLines(
      {
        ...report,
        image: `app${evil}`,
        reasons: [evil],
        layers: [{ ...layer, step: `RUN ${evil}` }],
        unread: [{ ...place, why: evil }],
        allow: [{ secret: 'A', path: evil }],
        commits: [{ name: evil, url: evil, commit: evil }],
        steps: [{ step: evil, state: 'ran', why: 'first', secrets: [] }],
      },
      { color: false, columns: 200 },
    )
    expect(lines.filter((line) => /[\p{Cc}\p{Bidi_Control}]/u.test(line))).toEqual([])
    expect(lines.join('\n')).toContain('\\u{1b}[2J')
  })
})

describe('L4: scan on a terminal', () => {
  const archive = imageArchive('docker', { layers: [tarOf({ name: 'etc/x', content: 'nothing' })] })

  it('takes its line of progress away before the report', async () => {
    await using shell = await openShell()
    const words = [
      'scan',
      await shell.file('x.tar', archive),
      '--dotenv',
      await shell.file('s', 'A=canary-01\n'),
    ]
    const shown = await shell.run(words, { terminal: 80 })
    expect(shown.status).toBe(0)
    expect(shown.err).toContain('… searching ')
    expect(shown.err.endsWith('\r\u001b[2K')).toBe(true)
    expect(shown.out).toContain('\u001b[32m')
    const plain = await shell.run(words)
    expect(plain).toMatchObject({ status: 0, err: '' })
    expect(plain.out).not.toContain('\u001b')
  })

  it('has no colours where they are not wanted, and a program gets none of it', async () => {
    await using shell = await openShell()
    const words = [
      'scan',
      await shell.file('x.tar', archive),
      '--dotenv',
      await shell.file('s', 'A=canary-01\n'),
    ]
    for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) {
      const { out, err } = await shell.run(words, { terminal: 80, env })
      expect(out).toContain('verdict: clean')
      expect(`${out}${err}`).not.toMatch(/\u001b\[\d*m/)
    }
    const { err, out } = await shell.run([...words, '--json'], { terminal: 80 })
    expect(err).toBe('')
    expect(JSON.parse(out)).toMatchObject({ verdict: 'clean' })
  })
})
