/**
 * Secrets, which can be set and listed and not read.
 *
 * @packageDocumentation
 */

import { z } from '@hono/zod-openapi'
import type { SecretEntry } from '../../store/admin.js'
import type { Caller } from '../caller.js'
import { endpoint, type Endpoint } from '../endpoint.js'
import { jsonResponse } from '../wire.js'
import {
  at,
  changeReport,
  changes,
  count,
  exposure,
  inEnvironment,
  MAX_ITEMS,
  placeName,
  secretEntry,
  secretNameText,
  time,
  VALUES_BYTES,
  withChanges,
} from './schemas.js'
import type { AdminAs } from './parts.js'

const ofSecret = z.object({ environment: placeName, name: secretNameText })

const versionEntry = z
  .object({
    version: z.string(),
    digest: z.string(),
    exposure,
    guarded: z.boolean(),
    createdAt: at,
    createdBy: z.string(),
    live: z.boolean(),
    staged: z.boolean(),
    kept: z.boolean(),
  })
  .openapi('VersionEntry')

const historyEntry = z
  .object({
    at,
    actor: z.string(),
    action: z.string(),
    environment: z.string().nullable(),
    group: z.string().nullable(),
    name: z.string().nullable(),
    version: z.string().nullable(),
    detail: z.string().nullable(),
  })
  .openapi('HistoryEntry')

const usageEntry = z
  .object({
    id: z.string(),
    kind: z.string(),
    environment: z.string(),
    image: z.string().nullable(),
    tags: z.array(z.string()),
    at,
    group: z.string().nullable(),
    version: z.string(),
    current: z.boolean(),
  })
  .openapi('UsageEntry')

/** The endpoints of secrets. */
export const secretEndpoints = (adminAs: AdminAs): readonly Endpoint[] => [
  endpoint({
    method: 'get',
    path: '/v1/secrets',
    summary: 'List secrets, newest first. A group of "" is the environment itself.',
    scopes: ['secrets:list'],
    query: z.strictObject({
      environment: placeName.optional(),
      group: z.union([z.literal('').transform(() => null), placeName]).optional(),
      max: count.optional(),
      createdBefore: time.optional(),
    }),
    answers: { 200: z.object({ secrets: z.array(secretEntry) }) },
    async handle({ caller, query }) {
      const admin = adminAs(caller.actor)
      const list = (environment: string | undefined): Promise<readonly SecretEntry[]> =>
        admin.list({ ...query, environment })
      return jsonResponse(200, { secrets: await listedFor(caller, query, list) })
    },
  }),
  endpoint({
    method: 'post',
    path: '/v1/environments/{environment}/secrets',
    summary: 'Set secrets, all or none.',
    scopes: ['secrets:write'],
    params: inEnvironment,
    body: {
      json: z.strictObject({
        changes,
        group: placeName.optional(),
        stage: z.boolean().optional(),
        how: z.enum(['set', 'import']).optional(),
      }),
      limitBytes: VALUES_BYTES,
    },
    answers: { 200: changeReport },
    handle: ({ caller, params, body }) =>
      withChanges(body.changes, async () => {
        const place = { ...params, group: body.group }
        const options = { stage: body.stage ?? false, how: body.how ?? 'set' }
        return jsonResponse(200, await adminAs(caller.actor).set(place, body.changes, options))
      }),
  }),
  endpoint({
    method: 'post',
    path: '/v1/environments/{environment}/secrets/unset',
    summary: 'Remove secrets, all or none.',
    scopes: ['secrets:write'],
    params: inEnvironment,
    body: {
      json: z.strictObject({
        names: z.array(secretNameText).min(1).max(MAX_ITEMS),
        group: placeName.optional(),
        stage: z.boolean().optional(),
        allowMissing: z.boolean().optional(),
      }),
    },
    answers: { 200: changeReport },
    async handle({ caller, params, body: { names, group, stage = false, allowMissing = false } }) {
      const admin = adminAs(caller.actor)
      return jsonResponse(200, await admin.unset({ ...params, group }, names, { stage, allowMissing }))
    },
  }),
  endpoint({
    method: 'post',
    path: '/v1/environments/{environment}/deploy',
    summary: 'Make all staged changes of an environment live.',
    scopes: ['secrets:deploy'],
    params: inEnvironment,
    body: { json: z.strictObject({ force: z.boolean().optional() }) },
    answers: { 200: changeReport },
    async handle({ caller, params: { environment }, body: { force = false } }) {
      return jsonResponse(200, await adminAs(caller.actor).deploy(environment, { force }))
    },
  }),
  endpoint({
    method: 'get',
    path: '/v1/environments/{environment}/secrets/{name}/versions',
    summary: 'List the versions of a secret, newest first.',
    scopes: ['secrets:list'],
    params: ofSecret,
    query: z.strictObject({ group: placeName.optional() }),
    answers: { 200: z.object({ versions: z.array(versionEntry) }) },
    async handle({ caller, params, query }) {
      return jsonResponse(200, { versions: await adminAs(caller.actor).versions({ ...params, ...query }) })
    },
  }),
  endpoint({
    method: 'post',
    path: '/v1/environments/{environment}/secrets/{name}/rollback',
    summary: 'Make an earlier version live again.',
    scopes: ['secrets:deploy'],
    params: ofSecret,
    body: { json: z.strictObject({ to: z.string().min(1).max(64), group: placeName.optional() }) },
    answers: { 200: changeReport },
    async handle({ caller, params, body: { to, group } }) {
      return jsonResponse(200, await adminAs(caller.actor).rollback({ ...params, group }, to))
    },
  }),
  endpoint({
    method: 'get',
    path: '/v1/environments/{environment}/secrets/{name}/usage',
    summary: 'List builds and runs that used a secret, newest first.',
    scopes: ['secrets:list'],
    params: ofSecret,
    query: z.strictObject({ max: count.optional() }),
    answers: { 200: z.object({ usage: z.array(usageEntry) }) },
    async handle({ caller, params, query }) {
      return jsonResponse(200, { usage: await adminAs(caller.actor).usage({ ...params, ...query }) })
    },
  }),
  ...historyEndpoints(adminAs),
]

