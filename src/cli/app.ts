/**
 * What commands work with, opened only when one of them asks: a list of
 * secrets needs no engine, a scan of a file no store. Where a server is meant,
 * the same roles come from there.
 *
 * @packageDocumentation
 */

import type { Command } from 'commander'
import type { Builder } from '../builder/build.js'
import type { Engine } from '../docker/engine.js'
import { endedBy } from '../docker/guard.js'
import type { RemoteBuild, RemoteBuilds } from '../remote/builds.js'
import type { SecretAdmin } from '../store/admin.js'
import type { Store } from '../store/open.js'
import type { Io } from './io.js'
import { localOnly, openServer, serverNeeded, type MeantServer } from './server.js'

/** The parts of the program, each opened at its first use. */
export interface App {
  readonly io: Io
  /** Commands that stand in for a program and end with its status; their own failures end with 125, 126 or 127. */
  readonly standIns: Set<Command>
  /** Exit status of a command that did not fail. */
  status: number
  /** Means that server, whatever `TRACELESS_SERVER` says. */
  useServer(address: string): void
  /** Means the store in that PostgreSQL database, whatever the variables say. */
  useDatabase(url: string): void
  /** Whether a server is meant. */
  readonly isRemote: boolean
  /** The store of this machine, whose values can be opened. @throws {@link Fault} `REQUEST_INVALID` where a server is meant. */
  store(): Promise<Store>
  /** What sets and lists secrets, here or on the server. */
  admin(): Promise<SecretAdmin>
  engine(): Promise<Engine>
  /** What builds, here or on the server. */
  builder(remote?: RemoteBuilding): Promise<Builder>
  /** The builds of the server. @throws {@link Fault} `REQUEST_INVALID` where none is meant. */
  builds(): Promise<RemoteBuilds>
  /** Closes what was opened. */
  close(): Promise<void>
}

/** What only a server is told of a build. */
export interface RemoteBuilding {
  /** Name of the stored secret with which it pushes. */
  readonly pushCredentials?: string | undefined
  readonly onSubmitted?: (build: RemoteBuild) => void
}

/** Puts the program together. Modules are loaded when they are needed, because loading takes longer than most commands. */
export function createApp(io: Io): App {
  let store: Promise<Store> | undefined
  let engine: Promise<Engine> | undefined
  let server: Promise<MeantServer> | undefined
  let address = io.env['TRACELESS_SERVER'] ?? ''
  let database: string | undefined
  const meant = (): Promise<MeantServer> => (server ??= openServer(io, address))
  const app: App = {
    io,
    standIns: new Set(),
    status: 0,
    useServer: (text) => (address = text),
    useDatabase(url) {
      database = url
      address = ''
    },
    get isRemote() {
      return address !== ''
    },
    async store() {
      if (app.isRemote) throw localOnly()
      return await (store ??= import('../store/open.js').then(({ openStore }) =>
        openStore({ env: io.env, database }),
      ))
    },
    async admin() {
      if (!app.isRemote) return (await app.store()).admin
      const [{ connection }, { adminOnce }] = await Promise.all([meant(), import('../remote/client.js')])
      return await adminOnce(connection)()
    },
    engine: () =>
      (engine ??= import('../docker/docker-engine.js').then(({ openEngine }) =>
        openEngine(io.env['DOCKER_HOST']),
      )),
    async builder(remote = {}) {
      if (app.isRemote) {
        const { remoteBuilder } = await import('../remote/builder.js')
        return remoteBuilder({ ...(await meant()), builds: await app.builds(), ...remote })
      }
      if (remote.pushCredentials !== undefined) throw serverNeeded('--push-credentials goes with a server')
      const [{ createBuilder }, { dockerCredentials }, open] = await Promise.all([
        import('../builder/build.js'),
        import('../docker/credentials.js'),
        app.store(),
      ])
      return createBuilder({
        secrets: open.reader,
        usage: open.usage,
        verdicts: open.verdicts,
        retired: open.retired,
        keeping: open.keeping,
        engine: () => app.engine(),
        credentials: dockerCredentials(io.env),
      })
    },
    async builds() {
      if (!app.isRemote) throw serverNeeded('Builds are kept by a server')
      const [{ connection }, { remoteBuilds }] = await Promise.all([meant(), import('../remote/builds.js')])
      return remoteBuilds(connection)
    },
    async close() {
      const [opened, connected, spoken] = await Promise.all([
        settled(store),
        // One that does not answer is not waited for.
        settled(engine === undefined ? undefined : endedBy(io.signal, engine)),
        settled(server),
      ])
      connected?.close()
      spoken?.connection[Symbol.dispose]()
      await opened?.close()
    },
  }
  return app
}

/** What was opened, `undefined` for what was not or failed to. */
async function settled<T>(opening: Promise<T> | undefined): Promise<T | undefined> {
  const [result] = await Promise.allSettled([opening])
  return result.status === 'fulfilled' ? result.value : undefined
}
