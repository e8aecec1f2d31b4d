/** The other commands over the embedded store. */

import { storeCommands } from '../contract/store-commands.js'
import { openShell } from './support.js'

storeCommands('SQLite', () => openShell())
