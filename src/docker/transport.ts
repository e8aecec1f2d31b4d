/**
 * How two gRPC connections reach BuildKit: one on which we call (the control
 * API), one on which BuildKit calls us (the session). Each engine generation
 * offers other doors, so a door is a strategy:
 *
 * - `hijack`: `POST /grpc` and `POST /session` turned into raw connections, as
 *   every engine from 18.09 to API 1.52 has them.
 * - `control-hijack`: `POST /grpc` alone, the session inside a call over it.
 * - `http2`: gRPC on the socket of the API itself, the session inside a call;
 *   the other doors are deprecated from API 1.53 on
 *   (https://docs.docker.com/reference/api/engine/version-history/). A BuildKit
 *   daemon has this door only.
 *
 * @packageDocumentation
 */

import type { Duplex } from 'node:stream'
import type Docker from 'dockerode'
import { silent, type Address } from './address.js'
import { API, apiVersion, compareApi } from './gates.js'
import { openTunnel } from './tunnel.js'
import { unreachable } from './unreachable.js'

/** A way to BuildKit. */
export type Door = 'hijack' | 'control-hijack' | 'http2'

/** Opens the two connections of one build. The caller destroys both sockets. */
export interface BuildKitTransport {
  /** A socket that speaks HTTP/2 with us as the client. */
  openControl(): Promise<Duplex>
  /**
   * A socket that speaks HTTP/2 with us as the server.
   *
   * @param methods - full names of the methods we serve, such as `/moby.filesync.v1.FileSync/DiffCopy`.
   */
  openSession(id: string, methods: readonly string[]): Promise<Duplex>
}

/** The door that an engine of that API version is asked through. */
export const doorFor = (api: string): Door =>
  compareApi(apiVersion(api), API.grpcOnSocket) >= 0 ? 'http2' : 'hijack'

/** The way to an engine's BuildKit. */
export function engineTransport(docker: Docker, address: Address, door: Door): BuildKitTransport {
  const openControl = (): Promise<Duplex> => hijack(docker, '/grpc', {})
  switch (door) {
    case 'hijack':
      return {
        openControl,
        openSession: (id, methods) => hijack(docker, '/session', exposed(id, methods)),
      }
    case 'control-hijack':
      return sessionInControl(openControl)
    case 'http2':
      return http2Transport(address)
  }
}

/** The way to whatever speaks gRPC at an address. */
export const http2Transport = (address: Address): BuildKitTransport =>
  sessionInControl(async () => {
    try {
      return await address.open('h2')
    } catch (error) {
      throw silent(address, error)
    }
  })

const sessionInControl = (openControl: () => Promise<Duplex>): BuildKitTransport => ({
  openControl,
  openSession: async (id, methods) => openTunnel(await openControl(), exposed(id, methods)),
})

/** What a session says of itself: https://github.com/moby/buildkit/blob/master/session/manager.go */
const exposed = (id: string, methods: readonly string[]): Record<string, string | string[]> => ({
  'x-docker-expose-session-uuid': id,
  'x-docker-expose-session-name': 'traceless',
  // Empty on purpose: with a shared key the engine reuses files of an earlier session by size and time.
  'x-docker-expose-session-sharedkey': '',
  'x-docker-expose-session-grpc-method': [...methods],
})

/** Turns an HTTP/1.1 connection into a raw one. */
async function hijack(
  docker: Docker,
  path: string,
  headers: Record<string, string | string[]>,
): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    docker.modem.dial(
      {
        method: 'POST',
        path,
        hijack: true,
        headers: { Upgrade: 'h2c', ...headers },
        statusCodes: { 101: true, 200: true, 400: 'refused', 404: 'not found', 500: 'server error' },
      },
      (error: unknown, socket: unknown) => {
        if (error === null || error === undefined) resolve(upgraded(socket as Duplex))
        else reject(unreachable(error))
      },
    )
  })
}

/** Node takes no HTTP/2 from a TLS connection for which HTTP/1.1 was agreed, though that has ended here. */
const upgraded = (socket: Duplex): Duplex =>
  'alpnProtocol' in socket ? Object.defineProperty(socket, 'alpnProtocol', { value: 'h2' }) : socket
