/**
 * What one logical line of a requirement list means for us: which placeholders
 * stand where one may stand, which do not and why, which URLs carry a login,
 * which file the line names. Knows pip's grammar of a line, no files, no values.
 *
 * The rules are those of `parse_req_from_line` and `parse_editable` in
 * https://github.com/pypa/pip/blob/23.2.1/src/pip/_internal/req/constructors.py and of
 * `ParsedLine` and `handle_option_line` in
 * https://github.com/pypa/pip/blob/23.2.1/src/pip/_internal/req/req_file.py
 *
 * @packageDocumentation
 */

import { directOf, type FoundDirect } from './direct.js'
import { indexIn, isPythonSpace, lastNotAbove, sliceSpan, type Span } from './lines.js'
import type { Client, Edit, Position } from './list.js'
import { clientOf, loginOf, type FoundLogin, type FoundSlot, type Refusal, type UrlTarget } from './login.js'
import { splitLine, type ListLine } from './options.js'
import { splitPlaceholders, type Piece } from './placeholder.js'
import { hostOf, originOf, regionAt, splitUrl, type Region, type UrlParts } from './url.js'

/** All that a line means for us. Offsets are those of the file. */
export interface LineScan {
  readonly slots: readonly FoundSlot[]
  readonly logins: readonly FoundLogin[]
  readonly escapes: readonly Edit[]
  readonly refusals: readonly Refusal[]
  /** Target of `-r` or `-c`. */
  readonly nested: Span | undefined
  /** Whether that target only constrains. */
  readonly constrains: boolean
  readonly direct: FoundDirect | undefined
  /** Offset of a path that is relative. */
  readonly localPath: number | undefined
  /** Offset of an `-e` line. */
  readonly editable: number | undefined
  readonly needsGit: boolean
  readonly pipOrigins: readonly HostOrigin[]
  readonly gitOrigins: readonly HostOrigin[]
  /** Offsets of user-infos that hold a password and no placeholder. */
  readonly literalPasswords: readonly number[]
  /** The line has a requirement, not only options. */
  readonly isRequirement: boolean
}

/** A part of a line in which placeholders may stand. */
type Target = UrlTarget | { readonly kind: 'settings'; readonly span: Span }

type Mark = Exclude<Piece, { kind: 'text' }>
type PlaceholderPiece = Extract<Piece, { kind: 'placeholder' }>

const WHERE: Readonly<Record<Region, string>> = {
  scheme: 'in the scheme of a URL',
  'user-info': 'in the user-info of a URL',
  host: 'in the host of a URL',
  port: 'in the port of a URL',
  path: 'in the path of a URL',
  query: 'in the query of a URL',
  'query-name': 'in the name of a query parameter',
  fragment: 'in the fragment of a URL',
}

const ALLOWED =
  'A placeholder may stand in the user-info, a path segment or a query value of a URL, or in the value of --config-settings behind the name and "=" of a requirement\'s setting.'
const FORMS =
  'The forms are ${NAME} and $<NAME>, with |raw behind the name if need be; write $${ or $$< for the text itself.'

const WRONG = {
  open: { message: 'A quote or backslash among the options is left open.' },
  ambiguous: {
    message: 'An abbreviated option could be several, and which one depends on the version of pip.',
    hint: 'Write it in full.',
  },
} as const

/** Reads one logical line. */
export function scanLine(line: Span): LineScan {
  const parsed = splitLine(line)
  const meaning = meaningOf(parsed)
  const marks = splitPlaceholders(line.text).filter((piece): piece is Mark => piece.kind !== 'text')
  const slots: FoundSlot[] = []
  const escapes: Edit[] = []
  const refusals: Refusal[] = []
  if (parsed.wrong !== undefined) refusals.push({ offset: line.at[0] ?? 0, ...WRONG[parsed.wrong] })
  const targetAt = finderOf(meaning.targets)
  const slotsIn = new Map<Target | undefined, FoundSlot[]>(meaning.targets.map((target) => [target, []]))
  for (const mark of marks) {
    const target = targetAt(line.at[mark.at] ?? 0)
    const read = readMark(mark, line, target)
    if ('message' in read) refusals.push(read)
    else if ('text' in read) escapes.push(read)
    else {
      slots.push(read)
      slotsIn.get(target)?.push(read)
    }
  }
  const urls = meaning.targets.filter((target) => target.kind === 'url')
  const logins: FoundLogin[] = []
  const literalPasswords: number[] = []
  const whole = marks.every((mark) => mark.kind !== 'malformed')
  for (const url of urls) {
    const login = loginOf(url, slotsIn.get(url) ?? [])
    if (login === undefined) continue
    if ('message' in login) refusals.push(login)
    else if ('literal' in login) literalPasswords.push(login.literal)
    // A half-read user-info is not worth a second complaint.
    else if (whole) logins.push(login)
  }
  return {
    slots,
    logins,
    escapes,
    refusals: refusals.toSorted((a, b) => a.offset - b.offset),
    nested: meaning.nested,
    constrains: meaning.constrains === true,
    direct: directIn(parsed, meaning, logins),
    localPath: meaning.localPath?.at[0],
    editable: meaning.editable ? line.at[0] : undefined,
    needsGit: urls.some(({ parts }) => /^git(?:\+|$)/.test(parts.scheme)),
    pipOrigins: originsFor('pip', urls),
    gitOrigins: originsFor('git', urls),
    literalPasswords,
    isRequirement: parsed.args.text !== '',
  }
}

