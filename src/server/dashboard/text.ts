/**
 * Numbers, times and outputs as people read them.
 *
 * @packageDocumentation
 */

const SPANS = [
  [60, 1, 'second'],
  [3600, 60, 'minute'],
  [86_400, 3600, 'hour'],
  [86_400 * 100, 86_400, 'day'],
  [86_400 * 365, 86_400 * 30, 'month'],
  [Infinity, 86_400 * 365, 'year'],
] as const

/** `3 minutes ago`, `in 5 days`. */
export function agoText(at: string, now: number): string {
  const seconds = Math.round((now - Date.parse(at)) / 1000)
  const size = Math.abs(seconds)
  if (size < 5) return 'just now'
  const [, unit, name] = SPANS.find(([limit]) => size < limit) ?? SPANS[5]
  const count = Math.floor(size / unit)
  const text = `${String(count)} ${name}${count === 1 ? '' : 's'}`
  return seconds < 0 ? `in ${text}` : `${text} ago`
}

/** A time in the place of the reader. */
export const dayText = (at: string): string =>
  new Date(at).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' })

/** `1.5 s`, `2 min 5 s`. */
export function spanText(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  return `${String(Math.floor(ms / 60_000))} min ${String(Math.round((ms % 60_000) / 1000))} s`
}

/** `1.5 MB`. */
export function bytesText(bytes: number): string {
  let value = bytes
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (value < 1000) return `${value.toFixed(unit === 'B' || value >= 10 ? 0 : 1)} ${unit}`
    value /= 1000
  }
  return `${value.toFixed(1)} TB`
}

/** `1 secret`, `2 secrets`. */
export const countText = (count: number, noun: string): string =>
  `${String(count)} ${noun}${count === 1 ? '' : 's'}`

/** `RUN /bin/sh -c make # buildkit` as `RUN make`. */
export const stepText = (step: string): string =>
  step
    .replace(/\s*# buildkit$/, '')
    .replace(/^(RUN )?\/bin\/sh -c (?:#\(nop\)\s*)?/, '$1')
    .replace(/\s+/g, ' ')

/** Bytes in base64 as text. */
export const textOfBase64 = (base64: string, decoder: TextDecoder): string =>
  decoder.decode(
    Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)),
    { stream: true },
  )

/** Text as base64 of its UTF-8. */
export function base64OfText(text: string): string {
  const bytes = new TextEncoder().encode(text)
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  const base64 = btoa(binary)
  bytes.fill(0)
  return base64
}

/** Output without the codes that colour a terminal and move its cursor; the last state of a line that was overwritten. */
export const plainOutput = (text: string): string =>
  text
    .replace(/\u001b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g, '')
    .replace(/\r\n/g, '\n')
    .replace(/[^\n]*\r/g, '')
