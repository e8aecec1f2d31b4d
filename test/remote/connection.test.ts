/** V2: what a client makes of servers that are not there, not ours, or hostile. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.js'
import { serverAddress } from '../../src/remote/address.js'
import { connectTo } from '../../src/remote/connection.js'
import { faultFrom } from '../support/store.js'
import { TOKEN } from '../support/server-double.js'

async function listening(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ url: string; seen: IncomingMessage[] } & AsyncDisposable> {
  const seen: IncomingMessage[] = []
  const server = createServer((request, response) => {
    seen.push(request)
    answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const answering = (status: number, body: string, headers: Record<string, string> = {}) =>
  listening((_, response) => response.writeHead(status, headers).end(body))

const ask = async (server: string, signal?: AbortSignal): Promise<unknown> => {
  using connection = connectTo({ server, token: TOKEN })
  return await connection.json({ path: '/me', signal })
}

describe('V2: the address of a server', () => {
  it.for([
    ['https://build.example.com', 'https://build.example.com'],
    ['https://build.example.com:8443/traceless/', 'https://build.example.com:8443/traceless'],
    ['http://127.0.0.1:8787', 'http://127.0.0.1:8787'],
    ['http://localhost:8787/', 'http://localhost:8787'],
    ['http://[::1]:8787', 'http://[::1]:8787'],
  ])('takes %s', ([text = '', address]) => expect(serverAddress(text)).toBe(address))

  it.for([
    'build.example.com',
    'ftp://build.example.com',
    'https://user:hunter2@build.example.com',
    'https://build.example.com/?token=hunter2',
    'https://build.example.com/#hunter2',
    'http://build.example.com',
    'http://127.0.0.1.example.com',
    'http://localhost.example.com',
  ])('refuses %s and repeats nothing of it', (text) => {
    const fault = caught(() => serverAddress(text))
    expect(fault.code).toBe('REQUEST_INVALID')
    expect(inspect(fault)).not.toMatch(/hunter2|example\.com/)
  })

  it('lets plain HTTP out only where that is said', () => {
    expect(serverAddress('http://server:8787', { allowPlainHttp: true })).toBe('http://server:8787')
  })
})

describe('V2: answers', () => {
  it.for([
    [401, '', 'UNAUTHORIZED'],
    [403, 'no', 'FORBIDDEN'],
    [429, '<html>', 'RATE_LIMITED'],
    [404, '<html>nginx</html>', 'SERVER_UNREACHABLE'],
    [500, '{"error":{"code":"MADE_UP","message":"x"}}', 'SERVER_UNREACHABLE'],
    [503, '', 'SERVER_UNREACHABLE'],
    [200, '<html>', 'SERVER_UNREACHABLE'],
    [200, '[1]', 'SERVER_UNREACHABLE'],
    [409, '{"error":{"code":"STORE_CONFLICT","message":"It moved."}}', 'STORE_CONFLICT'],
  ] as const)('makes a fault of status %s with %s', async ([status, body, code]) => {
    await using server = await answering(status, body)
    await faultFrom(ask(server.url), code)
  })

  it('shows no control character of a server', async () => {
    const message = 'a\u001b[2Jb\u0007'
    await using server = await answering(
      400,
      JSON.stringify({
        error: { code: 'REQUEST_INVALID', message, hint: message, detail: { places: [message] } },
      }),
    )
    const fault = await faultFrom(ask(server.url), 'REQUEST_INVALID')
    expect(JSON.stringify(fault)).not.toMatch(/\\u001b|\\u0007/)
  })

  it('follows no redirect, which would carry values to another address', async () => {
    await using other = await answering(200, '{}')
    await using server = await answering(307, '', { location: `${other.url}/v1/me` })
    await faultFrom(ask(server.url), 'SERVER_UNREACHABLE')
    expect(other.seen).toEqual([])
  })

  it('tells that nothing answers', async () => {
    const { url } = await answering(200, '{}').then(async (server) => {
      await server[Symbol.asyncDispose]()
      return server
    })
    expect((await faultFrom(ask(url), 'SERVER_UNREACHABLE')).message).toContain('Nothing answers')
  })

  it('tells that a connection was lost, and ends with the signal it was given', async () => {
    await using cut = await listening((_, response) => response.destroy())
    await faultFrom(ask(cut.url), 'SERVER_UNREACHABLE')
    await using silent = await listening(() => undefined)
    await faultFrom(ask(silent.url, AbortSignal.timeout(50)), 'SERVER_UNREACHABLE')
    const reason = new Fault('CANCELLED', 'The command was cancelled.')
    const stop = new AbortController()
    const asked = ask(silent.url, stop.signal)
    stop.abort(reason)
    await expect(asked).rejects.toBe(reason)
  })
})

describe('V2: the token', () => {
  it.for([
    '',
    'short',
    'hunter2 with spaces and more',
    `tls_${'a'.repeat(43)}\nx-evil: 1`,
    'tls_${TOKEN}aaaaaaaa',
  ])('refuses %j before anything is sent, and never repeats it', (token) => {
    const fault = caught(() => connectTo({ server: 'https://localhost', token }))
    expect(fault.code).toBe('UNAUTHORIZED')
    if (token !== '') expect(inspect(fault, { showHidden: true, depth: 9 })).not.toContain(token)
  })

  it('stands in no fault, its cause and its stack', async () => {
    await using cut = await listening((_, response) => response.destroy())
    for (const url of [cut.url, 'http://127.0.0.1:1']) {
      const fault = await faultFrom(ask(url), 'SERVER_UNREACHABLE')
      expect(
        inspect(fault, { showHidden: true, depth: 9 }) + inspect(fault.cause, { depth: 9 }),
      ).not.toContain(TOKEN)
    }
  })

  it('is gone once the connection is closed', async () => {
    await using server = await answering(200, '{}')
    const connection = connectTo({ server: server.url, token: TOKEN })
    connection[Symbol.dispose]()
    await connection.json({ path: '/me' }).catch(() => undefined)
    expect(JSON.stringify(server.seen.map(({ headers }) => headers))).not.toContain(TOKEN)
  })
})

function caught(call: () => unknown): Fault {
  try {
    call()
  } catch (error) {
    if (error instanceof Fault) return error
  }
  throw new Error('no fault')
}
