/**
 * Builds: submit, look, cancel.
 *
 * @packageDocumentation
 */

import { createHash, randomUUID } from 'node:crypto'
import { z } from '@hono/zod-openapi'
import { checkOptions } from '../../builder/request.js'
import { Fault, faultOf } from '../../errors.js'
import type { BuildEntry, JsonObject } from '../../store/builds.js'
import type { Caller } from '../caller.js'
import { endpoint, type Endpoint } from '../endpoint.js'
import { notFound } from '../failures.js'
import { jsonResponse } from '../wire.js'
import {
  buildEntry,
  IDEMPOTENCY_KEY,
  shownBuild,
  state,
  submission,
  SUBMISSION_BYTES,
  type Submission,
} from './build-schemas.js'
import type { ApiParts } from './parts.js'
import { count, placeName } from './schemas.js'

/** What names a build in a path. */
export const ofBuild = z.object({ id: z.string().regex(/^[0-9a-f]{32}$/) })

/** Builds of a list that asks for no number. */
const PAGE = 50

/** The endpoints of builds, but for what streams. */
export const buildEndpoints = (parts: ApiParts): readonly Endpoint[] => [
  endpoint({
    method: 'post',
    path: '/v1/builds',
    summary:
      'Submit a build. The header Idempotency-Key makes sure that repeating the request changes nothing.',
    scopes: ['builds:submit'],
    body: { json: submission, limitBytes: SUBMISSION_BYTES },
    answers: { 200: z.object({ build: buildEntry }), 201: z.object({ build: buildEntry }) },
    async handle({ caller, body, request }) {
      caller.requireIn(body.environment)
      const { build, made } = await submitBuild(parts, { caller, body, key: keyOf(request, body) })
      caller.requireIn(build.environment)
      if (build.state === 'waiting') await parts.queue.announce(build.id)
      return jsonResponse(made ? 201 : 200, { build: shownBuild(build) })
    },
  }),
  endpoint({
    method: 'get',
    path: '/v1/builds',
    summary: 'List builds, newest first.',
    scopes: ['builds:read'],
    query: z.strictObject({
      environment: placeName.optional(),
      state: state.optional(),
      max: count.optional(),
      /** The last build of the page before. */
      before: ofBuild.shape.id.optional(),
    }),
    answers: { 200: z.object({ builds: z.array(buildEntry) }) },
    async handle({ caller, query: { environment, max = PAGE, ...query } }) {
      if (environment !== undefined) caller.requireIn(environment)
      const environments = environment === undefined ? caller.token.environments : [environment]
      const list = await parts.builds.list({ ...query, max, environments: environments ?? undefined })
      return jsonResponse(200, { builds: list.map(shownBuild) })
    },
  }),
  endpoint({
    method: 'get',
    path: '/v1/builds/{id}',
    summary: 'Show a build.',
    scopes: ['builds:read', 'builds:submit'],
    params: ofBuild,
    answers: { 200: z.object({ build: buildEntry }) },
    async handle({ caller, params }) {
      return jsonResponse(200, { build: shownBuild(await requireBuild(parts, caller, params.id)) })
    },
  }),
  endpoint({
    method: 'post',
    path: '/v1/builds/{id}/cancel',
    summary: 'Ask for a build to end.',
    scopes: ['builds:submit'],
    params: ofBuild,
    answers: { 200: z.object({ build: buildEntry }) },
    async handle({ caller, params }) {
      await requireBuild(parts, caller, params.id)
      const build = await parts.builds.requestCancel(params.id)
      if (build === null) throw notFound('such build')
      return jsonResponse(200, { build: shownBuild(build) })
    },
  }),
  endpoint({
    method: 'get',
    path: '/v1/builds/{id}/report',
    summary: 'Show what the leak check found.',
    scopes: ['builds:read', 'builds:submit'],
    params: ofBuild,
    answers: { 200: z.object({ report: z.record(z.string(), z.unknown()) }) },
    async handle({ caller, params }) {
      const { id } = await requireBuild(parts, caller, params.id)
      const report = await parts.builds.report(id)
      if (report === null) throw notFound('report of that build')
      return jsonResponse(200, { report })
    },
  }),
]

