/** The contract of the tables of a server, in the embedded database. */

import { join } from 'node:path'
import { openSqlite } from '../../src/store/sqlite.js'
import { buildContract } from '../contract/builds.js'
import { testStore } from '../support/store.js'

buildContract('SQLite', () => testStore({ openTables: (home) => openSqlite(join(home, 'store.db')) }))
