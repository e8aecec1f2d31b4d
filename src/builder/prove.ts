/**
 * Reads an image back and judges it. Nothing is called clean that was not
 * read: an image whose layers do not all turn up, or do not hash to what its
 * configuration says, is not proven.
 *
 * @packageDocumentation
 */

import type { Digest, ImageLayout, ImageParts } from '../docker/engine.js'
import type { Finding, PartRead, Unread } from '../leak/findings.js'
import { UNREAD_REASONS } from '../leak/findings.js'
import type { NeedleSet } from '../leak/needles.js'
import { placeText } from '../leak/place-text.js'
import { redactText } from '../leak/redact.js'
import { scan } from '../leak/scan.js'
import type { KnownLayers, LayoutLayer } from './known-layers.js'
import { NeedlesByLayer } from './needles-by-layer.js'
import {
  REPORT_VERSION,
  type AllowRule,
  type Report,
  type ReportFinding,
  type ReportLayer,
  type ReportStep,
  type ReportUnread,
} from './report.js'

/** What is searched, and what is known of it beforehand. */
export interface ProofSubject {
  /** Name for the report. */
  readonly image: string
  readonly parts: ImageParts
  /**
   * The images that must be among the parts, with the name of the stage each one is, `null` for the image itself. Empty
   * where whatever the archive holds is searched.
   */
  readonly expected: ReadonlyMap<Digest, string | null>
  /** Layers that this build did not make. */
  readonly baseLayers: ReadonlySet<string>
  /** Needles for every value that is searched for. */
  readonly needles: NeedleSet
  /** Turns the engine's words for a step into the user's. Default: as they are. */
  readonly wording?: (text: string) => string
  /** What is known of the layers, and where what is proven now is kept. Default: nothing is. */
  readonly known?: KnownLayers
  /** Names that are not searched for by choice. */
  readonly unguarded: readonly string[]
  /** Names whose values must be searchable. */
  readonly mustGuard: ReadonlySet<string>
  /** Findings that are accepted. */
  readonly allow: readonly AllowRule[]
  /** The steps that mount secrets. Default: none are known. */
  readonly steps?: readonly ReportStep[]
  /** Reasons known beforehand why nothing can be proven. */
  readonly doubts: readonly string[]
  readonly strict: boolean
  readonly signal: AbortSignal
  /** Told of bytes read so far. */
  readonly onProgress?: (bytes: number) => void
}

/** Searches all parts and gives the report. */
export async function prove(subject: ProofSubject): Promise<Report> {
  const begun = performance.now()
  const { parts, needles, known, signal, onProgress } = subject
  using byLayer = new NeedlesByLayer(needles, (part) => known?.missing(part))
  const result = await scan(parts, needles, {
    signal,
    needlesOf: byLayer.of,
    hash: () => parts.hashed,
    ...(onProgress === undefined ? {} : { onProgress: total(onProgress) }),
  })
  const layouts = parts.layouts()
  const judge = new Judge(subject, layouts, result.parts)
  await known?.keep(result, digestsOf(parts, layouts))
  const findings = result.findings.map((finding) => judge.finding(finding))
  const unread = [...result.unread.map((row) => judge.unread(row)), ...judge.missing()]
  const { verdict, reasons } = verdictOf(subject, findings, unread)
  return {
    version: REPORT_VERSION,
    verdict,
    image: subject.image,
    reasons,
    findings,
    unread,
    opaque: result.opaque,
    layers: judge.layers(findings, unread),
    steps: subject.steps ?? [],
    guarded: needles.names,
    tooShort: shortNames(needles),
    unguarded: subject.unguarded,
    allow: subject.allow,
    bytes: result.bytes,
    durationMs: Math.round(performance.now() - begun),
  }
}

/**
 * The digest of the layer that a part is: one that its bytes hash to, or one of an engine that packs its layers anew and
 * is believed about its own.
 */
