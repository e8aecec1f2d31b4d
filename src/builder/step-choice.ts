/**
 * Which id each mount of each step gets: that of the live version, or, where a
 * build is told to keep what it has, that of the version the step was made
 * with. A kept id is asked for and never served, so the engine either has that
 * very step or the step gets the live version under an id of its own.
 *
 * @packageDocumentation
 */

import { randomUUID } from 'node:crypto'
import type { SecretName, SecretValue } from '../secret.js'
import type { MadeStep, StepMemory } from '../store/steps.js'
import type { HeldSecret } from '../store/store.js'
import type { MountIds, StepMark } from './mount-ids.js'

/** What a mount is made from. */
export type MountSource =
  | { readonly kind: 'stored'; readonly secret: HeldSecret }
  | { readonly kind: 'given'; readonly id: string; readonly value: SecretValue }
  | {
      readonly kind: 'derived'
      /** Keeps different uses of the same secrets apart. */
      readonly use: string
      /** What it is made from beside the secrets. */
      readonly shape: string
      /** Sorted by name. */
      readonly secrets: readonly HeldSecret[]
    }
  | { readonly kind: 'absent'; readonly id: string }

/** A mount and the step it belongs to. */
export type StepMount = MountSource & {
  /** What the step runs. */
  readonly command: string
  /** Number of its stage. Steps of a stage follow each other as their mounts do. */
  readonly stage: number
}

/** Why a step may have to run: no earlier run is known, a version is another one, it was told to, or none of these. */
export type StepChange = 'first' | 'changed' | 'refreshed' | 'none'

/** A version that a step was made with, `null` for a value that has none. */
export interface UsedVersion {
  readonly name: string
  readonly version: string | null
  readonly live: boolean
}

/** A mount with its id. */
export interface SecretStep {
  readonly id: string
  readonly stage: number
  readonly used: readonly UsedVersion[]
  readonly change: StepChange
  /** Whether the id is that of an earlier version, for which nothing is served. */
  readonly kept: boolean
  /** What to remember of it. */
  readonly made: MadeStep
  /** Whether that is another thing than what is remembered, or has to be remembered for longer. */
  readonly isNews: boolean
}

/** How a build deals with versions that changed. */
export interface ChoicePolicy {
  readonly onRotate: 'rebuild' | 'keep'
  /** Names whose steps run again; `all` for every step that mounts something. */
  readonly refresh: readonly string[]
}

/** What every `--refresh` that names no secret means. */
export const REFRESH_ALL = 'all'

/** The secrets of some names that are held, sorted by name. */
export const heldOf = (
  names: ReadonlySet<SecretName>,
  stored: ReadonlyMap<SecretName, HeldSecret>,
): readonly HeldSecret[] =>
  [...names].sort().flatMap((name) => {
    const held = stored.get(name)
    return held === undefined ? [] : [held]
  })

/** Chooses for one build. A step that was told to run again keeps its new id when the build has to begin anew. */
export class StepChoice {
  readonly #ids: MountIds
  readonly #policy: ChoicePolicy
  readonly #memory: Pick<StepMemory, 'recall'>
  readonly #declined = new Set<string>()
  readonly #salt = randomUUID()

  constructor(ids: MountIds, memory: Pick<StepMemory, 'recall'>, policy: ChoicePolicy) {
    this.#ids = ids
    this.#memory = memory
    this.#policy = policy
  }

  /** Keeps none of these mounts from now on: their steps have to run. */
  decline(steps: readonly SecretStep[]): void {
    for (const { made } of steps) this.#declined.add(made.key)
  }

  async choose(mounts: readonly StepMount[]): Promise<readonly SecretStep[]> {
    const keys = mounts.map((mount) => this.#keyOf(mount))
    const known = await this.#memory.recall(keys)
    return mounts.map((mount, index) => this.#chosen(mount, keys[index] ?? '', known.get(keys[index] ?? '')))
  }

  #chosen(mount: StepMount, key: string, before: MadeStep | undefined): SecretStep {
    const secrets = secretsOf(mount)
    const live = secrets.map(({ version }) => version)
    const change = this.#changeOf(mount, live, before)
    const wanted =
      change === 'changed' && this.#policy.onRotate === 'keep' && before?.versions.length === live.length
    const kept = wanted && !this.#declined.has(key)
    const versions = kept ? before.versions : live
    const salt = change === 'refreshed' ? this.#salt : (before?.salt ?? '')
    return {
      id: this.#idOf(mount, versions, { command: mount.command, salt }),
      stage: mount.stage,
      used: usedBy(mount, versions),
      // What is to be kept and has to run all the same does so for another reason than its secret.
      change: wanted && !kept ? 'none' : change,
      kept,
      made: { key, versions, salt },
      isNews:
        kept ||
        (before === undefined
          ? versions.length > 0 || salt !== ''
          : salt !== before.salt || versions.join() !== before.versions.join()),
    }
  }

  #changeOf(mount: StepMount, live: readonly string[], before: MadeStep | undefined): StepChange {
    const { refresh } = this.#policy
    if (refresh.includes(REFRESH_ALL) || namesOf(mount).some((name) => refresh.includes(name)))
      return 'refreshed'
    if (before === undefined) return 'first'
    return before.versions.join() === live.join() ? 'none' : 'changed'
  }

  #keyOf(mount: StepMount): string {
    const key = (kind: string, parts: readonly string[]): string =>
      this.#ids.memoryKey(kind, parts, mount.command)
    switch (mount.kind) {
      case 'stored':
        return key('stored', [mount.secret.name, mount.secret.group ?? ''])
      case 'derived':
        return key(`derived:${mount.use}`, [mount.shape, ...namesOf(mount)])
      case 'given':
      case 'absent':
        return key(mount.kind, [mount.id])
    }
  }

  #idOf(mount: StepMount, versions: readonly string[], mark: StepMark): string {
    switch (mount.kind) {
      case 'stored':
        return this.#ids.stored({ ...mount.secret, version: versions[0] ?? '' }, mark)
      case 'derived': {
        const parts = mount.secrets.map(({ name }, index) => `${name}@${versions[index] ?? ''}`)
        return this.#ids.derived(mount.use, [mount.shape, ...parts], mark)
      }
      case 'given':
        return this.#ids.given('value', mount.value, mark)
      case 'absent':
        return this.#ids.absent(mount.id, mark)
    }
  }
}

function secretsOf(mount: StepMount): readonly HeldSecret[] {
  if (mount.kind === 'stored') return [mount.secret]
  return mount.kind === 'derived' ? mount.secrets : []
}

function namesOf(mount: StepMount): readonly string[] {
  return mount.kind === 'given' || mount.kind === 'absent'
    ? [mount.id]
    : secretsOf(mount).map(({ name }) => name)
}

function usedBy(mount: StepMount, versions: readonly string[]): readonly UsedVersion[] {
  if (mount.kind === 'absent') return []
  if (mount.kind === 'given') return [{ name: mount.id, version: null, live: true }]
  return secretsOf(mount).map(({ name, version: live }, index) => {
    const version = versions[index] ?? ''
    return { name, version, live: version === live }
  })
}
