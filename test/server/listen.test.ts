/** V1: connections that cost more than they may. */

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { request as secureRequest } from 'node:https'
import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { listen, type Listening } from '../../src/server/listen.js'
import { bodyFrom } from '../../src/server/streams.js'
import { faultFrom, temporaryFolder } from '../support/store.js'

const LOCAL = { host: '127.0.0.1', port: 0 }
const answer = (): Response => new Response('yes')

function connected({ address }: Listening): Socket {
  const socket = connect(Number(new URL(address).port), '127.0.0.1')
  socket.on('error', () => undefined)
  return socket
}

it('V1: answers, and tells who asks', async () => {
  let peer = ''
  await using server = await listen((_request, { address }) => {
    peer = address
    return answer()
  }, LOCAL)
  expect(await (await fetch(server.address)).text()).toBe('yes')
  expect(peer).toContain('127.0.0.1')
})

it('V1: headers that do not come to an end are not waited for', async () => {
  await using server = await listen(answer, LOCAL, { headersMs: 200 })
  const socket = connected(server)
  socket.write('GET / HTTP/1.1\r\nhost: x\r\nx-slow: ')
  await once(socket.resume(), 'close')
})

it('V1: headers that are too large are refused', async () => {
  await using server = await listen(answer, LOCAL)
  const socket = connected(server)
  socket.write(`GET / HTTP/1.1\r\nhost: x\r\nx-large: ${'a'.repeat(20_000)}\r\n\r\n`)
  const [first] = (await once(socket, 'data')) as [Buffer]
  expect(first.toString()).toContain('431')
})

it('V1: a body that stands still is not waited for', async () => {
  await using server = await listen(async (request) => new Response(await request.text()), LOCAL, {
    stalledMs: 200,
  })
  const socket = connected(server)
  socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf')
  await once(socket.resume(), 'close')
})

it('V1: a client that does not read is dropped, and what it was sent is let go', async () => {
  let ended = 0
  const endless = async function* (): AsyncGenerator<Uint8Array> {
    for (;;) yield Buffer.alloc(1 << 16)
  }
  await using server = await listen(() => new Response(bodyFrom(endless(), () => (ended += 1))), LOCAL, {
    stalledMs: 300,
  })
  const socket = connected(server)
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  socket.pause()
  while (ended === 0) await new Promise((resolve) => setTimeout(resolve, 20))
  expect(ended).toBe(1)
  socket.destroy()
})

it('V1: speaks TLS with a certificate of files, and refuses one that is none', async () => {
  await using folder = await temporaryFolder()
  const [key, cert] = [join(folder.path, 'key.pem'), join(folder.path, 'cert.pem')]
  const words = ['req', '-x509', '-newkey', 'ed25519', '-nodes', '-subj', '/CN=localhost', '-days', '2']
  await promisify(execFile)('openssl', [...words, '-keyout', key, '-out', cert])
  const tls = { key: await readFile(key), cert: await readFile(cert) }
  await using server = await listen(answer, LOCAL, { tls })
  expect(server.address).toMatch(/^https:/)
  const status = await new Promise((resolve, reject) => {
    const port = Number(new URL(server.address).port)
    const sent = secureRequest(
      { host: '127.0.0.1', port, ca: tls.cert, servername: 'localhost' },
      (response) => {
        response.resume()
        resolve(response.statusCode)
      },
    )
    sent.on('error', reject).end()
  })
  expect(status).toBe(200)
  await faultFrom(listen(answer, LOCAL, { tls: { ...tls, key: Buffer.from('none') } }), 'REQUEST_INVALID')
})

it('V1: a socket is for its user alone, and a port that is taken is a fault', async () => {
  await using folder = await temporaryFolder()
  const socket = join(folder.path, 'socket')
  await using server = await listen(answer, { socket })
  expect(server.address).toBe(`unix:${socket}`)
  await using first = await listen(answer, LOCAL)
  const port = Number(new URL(first.address).port)
  await faultFrom(listen(answer, { ...LOCAL, port }), 'REQUEST_INVALID')
})

it('V1: lets a request under way end, and cuts one that does not', async () => {
  let finish = (): void => undefined
  const gate = new Promise<void>((resolve) => {
    finish = resolve
  })
  const server = await listen(async ({ url }) => {
    if (url.endsWith('/slow')) await gate
    else await new Promise(() => undefined)
    return answer()
  }, LOCAL)
  const slow = fetch(`${server.address}/slow`)
  const never = fetch(`${server.address}/never`).catch(() => 'cut')
  await new Promise((resolve) => setTimeout(resolve, 100))
  const closing = server.close(500)
  finish()
  expect(await (await slow).text()).toBe('yes')
  await closing
  expect(await never).toBe('cut')
})
