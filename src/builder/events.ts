/**
 * What a build tells its listener, and how the engine's words become safe to
 * show: every text and every byte goes through a redactor on its way, and the
 * opaque ids turn back into what the user wrote.
 *
 * @packageDocumentation
 */

import type { BuildEvent } from '../docker/engine.js'
import type { NeedleSet } from '../leak/needles.js'
import { Redactor, redactText, SILENCE_MS } from '../leak/redact.js'
import type { MountLabels } from './mount-labels.js'
import type { Report } from './report.js'

/** A part of a build's life, in the order in which they come. */
export type Phase = 'check' | 'probe' | 'build' | 'prove' | 'archive' | 'tag' | 'push'

/** An event as a listener gets it: redacted, with the user's own words. */
export type BuilderEvent =
  | { readonly type: 'phase'; readonly phase: Phase }
  | {
      readonly type: 'step'
      /** Stands for the step in the events of its output. */
      readonly id: string
      readonly name: string
      readonly state: 'started' | 'done' | 'cached' | 'failed' | 'canceled'
      readonly error: string | undefined
      /** How long it ran, in milliseconds. */
      readonly durationMs: number | undefined
    }
  | {
      readonly type: 'log'
      readonly id: string
      readonly stream: 'stdout' | 'stderr'
      readonly bytes: Uint8Array
    }
  | { readonly type: 'warning'; readonly id: string; readonly text: string }
  /** Something worth knowing that no step said. */
  | { readonly type: 'note'; readonly text: string }
  /** Bytes of the context sent so far. */
  | { readonly type: 'upload'; readonly bytes: number }
  /** Bytes of the image read so far, and how many there are where that is known. */
  | { readonly type: 'proof'; readonly bytes: number; readonly of?: number }
  /** Comes before the fault where the verdict refuses the image. */
  | { readonly type: 'report'; readonly report: Report }
  | { readonly type: 'built'; readonly image: string; readonly tags: readonly string[] }
  /** A registry has the image now, under that name and digest. */
  | { readonly type: 'pushed'; readonly reference: string; readonly digest: string }

/** Receives events. What it throws ends the build. */
export type Listener = (event: BuilderEvent) => void

/** Bytes at the end of the output that are kept to explain a failure. */
const TAIL_BYTES = 16_384

/** Redacts the events of one build. Dispose it: it keeps timers. */
export class EventRedactor implements Disposable {
  readonly #needles: NeedleSet
  #labels: MountLabels
  readonly #emit: Listener
  readonly #streams = new Map<string, { readonly redactor: Redactor; timer: NodeJS.Timeout | undefined }>()
  #tail = ''
  #failedStep: string | undefined
  #startedAt: number | undefined

  constructor(needles: NeedleSet, labels: MountLabels, emit: Listener) {
    this.#needles = needles
    this.#labels = labels
    this.#emit = emit
  }

  /** The last of the redacted output. */
  get tail(): string {
    return this.#tail
  }

  /** When the first step started, in milliseconds of the engine's clock. */
  get startedAt(): number | undefined {
    return this.#startedAt
  }

  /** Name of the step that failed first. */
  get failedStep(): string | undefined {
    return this.#failedStep
  }

  /** Takes the words of a build that begins anew with other ids. What failed before is forgotten. */
  beginAnew(labels: MountLabels): void {
    this.#labels = labels
    this.#failedStep = undefined
    this.#tail = ''
  }

  /** Text of the engine, safe to show. */
  text(text: string): string {
    return redactText(this.#labels.translate(text), this.#needles)
  }

  take(event: BuildEvent): void {
    switch (event.type) {
      case 'step':
        if (event.startedAt !== undefined)
          this.#startedAt = Math.min(this.#startedAt ?? Infinity, event.startedAt)
        if (event.state !== 'started') this.#endStep(event.id)
        if (event.state === 'failed') this.#failedStep ??= this.text(event.name)
        this.#emit({
          type: 'step',
          id: event.id,
          name: this.text(event.name),
          state: event.state,
          error: event.error === undefined ? undefined : this.text(event.error),
          durationMs:
            event.startedAt === undefined || event.endedAt === undefined
              ? undefined
              : event.endedAt - event.startedAt,
        })
        return
      case 'log':
        this.#log(event.id, event.stream, event.bytes)
        return
      case 'warning':
        this.#emit({ type: 'warning', id: event.id, text: this.text(event.text) })
        return
      case 'upload':
        this.#emit({ type: 'upload', bytes: event.bytes })
        return
      case 'image':
      case 'built':
        return
    }
  }

  [Symbol.dispose](): void {
    for (const key of [...this.#streams.keys()]) this.#end(key)
  }

  #log(id: string, stream: 'stdout' | 'stderr', bytes: Uint8Array): void {
    const key = `${stream} ${id}`
    const state = this.#streams.get(key) ?? { redactor: new Redactor(this.#needles), timer: undefined }
    this.#streams.set(key, state)
    clearTimeout(state.timer)
    this.#show(key, state.redactor.push(bytes))
    state.timer = setTimeout(() => this.#show(key, state.redactor.flush()), SILENCE_MS)
    state.timer.unref()
  }

  #endStep(id: string): void {
    for (const stream of ['stdout', 'stderr']) this.#end(`${stream} ${id}`)
  }

  #end(key: string): void {
    const state = this.#streams.get(key)
    if (state === undefined) return
    clearTimeout(state.timer)
    this.#streams.delete(key)
    this.#show(key, state.redactor.end())
  }

  #show(key: string, bytes: Uint8Array): void {
    if (bytes.length === 0) return
    const [stream, id] = key.split(' ')
    this.#tail = (this.#tail + Buffer.from(bytes).toString('utf8')).slice(-TAIL_BYTES)
    this.#emit({ type: 'log', id: id ?? '', stream: stream === 'stderr' ? 'stderr' : 'stdout', bytes })
  }
}
