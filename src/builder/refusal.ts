/**
 * What happens to an image that is not proven clean.
 *
 * @packageDocumentation
 */

import type { Digest, Engine } from '../docker/engine.js'
import { guardedEngine } from '../docker/guard.js'
import { Fault } from '../errors.js'
import { cacheRecord, type ReadableCache } from './cache-mounts.js'
import type { AssembledBuild } from './prepared.js'
import type { Report, ReportFinding } from './report.js'

/** Opaque ids that are never used again, because a step with one of them leaked and may still be in an engine's cache. */
export interface RetiredMounts {
  all(): Promise<ReadonlySet<string>>
  add(ids: readonly string[]): Promise<void>
}

/** How long the clean-up after a refusal may take, in milliseconds. It runs though the build may have been cancelled. */
const FORGET_MS = 60_000

/** Places that a fault lists; the report has them all. */
const LISTED_PLACES = 20

/** The fault for a report that refuses its image, `undefined` for one that lets it pass. */
export function refusal(report: Report, strict: boolean): Fault | undefined {
  switch (report.verdict) {
    case 'clean':
      return undefined
    case 'clean-base-unread':
      return strict ? notProven(report) : undefined
    case 'not-proven':
      return notProven(report)
    case 'leak':
      return new Fault(
        'LEAK_FOUND',
        'The image holds the value of a secret. It got no name and was removed.',
        {
          hint: 'Use the secret through --mount=type=secret only, and write it to no file that stays.',
          detail: { places: report.findings.slice(0, LISTED_PLACES).map(placeText) },
        },
      )
  }
}

function notProven(report: Report): Fault {
  return new Fault('NOT_PROVEN', 'The image could not be proven clean. It got no name and was removed.', {
    hint: report.reasons.join(' '),
    detail: {
      unread: report.unread.slice(0, LISTED_PLACES).map(({ path, why }) => `${path ?? 'the image'}: ${why}`),
    },
  })
}

/** One finding in a line: which secret, in which form, where. */
export function placeText({ secret, form, stage, layer, path, inner, where }: ReportFinding): string {
  const place = [
    stage === null ? undefined : `stage ${stage}`,
    layer === null ? undefined : `layer ${String(layer)}`,
    where === 'content' ? undefined : where,
    path === null ? undefined : [path, ...inner].join(' > '),
  ].filter((part) => part !== undefined)
  return `${secret} (${form}) in ${place.join(', ')}`
}

/** Opaque ids of the mounts of secrets that a build's steps were made with, those of kept steps too, for which nothing was served. */
export const usedMounts = ({ secretSteps }: AssembledBuild): readonly string[] =>
  secretSteps.filter(({ used }) => used.length > 0).map(({ id }) => id)

/** Whether an error is what {@link refusal} gives. */
export const isRefusal = (error: unknown): boolean =>
  error instanceof Fault && (error.code === 'LEAK_FOUND' || error.code === 'NOT_PROVEN')

/**
 * Removes a refused image and drops its steps from the engine's cache. The ids of their mounts were retired before, so that a
 * record which cannot be dropped is never asked for again.
 */
export async function forget(
  engine: Engine,
  {
    images,
    assembled,
    leaky,
    since,
  }: {
    readonly images: readonly Digest[]
    readonly assembled: AssembledBuild
    /** Cache mounts that hold a value. */
    readonly leaky: readonly ReadableCache[]
    /** When the build's first step started, by the engine's clock. */
    readonly since: number | undefined
  },
): Promise<void> {
  const commands = [...assembled.secretCommands, ...leaky.map(cacheRecord)]
  await whileThere(async () => {
    for (const image of images) await engine.removeUntagged(image)
    await engine.dropRecords({ commands, since }, AbortSignal.timeout(FORGET_MS))
  })
}

/** How long the records of a stopped build are waited for, in milliseconds: the engine lets go of them when it notices. */
const LET_GO_MS = 2_000

/** Pause between two looks, in milliseconds. */
const PAUSE_MS = 50

/** How long an engine may take to say that it is there before its rest is left to it, in milliseconds. */
const THERE_MS = { failed: 5_000, stopped: 1_000 }

/**
 * Removes what is left of a build that ended: images without a name and, of one that was stopped, steps that ran with a
 * secret and were never read. An engine that does not answer keeps what it has; whoever meets that again reads it
 * before it gets a name.
 *
 * @param rest - `unread`: the build, where its steps were not read; `stopped`: whether somebody waits for the end.
 */
export async function leaveNothing(
  engine: Engine,
  {
    images,
    unread,
    stopped,
  }: {
    readonly images: readonly Digest[]
    readonly unread: AssembledBuild | undefined
    readonly stopped: boolean
  },
): Promise<void> {
  if (images.length === 0 && unread === undefined) return
  if (!(await engine.answers(stopped ? THERE_MS.stopped : THERE_MS.failed))) return
  const guarded = guardedEngine(engine, AbortSignal.timeout(FORGET_MS))
  await whileThere(async () => {
    for (const image of images) await guarded.removeUntagged(image)
    if (unread !== undefined) await forgetUnread(guarded, unread)
  })
}

/** Does what makes no difference any more once the engine is gone. */
async function whileThere(work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const isGone = error instanceof Fault && error.code === 'ENGINE_UNREACHABLE'
    const isLate = error instanceof DOMException && error.name === 'TimeoutError'
    if (!isGone && !isLate) throw error
  }
}

/**
 * Drops what a build that was stopped left in the engine's cache: steps that ran with a secret and were never read. Their
 * ids stay in use, because nobody saw a leak.
 */
async function forgetUnread(engine: Engine, { secretCommands }: AssembledBuild): Promise<void> {
  if (secretCommands.length === 0) return
  const signal = AbortSignal.timeout(FORGET_MS)
  const deadline = performance.now() + LET_GO_MS
  for (;;) {
    const { left } = await engine.dropRecords({ commands: secretCommands, since: undefined }, signal)
    if (left === 0 || performance.now() > deadline) return
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
}
