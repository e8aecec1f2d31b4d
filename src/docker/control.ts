/**
 * A client of BuildKit's control API over a connection of ours.
 *
 * @packageDocumentation
 */

import type { Duplex } from 'node:stream'
import { createClient, type Client } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import type { BuildKitTransport } from './transport.js'
import { Control } from './proto/gen/control_pb.js'
import { Health } from './proto/gen/health_pb.js'

/** The control API, and the end of its connection. */
export interface ControlConnection extends Disposable {
  readonly client: Client<typeof Control>
  /** Asks whether anybody is there. Not every engine has an answer other than that it does not know the question. */
  readonly health: Client<typeof Health>
  /** Settles when either side ended the connection. */
  readonly closed: Promise<void>
  /** False once the engine ended the connection: whatever a call says then, there was no answer. */
  isOpen(): boolean
}

/** Longest time for which a quiet control connection is kept, in milliseconds: longer than any build. */
const IDLE_MS = 24 * 60 * 60 * 1000

/** @throws {@link Fault} `ENGINE_UNREACHABLE`. */
export async function openControl(transport: BuildKitTransport): Promise<ControlConnection> {
  const socket: Duplex = await transport.openControl()
  const closed = new Promise<void>((resolve) => socket.once('close', resolve))
  const grpc = createGrpcTransport({
    baseUrl: 'http://buildkit',
    idleConnectionTimeoutMs: IDLE_MS,
    nodeOptions: { createConnection: () => socket },
  })
  return {
    client: createClient(Control, grpc),
    health: createClient(Health, grpc),
    closed,
    isOpen: () => !socket.destroyed && !socket.readableEnded,
    [Symbol.dispose]: () => void socket.destroy(),
  }
}
