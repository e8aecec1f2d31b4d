/**
 * One build on BuildKit: the final image and every stage below it are solved at
 * once, in one session and from one context, so that what is read afterwards is
 * what was used. A stage that is solved later may run its steps again while
 * another build holds their parents, and show a harmless copy.
 *
 * @packageDocumentation
 */

import { randomUUID } from 'node:crypto'
import { Code, ConnectError } from '@connectrpc/connect'
import { Fault } from '../errors.js'
import { openControl, type ControlConnection } from './control.js'
import type { BuildEvent, BuildInput, Digest } from './engine.js'
import { Traces } from './progress.js'
import { DOCKERFILE_NAME, openSession, type Session, type SessionOffer } from './session.js'
import type { BuildKitTransport } from './transport.js'
import { unreachable } from './unreachable.js'

/** Name of BuildKit's own Dockerfile frontend. */
const FRONTEND = 'dockerfile.v0'

/** How long after a failed solve its last progress records are waited for, in milliseconds. */
const LAST_WORDS_MS = 2_000

/** What becomes of what was built. */
export interface Output {
  /** BuildKit's name for it: https://docs.docker.com/build/exporters/ */
  readonly exporter: string
  /** Where its answer has the image's digest; the first that is there counts. */
  readonly idKeys: readonly string[]
  /** Takes what the exporter sends, for one that does. */
  readonly onFile?: SessionOffer['onFile']
  readonly signal: AbortSignal
}

/**
 * Builds untagged images, one for each target.
 *
 * @throws {@link Fault} `BUILD_FAILED`, `ENGINE_UNREACHABLE`; what `signal` was aborted with; whatever stopped the context.
 */
export async function* solve(
  transport: BuildKitTransport,
  input: BuildInput,
  output: Output,
): AsyncGenerator<BuildEvent> {
  const { signal } = output
  const queue = new EventQueue()
  const stop = new AbortController()
  const onAbort = (): void => stop.abort(signal.reason)
  signal.throwIfAborted()
  signal.addEventListener('abort', onAbort, { once: true })
  let uploadError: { readonly error: unknown } | undefined
  using control = await openControl(transport)
  const link = { lost: false }
  using session = await openSession(transport, {
    mounts: input.mounts,
    ...(input.withheld === undefined ? {} : { withheld: input.withheld }),
    ...(input.agents === undefined ? {} : { agents: input.agents }),
    dockerfile: input.dockerfile,
    context: input.context,
    credentials: input.credentials,
    ...(output.onFile === undefined ? {} : { onFile: output.onFile }),
    onUpload: (bytes) => queue.push({ type: 'upload', bytes }),
    onUploadFailed: (error) => {
      uploadError ??= { error }
      stop.abort(error)
    },
  })
  void session.closed.then(() => (link.lost = true))
  const traces = new Traces(input.targets.length)
  const work = solveAll({ control, session, input, traces, queue, output, signal: stop.signal })
  try {
    yield* queue.drain(work)
    const images = await work
    yield { type: 'built', images, divergent: traces.divergent() }
  } catch (error) {
    if (uploadError !== undefined) throw uploadError.error
    signal.throwIfAborted()
    // Without the session the engine gets neither secrets nor context, and tells of that in words of its own.
    throw error instanceof Fault && !link.lost ? error : buildFault(error, link.lost ? undefined : control)
  } finally {
    signal.removeEventListener('abort', onAbort)
    // Ends the processes of the build on the engine when the caller stopped listening.
    stop.abort(new Fault('CANCELLED', 'The build was cancelled.'))
  }
}

interface SolveAll {
  readonly control: ControlConnection
  readonly session: Session
  readonly input: BuildInput
  readonly traces: Traces
  readonly queue: EventQueue
  readonly output: Output
  readonly signal: AbortSignal
}

