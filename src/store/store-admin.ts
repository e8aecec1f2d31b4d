/**
 * A {@link SecretAdmin} over a database.
 *
 * @packageDocumentation
 */

import type { SecretAdmin } from './admin.js'
import { deployStaged, rollbackSecret, unsetSecrets } from './changes.js'
import { readHistory } from './events.js'
import { deleteEnvironment, groupAdmin } from './groups.js'
import { listEnvironments, listSecrets, listUses, listVersions } from './listing.js'
import type { Writer } from './secret-rows.js'
import { setSecrets } from './setting.js'

/** Makes the admin of a store. What it is given is all it can do. */
export function secretAdmin(writer: Writer): SecretAdmin {
  return {
    storeId: writer.records.storeId,
    groups: groupAdmin(writer),
    set: async (place, changes, options) =>
      (await setSecrets(writer, place, changes, options)) ?? { changed: [], missing: [] },
    unset: (place, names, options) => unsetSecrets(writer, place, names, options),
    deploy: (environment, options) => deployStaged(writer, environment, options),
    rollback: (secret, version) => rollbackSecret(writer, secret, version),
    list: (query) => listSecrets(writer, query),
    versions: (secret) => listVersions(writer, secret),
    history: (query) => readHistory(writer.database, query),
    usage: (query) => listUses(writer, query),
    environments: () => listEnvironments(writer),
    deleteEnvironment: (name) => deleteEnvironment(writer, name),
  }
}
