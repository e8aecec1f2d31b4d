/**
 * Lists as a person or a program reads them: a table on a terminal, lines with
 * tabs where a program reads, JSON where it asks for that.
 *
 * @packageDocumentation
 */

import { createColors } from 'picocolors'
import type { VersionEntry } from '../store/admin.js'
import type { Io } from './io.js'
import { wantsColor } from './print.js'

/** One column of a list. */
export interface Column<T> {
  readonly title: string
  /** What stands in the cell. A `Date` is shown in UTC, `null` as `-`. */
  readonly cell: (row: T) => string | Date | null
  /** What stands there on a terminal, where it differs. */
  readonly short?: (row: T) => string
}

/** How a list is printed. */
export interface ListStyle<T> {
  readonly columns: readonly Column<T>[]
  readonly json: boolean | undefined
  /** Told on standard error where a person would see nothing. */
  readonly empty: string
}

/** Characters between two columns of the table. */
const GAP = 2

/** What a line begins with that goes on with the columns of the one above. */
const INDENT = '  '

/** Characters of a version id that a table shows: enough to tell those of one secret apart. */
const VERSION_SHOWN = 8

/** Characters that could move the cursor, colour a line or break it in two; names of people and images come from others. */
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g

/**
 * Prints a list. Without a terminal there is no heading: each line is one row, its cells separated by tabs, times in
 * ISO 8601, an absent cell empty.
 */
export async function printList<T>(
  io: Io,
  rows: readonly T[],
  { columns, json, empty }: ListStyle<T>,
): Promise<void> {
  if (json === true) {
    printJson(io, rows)
    return
  }
  if (!io.outIsTerminal) {
    for (const row of rows) io.out(columns.map((column) => plainCell(column.cell(row))).join('\t'))
    return
  }
  if (rows.length === 0) io.err(empty)
  else io.out(await tableText(rows, columns, io))
}

/** Prints a result as JSON. */
export function printJson(io: Io, result: unknown): void {
  io.out(JSON.stringify(result, null, 2))
}

/** The start of a version id, as tables show it. */
export const shortVersion = (version: string | null): string => version?.slice(0, VERSION_SHOWN) ?? '-'

/** Where a secret may go, and that images are not searched for it where that is so. */
export const exposureText = ({ exposure, guarded }: Pick<VersionEntry, 'exposure' | 'guarded'>): string =>
  guarded ? exposure : `${exposure}, unguarded`

/** `2026-01-31 12:00`, in UTC. */
export const shortTime = (at: Date): string => at.toISOString().slice(0, 16).replace('T', ' ')

/** A table without borders. Columns that do not fit beside the others go on in a second line, below their own headings. */
async function tableText<T>(rows: readonly T[], columns: readonly Column<T>[], io: Io): Promise<string> {
  const { default: Table } = await import('cli-table3')
  const { bold } = createColors(wantsColor(io))
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) =>
      columns.map((column) => visible(column.short?.(row) ?? shortCell(column.cell(row)))),
    ),
  ]
  const parts = foldColumns(cells, io.columns).map(({ from, to }) => {
    const table = new Table(PLAIN_TABLE)
    table.push(...cells.map((line) => [...(from > 0 ? [INDENT] : []), ...line.slice(from, to)]))
    return table.toString().split('\n')
  })
  const lines = cells.map((_, row) =>
    parts.map((part) => (row === 0 ? bold(trimmed(part[row])) : trimmed(part[row]))),
  )
  return lines.flat().join('\n')
}

/** Which columns stand in one line: as many as fit, one at least. */
function foldColumns(
  cells: readonly (readonly string[])[],
  width: number,
): readonly { readonly from: number; readonly to: number }[] {
  const widths = (cells[0] ?? []).map(
    (_, at) => Math.max(...cells.map((line) => line[at]?.length ?? 0)) + GAP,
  )
  const folds: { from: number; to: number }[] = []
  let left = 0
  for (const [at, each] of widths.entries()) {
    const fold = folds.at(-1)
    // The last column of a line needs no gap behind it.
    if (fold !== undefined && each - GAP <= left) {
      fold.to = at + 1
      left -= each
    } else {
      folds.push({ from: at, to: at + 1 })
      left = width - each - (at === 0 ? 0 : INDENT.length + GAP)
    }
  }
  return folds
}

const trimmed = (line: string | undefined): string => line?.trimEnd() ?? ''

function plainCell(cell: string | Date | null): string {
  if (cell === null) return ''
  return visible(cell instanceof Date ? cell.toISOString() : cell)
}

function shortCell(cell: string | Date | null): string {
  if (cell === null) return '-'
  return cell instanceof Date ? shortTime(cell) : cell
}

const visible = (text: string): string => text.replace(CONTROLS, '?')

const PLAIN_TABLE = {
  chars: Object.fromEntries(
    ['top', 'bottom', 'left', 'mid', 'right']
      .flatMap((side) => [side, `${side}-mid`, `${side}-left`, `${side}-right`])
      .concat('middle')
      .map((part) => [part, '']),
  ),
  style: { head: [], border: [], 'padding-left': 0, 'padding-right': GAP },
}
