/**
 * What was searched, what was found, and the verdict: the answer a person and a
 * machine get about one image. It names secrets and places and never holds a
 * value or the bytes around one; text that came from the image (paths, history)
 * is redacted on the way in.
 *
 * @packageDocumentation
 */

/** Version of the report's shape. */
export const REPORT_VERSION = 1

/**
 * `clean`: all of it was read, nothing was found. `clean-base-unread`: so for what this build made; something in the base
 * image could not be read. `not-proven`: something this build made was not read. `leak`: a value was found.
 */
export type Verdict = 'clean' | 'clean-base-unread' | 'not-proven' | 'leak'

/** One place where a value stands. */
export interface ReportFinding {
  readonly secret: string
  /** Name of the encoding, such as `raw` or `base64`. */
  readonly form: string
  /** Stage that holds it; `null` for the image itself. */
  readonly stage: string | null
  /** Number of the layer in that image, from 1; `null` for configuration and history. */
  readonly layer: number | null
  /** The Dockerfile step that made the layer. */
  readonly step: string | null
  readonly path: string | null
  /** Path inside nested archives, outermost first. */
  readonly inner: readonly string[]
  readonly where: string
  /** Offset of the first hit in bytes, within what `where` and `path` name. */
  readonly offset: number
  readonly count: number
  /** In a layer of the base image, which this build did not make. */
  readonly inherited: boolean
  /** Accepted by an allow rule. */
  readonly allowed: boolean
}

/** A rule that accepts a finding: this secret, in this file or below this folder (a path that ends in `/`). */
export interface AllowRule {
  readonly secret: string
  readonly path: string
}

/** Something that could not be read, or not to the end. */
export interface ReportUnread {
  readonly stage: string | null
  readonly layer: number | null
  readonly path: string | null
  readonly inner: readonly string[]
  readonly why: string
  /** In a layer of the base image. */
  readonly inherited: boolean
}

/** One layer of the image or of a stage. */
export interface ReportLayer {
  readonly stage: string | null
  readonly layer: number
  readonly digest: string
  readonly step: string
  readonly bytes: number
  readonly origin: 'built' | 'base'
  /** `proven`: found clean for every one of these values before, and not read again. */
  readonly state: 'clean' | 'proven' | 'leak' | 'inherited' | 'unread'
}

/**
 * Why a step ran or was reused. Ran: `first` (no earlier run is known), `changed` (a secret of it has another version),
 * `refreshed` (it was told to), `uncached` (no cache was to be used), `below` (something it depends on is another, or the
 * engine no longer had it). Reused: `unchanged`, `kept` (although a secret was changed).
 */
export type StepReason = 'first' | 'changed' | 'refreshed' | 'uncached' | 'below' | 'unchanged' | 'kept'

/** A step that mounts secrets, and what it was made with. */
export interface ReportStep {
  /** The step as the Dockerfile has it. */
  readonly step: string
  readonly state: 'ran' | 'reused'
  readonly why: StepReason
  readonly secrets: readonly {
    readonly name: string
    /** Id of the version, as `secrets versions` lists it; `null` for a value given at hand. */
    readonly version: string | null
    /** Whether that version was the live one when the build began. */
    readonly live: boolean
  }[]
}

/** A commit that was installed. */
export interface ReportCommit {
  /** Name of the project. */
  readonly name: string
  readonly url: string
  readonly commit: string
}

/** The whole answer. */
export interface Report {
  readonly version: typeof REPORT_VERSION
  readonly verdict: Verdict
  /** Digest or name of what was searched. */
  readonly image: string
  /** Why the verdict is not `clean`, a sentence each. */
  readonly reasons: readonly string[]
  readonly findings: readonly ReportFinding[]
  readonly unread: readonly ReportUnread[]
  /** Content that is not opened because it cannot hold text in a usual form, such as pictures. */
  readonly opaque: readonly { readonly kind: string; readonly count: number; readonly bytes: number }[]
  readonly layers: readonly ReportLayer[]
  /** The steps of the build that mount secrets; empty for an image that somebody else built. */
  readonly steps: readonly ReportStep[]
  /** Names that were searched for. */
  readonly guarded: readonly string[]
  /** Names whose values are too short to search for. */
  readonly tooShort: readonly string[]
  /** Names that are not searched for by choice. */
  readonly unguarded: readonly string[]
  /** The rules that were in force. */
  readonly allow: readonly AllowRule[]
  /** For an image from a requirement list: the commits of repositories that it was made of, by its own word. */
  readonly commits?: readonly ReportCommit[]
  /** Bytes that were read, uncompressed. */
  readonly bytes: number
  readonly durationMs: number
}
