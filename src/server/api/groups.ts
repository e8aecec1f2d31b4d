/**
 * Groups of secrets.
 *
 * @packageDocumentation
 */

import { z } from '@hono/zod-openapi'
import type { GroupEntry } from '../../store/admin.js'
import { endpoint, type Endpoint } from '../endpoint.js'
import { jsonResponse } from '../wire.js'
import type { AdminAs } from './parts.js'
import {
  at,
  changeReport,
  changes,
  count,
  flag,
  inEnvironment,
  MAX_ITEMS,
  placeName,
  secretChange,
  time,
  VALUES_BYTES,
  withChanges,
} from './schemas.js'
import { listedFor } from './secrets.js'

const ofGroup = z.object({ environment: placeName, name: placeName })

const groupEntry = z
  .object({
    name: z.string(),
    environment: z.string(),
    keys: z.array(z.string()),
    createdAt: at,
    createdBy: z.string(),
  })
  .openapi('GroupEntry')

/** The endpoints of groups. */
export const groupEndpoints = (adminAs: AdminAs): readonly Endpoint[] => [
  endpoint({
    method: 'get',
    path: '/v1/groups',
    summary: 'List groups, newest first.',
    scopes: ['secrets:list'],
    query: z.strictObject({
      environment: placeName.optional(),
      max: count.optional(),
      createdBefore: time.optional(),
    }),
    answers: { 200: z.object({ groups: z.array(groupEntry) }) },
    async handle({ caller, query }) {
      const { groups } = adminAs(caller.actor)
      const list = (environment: string | undefined): Promise<readonly GroupEntry[]> =>
        groups.list({ ...query, environment })
      return jsonResponse(200, { groups: await listedFor(caller, query, list) })
    },
  }),
  endpoint({
    method: 'post',
    path: '/v1/environments/{environment}/groups',
    summary: 'Make a group with its first secrets.',
    scopes: ['secrets:write'],
    params: inEnvironment,
    body: {
      json: z.strictObject({
        name: placeName,
        changes: z.array(secretChange).max(MAX_ITEMS),
        allowExisting: z.boolean().optional(),
        stage: z.boolean().optional(),
      }),
      limitBytes: VALUES_BYTES,
    },
    answers: { 200: z.object({ created: z.boolean() }) },
    handle: ({ caller, params, body }) =>
      withChanges(body.changes, async () => {
        const { name, allowExisting = false, stage = false } = body
        const { groups } = adminAs(caller.actor)
        const made = await groups.create({ ...params, name }, body.changes, { allowExisting, stage })
        return jsonResponse(200, made)
      }),
  }),
  endpoint({
    method: 'get',
    path: '/v1/environments/{environment}/groups/{name}',
    summary: 'Show a group and the names in it.',
    scopes: ['secrets:list'],
    params: ofGroup,
    answers: { 200: z.object({ group: groupEntry }) },
    async handle({ caller, params }) {
      return jsonResponse(200, { group: await adminAs(caller.actor).groups.info(params) })
    },
  }),
  endpoint({
    method: 'patch',
    path: '/v1/environments/{environment}/groups/{name}',
    summary: 'Set secrets of a group and keep its others.',
    scopes: ['secrets:write'],
    params: ofGroup,
    body: { json: z.strictObject({ changes, stage: z.boolean().optional() }), limitBytes: VALUES_BYTES },
    answers: { 200: changeReport },
    handle: ({ caller, params, body }) =>
      withChanges(body.changes, async () => {
        const { groups } = adminAs(caller.actor)
        const report = await groups.update(params, body.changes, { stage: body.stage ?? false })
        return jsonResponse(200, report)
      }),
  }),
  endpoint({
    method: 'delete',
    path: '/v1/environments/{environment}/groups/{name}',
    summary: 'Delete a group with its secrets.',
    scopes: ['secrets:write'],
    params: ofGroup,
    query: z.strictObject({ allowMissing: flag.optional() }),
    answers: { 200: z.object({ deleted: z.boolean() }) },
    async handle({ caller, params, query: { allowMissing = false } }) {
      return jsonResponse(200, await adminAs(caller.actor).groups.delete(params, { allowMissing }))
    },
  }),
]
