/**
 * A container that runs, connected to a person: its output through the
 * redactor, their input, the size of their terminal and their signals.
 *
 * @packageDocumentation
 */

import { once } from 'node:events'
import { pipeline } from 'node:stream/promises'
import type { Attachment, Container, Watch } from '../docker/containers.js'
import type { NeedleSet } from '../leak/needles.js'
import { createRedactStream } from '../leak/redact-stream.js'
import type { Console } from './console.js'
import type { ContainerOutput } from './handover.js'
import type { RunRequest } from './request.js'

/** A container that was started. */
export interface Running {
  readonly container: Container
  readonly attachment: Attachment
  readonly output: ContainerOutput
  readonly watch: Watch
}

/** Whom it is connected to. */
export interface Follower {
  readonly request: Pick<RunRequest, 'interactive' | 'terminal'>
  readonly console: Console
  readonly needles: NeedleSet
}

/** So many signals that ask to end, and the container is ended: a first process that does not listen gets none of them. */
const PATIENCE = 3

/** Ctrl-P and Ctrl-Q, with which a person lets go of a container with a terminal: Docker's own keys. */
const DETACH_KEYS = Buffer.of(0x10, 0x11)

/** Follows a container to its end, or until the person lets go of it. */
export async function follow(
  running: Running,
  follower: Follower,
): Promise<{ readonly status: number; readonly detached: boolean }> {
  const { container, attachment, output, watch } = running
  const { request, console, needles } = follower
  const terminal = request.terminal ? console.terminal : undefined
  const calls: Promise<void>[] = []
  const resize = (size: { columns: number; rows: number }): void => void calls.push(container.resize(size))
  using _size = terminal?.onResize(resize)
  using _raw = request.interactive ? terminal?.raw() : undefined
  using _signals = console.relaySignals(relay(container, calls))
  using input = request.interactive ? typeInto(attachment, follower) : undefined
  await show(output, { console, needles })
  if (input?.hasLetGo() === true) {
    console.notice(`note: the container goes on: ${container.id.slice(0, 12)}.`)
    return { status: 0, detached: true }
  }
  const [ended] = await Promise.all([watch.status, ...calls])
  return { status: ended, detached: false }
}

function relay(container: Container, calls: Promise<void>[]): (signal: NodeJS.Signals) => void {
  let asked = 0
  return (signal) => {
    if (signal === 'SIGINT' || signal === 'SIGTERM') asked += 1
    calls.push(container.kill(asked >= PATIENCE ? 'SIGKILL' : signal))
  }
}

interface Typing extends Disposable {
  /** Whether the keys to let go were typed. */
  hasLetGo(): boolean
}

function typeInto({ stdin }: Attachment, { request, console }: Follower): Typing {
  let last = Buffer.alloc(0)
  let letGo = false
  const look = (bytes: Uint8Array): void => {
    const seen = Buffer.concat([last, bytes])
    letGo ||= seen.includes(DETACH_KEYS)
    last = seen.subarray(-1)
  }
  if (request.terminal) console.stdin.on('data', look)
  console.stdin.pipe(stdin)
  return {
    hasLetGo: () => letGo,
    [Symbol.dispose]() {
      console.stdin.off('data', look)
      console.stdin.unpipe(stdin)
      console.stdin.pause()
    },
  }
}

async function show(
  output: ContainerOutput,
  { console, needles }: { readonly console: Console; readonly needles: NeedleSet },
): Promise<void> {
  const masked = { stdout: createRedactStream(needles), stderr: createRedactStream(needles) }
  const shown = Promise.all([
    pipeline(masked.stdout, console.stdout, { end: false }),
    pipeline(masked.stderr, console.stderr, { end: false }),
  ])
  try {
    for await (const { stream, bytes } of output) {
      if (!masked[stream].write(bytes)) await once(masked[stream], 'drain')
    }
  } finally {
    masked.stdout.end()
    masked.stderr.end()
    await shown
  }
}
