/**
 * Other ways to the engine of the tests: with TLS before it, with its BuildKit
 * on a port of its own, with both on one socket as engines of API 1.53 have
 * them, through ssh. Bytes are passed on and nothing else is done with them.
 *
 * @packageDocumentation
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { userInfo } from 'node:os'
import { pipeline, type Duplex } from 'node:stream'
import { createServer as createTlsServer } from 'node:tls'
import { execa } from 'execa'
import { engineHost, openDocker } from './engine.js'
import { temporaryFolder, type Folder } from './folder.js'
import { freePort } from './free-port.js'

/** Something that listens on a port of 127.0.0.1. */
export interface Front extends AsyncDisposable {
  readonly port: number
}

/** A folder with `ca.pem`, `cert.pem` and `key.pem` for a client, and those of a server called localhost. */
export interface Certificates extends AsyncDisposable {
  readonly client: string
  readonly server: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer }
}

/** Makes an authority, a server and a client. */
export async function makeCertificates(): Promise<Certificates> {
  const folder = await temporaryFolder({ names: 'subjectAltName=DNS:localhost' })
  await mkdir(folder.file('client'))
  const openssl = (...args: string[]): Promise<unknown> => execa('openssl', args, { cwd: folder.path })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'client/ca.pem',
    '-subj',
    '/CN=tests',
    '-days',
    '2',
  )
  for (const [name, to] of [
    ['localhost', 'server'],
    ['client', 'client/'],
  ] as const) {
    const path = (kind: string): string => (to === 'server' ? `server-${kind}.pem` : `${to}${kind}.pem`)
    await openssl('req', ...key, '-keyout', path('key'), '-out', 'request', '-subj', `/CN=${name}`)
    await openssl(
      ...['x509', '-req', '-in', 'request', '-CA', 'client/ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'],
      ...['-out', path('cert'), '-days', '2', '-extfile', 'names'],
    )
  }
  const [ca, cert, serverKey] = await Promise.all(
    ['client/ca.pem', 'server-cert.pem', 'server-key.pem'].map((name) => readFile(folder.file(name))),
  )
  if (ca === undefined || cert === undefined || serverKey === undefined) throw new Error('no certificates')
  return {
    client: folder.file('client'),
    server: { ca, cert, key: serverKey },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  }
}

/** The engine's API. */
export const toApi = (): Promise<Duplex> =>
  Promise.resolve(connect({ path: engineHost().slice('unix://'.length) }))

/** The engine's BuildKit, as a daemon of its own would answer. */
export async function toBuildKit(): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    openDocker().modem.dial(
      {
        method: 'POST',
        path: '/grpc',
        hijack: true,
        headers: { Upgrade: 'h2c' },
        statusCodes: { 101: true, 200: true },
      },
      (error: unknown, socket: unknown) => {
        if (error instanceof Error) reject(error)
        else resolve(socket as Duplex)
      },
    )
  })
}

/** Listens without encryption, and passes on what comes. */
export async function plainFront(target: () => Promise<Duplex>): Promise<Front> {
  return front(createServer((socket) => pass(socket, target())))
}

/** A front of the engine's API whose connections can be cut by what they are for. */
export interface CuttableFront extends Front {
  /** Cuts those whose first request is of that path, and says how many there were. */
  cut(path: string): number
}

/** Listens without encryption and remembers what each connection was opened for. */
export async function cuttableFront(): Promise<CuttableFront> {
  const open = new Map<Socket, string>()
  const made = await front(
    createServer((socket) => {
      socket.once('data', (first) => {
        socket.pause()
        socket.unshift(first)
        open.set(socket, first.toString('latin1').split(' ', 2)[1] ?? '')
        socket.once('close', () => open.delete(socket))
        pass(socket, toApi())
      })
    }),
  )
  return {
    ...made,
    cut(path) {
      const meant = [...open].filter(([, asked]) => asked.endsWith(path)).map(([socket]) => socket)
      for (const socket of meant) socket.destroy()
      return meant.length
    },
  }
}

/** Listens with TLS for clients of the authority only, and passes on what comes. */
export async function tlsFront({ server }: Certificates, target: () => Promise<Duplex>): Promise<Front> {
  const options = {
    ...server,
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: ['h2', 'http/1.1'],
  }
  return front(createTlsServer(options, (socket) => pass(socket, target())))
}

/** Listens without encryption for both HTTP/1.1 and gRPC: each connection is told apart by its first bytes. */
export async function sharedFront(): Promise<Front> {
  return front(
    createServer((socket) => {
      socket.once('data', (first) => {
        socket.pause()
        socket.unshift(first)
        pass(socket, first.toString('latin1').startsWith('PRI ') ? toBuildKit() : toApi())
      })
    }),
  )
}

function pass(socket: Socket, target: Promise<Duplex>): void {
  socket.on('error', () => undefined)
  target.then(
    (to) => {
      pipeline(socket, to, () => undefined)
      pipeline(to, socket, () => undefined)
    },
    () => socket.destroy(),
  )
}

async function front(server: Server): Promise<Front> {
  const open = new Set<Socket>()
  server.on('connection', (socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** A login on this machine by ssh. */
export interface Login extends AsyncDisposable {
  /** `ssh://user@host:port/path` of the engine of the tests. */
  readonly address: string
  /** `PATH` on which ssh uses the test's own keys and known hosts. */
  readonly path: string
  /** Forgets the host: its key is then an unknown one. */
  forgetHost(): Promise<void>
}

/** Starts Debian's sshd with keys of its own. */
export async function startSsh(): Promise<Login> {
  const folder = await temporaryFolder()
  const port = await freePort()
  for (const name of ['host', 'user']) {
    await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', folder.file(name)])
  }
  const hostKey = await readFile(folder.file('host.pub'), 'utf8')
  await writeFile(folder.file('known'), `[127.0.0.1]:${String(port)} ${hostKey}`)
  await writeFile(folder.file('sshd.conf'), serverConfiguration(folder, port))
  await mkdir(folder.file('bin'))
  const options = [
    '-F',
    'none',
    '-i',
    folder.file('user'),
    '-o',
    `UserKnownHostsFile=${folder.file('known')}`,
  ]
  await writeFile(folder.file('bin/ssh'), `#!/bin/sh\nexec /usr/bin/ssh ${options.join(' ')} "$@"\n`)
  await chmod(folder.file('bin/ssh'), 0o755)
  // sshd wants its folder, which Debian's service makes.
  await mkdir('/run/sshd', { recursive: true })
  const server = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', folder.file('sshd.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(server, 'exit')
  for await (const line of server.stderr) if (String(line).includes('listening')) break
  return {
    address: `ssh://${userInfo().username}@127.0.0.1:${String(port)}${engineHost().slice('unix://'.length)}`,
    path: `${folder.file('bin')}:${process.env['PATH'] ?? ''}`,
    forgetHost: () => writeFile(folder.file('known'), ''),
    async [Symbol.asyncDispose]() {
      server.kill()
      await ended
      await folder[Symbol.asyncDispose]()
    },
  }
}

const serverConfiguration = (folder: Folder, port: number): string =>
  [
    `Port ${String(port)}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${folder.file('host')}`,
    `AuthorizedKeysFile ${folder.file('user.pub')}`,
    'PasswordAuthentication no',
    'UsePAM no',
    'StrictModes no',
    'PidFile none',
    // The programs of this machine, Docker's client among them.
    `SetEnv PATH=/usr/bin:/bin:/usr/sbin:/sbin`,
    '',
  ].join('\n')
