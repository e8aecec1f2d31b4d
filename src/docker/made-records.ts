/**
 * Which build-cache records a build made. Records do not say so; but one that
 * appeared while a step of the build ran, and that repeats what the step did,
 * is that step's. Whatever else stands on the engine is somebody else's: a
 * record is taken for ours only where both hold.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import type { CacheRecord, Engine, StepEvent } from './engine.js'
import { squeezed } from './records.js'
import { CONTEXT_MARK } from './session.js'

/** A step that ran, with the time it took by the engine's clock. */
export type RanStep = Pick<StepEvent, 'name' | 'startedAt' | 'endedAt'>

/** How long records are asked for after a build, in milliseconds. */
const LOOK_MS = 30_000

/** What BuildKit writes into a record: https://github.com/moby/buildkit/blob/master/solver/llbsolver/mounts/mount.go and the `ops` and `source` folders beside it. */
const FROM_COMMAND = /^(?:mount|cached mount) \S+ from exec (.*)$/s
const FROM_ADDRESS = /^(?:http url|git snapshot for|shared git repo for) (\S+)/
const FROM_FILES = 'fileop target'
const OUR_CONTEXT = `http url http://buildkit-session/${CONTEXT_MARK}`

/** Ids of the records that steps of a build made. */
export function recordsMade(
  records: readonly CacheRecord[],
  { dockerfile, ran }: { readonly dockerfile: string; readonly ran: readonly RanStep[] },
): readonly string[] {
  const text = plain(dockerfile.replaceAll(/\\\r?\n/g, ' '))
  const during = ({ createdAt = NaN }: CacheRecord, steps: readonly RanStep[]): boolean =>
    steps.some(({ startedAt = NaN, endedAt = NaN }) => createdAt >= startedAt && createdAt <= endedAt)
  const commands = ran.filter(({ name }) => isCommand(name))
  const others = ran.filter(({ name }) => !isCommand(name))
  const isOurs = (record: CacheRecord): boolean => {
    const { description } = record
    const command = FROM_COMMAND.exec(description)?.[1]
    if (command !== undefined)
      return during(record, commands) && text.includes(plain(command.replace(SHELL, '')))
    if (description.startsWith(OUR_CONTEXT)) return during(record, others)
    const address = FROM_ADDRESS.exec(description)?.[1]
    if (address !== undefined) return during(record, others) && dockerfile.includes(address)
    return description === FROM_FILES && during(record, others)
  }
  return records.filter(isOurs).map(({ id }) => id)
}

const isCommand = (name: string): boolean => /^\[[^\]]*\] RUN /.test(name)

/** The shell before a command that is written without brackets. */
const SHELL = /^\/bin\/sh -c /

/** Without what differs between a command as it is written and as it is run: blanks, quotes and the brackets of a list. */
const plain = (text: string): string => squeezed(text.replaceAll(/["',[\]\\]/g, ' '))

/**
 * The same engine, which tells after each build which records that made, also after one that failed. Of an engine that does
 * not answer then it tells nothing, and what `onMade` throws of a store that is away is no failure of the build.
 */
export function notingEngine(engine: Engine, onMade: (ids: readonly string[]) => Promise<void>): Engine {
  const note = async (build: Parameters<typeof recordsMade>[1]): Promise<void> =>
    await onMade(recordsMade(await engine.records(AbortSignal.timeout(LOOK_MS)), build))
  return {
    ...engine,
    async *build(input, signal) {
      const ran: RanStep[] = []
      try {
        for await (const event of engine.build(input, signal)) {
          if (event.type === 'step' && event.state === 'done') ran.push(event)
          yield event
        }
      } finally {
        const dockerfile = Buffer.from(input.dockerfile).toString('utf8')
        if (ran.length > 0) await unlessAway(note({ dockerfile, ran }))
      }
    },
  }
}

/** Waits for work on the cache of an engine. One that is away, or a store that is, is no reason for anything else to end. */
export async function unlessAway(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    const isLate = error instanceof DOMException && error.name === 'TimeoutError'
    if (!(error instanceof Fault) && !isLate) throw error
  }
}