/** A host and where on it. */
interface HostOrigin {
  readonly host: string
  readonly origin: string
}

/** Where a client is sent, with credentials or without. */
const originsFor = (
  client: Client,
  urls: readonly { readonly span: Span; readonly parts: UrlParts }[],
): readonly HostOrigin[] =>
  urls.flatMap(({ span, parts }) =>
    clientOf(parts) === client
      ? [{ host: hostOf(span.text, parts), origin: originOf(span.text, parts) }]
      : [],
  )

interface Meaning {
  readonly targets: readonly Target[]
  /** The requirement and the URL in it. */
  readonly reference?: { readonly requirement: Span; readonly url: Span | undefined }
  readonly nested?: Span | undefined
  readonly constrains?: boolean
  readonly localPath?: Span | undefined
  readonly editable: boolean
}

/** What pip uses of a line. The rest of it is read by pip and then left alone, so nothing of ours can stand there. */
function meaningOf({ args, options }: ListLine): Meaning {
  const values = (...kinds: readonly string[]): readonly Span[] =>
    options.flatMap(({ kind, value }) => (value !== undefined && kinds.includes(kind) ? [value] : []))
  if (args.text !== '') {
    const settings = values('settings').map((span): Target => ({ kind: 'settings', span }))
    const localPath = looksLikePath(args.text) ? relativePath(args) : undefined
    const url = requirementUrl(args)
    return {
      targets: [...urlTarget(url), ...settings],
      reference: { requirement: args, url },
      localPath,
      editable: false,
    }
  }
  const [editable] = values('editable')
  if (editable !== undefined) {
    const url = requirementUrl(editable)
    return {
      targets: urlTarget(url),
      reference: { requirement: editable, url },
      localPath: relativePath(editable),
      editable: true,
    }
  }
  const [list] = values('list')
  const nested = list ?? values('constraint')[0]
  if (nested !== undefined) return { targets: [], nested, constrains: list === undefined, editable: false }
  const links = values('links').slice(0, 1)
  const [localPath] = links.flatMap((link) => relativePath(link) ?? [])
  return { targets: [...values('index'), ...links].flatMap(urlTarget), localPath, editable: false }
}

function directIn(
  { args, options }: ListLine,
  { reference, editable }: Meaning,
  logins: readonly FoundLogin[],
): FoundDirect | undefined {
  if (reference?.url === undefined) return undefined
  const { requirement, url } = reference
  return directOf(requirement, url, {
    lifted: logins.length > 0,
    editable,
    hasOptions: args.text !== '' && options.length > 0,
  })
}

function urlTarget(span: Span | undefined): readonly Target[] {
  const parts = span === undefined ? undefined : splitUrl(span.text)
  return span === undefined || parts === undefined ? [] : [{ kind: 'url', span, parts }]
}

const DIRECT_REFERENCE = /^[a-z0-9][a-z0-9._-]*[ \t]*(?:\[[^\]]*\][ \t]*)?@[ \t]*(?=[a-z])/i

/** What pip takes for an archive: `ARCHIVE_EXTENSIONS` in https://github.com/pypa/pip/blob/23.2.1/src/pip/_internal/utils/filetypes.py */
const ARCHIVE = /\.(?:whl|zip|tar|tar\.(?:gz|bz2|xz|lzma)|tgz|tbz|txz|tlz)$/i

