/**
 * What a build is asked for over HTTP: the part of the builder's request that
 * is text. Files are named by their path in the context; values come sealed,
 * beside the request.
 *
 * @packageDocumentation
 */

import { z } from '@hono/zod-openapi'
import type { BuildEntry } from '../../store/builds.js'
import { at, base64, failure, placeName, secretNameText } from './schemas.js'

/** Bytes of a submission: a Dockerfile of 4 MiB, and values. */
export const SUBMISSION_BYTES = 16 * 1024 * 1024

/** Bytes of a box: the largest value, padded, and what sealing adds. */
const MAX_BOX_BYTES = 500 * 1024 + 256

/** The client's own name of a submission. Values are sealed to it. */
export const IDEMPOTENCY_KEY = /^[A-Za-z0-9_-]{16,128}$/

const text = (max: number): z.ZodString => z.string().max(max)
const texts = (max = 1000): z.ZodArray<z.ZodString> => z.array(text(4096)).max(max)
const pairs = z.record(z.string().min(1).max(256), text(32_768))

/** A path in the context. It is looked up there and nowhere else. */
const contextPath = text(4096)
  .min(1)
  .refine((path) => !path.startsWith('/') && !path.split('/').includes('..') && !path.includes('\0'))

const options = {
  tags: texts(100).optional(),
  groups: z.array(placeName).max(100).optional(),
  network: z.enum(['default', 'host', 'none']).optional(),
  buildArgs: pairs.optional(),
  labels: pairs.optional(),
  extraHosts: texts().optional(),
  platform: text(64).optional(),
  noCache: z.boolean().optional(),
  pull: z.boolean().optional(),
  timeoutMs: z
    .number()
    .int()
    .positive()
    .max(7 * 24 * 3_600_000)
    .optional(),
  guard: z.enum(['environment', 'plan']).optional(),
  allowUnguarded: texts().optional(),
  allow: z
    .array(z.strictObject({ secret: text(128), path: text(4096) }))
    .max(1000)
    .optional(),
  strict: z.boolean().optional(),
  checkOnly: z.boolean().optional(),
  onRotate: z.enum(['rebuild', 'keep']).optional(),
  refresh: z.union([z.literal('all'), texts()]).optional(),
} as const

const mountSource = z.union([
  z.strictObject({ name: secretNameText }),
  z.strictObject({ value: text(128).min(1) }),
  z.strictObject({ requirements: contextPath }),
  z.strictObject({ credentialsOf: contextPath }),
])

const keySource = z.union([
  z.strictObject({ name: secretNameText }),
  z.strictObject({ value: text(128).min(1) }),
])

const dockerfileRequest = z.strictObject({
  ...options,
  dockerfile: z.union([
    z.strictObject({ text: text(4 * 1024 * 1024) }),
    z.strictObject({ file: contextPath }),
  ]),
  target: text(256).optional(),
  secrets: z.record(z.string().min(1).max(256), mountSource).optional(),
  ssh: z.record(z.string().min(1).max(256), keySource).optional(),
  allowMissing: texts().optional(),
  buildContexts: pairs.optional(),
})

const requirementsRequest = z.strictObject({
  ...options,
  requirements: z.union([texts(20_000), z.strictObject({ file: contextPath })]),
  base: text(512).min(1),
  apt: texts().optional(),
  workdir: text(4096).optional(),
  copy: z
    .array(z.strictObject({ from: contextPath, to: text(4096) }))
    .max(1000)
    .optional(),
  delivery: z.enum(['auto', 'lifted', 'filled']).optional(),
  isolate: z.boolean().optional(),
  installer: z.enum(['pip', 'uv']).optional(),
  sshKeys: z
    .array(z.strictObject({ name: secretNameText, host: text(256).min(1).optional() }))
    .max(100)
    .optional(),
  knownHosts: z.strictObject({ text: text(1024 * 1024) }).optional(),
})

const output = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('push'), credentials: secretNameText.nullable().optional() }),
  z.strictObject({ type: z.literal('oci') }),
  z.strictObject({ type: z.literal('engine') }),
])

/** A submission. */
export const submission = z.strictObject({
  environment: placeName,
  request: z.union([dockerfileRequest, requirementsRequest]),
  output,
  values: z
    .array(
      z.strictObject({
        name: text(128).min(1),
        boxes: z
          .array(z.strictObject({ keyId: z.string().regex(/^[0-9a-f]{32}$/), box: base64(MAX_BOX_BYTES) }))
          .min(1)
          .max(100),
      }),
    )
    .max(1000)
    .optional(),
  /** Whether a context follows. */
  context: z.boolean().optional(),
})

/** A submission as it was read. */
export type Submission = z.output<typeof submission>

export const state = z.enum([
  'uploading',
  'waiting',
  'running',
  'succeeded',
  'refused',
  'failed',
  'cancelled',
])

/** A build as clients see it. */
export const buildEntry = z
  .object({
    id: z.string(),
    environment: z.string(),
    state,
    tags: z.array(z.string()),
    output: z.object({ type: z.string() }),
    submittedAt: at,
    submittedBy: z.string(),
    startedAt: at.nullable(),
    endedAt: at.nullable(),
    attempt: z.number().int(),
    worker: z.string().nullable(),
    cancelRequested: z.boolean(),
    image: z.string().nullable(),
    verdict: z.string().nullable(),
    outcome: failure.nullable(),
    delivery: z.record(z.string(), z.unknown()).nullable(),
    contextBytes: z.number().int(),
    outputBytes: z.number().int(),
  })
  .openapi('Build')

/** A build without what was asked for, which can be long. */
export function shownBuild(build: BuildEntry): Omit<
  BuildEntry,
  'request' | 'idempotencyKey' | 'failure' | 'events'
> & {
  readonly tags: readonly string[]
  readonly outcome: BuildEntry['failure']
} {
  const { request, failure: outcome, idempotencyKey: _key, events: _events, ...shown } = build
  const { tags } = request
  return {
    ...shown,
    tags: Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : [],
    outcome,
  }
}
