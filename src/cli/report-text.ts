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
import { printable } from '../leak/place-text.js'
import type { Io } from './io.js'
import { bytesText, countText, durationText, wantsColor } from './print.js'
import { shortVersion } from './table.js'

/** Rows of findings and of unread things that are shown; JSON has them all. */
const SHOWN = 20

/** Names that are listed in one line. */
const NAMES = 12

/** Columns for the text of a step: where nothing is known of a terminal, and on a narrow one. */
const STEP_COLUMNS = { usual: 60, least: 20 }

const LAYER_MARKS: Readonly<Record<ReportLayer['state'], string>> = {
  clean: '✓ clean',
  proven: '✓ proven',
  leak: '✗ LEAK',
  inherited: '! in base',
  unread: '? unread',
}

const MARK_WIDTH = Math.max(...Object.values(LAYER_MARKS).map(({ length }) => length))

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

/** How a report is laid out. */
export interface ReportStyle {
  readonly color: boolean
  /** Width of the terminal; `undefined` where there is none. */
  readonly columns?: number
}

/** Prints a report as the result of a command. */
export function printReport(report: Report, io: Io): void {
  const style = io.outIsTerminal ? { color: wantsColor(io), columns: io.columns } : { color: false }
  for (const line of reportLines(report, style)) io.out(line)
}

/** Lays the report out, a line an entry. What it says of an image may have been chosen by who made that. */
export function reportLines(report: Report, { color, columns }: ReportStyle): readonly string[] {
  const paint = createColors(color)
  const tone =
    report.verdict === 'clean'
      ? paint.green
      : report.verdict === 'clean-base-unread'
        ? paint.yellow
        : paint.red
  const proven = report.layers.filter(({ state }) => state === 'proven').length
  const lines = [
    paint.bold(`leak check of ${printable(shortDigest(report.image))}`),
    `  searched ${bytesText(report.bytes)} in ${durationText(report.durationMs)} for ${namesText(report.guarded)}`,
  ]
  if (proven > 0)
    lines.push(`  not searched again: ${countText(proven, 'layer')}, proven before for all of these`)
  if (report.tooShort.length > 0) lines.push(`  too short to be searched for: ${namesText(report.tooShort)}`)
  if (report.unguarded.length > 0) lines.push(`  not searched for, by choice: ${namesText(report.unguarded)}`)
  for (const { secret, path } of report.allow) lines.push(`  allowed: ${secret} in ${printable(path)}`)
  for (const step of report.steps) lines.push(...stepLines(step, paint))
  const width = Math.max(0, ...report.layers.map((layer) => placeOf(layer).length))
  for (const layer of report.layers) lines.push(layerLine(layer, { width, columns, paint }))
  lines.push(...listed(report.findings, (finding) => paint.red(findingLine(finding))))
  lines.push(...listed(report.unread, (row) => paint.yellow(unreadLine(row))))
  if (report.opaque.length > 0) {
    const kinds = report.opaque.map(({ kind, count }) => `${String(count)} ${kind}`).join(', ')
    lines.push(paint.dim(`  searched as they are, not opened: ${kinds}`))
  }
  for (const { name, commit } of report.commits ?? [])
    lines.push(paint.dim(`  ${printable(name)} is at commit ${printable(commit)}`))
  lines.push(tone(paint.bold(`verdict: ${VERDICTS[report.verdict]}`)))
  for (const reason of report.reasons) lines.push(`  ${printable(reason)}`)
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
    `  ${state === 'ran' ? 'ran' : paint.cyan('reused')}: ${shortStep(step, STEP_COLUMNS.usual)}`,
    paint.dim(`      ${[...used, REASONS[why]].join('; ')}`),
  ]
}

function layerLine(
  row: ReportLayer,
  {
    width,
    columns,
    paint,
  }: {
    readonly width: number
    readonly columns: number | undefined
    readonly paint: ReturnType<typeof createColors>
  },
): string {
  const { step, bytes, origin, state } = row
  const tone =
    state === 'leak' ? paint.red : state === 'clean' || state === 'proven' ? paint.green : paint.yellow
  const mark = LAYER_MARKS[state].padEnd(MARK_WIDTH)
  const size = (state === 'proven' ? '' : bytesText(bytes)).padStart(8)
  const before = `  ${mark} ${placeOf(row).padStart(width)} ${size}  `
  const room =
    columns === undefined ? STEP_COLUMNS.usual : Math.max(STEP_COLUMNS.least, columns - before.length)
  const words = origin === 'base' ? 'base image' : shortStep(step, room)
  return `${before.replace(mark, () => tone(mark))}${paint.dim(words)}`
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
  return `  unread: ${place === '' ? 'the image' : place}: ${printable(why)}`
}

function listed<T>(rows: readonly T[], line: (row: T) => string): readonly string[] {
  const lines = rows.slice(0, SHOWN).map(line)
  return rows.length > SHOWN
    ? [...lines, `  … and ${String(rows.length - SHOWN)} more (--json lists them)`]
    : lines
}

/** `RUN /bin/sh -c make # buildkit` as `RUN make`. */
function shortStep(step: string, columns: number): string {
  const text = printable(
    step
      .replace(/\s*# buildkit$/, '')
      .replace(/^(RUN )?\/bin\/sh -c (?:#\(nop\)\s*)?/, '$1')
      .replace(/\s+/g, ' '),
  )
  return text.length > columns ? `${text.slice(0, columns - 1)}…` : text
}

/** Names of secrets, of which an environment may have hundreds. */
function namesText(names: readonly string[]): string {
  if (names.length === 0) return 'no secrets'
  const listed = names.slice(0, NAMES).join(', ')
  return names.length > NAMES
    ? `${listed} and ${String(names.length - NAMES)} more (--json lists them)`
    : listed
}

const shortDigest = (image: string): string => (image.startsWith('sha256:') ? image.slice(0, 19) : image)