/** A path as pip sees one: by a separator, a leading dot or the ending of an archive. */
function looksLikePath(requirement: string): boolean {
  const marker = requirement.indexOf(';')
  const whole = requirement.slice(0, marker === -1 ? undefined : marker).trimEnd()
  const path = whole.endsWith(']') ? whole.slice(0, Math.max(0, whole.lastIndexOf('['))) : whole
  return path.startsWith('.') || path.includes('/') || ARCHIVE.test(path)
}

/** The text itself if it is neither a URL nor a direct reference nor begins at the root. */
const relativePath = (span: Span): Span | undefined =>
  /^(?:\/|[a-z][a-z0-9+.-]*:)/i.test(span.text) || DIRECT_REFERENCE.test(span.text) ? undefined : span

/** The URL of a requirement, bare or behind `name @`, without its marker. */
function requirementUrl(requirement: Span): Span | undefined {
  const { text } = requirement
  const bare = splitUrl(text) !== undefined
  const from = bare ? 0 : DIRECT_REFERENCE.exec(text)?.[0].length
  if (from === undefined) return undefined
  let to = from
  // In a direct reference pip takes any ";" for the start of the marker, behind a bare URL only "; ".
  while (to < text.length && !isPythonSpace(text.charAt(to)) && (bare || text.charAt(to) !== ';')) to += 1
  if (bare && text.charAt(to) === ' ' && text.charAt(to - 1) === ';') to -= 1
  return sliceSpan(requirement, from, to)
}

function readMark(mark: Mark, line: Span, target: Target | undefined): FoundSlot | Edit | Refusal {
  const from = line.at[mark.at] ?? 0
  const to = from + mark.source.length
  if (mark.kind === 'malformed') {
    return { offset: from, message: 'A placeholder is not closed, or its name is not valid.', hint: FORMS }
  }
  const name = mark.kind === 'placeholder' ? { name: mark.name } : {}
  if ((line.at[mark.at + mark.source.length - 1] ?? 0) !== to - 1) {
    return { offset: from, message: 'A placeholder is broken by the end of a line.', ...name }
  }
  const spot = target === undefined ? undefined : spotIn(target, from)
  if (mark.kind === 'escape') {
    // pip would take the text for a variable of its own; in a URL another spelling of the dollar keeps it from that.
    return { from, to, text: spot !== undefined && ENCODED.has(spot) ? '%24' : '$' }
  }
  const position = spot === undefined ? undefined : POSITIONS[spot]
  if (position === undefined) return misplaced(mark, from, spot)
  if (mark.raw && position !== 'user-info') {
    return { offset: from, message: 'A value with |raw can stand in the user-info of a URL only.', ...name }
  }
  return { name: mark.name, raw: mark.raw, position, from, to }
}

type Spot = Region | 'settings' | 'settings-name'

const ENCODED: ReadonlySet<Spot> = new Set<Spot>(['user-info', 'path', 'query', 'query-name'])

const POSITIONS: Readonly<Partial<Record<Spot, Position>>> = {
  'user-info': 'user-info',
  path: 'path',
  query: 'query',
  settings: 'option',
}

function misplaced(mark: PlaceholderPiece, offset: number, spot: Spot | undefined): Refusal {
  const where =
    spot === undefined
      ? 'outside of a URL'
      : spot === 'settings' || spot === 'settings-name'
        ? 'in the name of a setting'
        : WHERE[spot]
  return {
    offset,
    message: `The placeholder ${mark.name} stands ${where}, where none is allowed.`,
    hint: ALLOWED,
    name: mark.name,
  }
}

function spotIn(target: Target, offset: number): Spot {
  const index = indexIn(target.span, offset)
  if (target.kind === 'url') return regionAt(target.span.text, target.parts, index)
  const equals = target.span.text.indexOf('=')
  return equals !== -1 && equals < index ? 'settings' : 'settings-name'
}

/** Finds the target in which an offset of the file stands. Targets do not overlap. */
function finderOf(targets: readonly Target[]): (offset: number) => Target | undefined {
  const sorted = targets
    .filter(({ span }) => span.text !== '')
    .toSorted((a, b) => (a.span.at[0] ?? 0) - (b.span.at[0] ?? 0))
  const starts = sorted.map(({ span }) => span.at[0] ?? 0)
  return (offset) => {
    const target = sorted[lastNotAbove(starts, offset)]
    return target !== undefined && indexIn(target.span, offset) !== -1 ? target : undefined
  }
}
