/**
 * Reads a requirement list with every file it names and gathers what is in
 * them. Knows how files name each other; what one line means is in `scan.ts`.
 * All problems come at once, each with its place.
 *
 * @packageDocumentation
 */

import { posix } from 'node:path'
import type { Problem } from '../errors.js'
import { decodeList, lastNotAbove, lineStarts, logicalLines, positionOf } from './lines.js'
import type {
  DirectRequirement,
  ListFile,
  Login,
  LoginPart,
  Mention,
  Place,
  RequirementList,
  Slot,
} from './list.js'
import type { FoundLogin, FoundSlot } from './login.js'
import { unescaped } from './placeholder.js'
import { readProject } from './pyproject.js'
import { scanLine, type LineScan } from './scan.js'

/**
 * Reads one file of the list; `null` when there is none. Paths are relative to the context root, `/`-separated,
 * normalised, and never lead out of it by `..`; links in the file system are for the reader to judge.
 */
export type ReadListFile = (path: string) => Promise<Uint8Array | null>

/** A requirements file or a `pyproject.toml` (by that name), or the lines themselves. */
export type ListSource = { readonly path: string } | { readonly lines: readonly string[] }

/** Most files one list may name, itself included: more is a mistake, or somebody keeping us busy. */
export const MAX_LIST_FILES = 200

/** Name under which a list made from strings or from a `pyproject.toml` stands beside the files it names. */
export const MADE_LIST = 'requirements.traceless.txt'

/**
 * Reads a list. What is wrong with it is in `problems`, not thrown; a failing `read` is.
 *
 * Comments are not looked at. Lines and columns of a list given as `lines` count its elements.
 */
export async function parseRequirements(source: ListSource, read: ReadListFile): Promise<RequirementList> {
  const gathered = nothingYet(read)
  if ('lines' in source) {
    await takeText(gathered, madeFrom(source.lines, { gathered, file: 'requirements', root: '' }), [
      MADE_LIST,
    ])
    return listOf(gathered, MADE_LIST)
  }
  const path = posix.normalize(source.path)
  if (leadsOut(path)) {
    problemAt(gathered, { file: source.path }, 'The list lies outside of its folder.')
    return listOf(gathered, path)
  }
  const root = isProject(path) ? posix.join(posix.dirname(path), MADE_LIST) : path
  await takeFile(gathered, path, { place: { file: path }, from: [], constrains: false })
  return listOf(gathered, root)
}

/** A text on its way in. */
interface OpenFile extends Omit<ListFile, 'escapes'> {
  readonly placeOf: (offset: number) => Place
  /** Lines are requirements: the specification of `pyproject.toml` knows no options. */
  readonly requirementsOnly: boolean
  readonly constrains: boolean
}

interface Gathered {
  readonly read: ReadListFile
  readonly files: Map<string, ListFile>
  /** Files that were asked for, whether they could be read or not. */
  readonly seen: Set<string>
  readonly placeholders: Slot[]
  readonly mentions: Mention[]
  readonly problems: Problem[]
  readonly localPaths: Problem[]
  readonly editables: Place[]
  readonly literalPasswords: Place[]
  readonly directs: DirectRequirement[]
  readonly logins: Login[]
  readonly pipOrigins: Map<string, Set<string>>
  readonly gitOrigins: Map<string, Set<string>>
  needsGit: boolean
}

function nothingYet(read: ReadListFile): Gathered {
  return {
    read,
    files: new Map(),
    seen: new Set(),
    placeholders: [],
    mentions: [],
    problems: [],
    localPaths: [],
    editables: [],
    literalPasswords: [],
    directs: [],
    logins: [],
    pipOrigins: new Map(),
    gitOrigins: new Map(),
    needsGit: false,
  }
}

function listOf(gathered: Gathered, root: string): RequirementList {
  const { read: _, seen: __, ...found } = gathered
  return {
    ...found,
    root,
    names: new Set(found.mentions.map(({ name }) => name)),
    hasEditable: found.editables.length > 0,
  }
}

