/**
 * The tables, the same in SQLite and PostgreSQL: times are ISO 8601 texts in
 * UTC, which sort as they follow each other; flags are 0 and 1; "no group" is
 * the empty text, because a primary key has no room for NULL.
 *
 * How they come to be is in `migrations.ts`.
 *
 * @packageDocumentation
 */

import type { Generated } from 'kysely'
import type { HistoryAction } from './admin.js'
import type { BuildState } from './builds.js'
import type { Exposure, UsageRecord } from './store.js'

/** One row: the version of the tables, counted from 1. */
export interface FormatTable {
  readonly format: number
}

/** One row: what the store is. */
export interface StoreTable {
  /** Always 1, so that there cannot be two. */
  readonly singleton: number
  readonly id: string
  readonly created_at: string
}

/** Who can open the store. */
export interface RecipientTable {
  readonly key_id: string
  readonly public_key: Uint8Array
  /** `joining` until everything is sealed to it as well. New values are sealed to both kinds. */
  state: 'joining' | 'active'
  /** The root key, sealed to this recipient. */
  readonly root: Uint8Array
  readonly created_at: string
  readonly created_by: string
}

/** An environment that something was set in. */
export interface EnvironmentTable {
  readonly name: string
  readonly created_at: string
  readonly created_by: string
}

/** A named set of secrets. */
export interface GroupTable {
  readonly environment: string
  readonly name: string
  readonly created_at: string
  readonly created_by: string
}

/** One name in one place: which version is live and which change is staged. Stays when the secret is unset. */
export interface SecretTable {
  readonly environment: string
  readonly group_name: string
  readonly name: string
  live: string | null
  /** Authenticates `live` and `updated_at`. */
  live_code: Uint8Array
  /** What is staged; `null` for nothing. */
  staged: 'set' | 'unset' | null
  staged_version: string | null
  /** Version that was live when the change was staged. */
  staged_base: string | null
  staged_at: string | null
  staged_by: string | null
  staged_code: Uint8Array | null
  /** Number of versions so far. */
  versions: number
  created_at: string
  created_by: string
  updated_at: string
  last_used_at: string | null
}

/** One value that a secret had, has or may get. Never changes. */
export interface VersionTable {
  readonly id: string
  readonly environment: string
  readonly group_name: string
  readonly name: string
  /** Counts a secret's versions from 1. Never shown: it would tell how often a value changed. */
  readonly ordinal: number
  readonly exposure: Exposure
  readonly guarded: number
  readonly digest: string
  readonly created_at: string
  readonly created_by: string
  /** Authenticates all columns above. */
  readonly code: Uint8Array
}

/** A version's value, sealed to one recipient. */
export interface SealedTable {
  readonly version: string
  readonly key_id: string
  readonly box: Uint8Array
  /** Authenticates the columns above. */
  readonly code: Uint8Array
}

/** What happened, for history and audit. Holds no value and nothing made from one. */
export interface EventTable {
  /** Counts up in the order in which the changes happened. */
  readonly id: Generated<number>
  readonly at: string
  readonly actor: string
  readonly action: HistoryAction
  readonly environment: string | null
  readonly group_name: string | null
  readonly name: string | null
  readonly version: string | null
  /** What else is known: how a value came, what a read was for, how many. */
  readonly detail: string | null
}

/** A build or run that used secrets. */
export interface UsageTable {
  readonly id: string
  readonly kind: UsageRecord['kind']
  readonly environment: string
  readonly image: string | null
  /** JSON array of texts. */
  readonly tags: string
  readonly at: string
}

/** Which versions a build or run used. */
export interface UsageSecretTable {
  readonly usage: string
  readonly environment: string
  readonly group_name: string
  readonly name: string
  readonly version: string
}

/** A kept verdict, under an opaque key. */
export interface VerdictTable {
  readonly key: string
  readonly at: string
}

