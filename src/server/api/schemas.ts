/**
 * What several endpoints take and answer.
 *
 * @packageDocumentation
 */

import { z } from '@hono/zod-openapi'
import { MAX_NAME_LENGTH, MAX_VALUE_BYTES, SecretValue, type SecretName } from '../../secret.js'
import { SCOPES } from '../../store/tokens.js'

/** Largest list of names or changes in one request. */
export const MAX_ITEMS = 1000

/** Bytes of a body with values. */
export const VALUES_BYTES = 32 * 1024 * 1024

/** Entries of a list at most. */
export const MAX_PAGE = 10_000

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Bytes as base64. */
export const base64 = (maxBytes: number): z.ZodType<Uint8Array> =>
  z
    .string()
    .max(Math.ceil(maxBytes / 3) * 4)
    .regex(BASE64)
    .transform((text) => new Uint8Array(Buffer.from(text, 'base64')))
    .openapi({ type: 'string', format: 'byte' })

export const secretNameText = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/)
  .transform((text) => text as SecretName)
  .openapi({ type: 'string', maxLength: MAX_NAME_LENGTH, pattern: '^[A-Za-z_][A-Za-z0-9_]{0,127}$' })

/** Name of an environment or group. */
export const placeName = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/)

/** The parameters of a path below an environment. */
export const inEnvironment = z.object({ environment: placeName })

export const exposure = z.enum(['everywhere', 'build-only', 'runtime-only'])

/** `true` and `false` in a query. */
export const flag = z
  .enum(['true', 'false'])
  .transform((text) => text === 'true')
  .openapi({ type: 'boolean' })

export const count = z.coerce.number().int().min(1).max(MAX_PAGE)

export const time = z.iso
  .datetime({ offset: true })
  .transform((text) => new Date(text))
  .openapi({ type: 'string', format: 'date-time' })

export const scope = z.enum(SCOPES)

/** An ISO text in an answer. */
export const at = z.string().openapi({ format: 'date-time' })

/** One value to set. */
export const secretChange = z
  .strictObject({
    name: secretNameText,
    /** Base64, up to 500 KiB. */
    value: base64(MAX_VALUE_BYTES).transform((bytes) => {
      const value = new SecretValue(bytes)
      bytes.fill(0)
      return value
    }),
    exposure: exposure.optional(),
    guarded: z.boolean().optional(),
  })
  .openapi('SecretChange')

export const changes = z.array(secretChange).min(1).max(MAX_ITEMS)

export const changeReport = z
  .object({
    changed: z.array(
      z.object({
        name: z.string(),
        group: z.string().nullable(),
        version: z.string().nullable(),
        digest: z.string().nullable(),
        discardedStaged: z.boolean(),
      }),
    ),
    missing: z.array(z.string()),
  })
  .openapi('ChangeReport')

export const secretEntry = z
  .object({
    name: z.string(),
    environment: z.string(),
    group: z.string().nullable(),
    digest: z.string().nullable(),
    status: z.enum(['live', 'staged']),
    exposure,
    guarded: z.boolean(),
    version: z.string().nullable(),
    createdAt: at,
    createdBy: z.string(),
    updatedAt: at,
    lastUsedAt: at.nullable(),
  })
  .openapi('SecretEntry')

export const failure = z
  .object({
    code: z.string(),
    message: z.string(),
    hint: z.string().optional(),
    detail: z.record(z.string(), z.unknown()).optional(),
    problems: z.array(z.record(z.string(), z.unknown())).optional(),
  })
  .openapi('Fault')

/** Wipes the values of changes once they are sealed. */
export async function withChanges<T>(
  given: readonly { readonly value: SecretValue }[],
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } finally {
    for (const { value } of given) value[Symbol.dispose]()
  }
}
