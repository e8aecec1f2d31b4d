/**
 * What commands work with, opened only when one of them asks: a list of
 * secrets needs no engine, a scan of a file no store.
 *
 * @packageDocumentation
 */

import type { Command } from 'commander'
import type { Builder } from '../builder/build.js'
import type { Engine } from '../docker/engine.js'
import type { SecretAdmin } from '../store/admin.js'
import type { Store } from '../store/open.js'
import type { Io } from './io.js'

/** The parts of the program, each opened at its first use. */
export interface App {
  readonly io: Io
  /** Commands that stand in for a program and end with its status; their own failures end with 125, 126 or 127. */
  readonly standIns: Set<Command>
  /** Exit status of a command that did not fail. */
  status: number
  /** The store of this machine, whose values can be opened. */
  store(): Promise<Store>
  /** What sets and lists secrets. */
  admin(): Promise<SecretAdmin>
  engine(): Promise<Engine>
  builder(): Promise<Builder>
  /** Closes what was opened. */
  close(): Promise<void>
}

/** Puts the program together. Modules are loaded when they are needed, because loading takes longer than most commands. */
export function createApp(io: Io): App {
  let store: Promise<Store> | undefined
  let engine: Promise<Engine> | undefined
  const app: App = {
    io,
    standIns: new Set(),
    status: 0,
    store: () => (store ??= import('../store/open.js').then(({ openStore }) => openStore({ env: io.env }))),
    admin: async () => (await app.store()).admin,
    engine: () =>
      (engine ??= import('../docker/docker-engine.js').then(({ openEngine }) =>
        openEngine(io.env['DOCKER_HOST']),
      )),
    async builder() {
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
        engine: () => app.engine(),
        credentials: dockerCredentials(io.env),
      })
    },
    async close() {
      const [opened, connected] = await Promise.all([settled(store), settled(engine)])
      connected?.close()
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
