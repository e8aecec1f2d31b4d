/**
 * Tokens and workers.
 *
 * @packageDocumentation
 */

import { z } from '@hono/zod-openapi'
import { endpoint, type Endpoint } from '../endpoint.js'
import { notFound } from '../failures.js'
import { jsonResponse } from '../wire.js'
import type { ApiParts } from './parts.js'
import { at, placeName, scope, time } from './schemas.js'

const tokenEntry = z
  .object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(z.string()),
    environments: z.array(z.string()).nullable(),
    createdAt: at,
    createdBy: z.string(),
    expiresAt: at.nullable(),
    lastUsedAt: at.nullable(),
    revokedAt: at.nullable(),
  })
  .openapi('TokenEntry')

const workerEntry = z
  .object({
    id: z.string(),
    name: z.string(),
    host: z.string(),
    engine: z.record(z.string(), z.unknown()),
    startedAt: at,
    seenAt: at,
    draining: z.boolean(),
    builds: z.array(z.string()),
  })
  .openapi('WorkerEntry')

/** The endpoints of tokens and workers. */
export const accessEndpoints = ({ tokens, workers }: ApiParts): readonly Endpoint[] => [
  endpoint({
    method: 'get',
    path: '/v1/tokens',
    summary: 'List tokens, without their texts.',
    scopes: ['admin'],
    everywhere: true,
    answers: { 200: z.object({ tokens: z.array(tokenEntry) }) },
    async handle() {
      return jsonResponse(200, { tokens: await tokens.list() })
    },
  }),
  endpoint({
    method: 'post',
    path: '/v1/tokens',
    summary: 'Make a token. Its text is in this answer and never again.',
    scopes: ['admin'],
    everywhere: true,
    body: {
      json: z.strictObject({
        name: z.string().min(1).max(100),
        scopes: z.array(scope).min(1).max(10),
        environments: z.array(placeName).min(1).max(100).nullable().optional(),
        expiresAt: time.nullable().optional(),
      }),
    },
    answers: { 201: z.object({ token: tokenEntry, text: z.string() }) },
    async handle({ caller, body }) {
      const made = await tokens.create({ ...body, createdBy: caller.actor })
      using text = made.text
      return jsonResponse(201, {
        token: made.token,
        text: text.use((bytes) => Buffer.from(bytes).toString('latin1')),
      })
    },
  }),
  endpoint({
    method: 'delete',
    path: '/v1/tokens/{id}',
    summary: 'Revoke a token for good.',
    scopes: ['admin'],
    everywhere: true,
    params: z.object({ id: z.string().regex(/^[0-9a-f]{16}$/) }),
    answers: { 200: z.object({ revoked: z.literal(true) }) },
    async handle({ params }) {
      if (!(await tokens.revoke(params.id))) throw notFound('token of that id that is good')
      return jsonResponse(200, { revoked: true })
    },
  }),
  endpoint({
    method: 'get',
    path: '/v1/workers',
    summary: 'List the workers that live.',
    scopes: ['builds:read'],
    answers: { 200: z.object({ workers: z.array(workerEntry) }) },
    async handle() {
      return jsonResponse(200, { workers: await workers.list() })
    },
  }),
]