function digestsOf(
  { hashed }: ImageParts,
  layouts: readonly ImageLayout[],
): (part: PartRead) => string | undefined {
  const layers = new Map(
    layouts.flatMap(({ layers }) =>
      layers.flatMap((layer) => (layer.part === null ? [] : [[layer.part, layer] as const])),
    ),
  )
  return ({ id, sha256 }) => {
    const layer = layers.get(id)
    return layer === undefined || (hashed && layer.digest !== sha256) ? undefined : layer.digest
  }
}

/** Names whose values cannot be searched for in any form. */
export const shortNames = ({ tooShort }: NeedleSet): readonly string[] => [
  ...new Set(tooShort.filter(({ form }) => form === undefined).map(({ name }) => name)),
]

/** Adds up the bytes of parts that are told one by one. */
function total(onProgress: (bytes: number) => void): (progress: { part: string; bytes: number }) => void {
  let ended = 0
  let current = { part: '', bytes: 0 }
  return (progress) => {
    if (progress.part !== current.part) ended += current.bytes
    current = progress
    onProgress(ended + progress.bytes)
  }
}

/** Whether a rule's path is this one or a folder above it. */
const covers = (rule: string, path: string): boolean =>
  rule.endsWith('/') ? path.startsWith(rule) : path === rule

