/**
 * Events of a build as JSON: what is bytes becomes base64, what is not there is
 * left out. The events themselves are the builder's; here is just their form.
 *
 * @packageDocumentation
 */

import type { JsonObject } from './builds.js'

/** An event as JSON. Bytes (output of a step) become base64. */
export function encodeEvent(event: object): JsonObject {
  const fields: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(event) as [string, unknown][]) {
    if (value instanceof Uint8Array) fields[name] = Buffer.from(value).toString('base64')
    else if (value !== undefined) fields[name] = value
  }
  return fields
}

/** The event again: the `bytes` of a `log` event are bytes. */
export function decodeEvent(event: JsonObject): JsonObject {
  const { type, bytes } = event
  if (type !== 'log' || typeof bytes !== 'string') return event
  return { ...event, bytes: new Uint8Array(Buffer.from(bytes, 'base64')) }
}
