/** A store with a double of a server in front of it, and a client that speaks to that. */

import { createClient, type ServerClient } from '../../src/remote/client.js'
import { connectTo, type Connection } from '../../src/remote/connection.js'
import { keyIdOf } from '../../src/store/seal.js'
import { openStore, type Store } from '../../src/store/open.js'
import { startDouble, storeKeys, TOKEN, type ServerDouble } from '../support/server-double.js'
import { temporaryFolder } from '../support/store.js'

/** What tests of clients work with. */
export interface Served extends AsyncDisposable {
  readonly store: Store
  readonly double: ServerDouble
  readonly connection: Connection
  readonly client: ServerClient
  /** Fingerprints of the store's keys. */
  readonly recipients: readonly string[]
  /** A home that is not the server's. */
  readonly home: string
}

/** Starts both. */
export async function serve(): Promise<Served> {
  const folder = await temporaryFolder()
  const store = await openStore({ home: `${folder.path}/server`, env: {}, actor: 'server' })
  const double = await startDouble(store)
  const recipients = (await storeKeys(store)).map(keyIdOf)
  const home = `${folder.path}/home`
  const options = { server: double.url, token: TOKEN, recipients, home, env: {} }
  const client = createClient(options)
  const connection = connectTo(options)
  return {
    store,
    double,
    connection,
    client,
    recipients,
    home,
    async [Symbol.asyncDispose]() {
      await client.close()
      connection[Symbol.dispose]()
      await double[Symbol.asyncDispose]()
      await store.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}
