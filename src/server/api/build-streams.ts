/**
 * What streams: a context in, events and outputs out.
 *
 * @packageDocumentation
 */

import { checkedContext, CONTEXT_LIMITS } from '../../docker/context-archive.js'
import { Fault } from '../../errors.js'
import { bytesOf, requireType } from '../bodies.js'
import { endpoint, type Endpoint } from '../endpoint.js'
import { eventStream } from '../event-stream.js'
import { HttpFault, notFound } from '../failures.js'
import { bodyFrom } from '../streams.js'
import { jsonResponse } from '../wire.js'
import { z } from '@hono/zod-openapi'
import { buildEntry, shownBuild } from './build-schemas.js'
import { ofBuild, requireBuild } from './builds.js'
import type { ApiParts } from './parts.js'

/** Event streams that one token reads at once. */
const MAX_STREAMS = 50

const TAR = 'application/x-tar'

/** The endpoints that stream. */
export const streamEndpoints = (parts: ApiParts): readonly Endpoint[] => {
  const streams = new Map<string, number>()
  return [
    endpoint({
      method: 'put',
      path: '/v1/builds/{id}/context',
      summary: 'Send the context of a build as a tar archive. The build waits for a worker then.',
      scopes: ['builds:submit'],
      params: ofBuild,
      body: { stream: TAR },
      answers: { 200: z.object({ build: buildEntry }) },
      async handle({ caller, params, request }) {
        requireType(request, TAR)
        const build = await requireBuild(parts, caller, params.id)
        if (build.submittedBy !== caller.actor) {
          throw new Fault('FORBIDDEN', 'A context is sent by whoever submitted the build.')
        }
        const { contextBytes: bytes } = parts.limits
        if (Number(request.headers.get('content-length') ?? '0') > bytes + bytes / 8) {
          throw new HttpFault(413, 'REQUEST_INVALID', 'The context is too large.')
        }
        const archive = checkedContext(counted(parts, bytesOf(request)), { ...CONTEXT_LIMITS, bytes })
        await parts.builds.putContext(params.id, archive)
        await parts.queue.announce(params.id)
        return jsonResponse(200, { build: shownBuild(await requireBuild(parts, caller, params.id)) })
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/builds/{id}/events',
      summary: 'Read the events of a build as they come, behind Last-Event-ID.',
      scopes: ['builds:read', 'builds:submit'],
      params: ofBuild,
      answers: { 200: 'text/event-stream' },
      async handle({ caller, params, request }) {
        const { id } = await requireBuild(parts, caller, params.id)
        const after = lastEventId(request)
        const open = streams.get(caller.token.id) ?? 0
        if (open >= MAX_STREAMS) {
          throw new Fault('RATE_LIMITED', 'Too many event streams are open with this token.')
        }
        streams.set(caller.token.id, open + 1)
        const metric = parts.metrics.stream()
        const ended = (): void => {
          const left = (streams.get(caller.token.id) ?? 1) - 1
          if (left > 0) streams.set(caller.token.id, left)
          else streams.delete(caller.token.id)
          metric[Symbol.dispose]()
        }
        const { builds, queue, signal } = parts
        const source = eventStream(
          {
            builds,
            queue,
            isGood: () => caller.isGood(),
            signal: AbortSignal.any([signal, request.signal]),
            shown: shownBuild,
          },
          id,
          after,
        )
        return new Response(bodyFrom(source, once(ended)), {
          headers: {
            'content-type': 'text/event-stream',
            'cache-control': 'no-store',
            // Proxies such as nginx would keep events back.
            'x-accel-buffering': 'no',
          },
        })
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/builds/{id}/output',
      summary: 'Download the image as an OCI archive.',
      scopes: ['builds:read'],
      params: ofBuild,
      answers: { 200: TAR },
      async handle({ caller, params }) {
        const build = await requireBuild(parts, caller, params.id)
        if (build.state !== 'succeeded' || build.outputBytes === 0) throw notFound('output of that build')
        return new Response(bodyFrom(parts.builds.openOutput(build.id)), {
          headers: {
            'content-type': TAR,
            'content-length': String(build.outputBytes),
            'content-disposition': `attachment; filename="${build.id}.tar"`,
            'cache-control': 'no-store',
          },
        })
      },
    }),
  ]
}

async function* counted(
  { metrics }: ApiParts,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    metrics.uploaded(chunk.length)
    yield chunk
  }
}

/** @throws {@link Fault} `REQUEST_INVALID` for an id that none of ours is. */
function lastEventId({ headers }: Request): number {
  const text = headers.get('last-event-id') ?? '0'
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new Fault('REQUEST_INVALID', 'The Last-Event-ID is not one of this stream.')
}

function once(work: () => void): () => void {
  let isDone = false
  return () => {
    if (isDone) return
    isDone = true
    work()
  }
}
