/**
 * A {@link Builder} that lets a server build: the same request, events and
 * result as on this machine.
 *
 * @packageDocumentation
 */

import { randomUUID } from 'node:crypto'
import type { BuildControls, Builder, BuildResult } from '../builder/build.js'
import type { BuilderEvent, Listener } from '../builder/events.js'
import type { Report } from '../builder/report.js'
import type { BuildRequest } from '../builder/request.js'
import { Fault } from '../errors.js'
import { packRequest, type PackedRequest } from './build-request.js'
import type { BuildOutput, RemoteBuild, RemoteBuilds, Submission } from './builds.js'
import type { Connection } from './connection.js'
import type { ServerPins } from './known-servers.js'
import { readServerKeys, requirePinned, sealValues, type SealedValue } from './server-keys.js'

/** What a remote builder works with. */
export interface RemoteBuilderParts {
  readonly connection: Connection
  readonly builds: RemoteBuilds
  /** What values given at hand may be sealed to; asked for only where there are some. */
  readonly pins: () => Promise<ServerPins | null>
  /** Name of the stored secret, `user:password`, with which the server pushes. Default: the credentials of its worker. */
  readonly pushCredentials?: string | undefined
  /** Told the id of the build as soon as the server has it. */
  readonly onSubmitted?: ((build: RemoteBuild) => void) | undefined
}

/** How long a server may take to end a build that was cancelled here, in milliseconds. */
const CANCEL_MS = 10_000

/** Makes the builder. */
export function remoteBuilder(parts: RemoteBuilderParts): Builder {
  return {
    async build(request, { onEvent = () => undefined, signal } = {}) {
      signal?.throwIfAborted()
      using packed = await packRequest(request)
      const key = randomUUID()
      const submission = await submissionOf(parts, packed, { key, output: outputOf(request, parts) })
      // Not with the caller's signal: a build that was accepted while the answer was dropped could not be cancelled.
      const build = await parts.builds.submit(submission, key)
      parts.onSubmitted?.(build)
      const ended = await carriedOut(parts.builds, { build, packed, onEvent, signal })
      return await resultOf(parts.builds, ended, { request, signal })
    },
  }
}

async function submissionOf(
  { connection, pins }: RemoteBuilderParts,
  packed: PackedRequest,
  { key, output }: { readonly key: string; readonly output: BuildOutput },
): Promise<Submission> {
  const { environment, request, values, context } = packed
  let sealed: readonly SealedValue[] = []
  if (values.size > 0) {
    const keys = await readServerKeys(connection)
    requirePinned(keys, await pins())
    sealed = await sealValues(keys, values, { environment, submission: key })
    packed[Symbol.dispose]()
  }
  return { environment, request, output, values: sealed, context: context !== null }
}

interface Submitted {
  readonly build: RemoteBuild
  readonly packed: PackedRequest
  readonly onEvent: Listener
  readonly signal: BuildControls['signal']
}

/** A build that has ended, and the report that it told on the way. */
interface Ended {
  readonly build: RemoteBuild
  readonly report: Report | null
  readonly pushed: BuildResult['pushed']
}

async function carriedOut(
  builds: RemoteBuilds,
  { build, packed, onEvent, signal }: Submitted,
): Promise<Ended> {
  try {
    if (packed.context !== null && build.state === 'uploading') {
      await builds.upload(build.id, counted(packed.context(), onEvent), signal)
    }
    let report: Report | null = null
    const pushed: BuildResult['pushed'][number][] = []
    const watched = builds.watch(build.id, {
      signal,
      onLost: () =>
        onEvent({ type: 'note', text: 'The connection to the server was lost; it is made anew.' }),
    })
    for (;;) {
      const next = await watched.next()
      if (next.done === true) return { build: next.value, report, pushed }
      if (next.value.type === 'report') report = next.value.report
      if (next.value.type === 'pushed') pushed.push(pushedOf(next.value))
      // Our own upload was told already, and the worker's is nothing a person waits for.
      if (next.value.type !== 'upload') onEvent(next.value)
    }
  } catch (error) {
    await cancelled(builds, build.id)
    throw error
  }
}

async function resultOf(
  builds: RemoteBuilds,
  { build, report, pushed }: Ended,
  { request, signal }: { readonly request: BuildRequest; readonly signal: BuildControls['signal'] },
): Promise<BuildResult | null> {
  if (build.state !== 'succeeded') {
    throw (
      build.outcome ??
      new Fault('INTERNAL', `The build ended as ${build.state}, and the server does not say why.`)
    )
  }
  if (request.checkOnly === true || build.image === null) return null
  if (request.archive !== undefined) await request.archive(await builds.output(build.id, signal))
  return {
    id: build.id,
    image: build.image as BuildResult['image'],
    tags: build.tags,
    pushed,
    report: report ?? (await builds.report(build.id)),
    delivery: build.delivery ?? undefined,
  }
}

const pushedOf = ({
  reference,
  digest,
}: Extract<BuilderEvent, { type: 'pushed' }>): BuildResult['pushed'][number] => ({
  reference,
  digest: digest as BuildResult['image'],
})

/** An archive is made where nothing is pushed, so that something of the image is left. */
function outputOf({ push, archive }: BuildRequest, { pushCredentials }: RemoteBuilderParts): BuildOutput {
  if (push === true && archive !== undefined) {
    throw new Fault('REQUEST_INVALID', 'A server pushes the image or makes an archive of it, not both.')
  }
  return push === true ? { type: 'push', credentials: pushCredentials } : { type: 'oci' }
}

/** Ends a build that nobody waits for any more, and waits until it has ended. */
async function cancelled(builds: RemoteBuilds, id: string): Promise<void> {
  try {
    await builds.cancel(id)
    const watched = builds.watch(id, { signal: AbortSignal.timeout(CANCEL_MS), patienceMs: 0 })
    while ((await watched.next()).done !== true);
  } catch (error) {
    // What ended the wait is the news; the server ends the build by itself, or it has ended.
    if (!(error instanceof Fault)) throw error
  }
}

/** Tells how much of the context was sent. */
async function* counted(tar: AsyncIterable<Uint8Array>, onEvent: Listener): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of tar) {
    yield chunk
    bytes += chunk.length
    onEvent({ type: 'upload', bytes })
  }
}
