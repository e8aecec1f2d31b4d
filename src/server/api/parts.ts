/**
 * What the endpoints work with. Nothing here opens a value.
 *
 * @packageDocumentation
 */

import type { BuildQueue } from '../../queue/queue.js'
import type { SecretAdmin } from '../../store/admin.js'
import type { BuildRecords } from '../../store/builds.js'
import type { Recipient } from '../../store/recipients.js'
import type { Tokens } from '../../store/tokens.js'
import type { WorkerRecords } from '../../store/workers.js'
import type { ServerMetrics } from '../metrics.js'
import type { Rate } from '../rate-limit.js'

/** The admin of the store, recorded as somebody's work. */
export type AdminAs = (actor: string) => SecretAdmin

/** Bounds that whoever runs the server sets. */
export interface ServerLimits {
  /** Bytes of a context. */
  readonly contextBytes: number
  /** Builds that have not ended, in all. */
  readonly openBuilds: number
  /** Longest time that a build may take, in milliseconds; also what one gets that names none. */
  readonly buildMs: number
  /** Bytes of outputs and events of ended builds in the database. */
  readonly budgetBytes: number
  /** How often one token may ask. */
  readonly tokenRate: Rate
}

/** Parts of the API. */
export interface ApiParts {
  readonly storeId: string
  readonly version: string
  readonly adminAs: AdminAs
  readonly recipients: () => Promise<readonly Recipient[]>
  readonly builds: BuildRecords
  readonly queue: BuildQueue
  readonly tokens: Tokens
  readonly workers: WorkerRecords
  readonly metrics: ServerMetrics
  readonly limits: ServerLimits
  /** Whether an image may stay in the engine: where there is just one. */
  readonly keepsImages: boolean
  /** Aborted when the server ends. */
  readonly signal: AbortSignal
}
