/**
 * The report as a person reads it in a terminal: the layers as a stack, then
 * what was found, then the verdict.
 *
 * @packageDocumentation
 */

import { createColors } from 'picocolors'
import type {
  Report,
  ReportFinding,
  ReportLayer,
  ReportStep,
  ReportUnread,
  StepReason,
} from '../builder/report.js'
import { bytesText, durationText } from './print.js'
import { shortVersion } from './table.js'

/** Rows of findings and of unread things that are shown; JSON has them all. */
const SHOWN = 20

/** Longest text of a step that is shown, in characters. */
const STEP_WIDTH = 60

const LAYER_MARKS: Readonly<Record<ReportLayer['state'], string>> = {
  clean: '✓ clean',
  proven: '✓ proven',
  leak: '✗ LEAK',
  inherited: '! in base',
  unread: '? unread',
}

const REASONS: Readonly<Record<StepReason, string>> = {
  first: 'no earlier run of it is known',
  changed: 'a secret of it was changed',
  refreshed: 'it was to be refreshed',
  uncached: 'no cache was to be used',
  below: 'something it depends on is another, or the engine no longer had it',
  unchanged: 'nothing of it changed',
  kept: 'it was to be kept, though a secret of it was changed',
}

const VERDICTS: Readonly<Record<Report['verdict'], string>> = {
  clean: 'clean: all of it was read, and no secret is in it',
  'clean-base-unread': 'clean, as far as this build made it; part of the base image was not read',
  'not-proven': 'not proven: something was not read',
  leak: 'leak: a secret is in it',
}

/** Lays the report out, a line an entry. */
export function reportLines(report: Report, color: boolean): readonly string[] {
  const paint = createColors(color)
  const tone =
    report.verdict === 'clean'
      ? paint.green
      : report.verdict === 'clean-base-unread'
        ? paint.yellow
        : paint.red
  const guarded = report.guarded.length === 0 ? 'no secrets' : report.guarded.join(', ')
  const lines = [
    paint.bold(`leak check of ${shortDigest(report.image)}`),
    `  searched ${bytesText(report.bytes)} in ${durationText(report.durationMs)} for ${guarded}`,
  ]
  if (report.tooShort.length > 0) lines.push(`  too short to be searched for: ${report.tooShort.join(', ')}`)
  if (report.unguarded.length > 0) lines.push(`  not searched for, by choice: ${report.unguarded.join(', ')}`)
  for (const { secret, path } of report.allow) lines.push(`  allowed: ${secret} in ${path}`)
  for (const step of report.steps) lines.push(...stepLines(step, paint))
  const width = Math.max(0, ...report.layers.map((layer) => placeOf(layer).length))
  for (const layer of report.layers) lines.push(layerLine(layer, width, paint))
  lines.push(...listed(report.findings, (finding) => paint.red(findingLine(finding))))
  lines.push(...listed(report.unread, (row) => paint.yellow(unreadLine(row))))
  if (report.opaque.length > 0) {
    const kinds = report.opaque.map(({ kind, count }) => `${String(count)} ${kind}`).join(', ')
    lines.push(paint.dim(`  searched as they are, not opened: ${kinds}`))
  }
  for (const { name, commit } of report.commits ?? [])
    lines.push(paint.dim(`  ${name} is at commit ${commit}`))
  lines.push(tone(paint.bold(`verdict: ${VERDICTS[report.verdict]}`)))
  for (const reason of report.reasons) lines.push(`  ${reason}`)
  return lines
}

/** A step that mounts secrets: what it did and why, then with which versions it was made. */
function stepLines(
  { step, state, why, secrets }: ReportStep,
  paint: ReturnType<typeof createColors>,
): readonly string[] {
  const used = secrets.map(({ name, version, live }) =>
    version === null
      ? `${name} as given`
      : `${name} version ${shortVersion(version)}${live ? '' : ' (an earlier one)'}`,
  )
  return [
    `  ${state === 'ran' ? 'ran' : paint.cyan('reused')}: ${shortStep(step)}`,
    paint.dim(`      ${[...used, REASONS[why]].join('; ')}`),
  ]
}

function layerLine(row: ReportLayer, width: number, paint: ReturnType<typeof createColors>): string {
  const { step, bytes, origin, state } = row
  const tone =
    state === 'leak' ? paint.red : state === 'clean' || state === 'proven' ? paint.green : paint.yellow
  const words = origin === 'base' ? 'base image' : shortStep(step)
  return `  ${tone(LAYER_MARKS[state].padEnd(9))} ${placeOf(row).padStart(width)} ${(state === 'proven' ? '' : bytesText(bytes)).padStart(8)}  ${paint.dim(words)}`
}

/** Number of a layer, behind the name of its stage. */
const placeOf = ({ stage, layer }: ReportLayer): string =>
  `${stage === null ? '' : `${stage} `}${String(layer).padStart(2)}`

function findingLine({
  secret,
  form,
  stage,
  layer,
  path,
  inner,
  where,
  count,
  inherited,
  allowed,
}: ReportFinding): string {
  const place = [
    ...(stage === null ? [] : [`stage ${stage}`]),
    ...(layer === null ? [] : [`layer ${String(layer)}`]),
    ...(where === 'content' ? [] : [where]),
    ...(path === null ? [] : [[path, ...inner].join(' > ')]),
  ].join(', ')
  return `  ${allowed ? 'allowed' : inherited ? 'inherited' : 'found'}: ${secret} (${form}${count > 1 ? `, ${String(count)} times` : ''}) in ${place}`
}

function unreadLine({ stage, layer, path, inner, why }: ReportUnread): string {
  const place = [
    ...(stage === null ? [] : [`stage ${stage}`]),
    ...(layer === null ? [] : [`layer ${String(layer)}`]),
    ...(path === null ? [] : [[path, ...inner].join(' > ')]),
  ].join(', ')
  return `  unread: ${place === '' ? 'the image' : place}: ${why}`
}

function listed<T>(rows: readonly T[], line: (row: T) => string): readonly string[] {
  const lines = rows.slice(0, SHOWN).map(line)
  return rows.length > SHOWN
    ? [...lines, `  … and ${String(rows.length - SHOWN)} more (--json lists them)`]
    : lines
}

/** `RUN /bin/sh -c make # buildkit` as `RUN make`. */
function shortStep(step: string): string {
  const text = step
    .replace(/\s*# buildkit$/, '')
    .replace(/^(RUN )?\/bin\/sh -c (?:#\(nop\)\s*)?/, '$1')
    .replace(/\s+/g, ' ')
  return text.length > STEP_WIDTH ? `${text.slice(0, STEP_WIDTH - 1)}…` : text
}

const shortDigest = (image: string): string => (image.startsWith('sha256:') ? image.slice(0, 19) : image)
