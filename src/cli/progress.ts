/**
 * Shows a build while it runs: one line a step, the output of steps below it,
 * and on a terminal a last line that says what is going on right now.
 *
 * @packageDocumentation
 */

import { createColors } from 'picocolors'
import type { BuilderEvent, Listener, Phase } from '../builder/events.js'
import type { Io } from './io.js'
import { ByteProgress } from './byte-progress.js'
import { bytesText, durationText, wantsColor } from './print.js'
import { reportLines } from './report-text.js'

/** How progress is shown: `auto` takes `tty` on a terminal. */
export type ProgressMode = 'auto' | 'plain' | 'tty' | 'quiet' | 'json'

const PHASES: Readonly<Record<Phase, string>> = {
  check: 'checking the request',
  probe: 'looking into the base image',
  build: 'building',
  prove: 'reading the image back',
  archive: 'writing the archive',
  tag: 'naming the image',
  push: 'pushing the image',
}

/** Steps of the engine's own that tell a person nothing. */
const INTERNAL_STEP = /^(?:\[internal\]|copy \/context|exporting to image)/

/** Makes a listener that writes to standard error. */
export function showProgress(io: Io, mode: ProgressMode): Listener {
  const resolved = mode === 'auto' ? (io.errIsTerminal ? 'tty' : 'plain') : mode
  switch (resolved) {
    case 'quiet':
      return () => undefined
    case 'json':
      return (event) => io.err(JSON.stringify(jsonEvent(event)))
    case 'plain':
      return lineWriter(io, false)
    case 'tty':
      return lineWriter(io, true)
  }
}

/** An event as one line of JSON; output of steps as text. */
const jsonEvent = (event: BuilderEvent): unknown =>
  event.type === 'log'
    ? { ...event, bytes: undefined, text: Buffer.from(event.bytes).toString('utf8') }
    : event

/** How far the reading of what is searched has come, on a terminal. Dispose it before anything else is printed. */
export interface ReadProgress extends Disposable {
  /** Shows that `bytes` were read, of `of` where that is known. */
  show(bytes: number, of?: number): void
}

/** Shows on standard error how far reading has come; nothing where that is no terminal. */
export function showReading(io: Io): ReadProgress {
  // A terminal that cannot take a line back would show hundreds of them.
  const isLive = io.errIsTerminal && io.env['TERM'] !== 'dumb'
  const status = new StatusLine(io, isLive)
  const read = new ByteProgress()
  return {
    show(bytes, of) {
      const text = isLive ? read.line(bytes, of) : undefined
      if (text !== undefined) status.show(searching(text))
    },
    [Symbol.dispose]: () => status.clear(),
  }
}

const searching = (text: string): string => `… searching ${text}`

/** The last line of a terminal, which says what is going on right now. */
class StatusLine {
  readonly #io: Io
  readonly #isLive: boolean
  readonly #paint: ReturnType<typeof createColors>
  #isShown = false

  constructor(io: Io, isLive: boolean) {
    this.#io = io
    this.#isLive = isLive
    this.#paint = createColors(wantsColor(io))
  }

  show(text: string): void {
    if (!this.#isLive) return
    this.clear()
    this.#isShown = true
    this.#io.errBytes(Buffer.from(this.#paint.dim(text.slice(0, this.#io.columns - 1))))
  }

  clear(): void {
    if (this.#isShown) this.#io.errBytes(Buffer.from('\r\u001b[2K'))
    this.#isShown = false
  }
}

function lineWriter(io: Io, live: boolean): Listener {
  const color = live && wantsColor(io)
  const paint = createColors(color)
  const numbers = new Map<string, number>()
  const open = new Map<string, string>()
  const read = new ByteProgress()
  const status = new StatusLine(io, live)
  const clear = (): void => status.clear()
  const line = (text: string): void => {
    clear()
    io.err(text)
  }
  const now = (text: string): void => status.show(text)
  const numberOf = (id: string): number => {
    const number = numbers.get(id) ?? numbers.size + 1
    numbers.set(id, number)
    return number
  }
  /** Shows whole lines; the rest of a line waits for its end. */
  const output = (id: string, bytes: Uint8Array, last: boolean): void => {
    const text = (open.get(id) ?? '') + Buffer.from(bytes).toString('latin1')
    const lines = text.split('\n')
    const rest = lines.pop() ?? ''
    open.set(id, last ? '' : rest)
    if (last && rest !== '') lines.push(rest)
    for (const shown of lines) {
      clear()
      io.errBytes(Buffer.from(`${paint.dim(`#${String(numberOf(id))}`)}   ${shown}\n`, 'latin1'))
    }
  }
  return (event) => {
    switch (event.type) {
      case 'phase':
        if (live) now(`… ${PHASES[event.phase]}`)
        return
      case 'step': {
        if (INTERNAL_STEP.test(event.name)) return
        const isNew = !numbers.has(event.id)
        const label = `${paint.bold(`#${String(numberOf(event.id))}`)} ${event.name}`
        if (isNew && event.state !== 'cached') line(label)
        if (event.state === 'started') return
        output(event.id, new Uint8Array(), true)
        const time = event.durationMs === undefined ? '' : ` ${paint.dim(durationText(event.durationMs))}`
        if (event.state === 'cached') line(`${label} ${paint.cyan('CACHED')}`)
        else if (event.state === 'done') line(`#${String(numberOf(event.id))} ${paint.green('done')}${time}`)
        else line(`#${String(numberOf(event.id))} ${paint.red(event.state)}${time}`)
        return
      }
      case 'log':
        output(event.id, event.bytes, false)
        return
      case 'warning':
        line(`${paint.yellow('warning')}: ${event.text}`)
        return
      case 'note':
        line(`${paint.cyan('note')}: ${event.text}`)
        return
      case 'upload':
        now(`… sending the context: ${bytesText(event.bytes)}`)
        return
      case 'proof': {
        const text = live ? read.line(event.bytes, event.of) : undefined
        if (text !== undefined) now(searching(text))
        return
      }
      case 'report':
        clear()
        for (const text of reportLines(event.report, { color, ...(live ? { columns: io.columns } : {}) }))
          io.err(text)
        return
      case 'built':
        line(`${paint.green('built')} ${[event.image.slice(0, 19), ...event.tags].join(' ')}`)
        return
      case 'pushed':
        line(`${paint.green('pushed')} ${event.reference}@${event.digest}`)
        return
    }
  }
}