const historyQuery = z.strictObject({
  name: secretNameText.optional(),
  group: placeName.optional(),
  max: count.optional(),
})

const historyEndpoints = (adminAs: AdminAs): readonly Endpoint[] => [
  endpoint({
    method: 'get',
    path: '/v1/environments/{environment}/history',
    summary: 'Tell what happened in an environment, newest first.',
    scopes: ['secrets:list'],
    params: inEnvironment,
    query: historyQuery,
    answers: { 200: z.object({ history: z.array(historyEntry) }) },
    async handle({ caller, params, query }) {
      return jsonResponse(200, { history: await adminAs(caller.actor).history({ ...params, ...query }) })
    },
  }),
  endpoint({
    method: 'get',
    path: '/v1/history',
    summary: 'Tell what happened in the store, newest first.',
    scopes: ['secrets:list'],
    everywhere: true,
    query: historyQuery,
    answers: { 200: z.object({ history: z.array(historyEntry) }) },
    async handle({ caller, query }) {
      return jsonResponse(200, { history: await adminAs(caller.actor).history(query) })
    },
  }),
]

/** A list for someone who may see some environments: of the one that is asked for, or of all of those. */
export async function listedFor<T extends { readonly createdAt: Date }>(
  caller: Caller,
  { environment, max }: { readonly environment?: string | undefined; readonly max?: number | undefined },
  list: (environment: string | undefined) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  if (environment !== undefined) caller.requireIn(environment)
  const { environments } = caller.token
  if (environment !== undefined || environments === null) return await list(environment)
  const lists = await Promise.all(environments.map((each) => list(each)))
  return lists
    .flat()
    .sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime())
    .slice(0, max)
}