/** Where a file was named, and the files that led there, outermost first. */
interface Named {
  readonly place: Partial<Place>
  readonly from: readonly string[]
  /** It was named by `-c`, directly or by way of others. */
  readonly constrains: boolean
}

async function takeFile(gathered: Gathered, path: string, { place, from, constrains }: Named): Promise<void> {
  if (from.includes(path)) {
    problemAt(gathered, place, 'The file names itself, directly or by way of others.')
    return
  }
  if (gathered.seen.has(path)) return
  if (gathered.seen.size === MAX_LIST_FILES) {
    problemAt(gathered, place, `The list has more than ${MAX_LIST_FILES} files.`)
    return
  }
  gathered.seen.add(path)
  const bytes = await gathered.read(path)
  if (bytes === null) {
    problemAt(gathered, place, `The file ${path} does not exist.`)
    return
  }
  const decoded = decodeList(bytes)
  if ('unreadable' in decoded) {
    const message =
      decoded.unreadable === 'encoding-unknown'
        ? 'The file is in an encoding that is not read here.'
        : 'The file is not text in its encoding.'
    problemAt(gathered, { file: path }, message, 'Save it as UTF-8.')
    return
  }
  if (isProject(path)) {
    await takeProject(gathered, path, { text: decoded.text, from })
    return
  }
  const starts = lineStarts(decoded.text)
  const placeOf = (offset: number): Place => ({ file: path, ...positionOf(starts, offset) })
  await takeText(gathered, { path, ...decoded, bytes, placeOf, requirementsOnly: false, constrains }, [
    ...from,
    path,
  ])
}

const isProject = (path: string): boolean => posix.basename(path) === 'pyproject.toml'

async function takeProject(
  gathered: Gathered,
  path: string,
  { text, from }: { readonly text: string; readonly from: readonly string[] },
): Promise<void> {
  if (from.length > 0) {
    problemAt(gathered, { file: path }, 'A pyproject.toml cannot be named by another list.')
    return
  }
  const project = readProject(text)
  if ('unreadable' in project) {
    problemAt(gathered, { file: path }, project.unreadable)
    return
  }
  const made = madeFrom(
    project.dependencies.map(({ requirement }) => requirement),
    { gathered, file: path, root: posix.dirname(path) },
  )
  const starts = lineStarts(text)
  const lines = lineStarts(made.text)
  const placeOf = (offset: number): Place => {
    const { line, column } = positionOf(lines, offset)
    const at = project.dependencies[line - 1]?.at
    if (at === undefined) return { file: path, line: undefined, column: undefined }
    return { file: path, ...positionOf(starts, at + column - 1) }
  }
  await takeText(gathered, { ...made, placeOf, requirementsOnly: true }, [path])
}

/** A file whose lines are the given strings. A string that would be more or less than a line is left out. */
function madeFrom(
  lines: readonly string[],
  { gathered, file, root }: { readonly gathered: Gathered; readonly file: string; readonly root: string },
): OpenFile {
  const text = lines
    .map((line, index) => {
      const whole = lineStarts(line).length === 1 && !line.endsWith('\\')
      if (!whole) {
        const message = 'A requirement holds the end of a line, or ends with a backslash.'
        problemAt(gathered, { file, line: index + 1 }, message)
      }
      return whole ? `${line}\n` : '\n'
    })
    .join('')
  const starts = lineStarts(text)
  return {
    path: posix.join(root, MADE_LIST),
    text,
    bytes: undefined,
    plain: true,
    placeOf: (offset) => ({ file, ...positionOf(starts, offset) }),
    requirementsOnly: false,
    constrains: false,
  }
}

