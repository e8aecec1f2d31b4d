/**
 * The builder of a worker: it stands on the records of the store, and on the
 * secrets of one lease.
 *
 * @packageDocumentation
 */

import { createBuilder, type BuilderParts } from '../builder/build.js'
import type { FindCredentials } from '../docker/engine.js'
import { registryOf } from '../docker/reference.js'
import { Fault } from '../errors.js'
import { secretName, SecretValue } from '../secret.js'
import type { BuildEntry } from '../store/builds.js'
import type { StoreRecords } from '../store/open-records.js'
import type { SecretReader } from '../store/store.js'
import type { WorkerParts } from './worker.js'

/** Makes the builders of a worker's builds. What base images answered is remembered from one to the next. */
export function workerBuilder({
  records,
  engine,
  credentials,
}: Pick<BuilderParts, 'engine' | 'credentials'> & {
  readonly records: Pick<StoreRecords, 'usage' | 'verdicts' | 'retired' | 'keeping'>
}): WorkerParts['builder'] {
  const memory: NonNullable<BuilderParts['memory']> = new Map()
  return (build, { reader, earlier }) =>
    createBuilder({
      ...records,
      keeping: { ...records.keeping, earlier },
      memory,
      engine,
      secrets: reader,
      credentials: pushCredentials(build, { secrets: reader, otherwise: credentials }),
    })
}

/**
 * Credentials with which a build pushes: the stored secret that its output names, `user:password`, for the registries of its
 * names; and for everything else what this machine has.
 */
export function pushCredentials(
  { environment, output, request }: Pick<BuildEntry, 'environment' | 'output' | 'request'>,
  { secrets, otherwise }: { readonly secrets: SecretReader; readonly otherwise: FindCredentials },
): FindCredentials {
  const named = output['type'] === 'push' ? output['credentials'] : null
  if (typeof named !== 'string') return otherwise
  const name = secretName(named)
  const hosts = new Set(listOf(request['tags']).map(registryOf))
  return async (registry, signal) => {
    if (!hosts.has(registry)) return await otherwise(registry, signal)
    const groups = listOf(request['groups'])
    const held = await secrets.read({ environment, groups, purpose: 'build' }, new Set([name]))
    try {
      for (const { value } of held) return value.use(splitLogin) ?? malformed(name)
      return null
    } finally {
      for (const { value } of held) value[Symbol.dispose]()
    }
  }
}

function splitLogin(bytes: Uint8Array): Awaited<ReturnType<FindCredentials>> {
  const colon = bytes.indexOf(':'.charCodeAt(0))
  if (colon < 1) return null
  return {
    username: Buffer.from(bytes.subarray(0, colon)).toString('utf8'),
    password: new SecretValue(bytes.subarray(colon + 1)),
    identityToken: false,
  }
}

const malformed = (name: string): never => {
  throw new Fault('PUSH_FAILED', `The secret ${name} does not hold a login for a registry.`, {
    hint: 'Such a secret is USER:PASSWORD.',
  })
}

const listOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : []
