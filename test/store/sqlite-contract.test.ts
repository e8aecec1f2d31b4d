/** The contract of the store, in the embedded database. */

import { join } from 'node:path'
import { openSqlite } from '../../src/store/sqlite.js'
import { storeContract } from '../contract/store.js'
import { testStore } from '../support/store.js'

storeContract('SQLite', () => testStore({ openTables: (home) => openSqlite(join(home, 'store.db')) }))