/** @param from - the files that led here, this one included. */
async function takeText(gathered: Gathered, file: OpenFile, from: readonly string[]): Promise<void> {
  const { path, text, bytes, plain, placeOf, requirementsOnly } = file
  const starts = lineStarts(text)
  const escapes: ListFile['escapes'][number][] = []
  gathered.files.set(path, { path, text, bytes, plain, escapes })
  for (const line of logicalLines(text)) {
    const scan = scanLine(line)
    append(escapes, scan.escapes)
    if (requirementsOnly && !scan.isRequirement) {
      problemAt(gathered, placeOf(line.at[0] ?? 0), 'A dependency of a project cannot be an option.')
      continue
    }
    takeScan(gathered, scan, file)
    if (scan.direct !== undefined) {
      const { offset, ...direct } = scan.direct
      const [first, last] = [line.at[0] ?? 0, line.at.at(-1) ?? 0]
      const from = lastNotAbove(starts, first)
      gathered.directs.push({
        ...direct,
        ...placeOf(offset),
        path,
        lineStarts: starts.slice(from, lastNotAbove(starts, last) + 1),
        constrains: file.constrains,
      })
    }
    if (scan.nested !== undefined) {
      const place = placeOf(scan.nested.at[0] ?? line.at[0] ?? 0)
      const constrains = file.constrains || scan.constrains
      await takeNested(gathered, unescaped(scan.nested.text), { path, named: { place, from, constrains } })
    }
  }
}

function takeScan(gathered: Gathered, scan: LineScan, { path, placeOf }: OpenFile): void {
  const slots = new Map(scan.slots.map((slot) => [slot, { ...slot, ...placeOf(slot.from), path }]))
  const partOf = (part: string | FoundSlot): LoginPart =>
    typeof part === 'string' ? part : (slots.get(part) ?? { ...part, ...placeOf(part.from), path })
  const loginOf = (login: FoundLogin): Login => ({
    ...login,
    path,
    user: login.user.map(partOf),
    password: login.password?.map(partOf),
  })
  append(gathered.placeholders, slots.values())
  append(gathered.logins, scan.logins.map(loginOf))
  append(gathered.literalPasswords, scan.literalPasswords.map(placeOf))
  gathered.needsGit ||= scan.needsGit
  const mentioned = scan.slots.map(({ from, name }) => ({ offset: from, name }))
  for (const { offset, message, hint, name } of scan.refusals) {
    problemAt(gathered, placeOf(offset), message, hint)
    if (name !== undefined) mentioned.push({ offset, name })
  }
  mentioned.sort((a, b) => a.offset - b.offset)
  append(
    gathered.mentions,
    mentioned.map(({ offset, name }) => ({ name, ...placeOf(offset) })),
  )
  for (const kind of ['pipOrigins', 'gitOrigins'] as const) {
    for (const { host, origin } of scan[kind]) {
      const origins = gathered[kind].get(host)
      if (origins === undefined) gathered[kind].set(host, new Set([origin]))
      else origins.add(origin)
    }
  }
  if (scan.editable !== undefined) gathered.editables.push(placeOf(scan.editable))
  if (scan.localPath !== undefined) {
    gathered.localPaths.push({
      code: 'REQUIREMENTS_INVALID',
      message: 'A relative path names a file that is not in the image.',
      ...placeOf(scan.localPath),
    })
  }
}

async function takeNested(
  gathered: Gathered,
  target: string,
  { path, named }: { readonly path: string; readonly named: Named },
): Promise<void> {
  if (/^(?:https?|file):/i.test(target)) {
    problemAt(gathered, named.place, 'A list can name files of its own folder only, not a URL.')
    return
  }
  // Like pip, which joins without looking at what the target means in a shell or a URL.
  const inside = posix.join(posix.dirname(path), target)
  if (posix.isAbsolute(target) || leadsOut(inside)) {
    problemAt(gathered, named.place, 'The file lies outside of the folder of the list.')
    return
  }
  await takeFile(gathered, inside, named)
}

const leadsOut = (path: string): boolean => posix.isAbsolute(path) || path === '..' || path.startsWith('../')

/** Without the spread of a call, which a line with very many placeholders would be too long for. */
function append<T>(target: T[], items: Iterable<T>): void {
  for (const item of items) target.push(item)
}

function problemAt(gathered: Gathered, place: Partial<Place>, message: string, hint?: string): void {
  gathered.problems.push({ code: 'REQUIREMENTS_INVALID', message, hint, ...place })
}
