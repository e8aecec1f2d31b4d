/**
 * What the API answers, as JSON has it: times are ISO 8601 texts. No shape in
 * here has a place for a value.
 *
 * @packageDocumentation
 */

import type { Report } from '../../builder/report.js'

export type { Report, ReportFinding, ReportLayer, ReportStep, ReportUnread } from '../../builder/report.js'

/** Where a secret may be used. */
export type Exposure = 'everywhere' | 'build-only' | 'runtime-only'

/** What a token may do. */
export type Scope =
  'secrets:write' | 'secrets:list' | 'secrets:deploy' | 'builds:submit' | 'builds:read' | 'admin'

/** Who is signed in. */
export interface Me {
  readonly token: {
    readonly id: string
    readonly name: string
    readonly scopes: readonly Scope[]
    readonly environments: readonly string[] | null
    readonly expiresAt: string | null
  }
  readonly store: { readonly id: string }
  readonly server: { readonly version: string }
}

/** An environment. */
export interface Environment {
  readonly name: string
  readonly secrets: number
  readonly groups: number
  readonly createdAt: string | null
  readonly createdBy: string | null
}

/** A secret, or a staged change of one. */
export interface Secret {
  readonly name: string
  readonly environment: string
  readonly group: string | null
  readonly digest: string | null
  readonly status: 'live' | 'staged'
  readonly exposure: Exposure
  readonly guarded: boolean
  readonly version: string | null
  readonly createdAt: string
  readonly createdBy: string
  readonly updatedAt: string
  readonly lastUsedAt: string | null
}

/** A version that a secret had. */
export interface Version {
  readonly version: string
  readonly digest: string
  readonly exposure: Exposure
  readonly guarded: boolean
  readonly createdAt: string
  readonly createdBy: string
  readonly live: boolean
  readonly staged: boolean
  readonly kept: boolean
}

/** One thing that happened. */
export interface HistoryEntry {
  readonly at: string
  readonly actor: string
  readonly action: string
  readonly name: string | null
  readonly group: string | null
  readonly version: string | null
  readonly detail: string | null
}

/** A build or run that used a secret. */
export interface Usage {
  readonly id: string
  readonly kind: string
  readonly image: string | null
  readonly tags: readonly string[]
  readonly at: string
  readonly version: string
  readonly current: boolean
}

/** A group. */
export interface Group {
  readonly name: string
  readonly environment: string
  readonly keys: readonly string[]
  readonly createdAt: string
  readonly createdBy: string
}

/** What a change came to. */
export interface ChangeReport {
  readonly changed: readonly { readonly name: string; readonly discardedStaged: boolean }[]
  readonly missing: readonly string[]
}

/** How a build stands. */
export type BuildState =
  'uploading' | 'waiting' | 'running' | 'succeeded' | 'refused' | 'failed' | 'cancelled'

/** A build. */
export interface Build {
  readonly id: string
  readonly environment: string
  readonly state: BuildState
  readonly tags: readonly string[]
  readonly output: string | { readonly type: string }
  readonly submittedAt: string
  readonly submittedBy: string
  readonly startedAt: string | null
  readonly endedAt: string | null
  readonly attempt: number
  readonly worker: string | null
  readonly image: string | null
  readonly verdict: Report['verdict'] | null
  readonly outcome: FaultBody | null
}

/** An event of a build; the bytes of output are base64. */
export type BuildEvent =
  | { readonly type: 'phase'; readonly phase: string }
  | {
      readonly type: 'step'
      readonly id: string
      readonly name: string
      readonly state: 'started' | 'done' | 'cached' | 'failed' | 'canceled'
      readonly durationMs?: number
    }
  | { readonly type: 'log'; readonly id: string; readonly stream: string; readonly bytes: string }
  | { readonly type: 'warning'; readonly id: string; readonly text: string }
  | { readonly type: 'note'; readonly text: string }
  | { readonly type: 'upload' | 'proof'; readonly bytes: number }
  | { readonly type: 'report'; readonly report: Report }
  | { readonly type: 'built'; readonly image: string; readonly tags: readonly string[] }
  | { readonly type: 'pushed'; readonly reference: string; readonly digest: string }

/** A token as lists show it. */
export interface Token {
  readonly id: string
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly environments: readonly string[] | null
  readonly createdAt: string
  readonly createdBy: string
  readonly expiresAt: string | null
  readonly lastUsedAt: string | null
  readonly revokedAt: string | null
}

/** A process that builds. */
export interface Worker {
  readonly id: string
  readonly name: string
  readonly host: string
  readonly engine: Readonly<Record<string, unknown>>
  readonly startedAt: string
  readonly seenAt: string
  readonly draining: boolean
  readonly builds: readonly string[]
}

/** A failure as the server writes it. */
export interface FaultBody {
  readonly code: string
  readonly message: string
  readonly hint?: string
  readonly detail?: Readonly<Record<string, unknown>>
  readonly problems?: readonly { readonly message: string; readonly file?: string; readonly line?: number }[]
}
