/**
 * Events of a build as they come from a server.
 *
 * @packageDocumentation
 */

import type { BuilderEvent, Phase } from '../builder/events.js'
import type { Report } from '../builder/report.js'
import { objectOf, numberOf, strangeAnswer, textOf, textsOf, type Json } from './answer.js'

const PHASES: readonly string[] = [
  'check',
  'probe',
  'build',
  'prove',
  'archive',
  'tag',
  'push',
] satisfies readonly Phase[]

const STATES: readonly string[] = ['started', 'done', 'cached', 'failed', 'canceled']

/**
 * Reads the data of one event; `null` for a kind that this version does not know.
 *
 * @throws {@link Fault} `SERVER_UNREACHABLE` for what is no event.
 */
export function builderEvent(data: string): BuilderEvent | null {
  const event = objectOf(parsed(data))
  switch (event['type']) {
    case 'phase':
      return PHASES.includes(textOf(event['phase']))
        ? { type: 'phase', phase: event['phase'] as Phase }
        : null
    case 'step':
      return STATES.includes(textOf(event['state'])) ? stepEvent(event) : null
    case 'log':
      return {
        type: 'log',
        id: textOf(event['id']),
        stream: event['stream'] === 'stderr' ? 'stderr' : 'stdout',
        bytes: new Uint8Array(Buffer.from(textOf(event['bytes']), 'base64')),
      }
    case 'warning':
      return { type: 'warning', id: textOf(event['id']), text: textOf(event['text']) }
    case 'note':
      return { type: 'note', text: textOf(event['text']) }
    case 'upload':
    case 'proof':
      return { type: event['type'], bytes: numberOf(event['bytes']) }
    case 'report':
      return { type: 'report', report: reportOf(event['report']) }
    case 'built':
      return { type: 'built', image: textOf(event['image']), tags: textsOf(event['tags']) }
    case 'pushed':
      return { type: 'pushed', reference: textOf(event['reference']), digest: textOf(event['digest']) }
    default:
      return null
  }
}

/** Reads a report: what decides and what is walked through is checked, the rest is as the server wrote it. */
export function reportOf(value: unknown): Report {
  const report = objectOf(value)
  textOf(report['verdict'])
  textOf(report['image'])
  for (const list of ['reasons', 'guarded', 'tooShort', 'unguarded']) textsOf(report[list])
  for (const list of ['findings', 'unread', 'opaque', 'layers', 'steps', 'allow']) {
    if (!Array.isArray(report[list])) throw strangeAnswer()
  }
  return report as unknown as Report
}

const stepEvent = (event: Json): BuilderEvent => ({
  type: 'step',
  id: textOf(event['id']),
  name: textOf(event['name']),
  state: event['state'] as 'started',
  error: typeof event['error'] === 'string' ? event['error'] : undefined,
  durationMs: typeof event['durationMs'] === 'number' ? event['durationMs'] : undefined,
})

function parsed(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch (error) {
    if (error instanceof SyntaxError) throw strangeAnswer(error)
    throw error
  }
}
