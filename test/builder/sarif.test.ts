/** L4: SARIF output against the schema of SARIF 2.1.0, which `@microsoft/jest-sarif` carries. */

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Ajv } from 'ajv'
import { describe, expect, it } from 'vitest'
import type { Report, ReportFinding } from '../../src/builder/report.js'
import { sarifOf } from '../../src/builder/sarif.js'

const require = createRequire(import.meta.url)
const schema = JSON.parse(
  readFileSync(require.resolve('@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json'), 'utf8'),
) as Record<string, unknown>
// Its names for itself are those of draft 04; it uses nothing else that later drafts have in another way.
delete schema['$schema']
delete schema['id']

const ajv = new Ajv({
  strict: false,
  allErrors: true,
  // Patterns of the schema are no valid ones with the flag `u`.
  unicodeRegExp: false,
  formats: {
    uri: (text: string) => URL.canParse(text),
    'uri-reference': (text: string) =>
      /^[\w\-.~:/?#[\]@!$&'()*+,;=%]*$/.test(text) && !/%(?![\da-f]{2})/i.test(text),
    'date-time': true,
  },
})
const valid = ajv.compile(schema)

const errorsOf = (log: unknown): readonly unknown[] => {
  valid(JSON.parse(JSON.stringify(log)))
  return valid.errors ?? []
}

const finding: ReportFinding = {
  secret: 'TOKEN',
  form: 'raw',
  stage: null,
  layer: 2,
  step: 'RUN make',
  path: 'etc/x',
  inner: [],
  where: 'content',
  offset: 7,
  count: 2,
  inherited: false,
  allowed: false,
}

const report: Report = {
  version: 1,
  verdict: 'leak',
  image: 'app:1',
  reasons: ['The value of TOKEN stands in what was searched.'],
  findings: [],
  unread: [],
  opaque: [{ kind: 'png', count: 1, bytes: 2 }],
  layers: [],
  steps: [],
  guarded: ['TOKEN'],
  tooShort: [],
  unguarded: [],
  allow: [],
  bytes: 1,
  durationMs: 1,
}

const PATHS = ['etc/a b', 'a:b/c', '//x', '100%', '?#[]', 'é/\\u{1b}[0m', '', '***', 'etc/ﬁ\u{1f600}']

describe('SARIF 2.1.0', () => {
  it('is what the schema says, for every kind of finding and place', () => {
    const findings = [
      finding,
      { ...finding, stage: 'stage-0', layer: 1, inherited: true },
      { ...finding, allowed: true, inner: ['member', 'deeper/one'] },
      { ...finding, path: null, layer: null, where: 'document', offset: 0 },
      ...PATHS.map((path) => ({ ...finding, path, inner: [path] })),
    ]
    const unread = findings.map(({ stage, layer, path, inner, inherited }) => ({
      stage,
      layer,
      path,
      inner,
      why: 'It is damaged.',
      inherited,
    }))
    expect(errorsOf(sarifOf({ ...report, findings, unread }, '1.2.3'))).toEqual([])
  })

  it('is what the schema says where nothing was found', () => {
    const empty: Report = { ...report, verdict: 'clean', reasons: [] }
    expect(errorsOf(sarifOf(empty, '1.2.3'))).toEqual([])
  })

  it('would not be with another level, version or property', () => {
    const log = sarifOf({ ...report, findings: [finding] }, '1') as { runs: { results: object[] }[] }
    const [run] = log.runs
    expect(errorsOf({ ...log, version: '2.0.0' })).not.toEqual([])
    expect(
      errorsOf({ ...log, runs: [{ ...run, results: [{ ...run?.results[0], level: 'bad' }] }] }),
    ).not.toEqual([])
    expect(errorsOf({ ...log, more: 1 })).not.toEqual([])
    const uri = { physicalLocation: { artifactLocation: { uri: 'a b' } } }
    expect(
      errorsOf({ ...log, runs: [{ ...run, results: [{ ...run?.results[0], locations: [uri] }] }] }),
    ).not.toEqual([])
  })
})
