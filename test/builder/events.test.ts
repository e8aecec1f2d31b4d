/** Whatever an engine says reaches a listener without the value and in the user's own words. */

import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { EventRedactor, type BuilderEvent } from '../../src/builder/events.js'
import { MountLabels } from '../../src/builder/mount-labels.js'
import type { BuildEvent } from '../../src/docker/engine.js'
import { needlesFor } from '../../src/leak/needles.js'
import { SILENCE_MS } from '../../src/leak/redact.js'

const TOKEN = 'tr4celess-token-of-this-test'

function redactor(): { take: (event: BuildEvent) => void; events: BuilderEvent[]; redactor: EventRedactor } {
  const needles = needlesFor([{ name: 'TOKEN', value: Buffer.from(TOKEN) }])
  const labels = new MountLabels()
  labels.add('s-opaque', 'TOKEN')
  labels.add('--mount=type=secret,id=s-opaque,required=true', '--mount=type=secret,id=TOKEN')
  labels.addStep('traceless-install;', 'pip install -r requirements.txt')
  const events: BuilderEvent[] = []
  const made = new EventRedactor(needles, labels, (event) => events.push(event))
  onTestFinished(() => {
    made[Symbol.dispose]()
    needles[Symbol.dispose]()
  })
  return { take: (event) => made.take(event), events, redactor: made }
}

const step = (name: string, more: Partial<BuildEvent & { type: 'step' }> = {}): BuildEvent => ({
  type: 'step',
  id: 'a',
  name,
  state: 'started',
  error: undefined,
  startedAt: 10,
  endedAt: undefined,
  ...more,
})
const log = (text: string, more: { id?: string; stream?: 'stdout' | 'stderr' } = {}): BuildEvent => ({
  type: 'log',
  id: more.id ?? 'a',
  stream: more.stream ?? 'stdout',
  bytes: Buffer.from(text),
})
const textOf = (events: readonly BuilderEvent[]): string =>
  events.map((event) => (event.type === 'log' ? Buffer.from(event.bytes).toString() : '')).join('')

describe('B6: events', () => {
  it.for<[why: string, event: BuildEvent, shown: Partial<Record<string, unknown>>]>([
    ['a name', step(`[2/3] RUN echo ${TOKEN}`), { name: '[2/3] RUN echo ***' }],
    [
      'an error',
      step('RUN x', { state: 'failed', error: `process ${TOKEN} with s-opaque` }),
      { error: 'process *** with TOKEN' },
    ],
    [
      'a warning',
      { type: 'warning', id: 'a', text: `careful: ${TOKEN} s-opaque` },
      { text: 'careful: *** TOKEN' },
    ],
    [
      'a mount',
      step('[2/3] RUN --mount=type=secret,id=s-opaque,required=true cat x'),
      { name: '[2/3] RUN --mount=type=secret,id=TOKEN cat x' },
    ],
    [
      'a step that we wrote',
      step('[wheels 2/2] RUN --mount=type=secret,id=s-opaque ["/bin/sh", ": traceless-install; pip"]'),
      { name: '[wheels 2/2] RUN pip install -r requirements.txt' },
    ],
  ])('B6: %s', ([, event, shown]) => {
    const { take, events } = redactor()
    take(event)
    expect(events).toEqual([expect.objectContaining(shown)])
  })

  it('B6: output that is cut anywhere, in each stream of each step', () => {
    for (let cut = 0; cut <= TOKEN.length; cut += 1) {
      const { take, events } = redactor()
      const [a, b] = [TOKEN.slice(0, cut), TOKEN.slice(cut)]
      for (const place of [{}, { stream: 'stderr' }, { id: 'b' }] as const) take(log(`x${a}`, place))
      for (const place of [{}, { stream: 'stderr' }, { id: 'b' }] as const) take(log(`${b}y\n`, place))
      for (const id of ['a', 'b']) take(step('RUN', { id, state: 'done' }))
      expect(textOf(events)).not.toContain(TOKEN)
      expect(textOf(events).match(/\*\*\*/g)).toHaveLength(3)
    }
  })

  it('B6: output that a step leaves unfinished is shown when it ends, or when it says nothing for a while', () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const { take, events } = redactor()
    take(log('wait'))
    vi.advanceTimersByTime(SILENCE_MS)
    expect(textOf(events)).toBe('wait')
    take(log('tr4'))
    take(step('RUN', { state: 'done' }))
    expect(textOf(events)).toBe('waittr4')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('B6: the end of the output is kept for explaining a failure, redacted, and not all of it', () => {
    const { take, redactor: made } = redactor()
    take(log(`${'x'.repeat(40_000)}\n${TOKEN}\n`))
    take(step(`RUN ${TOKEN}`, { state: 'failed', error: 'exit code: 1' }))
    take(step('RUN later', { id: 'b', state: 'failed', error: 'canceled' }))
    expect(made.tail.endsWith('***\n')).toBe(true)
    expect(made.tail.length).toBeLessThan(20_000)
    expect(made.failedStep).toBe('RUN ***')
    expect(made.startedAt).toBe(10)
  })
})
