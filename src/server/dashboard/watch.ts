/**
 * A build as it happens: its events become steps, lines and a report.
 *
 * @packageDocumentation
 */

import { useEffect, useState } from 'preact/hooks'
import { pathOf } from './api.js'
import { plainOutput, textOfBase64 } from './text.js'
import type { Build, BuildEvent, Report } from './wire.js'

/** A step of a build. */
export interface Step {
  readonly id: string
  /** From 1, as the log has it. */
  readonly number: number
  readonly name: string
  readonly state: 'started' | 'done' | 'cached' | 'failed' | 'canceled'
  readonly durationMs: number | undefined
}

/** A line of the log. */
export interface Line {
  readonly key: number
  /** Number of its step; `null` for what no step said. */
  readonly step: number | null
  readonly kind: 'head' | 'output' | 'note' | 'warning'
  readonly text: string
}

/** What is known of a build by now. */
export interface Watched {
  readonly phase: string | null
  readonly steps: readonly Step[]
  readonly lines: readonly Line[]
  /** Lines that are not kept any more. */
  readonly dropped: number
  readonly report: Report | null
  /** The build as it was when it ended. */
  readonly ended: Build | null
}

/** Lines that are kept: more than a person reads, few enough for a browser to show. */
const KEPT_LINES = 5_000

/** Steps of the engine's own that tell a person nothing. */
const INTERNAL = /^(?:\[internal\]|copy \/context|exporting to image)/

const NOTHING: Watched = { phase: null, steps: [], lines: [], dropped: 0, report: null, ended: null }

/** Watches a build until it ends. The browser makes a lost connection anew, and the server goes on where it was. */
export function useWatched(id: string): Watched {
  const [watched, setWatched] = useState(NOTHING)
  useEffect(() => {
    const events = new EventSource(`/v1${pathOf('builds', id, 'events')}`)
    const story = new Story()
    let frame = 0
    const show = (): void => {
      frame = 0
      setWatched(story.now())
    }
    const changed = (): void => {
      if (frame === 0) frame = requestAnimationFrame(show)
    }
    events.addEventListener('message', ({ data }: MessageEvent<string>) => {
      story.take(JSON.parse(data) as BuildEvent)
      changed()
    })
    events.addEventListener('end', ({ data }: MessageEvent<string>) => {
      events.close()
      story.end((JSON.parse(data) as { build: Build }).build)
      changed()
    })
    return () => {
      events.close()
      cancelAnimationFrame(frame)
    }
  }, [id])
  return watched
}

/** Gathers events. */
class Story {
  readonly #steps = new Map<string, Step>()
  readonly #decoders = new Map<string, TextDecoder>()
  readonly #open = new Map<string, string>()
  #lines: Line[] = []
  #made = 0
  #phase: string | null = null
  #report: Report | null = null
  #ended: Build | null = null

  now(): Watched {
    const dropped = Math.max(0, this.#lines.length - KEPT_LINES)
    if (dropped > 0) this.#lines = this.#lines.slice(dropped)
    return {
      phase: this.#ended === null ? this.#phase : null,
      steps: [...this.#steps.values()],
      lines: this.#lines.slice(),
      dropped: this.#made - this.#lines.length,
      report: this.#report,
      ended: this.#ended,
    }
  }

  take(event: BuildEvent): void {
    switch (event.type) {
      case 'phase':
        this.#phase = event.phase
        return
      case 'step':
        this.#step(event)
        return
      case 'log':
        this.#log(event)
        return
      case 'warning':
        this.#add({ step: this.#steps.get(event.id)?.number ?? null, kind: 'warning', text: event.text })
        return
      case 'note':
        this.#add({ step: null, kind: 'note', text: event.text })
        return
      case 'report':
        this.#report = event.report
        return
      case 'built':
        this.#add({
          step: null,
          kind: 'note',
          text: `built ${event.image.slice(0, 19)} ${event.tags.join(' ')}`,
        })
        return
      case 'pushed':
        this.#add({ step: null, kind: 'note', text: `pushed ${event.reference}` })
        return
      case 'upload':
      case 'proof':
        return
    }
  }

  end(build: Build): void {
    for (const id of this.#open.keys()) this.#flush(id)
    this.#ended = build
  }

  #step({ id, name, state, durationMs }: Extract<BuildEvent, { type: 'step' }>): void {
    if (INTERNAL.test(name)) return
    const before = this.#steps.get(id)
    const number = before?.number ?? this.#steps.size + 1
    this.#steps.set(id, { id, number, name, state, durationMs })
    if (before === undefined) this.#add({ step: number, kind: 'head', text: name })
    if (state !== 'started') this.#flush(id)
  }

  #log({ id, bytes }: Extract<BuildEvent, { type: 'log' }>): void {
    const decoder = this.#decoders.get(id) ?? new TextDecoder()
    this.#decoders.set(id, decoder)
    const text = (this.#open.get(id) ?? '') + textOfBase64(bytes, decoder)
    const lines = text.split('\n')
    this.#open.set(id, lines.pop() ?? '')
    for (const line of lines) this.#output(id, line)
  }

  /** The rest of a line that never ended. */
  #flush(id: string): void {
    const rest = this.#open.get(id) ?? ''
    this.#open.delete(id)
    if (rest !== '') this.#output(id, rest)
  }

  #output(id: string, text: string): void {
    this.#add({ step: this.#steps.get(id)?.number ?? null, kind: 'output', text: plainOutput(text) })
  }

  #add(line: Omit<Line, 'key'>): void {
    this.#made += 1
    this.#lines.push({ ...line, key: this.#made })
  }
}
