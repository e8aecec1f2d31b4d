/**
 * The ids under which an engine sees mounts. Equal ids mean "the same step" to
 * BuildKit, so an id stands for tenant, secret and version, and for the bytes
 * where there is no version; and it tells nothing to who reads it in a log or
 * in the engine's records, because it is a keyed digest.
 *
 * No id is ever served with another version's value, whatever a build is told
 * to keep: a step that is found under an id was made with the version it names.
 *
 * @packageDocumentation
 */

import { createHmac } from 'node:crypto'
import type { SecretValue } from '../secret.js'

/** What makes two tenants different. */
export interface Tenant {
  readonly storeId: string
  readonly environment: string
}

/** The step a mount belongs to. Its own text separates it from other steps anyway, so that an id of its own costs nothing. */
export interface StepMark {
  /** What the step runs. */
  readonly command: string
  /** Tells a step that was told to run again from the one before; empty for one that never was. */
  readonly salt: string
}

/** Makes ids for one tenant. */
export interface MountIds {
  /** For a stored secret: changes with its version, never with its bytes. */
  stored(
    parts: { readonly name: string; readonly group: string | null; readonly version: string },
    step: StepMark,
  ): string
  /** For a value that has no version: a digest of the bytes stands in. `kind` keeps different uses apart. */
  given(kind: string, value: SecretValue, step: StepMark): string
  /** For something derived from stored secrets: keyed by what it was derived from. */
  derived(kind: string, parts: readonly string[], step: StepMark): string
  /** For an optional mount without a value. */
  absent(id: string, step: StepMark): string
  /** Names a mount of a step whatever its version: what is remembered of it goes under this key. */
  memoryKey(kind: string, parts: readonly string[], command: string): string
  /** Namespace for cache mounts. */
  readonly cacheNamespace: string
}

/** Hex digits of an id: 128 bits. */
const DIGITS = 32

/**
 * @param key - the store's mount key.
 * @param retired - ids that must not be used again, because a step with one of them leaked.
 */
export function mountIds(key: SecretValue, tenant: Tenant, retired: ReadonlySet<string>): MountIds {
  const digest = (kind: string, parts: readonly (string | Uint8Array)[]): string =>
    key.use((bytes) => {
      const mac = createHmac('sha256', bytes)
      for (const part of [tenant.storeId, tenant.environment, kind, ...parts]) mac.update(framed(part))
      return mac.digest('hex').slice(0, DIGITS)
    })
  const fresh = (kind: string, parts: readonly (string | Uint8Array)[], step: StepMark): string => {
    for (let attempt = 0; ; attempt += 1) {
      const all = [...parts, step.command, step.salt]
      const id = `s-${digest(kind, attempt === 0 ? all : [...all, String(attempt)])}`
      if (!retired.has(id)) return id
    }
  }
  return {
    stored: ({ name, group, version }, step) => fresh('stored', [name, group ?? '', version], step),
    given: (kind, value, step) => value.use((bytes) => fresh(`given:${kind}`, [bytes], step)),
    derived: (kind, parts, step) => fresh(`derived:${kind}`, parts, step),
    absent: (id, step) => fresh('absent', [id], step),
    memoryKey: (kind, parts, command) => `m-${digest(`memory:${kind}`, [...parts, command])}`,
    cacheNamespace: `c-${digest('cache', [])}`,
  }
}

/** A part with its length before it, so that ("ab", "c") and ("a", "bc") differ. */
function framed(part: string | Uint8Array): Buffer {
  const bytes = Buffer.from(part)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
