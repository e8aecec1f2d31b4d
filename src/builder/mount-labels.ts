/**
 * Turns the opaque ids that the engine shows back into what the user wrote.
 *
 * @packageDocumentation
 */

/** A step's name: the stage and number in brackets, then the instruction. */
const STEP_NAME = /^((?:\[[^\]]*\] )?)RUN\s[\s\S]*$/

/** Replaces rewritten text by the user's own, longest first so that a flag goes before the id inside it. */
export class MountLabels {
  readonly #pairs: (readonly [engine: string, user: string])[] = []
  readonly #steps: (readonly [marker: string, words: string])[] = []

  add(engine: string, user: string): void {
    this.#pairs.push([engine, user])
    this.#pairs.sort(([a], [b]) => b.length - a.length)
  }

  /** Gives a step that we wrote a short name. `marker` is a text that no other step has. */
  addStep(marker: string, words: string): void {
    this.#steps.push([marker, words])
  }

  translate(text: string): string {
    const step = this.#steps.find(([marker]) => text.includes(marker))
    const named =
      step === undefined ? text : text.replace(STEP_NAME, (_match, place: string) => `${place}RUN ${step[1]}`)
    return this.#pairs.reduce((translated, [engine, user]) => translated.replaceAll(engine, user), named)
  }
}
