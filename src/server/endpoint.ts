/**
 * An endpoint as data: where it is, who may call it, what it takes and answers.
 * The same schemas check requests and make the OpenAPI document.
 *
 * @packageDocumentation
 */

import { z } from '@hono/zod-openapi'
import { faultOf, type Problem } from '../errors.js'
import type { Scope } from '../store/tokens.js'
import type { Caller } from './caller.js'
import type { Peer } from './listen.js'

/** What a handler gets. */
export interface Call<Params, Query, Body> {
  readonly caller: Caller
  readonly params: Params
  readonly query: Query
  readonly body: Body
  readonly request: Request
  readonly peer: Peer
}

/** A body of a request. */
export type BodyShape<Body extends z.ZodType> =
  { readonly json: Body; readonly limitBytes?: number } | { readonly stream: string }

/** What an endpoint may answer, by status: a schema for JSON, else the type of what it streams. */
export type Answers = Readonly<Record<number, z.ZodType | string>>

/** One endpoint. */
export interface Endpoint<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
> {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** With parameters as OpenAPI writes them, `/v1/builds/{id}`. */
  readonly path: string
  readonly summary: string
  /** One of these is needed. `any`: any good token. */
  readonly scopes: readonly Scope[] | 'any'
  /** Only for tokens that are not limited to environments. */
  readonly everywhere?: boolean
  readonly params?: Params
  readonly query?: Query
  readonly body?: BodyShape<Body>
  readonly answers: Answers
  handle(call: Call<z.output<Params>, z.output<Query>, z.output<Body>>): Promise<Response>
}

/** Bytes of a JSON body where the endpoint says nothing else. */
export const BODY_BYTES = 256 * 1024

/** Keeps the types of what it is given together. */
export const endpoint = <
  Params extends z.ZodType = z.ZodUndefined,
  Query extends z.ZodType = z.ZodUndefined,
  Body extends z.ZodType = z.ZodUndefined,
>(
  each: Endpoint<Params, Query, Body>,
): Endpoint => each

/**
 * Checks input against its schema.
 *
 * @throws {@link Fault} `REQUEST_INVALID` with all problems. They say where, and never what stood there.
 */
export function checked(schema: z.ZodType | undefined, input: unknown, what: string): unknown {
  if (schema === undefined) return undefined
  const result = schema.safeParse(input)
  if (result.success) return result.data
  throw faultOf(result.error.issues.map((issue) => problemOf(issue, what)))
}

function problemOf({ code, path }: z.core.$ZodIssue, what: string): Problem {
  // What stands below one of these was named by the caller, and may be anything.
  const own = path.findIndex((part) => typeof part === 'string' && NAMED_BY_CALLERS.has(part))
  const place = path
    .slice(0, own === -1 ? undefined : own + 1)
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
  const field = place === '' ? `The ${what}` : `${place.replace(/^\./, '')} of the ${what}`
  const message =
    code === 'unrecognized_keys' ? `${field} has a field that is not known.` : `${field} is not valid.`
  return { code: 'REQUEST_INVALID', message, hint: 'See /openapi.json.' }
}

/** Fields whose keys callers make up. */
const NAMED_BY_CALLERS = new Set(['buildArgs', 'labels', 'secrets', 'buildContexts'])
