/**
 * The OpenAPI 3.1 document of the endpoints (https://spec.openapis.org/oas/v3.1.0),
 * made of the schemas that check requests.
 *
 * @packageDocumentation
 */

import { OpenAPIHono, z, type RouteConfig } from '@hono/zod-openapi'
import { failure } from './api/schemas.js'
import type { Answers, Endpoint } from './endpoint.js'

/** Makes the document. */
export function openApiDocument(endpoints: readonly Endpoint[], version: string): unknown {
  const app = new OpenAPIHono()
  const { openAPIRegistry } = app
  openAPIRegistry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' })
  openAPIRegistry.registerComponent('securitySchemes', 'session', {
    type: 'apiKey',
    in: 'cookie',
    name: 'traceless_session',
    description: 'Changes also need the header x-traceless-csrf: 1.',
  })
  for (const each of endpoints) openAPIRegistry.registerPath(pathOf(each))
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'Traceless', version, license: { name: 'Apache-2.0' } },
    security: [{ token: [] }, { session: [] }],
  })
}

type Responses = RouteConfig['responses']

function pathOf({ method, path, summary, scopes, params, query, body, answers }: Endpoint): RouteConfig {
  const request: RouteConfig['request'] = {}
  if (params instanceof z.ZodObject) request.params = params
  if (query instanceof z.ZodObject) request.query = query
  if (body !== undefined) {
    request.body = {
      required: true,
      content:
        'json' in body
          ? { 'application/json': { schema: body.json } }
          : { [body.stream]: { schema: z.string().openapi({ format: 'binary' }) } },
    }
  }
  return {
    method,
    path,
    summary,
    description: scopes === 'any' ? 'Any token.' : `Scope: ${scopes.join(' or ')}.`,
    request,
    responses: { ...responsesOf(answers), default: failed },
  }
}

const responsesOf = (answers: Answers): Responses =>
  Object.fromEntries(
    Object.entries(answers).map(([status, answer]) => [
      status,
      {
        description: 'Done.',
        content:
          typeof answer === 'string'
            ? { [answer]: { schema: z.string() } }
            : { 'application/json': { schema: answer } },
      },
    ]),
  )

const failed = {
  description: 'It failed, and this is why.',
  content: { 'application/json': { schema: z.object({ error: failure }) } },
}
