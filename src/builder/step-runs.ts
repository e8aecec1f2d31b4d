/**
 * What became of the steps that mount secrets: whether each one ran or was
 * reused, why, and with which versions it was made.
 *
 * @packageDocumentation
 */

import type { BuildEvent } from '../docker/engine.js'
import type { ReportStep, StepReason } from './report.js'
import type { SecretStep, StepChange } from './step-choice.js'

/** One step of the engine with the mounts in it. */
interface Run {
  readonly name: string
  readonly mounts: readonly SecretStep[]
  state: ReportStep['state'] | undefined
}

/** Which change counts where the mounts of one step differ. */
const WEIGHT: readonly StepChange[] = ['refreshed', 'changed', 'first', 'none']

/** Follows the steps of one build. */
export class StepRuns {
  readonly #steps: readonly SecretStep[]
  readonly #runs = new Map<string, Run>()

  constructor(steps: readonly SecretStep[]) {
    this.#steps = steps
  }

  /** Takes an event as the engine gave it. */
  take(event: BuildEvent): void {
    if (event.type !== 'step') return
    const mounts = this.#steps.filter(({ id }) => event.name.includes(id))
    if (mounts.length === 0) return
    const run = this.#runs.get(event.id) ?? { name: event.name, mounts: distinct(mounts), state: undefined }
    this.#runs.set(event.id, run)
    if (event.state === 'cached') run.state = 'reused'
    else if (event.state === 'done') run.state = 'ran'
  }

  /** Whether no step with a secret can have run in this build. */
  get allReused(): boolean {
    const reused = [...this.#runs.values()].filter(({ state }) => state === 'reused')
    const ids = new Set(reused.flatMap(({ mounts }) => mounts.map(({ id }) => id)))
    return reused.length === this.#runs.size && this.#steps.every(({ id }) => ids.has(id))
  }

  /** The rows of the report. `wording` makes the engine's words safe to show. */
  rows(wording: (text: string) => string, { noCache }: { readonly noCache: boolean }): readonly ReportStep[] {
    return [...this.#runs.values()].flatMap(({ name, mounts, state }) =>
      state === undefined
        ? []
        : [
            {
              step: wording(name),
              state,
              why: state === 'ran' ? whyRan(mounts, noCache) : whyReused(mounts),
              secrets: mounts.flatMap(({ used }) => used),
            },
          ],
    )
  }

  /**
   * A sentence for each step that was made with a version which is not searched for. That can only be a kept one: nothing
   * is served for it, so it was reused whatever the engine told of it.
   */
  doubts(wording: (text: string) => string, searched: ReadonlySet<string>): readonly string[] {
    const runs = [...this.#runs.values()]
    return this.#steps.flatMap(({ id, used }) => {
      const lost = used.filter(({ version }) => version !== null && !searched.has(version))
      if (lost.length === 0) return []
      const names = lost.map(({ name }) => name).join(', ')
      const name = runs.find(({ mounts }) => mounts.some((mount) => mount.id === id))?.name
      return [
        `${name === undefined ? 'A step' : `The step "${wording(name)}"`} was made with a version of ${names} that is no longer held; --refresh makes it anew.`,
      ]
    })
  }
}

/** Mounts by id: a step may mount one secret twice. */
const distinct = (mounts: readonly SecretStep[]): readonly SecretStep[] => [
  ...new Map(mounts.map((mount) => [mount.id, mount])).values(),
]

function whyRan(mounts: readonly SecretStep[], noCache: boolean): StepReason {
  const change = WEIGHT.find((weight) => mounts.some((mount) => mount.change === weight)) ?? 'none'
  if (change !== 'none') return change
  return noCache ? 'uncached' : 'below'
}

const whyReused = (mounts: readonly SecretStep[]): StepReason =>
  mounts.some(({ kept }) => kept) ? 'kept' : 'unchanged'