/**
 * A build that a caller may know of.
 *
 * @throws {@link Fault} `NOT_FOUND`, also for one of an environment the token is not for.
 */
export async function requireBuild(
  { builds }: Pick<ApiParts, 'builds'>,
  caller: Caller,
  id: string,
): Promise<BuildEntry> {
  const build = await builds.get(id)
  if (build === null || !caller.mayIn(build.environment)) throw notFound('such build')
  return build
}

async function submitBuild(
  { builds, limits, keepsImages }: ApiParts,
  { caller, body, key }: { readonly caller: Caller; readonly body: Submission; readonly key: string },
): Promise<{ readonly build: BuildEntry; readonly made: boolean }> {
  const { environment, output, values = [], context = false } = body
  if (output.type === 'engine' && !keepsImages) {
    throw new Fault('REQUEST_INVALID', 'An image cannot stay in an engine of this server.', {
      hint: 'Push it to a registry, or take it as an OCI archive.',
    })
  }
  const timeoutMs = Math.min(body.request.timeoutMs ?? limits.buildMs, limits.buildMs)
  const request = { ...body.request, timeoutMs }
  checkRequest(body)
  const { counts } = await builds.open()
  if (counts.uploading + counts.waiting + counts.running >= limits.openBuilds) {
    throw new Fault('RATE_LIMITED', 'Too many builds have not ended yet.', { hint: 'Try again later.' })
  }
  return await builds.submit({
    environment,
    request,
    output,
    submittedBy: caller.actor,
    idempotencyKey: key,
    requestDigest: digestOf(body),
    values,
    context,
  })
}

/** What needs no file is checked before a worker is asked: the mounts' values, the files' context, the options. */
function checkRequest({ request, environment, values = [], context }: Submission): void {
  const { timeoutMs: _time, ...rest } = request
  // The options alone are looked at, and they are of the same shape as the builder's.
  const { problems } = checkOptions({ ...withoutAbsent(rest), environment, dockerfile: { text: '' } })
  if (problems.length > 0) throw faultOf(problems)
  if (context !== true && needsContext(request)) {
    throw new Fault('REQUEST_INVALID', 'The build names a file of its context, and no context is to come.')
  }
  const given = new Set(values.map(({ name }) => name))
  const wanted =
    'dockerfile' in request
      ? [...Object.values(request.secrets ?? {}), ...Object.values(request.ssh ?? {})]
      : []
  const missing = wanted.flatMap((source) =>
    'value' in source && !given.has(source.value) ? [source.value] : [],
  )
  if (missing.length > 0 || given.size !== values.length) {
    throw new Fault('REQUEST_INVALID', 'The values given at hand are not those that the build names.')
  }
}

function needsContext(request: Submission['request']): boolean {
  if ('dockerfile' in request) {
    return (
      'file' in request.dockerfile ||
      Object.values(request.secrets ?? {}).some((each) => 'requirements' in each || 'credentialsOf' in each)
    )
  }
  return !Array.isArray(request.requirements) || (request.copy ?? []).length > 0
}

/** @throws {@link Fault} `REQUEST_INVALID` */
function keyOf({ headers }: Request, { values = [] }: Submission): string {
  const key = headers.get('idempotency-key')
  if (key === null) {
    if (values.length === 0) return randomUUID()
    throw new Fault('REQUEST_INVALID', 'A build with values given at hand needs an Idempotency-Key.', {
      hint: 'The values are sealed to it.',
    })
  }
  if (IDEMPOTENCY_KEY.test(key)) return key
  throw new Fault('REQUEST_INVALID', 'The Idempotency-Key is not valid.', {
    hint: 'It has 16 to 128 letters, digits, "_" and "-".',
  })
}

/** Tells two requests apart. Sealed values differ each time they are sealed, so a request is repeated as it was. */
function digestOf(body: Submission): string {
  const text = JSON.stringify(body, (_key, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value,
  )
  return createHash('sha256').update(text).digest('hex')
}

const withoutAbsent = (request: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined))
