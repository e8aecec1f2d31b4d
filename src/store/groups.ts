/**
 * Making and deleting what holds secrets: groups and environments.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import { nearest } from '../suggest.js'
import type { GroupAdmin } from './admin.js'
import type { Statements } from './database.js'
import { recordEvents } from './events.js'
import { groupInfo, listGroups, type Viewer } from './listing.js'
import { environmentName } from './names.js'
import { checkPlace, unknownGroup, type Place, type Writer } from './secret-rows.js'
import { setSecrets } from './setting.js'

/** The groups of a store. */
export function groupAdmin(writer: Writer & Viewer): GroupAdmin {
  const placeOf = ({ environment, name }: { environment: string; name: string }): Place =>
    checkPlace({ environment, group: name })
  return {
    async create(group, secrets, { allowExisting = false, stage } = {}) {
      const place = placeOf(group)
      const report = await setSecrets(writer, place, secrets, {
        stage,
        how: 'group',
        before: (tx) => insertGroup(tx, { writer, place, allowExisting }),
      })
      return { created: report !== null }
    },
    async update(group, secrets, { stage } = {}) {
      const report = await setSecrets(writer, placeOf(group), secrets, { stage, how: 'group' })
      return report ?? { changed: [], missing: [] }
    },
    list: (query) => listGroups(writer, query),
    info: async (group) => await groupInfo(writer, placeOf(group)),
    async delete(group, { allowMissing = false } = {}) {
      const place = placeOf(group)
      return await writer.database.write(async (tx) => {
        const groups = await tx
          .selectFrom('secret_group')
          .select('name')
          .where('environment', '=', place.environment)
          .execute()
        const known = groups.map(({ name }) => name)
        if (!known.includes(place.group)) {
          if (allowMissing) return { deleted: false }
          throw unknownGroup(place.group, known)
        }
        await deleteSecrets(tx, place)
        await tx
          .deleteFrom('secret_group')
          .where('environment', '=', place.environment)
          .where('name', '=', place.group)
          .execute()
        await recordEvents(tx, writer, [
          { action: 'delete-group', environment: place.environment, group_name: place.group },
        ])
        return { deleted: true }
      })
    },
  }
}

/** Deletes an environment, see `SecretAdmin.deleteEnvironment`. */
export async function deleteEnvironment(
  writer: Writer,
  name: string,
): Promise<{ readonly secrets: number; readonly groups: number }> {
  const environment = environmentName(name)
  return await writer.database.write(async (tx) => {
    const rows = await tx.selectFrom('environment').select('name').execute()
    if (!rows.some((row) => row.name === environment)) {
      const near = nearest(
        environment,
        rows.map((row) => row.name),
      )
      throw new Fault('SECRET_UNKNOWN', 'There is no environment of that name.', {
        hint: near === undefined ? 'See "traceless environments list".' : `Did you mean ${near}?`,
      })
    }
    const secrets = await deleteSecrets(tx, { environment })
    const groups = await tx
      .deleteFrom('secret_group')
      .where('environment', '=', environment)
      .executeTakeFirst()
    await tx.deleteFrom('environment').where('name', '=', environment).execute()
    await recordEvents(tx, writer, [
      { action: 'delete-environment', environment, detail: `${secrets} secrets` },
    ])
    return { secrets, groups: Number(groups.numDeletedRows) }
  })
}

async function insertGroup(
  tx: Statements,
  { writer, place, allowExisting }: { writer: Writer; place: Place; allowExisting: boolean },
): Promise<boolean> {
  const inserted = await tx
    .insertInto('secret_group')
    .values({
      environment: place.environment,
      name: place.group,
      created_at: writer.now().toISOString(),
      created_by: writer.actor,
    })
    .onConflict((conflict) => conflict.columns(['environment', 'name']).doNothing())
    .executeTakeFirst()
  if (Number(inserted.numInsertedOrUpdatedRows ?? 0) === 0) {
    if (allowExisting) return false
    throw new Fault('STORE_CONFLICT', `The group ${place.group} is there already in ${place.environment}.`, {
      hint: 'Change it with "traceless groups update", or leave it as it is with --allow-existing.',
    })
  }
  await recordEvents(tx, writer, [
    { action: 'create-group', environment: place.environment, group_name: place.group },
  ])
  return true
}

/** Deletes secrets with their versions and sealed values. Returns how many were live. */
async function deleteSecrets(
  tx: Statements,
  { environment, group }: { environment: string; group?: string },
): Promise<number> {
  const versions = tx
    .selectFrom('version')
    .select('id')
    .where('environment', '=', environment)
    .$if(group !== undefined, (query) => query.where('group_name', '=', group ?? ''))
  await tx.deleteFrom('sealed').where('version', 'in', versions).execute()
  await tx
    .deleteFrom('version')
    .where('environment', '=', environment)
    .$if(group !== undefined, (query) => query.where('group_name', '=', group ?? ''))
    .execute()
  const live = await tx
    .deleteFrom('secret')
    .where('environment', '=', environment)
    .$if(group !== undefined, (query) => query.where('group_name', '=', group ?? ''))
    .returning('live')
    .execute()
  return live.filter((row) => row.live !== null).length
}
