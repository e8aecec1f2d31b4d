/**
 * The library's client: of a store on this machine, or of a server. What can
 * be done with secrets is the same; a server builds as well.
 *
 * @packageDocumentation
 */

import type { Builder } from '../builder/build.js'
import type { SecretAdmin } from '../store/admin.js'
import {
  clientOver,
  createClient as createLocalClient,
  type Client,
  type ClientOptions,
} from '../store/client.js'
import { homeAt, homeOf, type Variables } from '../store/home.js'
import { remoteAdmin } from './admin.js'
import { remoteBuilder } from './builder.js'
import { remoteBuilds, type RemoteBuilds } from './builds.js'
import { connectTo, type Connection, type ServerOptions } from './connection.js'
import { readKnownServer, type ServerPins } from './known-servers.js'
import { readMe } from './sign-in.js'

/** Which server, and what is known of it. */
export interface ServerClientOptions extends ServerOptions {
  /**
   * Fingerprints of the public keys that values given at hand may be sealed to. Default: what `traceless login` pinned
   * in the home.
   */
  readonly recipients?: readonly string[] | undefined
  /** Where `traceless login` keeps what it pinned. Default: as for the command line. */
  readonly home?: string | undefined
  /** Default: the process's variables. */
  readonly env?: Variables | undefined
}

/** A client of a server. */
export interface ServerClient extends Client {
  readonly builds: RemoteBuilds
  /**
   * Lets the server build, as {@link Builder.build} does here. An image that is neither pushed nor taken as an archive
   * waits on the server as one.
   */
  readonly builder: Builder
}

/** A client of a server. Nothing is sent before the first call. @throws {@link Fault} see {@link connectTo}. */
export function createClient(options: ServerClientOptions): ServerClient
/** A client of a local store, which is opened at the first call. */
export function createClient(options?: ClientOptions): Client
export function createClient(options: ClientOptions | ServerClientOptions = {}): Client | ServerClient {
  return 'server' in options ? serverClient(options) : createLocalClient(options)
}

function serverClient(options: ServerClientOptions): ServerClient {
  const connection = connectTo(options)
  const builds = remoteBuilds(connection)
  const pins = (): Promise<ServerPins | null> => pinsOf(connection, options)
  const admin = adminOnce(connection)
  return {
    ...clientOver({ admin, close: async () => connection[Symbol.dispose]() }),
    builds,
    builder: remoteBuilder({ connection, builds, pins }),
  }
}

/** The admin of a server, which is asked for the id of its store first, once. */
export function adminOnce(connection: Connection): () => Promise<SecretAdmin> {
  let asked: Promise<SecretAdmin> | null = null
  return async () => {
    asked ??= readMe(connection).then(({ storeId }) => remoteAdmin(connection, storeId))
    try {
      return await asked
    } catch (error) {
      asked = null
      throw error
    }
  }
}

/** What is pinned of a server: what the caller names, else what the home keeps. */
export async function pinsOf(
  { server }: Connection,
  { recipients, home, env = process.env }: Pick<ServerClientOptions, 'recipients' | 'home' | 'env'>,
): Promise<ServerPins | null> {
  if (recipients !== undefined) return { storeId: '', recipients }
  using known = await readKnownServer(home === undefined ? homeOf(env) : homeAt(home), server)
  return known === null ? null : { storeId: known.storeId, recipients: known.recipients }
}
