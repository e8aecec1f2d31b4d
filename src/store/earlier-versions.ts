/**
 * Opens the versions that secrets had before: what a reused step of a build
 * may have been made with has to be searched for as well.
 *
 * @packageDocumentation
 */

import type { SecretName } from '../secret.js'
import { recordEvents } from './events.js'
import { whileIdentityMoves, type Opened } from './opening.js'
import { recordSeal } from './records.js'
import type { SealedTable } from './schema.js'
import { chunks, eventPlace, orNull } from './secret-rows.js'
import { findLive, openValue, type ReaderParts } from './store-reader.js'
import type { HeldSecret, ReadScope } from './store.js'

/**
 * Opens every version of the named live secrets whose value is still kept, but for the live one. The caller disposes the
 * values.
 *
 * @throws as `SecretReader.read` does, for a version that is not what was sealed too.
 */
export async function readEarlier(
  parts: ReaderParts,
  scope: ReadScope,
  names: ReadonlySet<SecretName>,
): Promise<readonly HeldSecret[]> {
  let looks = 0
  return await whileIdentityMoves(async () => {
    const opened = looks === 0 ? await parts.opened() : await parts.reopened()
    looks += 1
    return { identity: opened.identity, work: () => openEarlier(parts, { opened, scope, names }) }
  })
}

async function openEarlier(
  parts: ReaderParts,
  {
    opened: { identity, keys },
    scope,
    names,
  }: { opened: Opened; scope: ReadScope; names: ReadonlySet<SecretName> },
): Promise<readonly HeldSecret[]> {
  const records = recordSeal(parts.storeId, keys.record)
  const found = await parts.database.read(async (tx) => {
    const secrets = await findLive(tx, { scope, names })
    const rows = []
    for (const secret of secrets) {
      const versions = await tx
        .selectFrom('version')
        .selectAll()
        .where('environment', '=', secret.environment)
        .where('group_name', '=', secret.group_name)
        .where('name', '=', secret.name)
        .where('id', '!=', secret.live ?? '')
        .orderBy('ordinal', 'desc')
        .execute()
      for (const some of chunks(versions)) {
        const boxes = await tx
          .selectFrom('sealed')
          .selectAll()
          .where(
            'version',
            'in',
            some.map(({ id }) => id),
          )
          .execute()
        rows.push(...some.map((version) => ({ secret, version, boxes: boxesOf(boxes, version.id) })))
      }
    }
    return rows
  })
  const held: HeldSecret[] = []
  try {
    for (const { secret, version, boxes } of found) {
      if (boxes.length === 0) continue
      records.checkVersion(version, secret)
      held.push({
        name: secret.name as SecretName,
        environment: secret.environment,
        group: orNull(secret.group_name),
        value: await openValue({ records, identity }, secret, { version: version.id, boxes }),
        version: version.id,
        exposure: version.exposure,
        guarded: version.guarded === 1,
      })
    }
    if (held.length > 0) {
      const events = held.map(({ environment, group, name, version }) => ({
        action: 'read' as const,
        ...eventPlace({ environment, group_name: group ?? '', name }),
        version,
        detail: `${scope.purpose}, to search for it`,
      }))
      await parts.database.write((tx) => recordEvents(tx, parts, events))
    }
    return held
  } catch (error) {
    for (const { value } of held) value[Symbol.dispose]()
    throw error
  }
}

const boxesOf = (boxes: readonly SealedTable[], version: string): readonly SealedTable[] =>
  boxes.filter((box) => box.version === version)
