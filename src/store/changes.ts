/**
 * Removing, staging, deploying, rolling back: changes that need no value.
 *
 * @packageDocumentation
 */

import { Fault, faultOf } from '../errors.js'
import type { SecretName } from '../secret.js'
import type { ChangedSecret, ChangeReport, SecretPlace, SecretRef } from './admin.js'
import { recordEvents, type NewEvent } from './events.js'
import { environmentName } from './names.js'
import type { Statements } from './database.js'
import type { SecretKey } from './records.js'
import type { SecretTable } from './schema.js'
import {
  checkedVersion,
  checkPlace,
  checkSecret,
  discardStaged,
  eventPlace,
  findSecrets,
  findVersions,
  isThere,
  orNull,
  requireGroup,
  saveSecrets,
  stageChange,
  unknownSecrets,
  type Writer,
} from './secret-rows.js'
import { KEPT_VERSIONS } from './setting.js'

/** Removes secrets, see `SecretAdmin.unset`. */
export async function unsetSecrets(
  writer: Writer,
  where: SecretPlace,
  names: readonly SecretName[],
  {
    stage = false,
    allowMissing = false,
  }: { stage?: boolean | undefined; allowMissing?: boolean | undefined } = {},
): Promise<ChangeReport> {
  const place = checkPlace(where)
  const wanted = [...new Set(names)]
  return await writer.database.write(async (tx) => {
    await requireGroup(tx, place)
    const there = await findSecrets(tx, place, wanted)
    const missing = wanted.filter((name) => !isThere(there.get(name)))
    if (missing.length > 0 && !allowMissing) throw await unknownSecrets(tx, place, missing)
    const changed: ChangedSecret[] = []
    const events: NewEvent[] = []
    for (const name of wanted) {
      const row = there.get(name)
      if (row === undefined || !isThere(row)) continue
      const discardedStaged = row.live === null
      if (discardedStaged) {
        await saveSecrets(tx, writer, [discardStaged(row)])
        events.push({ action: 'discard', ...eventPlace(row), version: row.staged_version })
      } else if (stage) {
        checkSecret(writer, row)
        await saveSecrets(tx, writer, [stageChange(row, writer, null)])
        events.push({ action: 'stage-unset', ...eventPlace(row), version: row.live })
      } else {
        // This is the way out for a record that was tampered with, so it must not take over anything unchecked.
        await dropForged(tx, writer, row)
        const kept = writer.records.isStagedRight(row) ? row : discardStaged(row)
        await saveSecrets(tx, writer, [{ ...kept, live: null, updated_at: writer.now().toISOString() }])
        events.push({ action: 'unset', ...eventPlace(row), version: row.live })
      }
      changed.push({ name, group: orNull(place.group), version: null, digest: null, discardedStaged })
    }
    await recordEvents(tx, writer, events)
    return { changed, missing }
  })
}

/** Makes staged changes live, see `SecretAdmin.deploy`. */
export async function deployStaged(
  writer: Writer,
  environment: string,
  { force = false }: { force?: boolean | undefined } = {},
): Promise<ChangeReport> {
  const name = environmentName(environment)
  return await writer.database.write(async (tx) => {
    const rows = await tx
      .selectFrom('secret')
      .selectAll()
      .where('environment', '=', name)
      .where('staged', 'is not', null)
      .orderBy('group_name')
      .orderBy('name')
      .execute()
    for (const row of rows) checkSecret(writer, row)
    const moved = rows.filter((row) => row.staged_base !== row.live)
    if (moved.length > 0 && !force) throw movedFault(moved)
    const versions = await findVersions(
      tx,
      rows.map((row) => row.staged_version),
    )
    const updated_at = writer.now().toISOString()
    const changed: ChangedSecret[] = []
    for (const row of rows) {
      const version = checkedVersion(writer, row, { id: row.staged_version, among: versions })
      changed.push({
        name: row.name as SecretName,
        group: orNull(row.group_name),
        version: row.staged_version,
        digest: version?.digest ?? null,
        discardedStaged: false,
      })
    }
    await saveSecrets(
      tx,
      writer,
      rows.map((row) => ({ ...discardStaged(row), live: row.staged_version, updated_at })),
    )
    await recordEvents(
      tx,
      writer,
      rows.map((row) => ({
        action: row.staged_base === row.live ? 'deploy' : 'deploy-forced',
        ...eventPlace(row),
        version: row.staged_version,
      })),
    )
    return { changed, missing: [] }
  })
}

/** Makes an earlier version live again, see `SecretAdmin.rollback`. */
export async function rollbackSecret(
  writer: Writer,
  { name, ...where }: SecretRef,
  version: string,
): Promise<ChangeReport> {
  const place = checkPlace(where)
  return await writer.database.write(async (tx) => {
    const row = (await findSecrets(tx, place, [name])).get(name)
    if (row === undefined) throw await unknownSecrets(tx, place, [name])
    const found = await tx.selectFrom('version').selectAll().where('id', '=', version).executeTakeFirst()
    if (
      found?.name !== name ||
      found.environment !== row.environment ||
      found.group_name !== row.group_name
    ) {
      throw new Fault('SECRET_UNKNOWN', `${name} has no version of that id.`, {
        hint: 'Its versions are listed by "traceless secrets versions".',
      })
    }
    checkSecret(writer, row)
    writer.records.checkVersion(found, row)
    const kept = await tx
      .selectFrom('sealed')
      .select('key_id')
      .where('version', '=', version)
      .executeTakeFirst()
    if (kept === undefined) {
      throw new Fault('STORE_CONFLICT', `The value of that version of ${name} is no longer kept.`, {
        hint: `The last ${KEPT_VERSIONS} values of a secret are kept. Set it again.`,
      })
    }
    await saveSecrets(tx, writer, [{ ...row, live: version, updated_at: writer.now().toISOString() }])
    await recordEvents(tx, writer, [{ action: 'rollback', ...eventPlace(row), version }])
    return {
      changed: [{ name, group: orNull(place.group), version, digest: found.digest, discardedStaged: false }],
      missing: [],
    }
  })
}

/** Drops versions and boxes of a secret that are not what was stored: nothing could read them, and a rotation would stop there. */
async function dropForged(tx: Statements, { records }: Writer, secret: SecretKey): Promise<void> {
  const versions = await tx
    .selectFrom('version')
    .selectAll()
    .where('environment', '=', secret.environment)
    .where('group_name', '=', secret.group_name)
    .where('name', '=', secret.name)
    .execute()
  for (const version of versions) {
    const boxes = await tx.selectFrom('sealed').selectAll().where('version', '=', version.id).execute()
    const right = records.isVersionRight(version, secret)
    for (const box of boxes) {
      if (right && records.isBoxRight(box)) continue
      await tx
        .deleteFrom('sealed')
        .where('version', '=', box.version)
        .where('key_id', '=', box.key_id)
        .execute()
    }
    if (!right) await tx.deleteFrom('version').where('id', '=', version.id).execute()
  }
}

function movedFault(rows: readonly SecretTable[]): Fault {
  const problems = rows.map(({ name, group_name: group }) => ({
    code: 'STORE_CONFLICT' as const,
    message: `${name}${group === '' ? '' : ` of group ${group}`} has changed since its staged change was made.`,
    hint: 'Stage it again, or deploy with --force.',
  }))
  return faultOf(problems)
}
