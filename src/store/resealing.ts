/**
 * Sealing everything a store keeps to one more public key, some values at a
 * time, so that writers go on between and a process that is killed has lost
 * nothing.
 *
 * @packageDocumentation
 */

import type { Expression, ExpressionBuilder } from 'kysely'
import type { Database, Statements } from './database.js'
import type { Opened } from './opening.js'
import { recordSeal, type SecretKey } from './records.js'
import type { SealedTable, Tables } from './schema.js'
import { seal } from './seal.js'
import { boxRow } from './secret-rows.js'
import { openValue } from './store-reader.js'

/** Values sealed in one transaction. */
const BATCH = 50

/** What is sealed, with what it is opened, and to whom. */
export interface Resealing {
  readonly database: Database
  readonly storeId: string
  readonly opened: Opened
  readonly to: { readonly keyId: string; readonly publicKey: Uint8Array }
}

/** A box and the secret it belongs to. */
type Box = SealedTable & SecretKey

/**
 * Seals every kept value that is not sealed to that key yet. Values that are set meanwhile are not its business: their
 * writers seal to every recipient.
 *
 * @returns how many values it sealed.
 * @throws {@link Fault} `STORE_INVALID` for a box that is not what was sealed.
 */
export async function sealEverything(resealing: Resealing): Promise<number> {
  let sealed = 0
  for (let after = ''; ;) {
    const batch = await resealing.database.read((tx) => findUnsealed(tx, resealing, after))
    const last = batch.at(-1)
    if (last === undefined) return sealed
    sealed += await sealBatch(resealing, batch)
    after = last.version
  }
}

/** One box for each version after that one which this identity opens and which has none for the new key. */
async function findUnsealed(
  tx: Statements,
  { opened, to }: Resealing,
  after: string,
): Promise<readonly Box[]> {
  const boxes = await tx
    .selectFrom('sealed')
    .innerJoin('version', 'version.id', 'sealed.version')
    .select(['sealed.version', 'key_id', 'box', 'sealed.code', 'environment', 'group_name', 'name'])
    .where(
      'key_id',
      'in',
      opened.identity.keys.map(({ id }) => id),
    )
    .where('key_id', '!=', to.keyId)
    .where('sealed.version', '>', after)
    .where((is) => is.not(is.exists(boxFor(is, to.keyId))))
    .orderBy('sealed.version')
    .limit(BATCH)
    .execute()
  // An identity with several keys finds some versions more than once.
  return boxes.filter(({ version }, at) => version !== boxes[at - 1]?.version)
}

/** Whether a value is kept that is not sealed to that key, though to others. */
export async function isAnythingUnsealed(tx: Statements, keyId: string): Promise<boolean> {
  const one = await tx
    .selectFrom('sealed')
    .innerJoin('version', 'version.id', 'sealed.version')
    .select('version.id')
    .where((is) => is.not(is.exists(boxFor(is, keyId))))
    .limit(1)
    .executeTakeFirst()
  return one !== undefined
}

/** The box of the same version for that key. */
const boxFor = (is: ExpressionBuilder<Tables, 'sealed'>, keyId: string): Expression<unknown> =>
  is
    .selectFrom('sealed as done')
    .select('done.version')
    .whereRef('done.version', '=', 'sealed.version')
    .where('done.key_id', '=', keyId)

async function sealBatch(
  { database, storeId, opened, to }: Resealing,
  batch: readonly Box[],
): Promise<number> {
  const records = recordSeal(storeId, opened.keys.record)
  const rows: SealedTable[] = []
  for (const row of batch) {
    const { environment, group_name: group, name, version } = row
    using value = await openValue({ records, identity: opened.identity }, row, { version, boxes: [row] })
    const box = await seal(to.publicKey, { store: storeId, environment, group, name, version }, value)
    rows.push(boxRow(records, { version, key_id: to.keyId, box }))
  }
  return await database.write(async (tx) => {
    const still = await tx
      .selectFrom('sealed')
      .select('version')
      .distinct()
      .where(
        'version',
        'in',
        rows.map(({ version }) => version),
      )
      .execute()
    // A value that was dropped meanwhile must not come back.
    const wanted = rows.filter(({ version }) => still.some((row) => row.version === version))
    if (wanted.length === 0) return 0
    await tx
      .insertInto('sealed')
      .values(wanted)
      .onConflict((conflict) => conflict.columns(['version', 'key_id']).doNothing())
      .execute()
    return wanted.length
  })
}
