/** `traceless secrets` over the embedded store. */

import { secretCommands } from '../contract/secret-commands.js'
import { openShell } from './support.js'

secretCommands('SQLite', () => openShell())
