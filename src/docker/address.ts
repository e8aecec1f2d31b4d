/**
 * Where something listens that we speak HTTP or gRPC to, and how a connection
 * to it is opened. Everything above works with connections alone and does not
 * know what they go through.
 *
 * @packageDocumentation
 */

import { Agent, type ClientRequestArgs } from 'node:http'
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectSecure, type ConnectionOptions } from 'node:tls'
import { inspect } from 'node:util'
import { Fault } from '../errors.js'
import { openSsh, type SshPlace } from './ssh.js'

/** How long a connection may take to stand, in milliseconds. */
const CONNECT_MS = 20_000

/** What is going to be spoken over a connection. Over TLS the two sides agree on it first. */
export type Protocol = 'http/1.1' | 'h2'

/** Somewhere to connect to. */
export interface Address {
  /** For people, without credentials: `unix:///…`, `tcp://host:port`, `ssh://user@host`. */
  readonly words: string
  /** What to look at when nothing answers there. */
  readonly hint: string
  open(protocol: Protocol): Promise<Duplex>
}

/** Certificates and keys in PEM. What is `undefined` is not used; for `ca` the system's own count then. */
export interface TlsMaterial {
  readonly ca: Buffer | undefined
  readonly cert: Buffer | undefined
  readonly key: Buffer | undefined
}

/** A socket in the file system. */
export const unixAddress = (path: string): Address => ({
  words: `unix://${path}`,
  hint: 'Start the engine, check that you may open its socket, or point DOCKER_HOST or a Docker context at one that runs.',
  open: async () => opened(connectPlain({ path }), 'connect'),
})

/** A host and port, without encryption. */
export const tcpAddress = (host: string, port: number): Address => ({
  words: `tcp://${host}:${String(port)}`,
  hint: 'Check host and port, and whether TLS is wanted there.',
  open: async () => opened(connectPlain({ host, port }), 'connect'),
})

/** A host and port with TLS. The server's certificate is always verified. */
export const tlsAddress = (host: string, port: number, material: TlsMaterial): Address => ({
  words: `tcp://${host}:${String(port)}`,
  hint: 'Check host and port, and that the certificates on both sides are the right ones.',
  open: async (protocol) => {
    const { ca, cert, key } = material
    const options: ConnectionOptions = {
      host,
      port,
      ALPNProtocols: [protocol],
      minVersion: 'TLSv1.2',
      // RFC 6066 allows no addresses as server names; the certificate is compared with the host all the same.
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    }
    return opened(connectSecure(options), 'secureConnect')
  },
})

/** Docker on another machine, through the system's own ssh. */
export const sshAddress = (place: SshPlace): Address => ({
  words: `ssh://${place.user === undefined ? '' : `${place.user}@`}${place.host}`,
  hint: 'Check that "ssh HOST docker version" works without a question: the key, known_hosts, and docker on that machine.',
  open: async () => openSsh(place),
})

/** The fault for an address at which nothing answers. A fault that says more is passed on. */
export const silent = ({ words, hint }: Address, cause: unknown): Fault =>
  cause instanceof Fault
    ? cause
    : new Fault('ENGINE_UNREACHABLE', `Nothing answers at ${words}.`, { hint, cause })

/** Makes Node's HTTP client use the connections of an address. */
export class AddressAgent extends Agent {
  readonly #address: Address

  constructor(address: Address) {
    super({ keepAlive: true })
    this.#address = address
  }

  /** docker-modem has every request made a text with all that it refers to, whether or not anybody reads that. */
  [inspect.custom](): string {
    return 'AddressAgent'
  }

  override createConnection(
    _options: ClientRequestArgs,
    callback: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    this.#address.open('http/1.1').then(
      (socket) => callback(null, socket),
      // Node reads no stream where there is an error; its type wants one.
      (error: unknown) => callback(error as Error, undefined as unknown as Duplex),
    )
  }
}

async function opened(socket: Socket, event: 'connect' | 'secureConnect'): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => socket.destroy(new Error('there was no connection in time')), CONNECT_MS)
    socket.once('close', () => clearTimeout(late))
    socket.once('error', reject)
    socket.once(event, () => {
      clearTimeout(late)
      socket.off('error', reject)
      resolve(socket)
    })
  })
}
