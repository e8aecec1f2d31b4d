/**
 * Environments, the store's public keys, and who the caller is.
 *
 * @packageDocumentation
 */

import { z } from '@hono/zod-openapi'
import { endpoint, type Endpoint } from '../endpoint.js'
import { jsonResponse } from '../wire.js'
import type { ApiParts } from './parts.js'
import { at, placeName } from './schemas.js'

const environmentEntry = z
  .object({
    name: z.string(),
    secrets: z.number().int(),
    groups: z.number().int(),
    createdAt: at.nullable(),
    createdBy: z.string().nullable(),
  })
  .openapi('EnvironmentEntry')

const me = z.object({
  token: z.object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(z.string()),
    environments: z.array(z.string()).nullable(),
    expiresAt: at.nullable(),
  }),
  store: z.object({ id: z.string() }),
  server: z.object({ version: z.string() }),
})

/** The endpoints of environments, keys and the caller. */
export const placeEndpoints = ({ adminAs, storeId, version, recipients }: ApiParts): readonly Endpoint[] => [
  endpoint({
    method: 'get',
    path: '/v1/me',
    summary: 'Tell what the token may do.',
    scopes: 'any',
    answers: { 200: me },
    async handle({ caller: { token } }) {
      const { id, name, scopes, environments, expiresAt } = token
      return jsonResponse(200, {
        token: { id, name, scopes, environments, expiresAt },
        store: { id: storeId },
        server: { version },
      })
    },
  }),
  endpoint({
    method: 'get',
    path: '/v1/keys',
    summary: 'List the public keys that values given at hand are sealed to. Pin them: do not trust them.',
    scopes: ['builds:submit', 'secrets:write'],
    answers: {
      200: z.object({
        storeId: z.string(),
        recipients: z.array(
          z.object({ keyId: z.string(), publicKey: z.string().openapi({ format: 'byte' }) }),
        ),
      }),
    },
    async handle() {
      const keys = await recipients()
      return jsonResponse(200, {
        storeId,
        recipients: keys.map(({ keyId, publicKey }) => ({
          keyId,
          publicKey: Buffer.from(publicKey).toString('base64'),
        })),
      })
    },
  }),
  endpoint({
    method: 'get',
    path: '/v1/environments',
    summary: 'List environments.',
    scopes: ['secrets:list'],
    answers: { 200: z.object({ environments: z.array(environmentEntry) }) },
    async handle({ caller }) {
      const all = await adminAs(caller.actor).environments()
      return jsonResponse(200, { environments: all.filter(({ name }) => caller.mayIn(name)) })
    },
  }),
  endpoint({
    method: 'delete',
    path: '/v1/environments/{environment}',
    summary: 'Delete an environment with all that is in it.',
    scopes: ['admin'],
    params: z.object({ environment: placeName }),
    answers: { 200: z.object({ secrets: z.number().int(), groups: z.number().int() }) },
    async handle({ caller, params }) {
      return jsonResponse(200, await adminAs(caller.actor).deleteEnvironment(params.environment))
    },
  }),
]
