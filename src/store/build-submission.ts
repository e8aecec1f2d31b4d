/**
 * Taking, finding and listing builds.
 *
 * @packageDocumentation
 */

import { randomBytes } from 'node:crypto'
import { Fault } from '../errors.js'
import type { BuildQuery, BuildRecords, NewBuild } from './builds.js'
import {
  deleteGiven,
  endedAt,
  ENTRY_COLUMNS,
  entryOf,
  failureOf,
  findBuild,
  later,
  type BuildParts,
} from './build-rows.js'
import { UPLOAD_MS } from './builds.js'
import type { Statements } from './database.js'
import { environmentName } from './names.js'
import { chunks } from './secret-rows.js'

type Part = Pick<BuildRecords, 'submit' | 'get' | 'list' | 'open' | 'waiting' | 'report' | 'requestCancel'>

/** The part of the records that the server's clients see. */
export function buildSubmission({ database, clock, changes }: BuildParts): Part {
  return {
    async submit(build) {
      const id = randomBytes(16).toString('hex')
      return await changes.change(id, async (tx) => {
        if (await insertBuild(tx, { id, build, at: await clock(tx) })) {
          return { build: await requireBuild(tx, id), made: true }
        }
        return { build: await sameBuild(tx, build), made: false }
      })
    },
    get: (id) => database.read((tx) => findBuild(tx, id)),
    async list(query) {
      const rows = await database.read((tx) => listRows(tx, query))
      return rows.map(entryOf)
    },
    async open() {
      const rows = await database.read((tx) =>
        tx
          .selectFrom('build')
          .select((is) => ['state', is.fn.countAll().as('count'), is.fn.min('submitted_at').as('oldest')])
          .where('ended_at', 'is', null)
          .groupBy('state')
          .execute(),
      )
      const of = (state: string): number => Number(rows.find((row) => row.state === state)?.count ?? 0)
      const oldest = rows.find((row) => row.state === 'waiting')?.oldest
      return {
        counts: { uploading: of('uploading'), waiting: of('waiting'), running: of('running') },
        oldestWaiting: oldest === undefined ? null : new Date(oldest),
      }
    },
    async waiting(max) {
      const rows = await database.read((tx) =>
        tx
          .selectFrom('build')
          .select('id')
          .where('state', '=', 'waiting')
          .where('ended_at', 'is', null)
          .orderBy('submitted_at')
          .orderBy('id')
          .limit(max)
          .execute(),
      )
      return rows.map(({ id }) => id)
    },
    async report(id) {
      const row = await database.read((tx) =>
        tx.selectFrom('build').select('report_json').where('id', '=', id).executeTakeFirst(),
      )
      return row?.report_json == null ? null : (JSON.parse(row.report_json) as Record<string, unknown>)
    },
    requestCancel: (id) =>
      changes.change(id, async (tx) => {
        const at = (await clock(tx)).toISOString()
        await tx
          .updateTable('build')
          .set({ cancel_requested: 1 })
          .where('id', '=', id)
          .where('ended_at', 'is', null)
          .execute()
        const { numUpdatedRows } = await tx
          .updateTable('build')
          .set({
            state: 'cancelled',
            failure_json: failureOf('CANCELLED', 'The build was cancelled.'),
            ...endedAt(at),
          })
          .where('id', '=', id)
          .where('state', 'in', ['uploading', 'waiting'])
          .executeTakeFirstOrThrow()
        if (numUpdatedRows > 0n) await deleteGiven(tx, id)
        return await findBuild(tx, id)
      }),
  }
}

/** @returns false when there is one of that key already. */
async function insertBuild(
  tx: Statements,
  { id, build, at }: { readonly id: string; readonly build: NewBuild; readonly at: Date },
): Promise<boolean> {
  const inserted = await tx
    .insertInto('build')
    .values({
      id,
      environment: environmentName(build.environment),
      state: build.context ? 'uploading' : 'waiting',
      request_json: JSON.stringify(build.request),
      output_json: JSON.stringify(build.output),
      submitted_at: at.toISOString(),
      submitted_by: build.submittedBy,
      idempotency_key: build.idempotencyKey,
      request_digest: build.requestDigest,
      // Until the context is here, its lease is the upload's.
      lease_until: build.context ? later(at, UPLOAD_MS) : null,
      attempt: 0,
      cancel_requested: 0,
      naming: 0,
      events: 0,
      event_bytes: 0,
      context_bytes: 0,
      output_bytes: 0,
    })
    .onConflict((conflict) => conflict.columns(['submitted_by', 'idempotency_key']).doNothing())
    .executeTakeFirst()
  if (Number(inserted.numInsertedOrUpdatedRows ?? 0) === 0) return false
  const boxes = build.values.flatMap(({ name, boxes: sealed }) =>
    sealed.map(({ keyId, box }) => ({ build: id, name, key_id: keyId, box })),
  )
  for (const some of chunks(boxes)) await tx.insertInto('build_value').values(some).execute()
  return true
}

async function sameBuild(tx: Statements, build: NewBuild): ReturnType<typeof requireBuild> {
  const { id, request_digest } = await tx
    .selectFrom('build')
    .select(['id', 'request_digest'])
    .where('submitted_by', '=', build.submittedBy)
    .where('idempotency_key', '=', build.idempotencyKey)
    .executeTakeFirstOrThrow()
  if (request_digest === build.requestDigest) return await requireBuild(tx, id)
  throw new Fault('STORE_CONFLICT', 'Another build was submitted with the same Idempotency-Key.', {
    hint: 'Make a new key for each build, and repeat it only to repeat the same request.',
  })
}

async function requireBuild(tx: Statements, id: string): Promise<ReturnType<typeof entryOf>> {
  const row = await tx
    .selectFrom('build')
    .select(ENTRY_COLUMNS)
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return entryOf(row)
}

async function listRows(
  tx: Statements,
  { environments, state, max, before }: BuildQuery,
): Promise<Parameters<typeof entryOf>[0][]> {
  const last =
    before === undefined
      ? undefined
      : await tx
          .selectFrom('build')
          .select(['id', 'submitted_at'])
          .where('id', '=', before)
          .executeTakeFirst()
  if (before !== undefined && last === undefined) return []
  if (environments?.length === 0) return []
  return await tx
    .selectFrom('build')
    .select(ENTRY_COLUMNS)
    .$if(environments !== undefined, (query) => query.where('environment', 'in', environments ?? []))
    .$if(state !== undefined, (query) => query.where('state', '=', state ?? 'waiting'))
    .$if(last !== undefined, (query) =>
      query.where((is) =>
        is.or([
          is('submitted_at', '<', last?.submitted_at ?? ''),
          is.and([is('submitted_at', '=', last?.submitted_at ?? ''), is('id', '<', last?.id ?? '')]),
        ]),
      ),
    )
    .orderBy('submitted_at', 'desc')
    .orderBy('id', 'desc')
    .limit(max)
    .execute()
}