/** An opaque id of a mount that no build may use again. */
export interface RetiredMountTable {
  readonly id: string
  readonly at: string
}

/** How a step that mounts secrets was made last. */
export interface MadeStepTable {
  readonly key: string
  /** JSON array of version ids. */
  readonly versions: string
  readonly salt: string
  readonly at: string
}

/** Who has the turn of a name. */
export interface TurnTable {
  readonly name: string
  /** Random id of the holder. */
  readonly holder: string
  /** Counted up by the holder for as long as it lives. */
  readonly beats: number
}

/** A build that a server was asked for. Columns that end in `_json` are JSON; none holds a value. */
export interface BuildTable {
  readonly id: string
  readonly environment: string
  state: BuildState
  readonly request_json: string
  readonly output_json: string
  readonly submitted_at: string
  readonly submitted_by: string
  readonly idempotency_key: string
  readonly request_digest: string
  started_at: string | null
  ended_at: string | null
  /** How often it was begun. */
  attempt: number
  /** What its writer holds: a worker while it runs, an upload before that. */
  lease: string | null
  lease_until: string | null
  worker: string | null
  cancel_requested: number
  /** 1 once a name may have been given to its image. */
  naming: number
  /** The fault it ended with. */
  failure_json: string | null
  report_json: string | null
  /** Of the report. */
  verdict: string | null
  delivery_json: string | null
  image: string | null
  /** Number of its last event. */
  events: number
  /** Bytes of its events, context and output. PostgreSQL gives its large integers as texts. */
  event_bytes: number | string
  context_bytes: number | string
  output_bytes: number | string
  /** When somebody is to be told of its end, next; `null` for never. */
  webhook_due: string | null
}

/** Something a build told, redacted before it came here. */
export interface BuildEventTable {
  readonly build: string
  /** Counts a build's events from 1. */
  readonly seq: number
  readonly at: string
  readonly event_json: string
}

/** A piece of what a build was given or made. */
export interface BuildBlobTable {
  readonly build: string
  readonly kind: 'context' | 'output'
  readonly ordinal: number
  readonly bytes: Uint8Array
}

/** A value given at hand with a build, sealed by whoever gave it. */
export interface BuildValueTable {
  readonly build: string
  readonly name: string
  readonly key_id: string
  readonly box: Uint8Array
}

/** Who may call the server. */
export interface TokenTable {
  readonly id: string
  readonly name: string
  /** The first digits of the hash, by which a token is looked for. */
  readonly mark: string
  /** SHA-256 of the token's text. */
  readonly hash: Uint8Array
  readonly scopes_json: string
  /** `null` for all environments. */
  readonly environments_json: string | null
  readonly created_at: string
  readonly created_by: string
  readonly expires_at: string | null
  last_used_at: string | null
  revoked_at: string | null
}

/** A process that builds. */
export interface WorkerTable {
  readonly id: string
  readonly name: string
  readonly host: string
  readonly engine_json: string
  readonly started_at: string
  seen_at: string
  draining: number
  /** What it builds now, as JSON array of ids. */
  builds_json: string
}

/** A record of an engine's build cache that a build of this store made. */
export interface MadeRecordTable {
  readonly engine: string
  readonly record: string
  readonly at: string
}

/** All tables by name. */
export interface Tables {
  store_format: FormatTable
  store: StoreTable
  recipient: RecipientTable
  environment: EnvironmentTable
  secret_group: GroupTable
  secret: SecretTable
  version: VersionTable
  sealed: SealedTable
  event: EventTable
  usage: UsageTable
  usage_secret: UsageSecretTable
  verdict: VerdictTable
  retired_mount: RetiredMountTable
  made_step: MadeStepTable
  made_record: MadeRecordTable
  turn: TurnTable
  build: BuildTable
  build_event: BuildEventTable
  build_blob: BuildBlobTable
  build_value: BuildValueTable
  token: TokenTable
  worker: WorkerTable
}
