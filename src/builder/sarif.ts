/**
 * A report as SARIF 2.1.0, the format that code hosts and security dashboards
 * read: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
 *
 * @packageDocumentation
 */

import type { Report, ReportFinding, ReportUnread } from './report.js'

/** Kinds of results. */
const RULES = [
  { id: 'secret-in-image', text: 'The value of a secret stands in the image.' },
  { id: 'unread', text: 'A part of the image could not be searched.' },
] as const

/** A SARIF log with one run. Inherited and allowed findings are suppressed, not left out. */
export function sarifOf(report: Report, toolVersion: string): object {
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'traceless',
            version: toolVersion,
            rules: RULES.map(({ id, text }) => ({ id, shortDescription: { text } })),
          },
        },
        results: [
          ...report.findings.map((finding) => findingResult(finding, report.image)),
          ...report.unread.map((row) => unreadResult(row, report.image)),
        ],
        properties: { verdict: report.verdict, reasons: report.reasons, guarded: report.guarded },
      },
    ],
  }
}

function findingResult(finding: ReportFinding, image: string): object {
  const { secret, form, count, inherited, allowed } = finding
  const suppression = inherited ? 'It stands in the base image.' : 'An allow rule accepts it.'
  return {
    ruleId: 'secret-in-image',
    level: inherited || allowed ? 'note' : 'error',
    message: {
      text: `The value of ${secret} stands here as ${form}, ${String(count)} ${count === 1 ? 'time' : 'times'}.`,
    },
    locations: [location(finding, image, finding.offset)],
    ...(inherited || allowed ? { suppressions: [{ kind: 'external', justification: suppression }] } : {}),
    properties: { secret, form, count, inherited, allowed },
  }
}

function unreadResult(row: ReportUnread, image: string): object {
  return {
    ruleId: 'unread',
    level: row.inherited ? 'note' : 'warning',
    message: { text: row.why },
    locations: [location(row, image, undefined)],
  }
}

function location(
  { path, inner, stage, layer }: Pick<ReportFinding, 'path' | 'inner' | 'stage' | 'layer'>,
  image: string,
  byteOffset: number | undefined,
): object {
  const names = [
    stage === null ? image : `stage ${stage}`,
    ...(layer === null ? [] : [`layer ${String(layer)}`]),
  ]
  const uri = [path ?? 'image', ...inner]
    .map((step) => step.split('/').map(encodeURIComponent).join('/'))
    .join('!/')
  return {
    physicalLocation: {
      artifactLocation: { uri },
      ...(byteOffset === undefined ? {} : { region: { byteOffset } }),
    },
    logicalLocations: names.map((name) => ({ name })),
  }
}