async function solveAll({
  control,
  session,
  input,
  traces,
  queue,
  output,
  signal,
}: SolveAll): Promise<readonly Digest[]> {
  const failed = new AbortController()
  const both = AbortSignal.any([signal, failed.signal])
  const solved = input.targets.map(async (target, trace) => {
    const ref = randomUUID().replaceAll('-', '')
    const told = follow(control, { ref, trace, traces, queue, signal })
    try {
      const { exporterResponse } = await control.client.solve(
        {
          ref,
          exporter: output.exporter,
          session: session.id,
          frontend: FRONTEND,
          frontendAttrs: attributes(input, session.contextUrl, target),
          cache: {},
          entitlements: input.network === 'host' ? ['network.host'] : [],
        },
        { signal: both },
      )
      const image = output.idKeys.map((key) => exporterResponse[key]).find((id) => id !== undefined)
      if (image === undefined || !isDigest(image))
        throw new Fault('BUILD_FAILED', 'The engine gave no image.')
      queue.push({ type: 'image', target, image })
      return image
    } catch (error) {
      // One failure ends all: the others would only repeat it.
      failed.abort(error)
      throw error
    } finally {
      await Promise.race([told, delay(LAST_WORDS_MS)])
    }
  })
  // All of them end before the first failure is told: a solve that is left alone would go on.
  await Promise.allSettled(solved)
  failed.signal.throwIfAborted()
  return Promise.all(solved)
}

/** Reads the progress of one solve. Its end says nothing about the solve's: a failure is the solve's to tell. */
async function follow(
  control: ControlConnection,
  {
    ref,
    trace,
    traces,
    queue,
    signal,
  }: { ref: string; trace: number; traces: Traces; queue: EventQueue; signal: AbortSignal },
): Promise<void> {
  try {
    for await (const record of control.client.status({ ref }, { signal })) {
      for (const event of traces.take(trace, record)) queue.push(event)
    }
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error
  }
}

/** Attributes of BuildKit's Dockerfile frontend: https://github.com/moby/buildkit/blob/master/frontend/dockerui/config.go */
export function attributes(input: BuildInput, contextUrl: string, target: string): Record<string, string> {
  const attrs: Record<string, string> = {
    context: contextUrl,
    dockerfilekey: 'dockerfile',
    filename: DOCKERFILE_NAME,
    'build-arg:BUILDKIT_CACHE_MOUNT_NS': input.cacheNamespace,
  }
  if (target !== '') attrs['target'] = target
  if (input.platform !== undefined) attrs['platform'] = input.platform
  if (input.noCache) attrs['no-cache'] = ''
  if (input.cgroupParent !== undefined) attrs['cgroup-parent'] = input.cgroupParent
  if (input.pull) attrs['image-resolve-mode'] = 'pull'
  if (input.network !== 'default') attrs['force-network-mode'] = input.network
  if (input.extraHosts.length > 0) attrs['add-hosts'] = input.extraHosts.map(hostAttribute).join(',')
  for (const [name, value] of input.buildArgs) attrs[`build-arg:${name}`] = value
  for (const [name, value] of input.labels) attrs[`label:${name}`] = value
  for (const [name, value] of input.namedContexts ?? []) attrs[`context:${name}`] = value
  return attrs
}

/** `name:address` as people write it, `name=address` as the frontend reads it. An address may hold colons. */
function hostAttribute(entry: string): string {
  const at = entry.search(/[:=]/)
  return `${entry.slice(0, at)}=${entry.slice(at + 1)}`
}

const isDigest = (text: string): text is Digest => /^sha256:[0-9a-f]{64}$/.test(text)

/** The engine's own words become the message: the caller redacts what it shows. */
function buildFault(error: unknown, control: ControlConnection | undefined): Fault {
  // A connection that breaks cancels its calls, and so does an engine that is told to.
  if (!(error instanceof ConnectError) || control?.isOpen() !== true) return unreachable(error)
  if (error.code === Code.Unavailable || error.code === Code.Internal) return unreachable(error)
  if (error.code === Code.Canceled) {
    return new Fault('BUILD_FAILED', 'The engine cancelled the build.', { cause: error })
  }
  return new Fault('BUILD_FAILED', error.rawMessage, { cause: error })
}

const delay = async (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref()
  })

/** Joins what several sources push into one sequence that ends with a promise. */
class EventQueue {
  readonly #events: BuildEvent[] = []
  #wake: (() => void) | undefined

  push(event: BuildEvent): void {
    this.#events.push(event)
    this.#wake?.()
  }

  /** Yields what was pushed until `work` settles and all of it was yielded. Does not throw what `work` throws. */
  async *drain(work: Promise<unknown>): AsyncGenerator<BuildEvent> {
    const state = { ended: false }
    const end = (): void => {
      state.ended = true
      this.#wake?.()
    }
    work.then(end, end)
    for (;;) {
      const event = this.#events.shift()
      if (event !== undefined) yield event
      else if (state.ended) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}