/** Paths as people know them: a layer that an engine packs anew has `./` before each, and maybe a folder of its own. */
function clean(path: string | undefined, root: string | undefined): string | null {
  const plain = path?.replace(/^\.\//, '') ?? null
  return root !== undefined && plain?.startsWith(`${root}/`) === true ? plain.slice(root.length + 1) : plain
}

/** Where a part stands: in which image, as which layer. */
interface Position {
  readonly stage: string | null
  readonly layer: number | null
  readonly step: string | null
  readonly inherited: boolean
}

const OTHER_BYTES = 'Its bytes are not those that the image names.'

const NOWHERE: Position = { stage: null, layer: null, step: null, inherited: false }

/** Puts what was found into its place in the images. */
class Judge {
  readonly #subject: ProofSubject
  readonly #layouts: readonly (ImageLayout & { readonly stage: string | null })[]
  readonly #read: ReadonlyMap<string, PartRead>
  readonly #positions = new Map<string, Position>()
  /** Folders that the paths of parts begin with. */
  readonly #roots = new Map<string, string>()

  constructor(subject: ProofSubject, layouts: readonly ImageLayout[], read: readonly PartRead[]) {
    this.#subject = subject
    this.#read = new Map(read.map((part) => [part.id, part]))
    this.#layouts = layouts
      .map((layout) => ({ ...layout, stage: subject.expected.get(layout.image as Digest) ?? null }))
      // The image itself first: a layer that a stage shares with it is the image's.
      .sort((a, b) => Number(a.stage !== null) - Number(b.stage !== null))
    for (const { layers, documents, stage } of this.#layouts) {
      layers.forEach(({ part, root, digest, createdBy }, index) => {
        if (part === null || this.#positions.has(part)) return
        if (root !== undefined) this.#roots.set(part, root)
        const inherited = subject.baseLayers.has(digest)
        this.#positions.set(part, { stage, layer: index + 1, step: this.#redacted(createdBy), inherited })
      })
      for (const part of documents) {
        if (!this.#positions.has(part)) this.#positions.set(part, { ...NOWHERE, stage })
      }
    }
  }

  finding({ secret, form, part, path, inner, where, offset, count }: Finding): ReportFinding {
    const shown = clean(path, this.#roots.get(part))
    const isAllowed = (rule: AllowRule): boolean =>
      rule.secret === secret && shown !== null && covers(rule.path, shown)
    return {
      secret,
      form,
      ...(this.#positions.get(part) ?? NOWHERE),
      path: shown,
      inner: inner ?? [],
      where,
      offset,
      count,
      allowed: this.#subject.allow.some(isAllowed),
    }
  }

  unread({ part, path, inner, why }: Unread): ReportUnread {
    const { stage, layer, inherited } = this.#positions.get(part) ?? NOWHERE
    const shown = clean(path, this.#roots.get(part))
    return { stage, layer, path: shown, inner: inner ?? [], why: UNREAD_REASONS[why], inherited }
  }

  /** What should have been read and was not. */
  missing(): readonly ReportUnread[] {
    const rows: ReportUnread[] = []
    const row = (stage: string | null, layer: number | null, why: string, inherited: boolean): void =>
      void rows.push({ stage, layer, path: null, inner: [], why, inherited })
    const found = new Set(this.#layouts.map(({ image }) => image))
    for (const [image, stage] of this.#subject.expected) {
      if (!found.has(image)) row(stage, null, 'The engine did not give this image back.', false)
    }
    for (const { stage, layers, unread } of this.#layouts) {
      // It may name members of the archive.
      for (const why of unread) row(stage, null, placeText(Buffer.from(why), this.#subject.needles), false)
      layers.forEach((layer, index) => {
        const why = this.#flawOf(layer)
        if (why !== undefined) row(stage, index + 1, why, this.#subject.baseLayers.has(layer.digest))
      })
    }
    return rows
  }

  #flawOf(layer: LayoutLayer): string | undefined {
    const { parts, known } = this.#subject
    const read = layer.part === null ? undefined : this.#read.get(layer.part)
    if (read !== undefined) return parts.hashed && read.sha256 !== layer.digest ? OTHER_BYTES : undefined
    switch (known?.stateOf(layer)) {
      case 'proven':
        return undefined
      case 'other':
        return OTHER_BYTES
      case undefined:
        return 'The engine did not give this layer back.'
    }
  }

  /** One row for each layer, shared ones once. */
  layers(findings: readonly ReportFinding[], unread: readonly ReportUnread[]): readonly ReportLayer[] {
    const rows = new Map<string, ReportLayer>()
    for (const { stage, layers } of this.#layouts) {
      layers.forEach(({ part, digest, createdBy }, index) => {
        if (rows.has(digest)) return
        const layer = index + 1
        const isHere = (row: { stage: string | null; layer: number | null }): boolean =>
          row.stage === stage && row.layer === layer
        const origin = this.#subject.baseLayers.has(digest) ? 'base' : 'built'
        const read = part === null ? undefined : this.#read.get(part)
        const here = findings.filter((finding) => isHere(finding) && !finding.allowed)
        rows.set(digest, {
          stage,
          layer,
          digest,
          step: this.#redacted(createdBy),
          bytes: read?.bytes ?? 0,
          origin,
          state:
            here.length > 0
              ? origin === 'base'
                ? 'inherited'
                : 'leak'
              : unread.some(isHere)
                ? 'unread'
                : read === undefined
                  ? 'proven'
                  : 'clean',
        })
      })
    }
    return [...rows.values()]
  }

  /** History can hold a value: `ARG` and `ENV` write theirs into it. */
  #redacted(text: string): string {
    return redactText(this.#subject.wording?.(text) ?? text, this.#subject.needles)
  }
}

function verdictOf(
  { strict, doubts, needles, mustGuard }: ProofSubject,
  findings: readonly ReportFinding[],
  unread: readonly ReportUnread[],
): Pick<Report, 'verdict' | 'reasons'> {
  const leaked = [
    ...new Set(
      findings
        .filter(({ inherited, allowed }) => !allowed && (strict || !inherited))
        .map(({ secret }) => secret),
    ),
  ]
  if (leaked.length > 0) {
    return {
      verdict: 'leak',
      reasons: leaked.map((name) => `The value of ${name} stands in what was searched.`),
    }
  }
  const reasons = [...doubts]
  const short = shortNames(needles).filter((name) => mustGuard.has(name))
  for (const name of short) reasons.push(`The value of ${name} is too short to be searched for.`)
  if (unread.some(({ inherited }) => strict || !inherited)) reasons.push('Something could not be read.')
  if (reasons.length > 0) return { verdict: 'not-proven', reasons }
  if (unread.length > 0) {
    return { verdict: 'clean-base-unread', reasons: ['Something in the base image could not be read.'] }
  }
  return { verdict: 'clean', reasons: [] }
}
