/**
 * How two gRPC connections reach BuildKit inside an engine: one on which we
 * call (the control API), one on which BuildKit calls us (the session). Each
 * engine generation offers other doors, so a door is a strategy.
 *
 * The doors here are the hijacked `POST /grpc` and `POST /session`, which every
 * engine from 18.09 to API 1.52 has (deprecated from API 1.53 on:
 * https://docs.docker.com/reference/api/engine/version-history/).
 *
 * @packageDocumentation
 */

import type { Duplex } from 'node:stream'
import type Docker from 'dockerode'
import { unreachable } from './unreachable.js'

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

/** The doors that are opened by turning an HTTP/1.1 connection into a raw one. */
export function hijackTransport(docker: Docker): BuildKitTransport {
  return {
    openControl: () => hijack(docker, '/grpc', {}),
    openSession: (id, methods) =>
      hijack(docker, '/session', {
        'X-Docker-Expose-Session-Uuid': id,
        'X-Docker-Expose-Session-Name': 'traceless',
        // Empty on purpose: with a shared key the engine reuses files of an earlier session by size and time.
        'X-Docker-Expose-Session-Sharedkey': '',
        'X-Docker-Expose-Session-Grpc-Method': [...methods],
      }),
  }
}

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
        if (error === null || error === undefined) resolve(socket as Duplex)
        else reject(unreachable(error))
      },
    )
  })
}
