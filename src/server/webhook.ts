/**
 * Tells another program of the end of each build: one POST with what the API
 * shows of the build, signed where a key was given. No log, no report, no value.
 *
 * @packageDocumentation
 */

import { createHmac } from 'node:crypto'
import { Fault } from '../errors.js'
import type { SecretValue } from '../secret.js'
import type { BuildEntry, BuildRecords } from '../store/builds.js'
import { shownBuild } from './api/build-schemas.js'

/** Where and how it is told. */
export interface WebhookOptions {
  readonly url: string
  /** Makes `x-traceless-signature: sha256=HEX`, the HMAC of the body. */
  readonly key?: SecretValue | undefined
}

/** How long the other side may take, in milliseconds. */
const TELL_MS = 10_000

/** Time until it is tried again, in milliseconds. */
const AGAIN_MS = 60_000

/** Builds at once. */
const AT_ONCE = 20

/** @throws {@link Fault} `REQUEST_INVALID` for what is no HTTP URL. */
export function checkWebhook(url: string): string {
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url
  throw new Fault('REQUEST_INVALID', 'The webhook is not an HTTP or HTTPS URL.')
}

/**
 * Tells of builds that ended and were not told of. Whoever does not answer with a status of 2xx is told again, for a day.
 *
 * @returns how many were told, and how many were not.
 */
export async function tellEnds(
  builds: Pick<BuildRecords, 'toTell' | 'told'>,
  { url, key }: WebhookOptions,
  signal: AbortSignal,
): Promise<{ readonly sent: number; readonly failed: number }> {
  const due = await builds.toTell({ max: AT_ONCE, holdMs: AGAIN_MS })
  const outcomes = await Promise.all(due.map((build) => tell(build, { url, key }, signal)))
  for (const [index, build] of due.entries()) {
    if (outcomes[index] === true) await builds.told(build.id)
  }
  const sent = outcomes.filter(Boolean).length
  return { sent, failed: outcomes.length - sent }
}

async function tell(build: BuildEntry, { url, key }: WebhookOptions, signal: AbortSignal): Promise<boolean> {
  const body = JSON.stringify({ build: shownBuild(build) })
  const signature = key?.use((bytes) => createHmac('sha256', bytes).update(body).digest('hex'))
  try {
    const response = await fetch(url, {
      method: 'POST',
      body,
      // The other side is the one that was named, and no other that it sends us to.
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(TELL_MS)]),
      headers: {
        'content-type': 'application/json',
        ...(signature === undefined ? {} : { 'x-traceless-signature': `sha256=${signature}` }),
      },
    })
    await response.body?.cancel()
    return response.ok
  } catch {
    // Not there, too slow, or it redirects: all the same to the next attempt.
    return false
  }
}
