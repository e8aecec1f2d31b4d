/**
 * Contexts and outputs of builds: bytes in pieces, so that neither the database
 * nor this process ever holds all of them at once.
 *
 * @packageDocumentation
 */

import { randomBytes } from 'node:crypto'
import { Fault } from '../errors.js'
import { CHUNK_BYTES, UPLOAD_MS, type BuildRecords, type LeaseRef } from './builds.js'
import { hashOf } from './build-leases.js'
import { later, type BuildParts } from './build-rows.js'
import type { Statements } from './database.js'
import type { BuildBlobTable } from './schema.js'

type Part = Pick<BuildRecords, 'putContext' | 'openContext' | 'putOutput' | 'openOutput'>
type Kind = BuildBlobTable['kind']

/** The part of the records that keeps bytes. */
export function buildBlobs(parts: BuildParts): Part {
  const { database, clock, changes } = parts
  return {
    async putContext(id, source) {
      const lease = randomBytes(16).toString('hex')
      const mine = (tx: Statements, bytes: number): Promise<boolean> => addContext(tx, { id, lease, bytes })
      await database.writeRows(async (tx) => {
        const until = later(await clock(tx), UPLOAD_MS)
        const { numUpdatedRows } = await tx
          .updateTable('build')
          .set({ lease, lease_until: until, context_bytes: 0 })
          .where('id', '=', id)
          .where('state', '=', 'uploading')
          .executeTakeFirstOrThrow()
        if (numUpdatedRows === 0n) throw notUploading()
        await deletePieces(tx, id, 'context')
      })
      if (!(await putPieces(parts, { id, kind: 'context', mine }, source))) throw notUploading()
      const kept = await changes.change(id, async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable('build')
          .set({ state: 'waiting', lease: null, lease_until: null })
          .where('id', '=', id)
          .where('state', '=', 'uploading')
          .where('lease', '=', lease)
          .executeTakeFirstOrThrow()
        return numUpdatedRows > 0n
      })
      if (!kept) throw notUploading()
    },
    openContext: (id) => openPieces(parts, id, 'context'),
    async putOutput(lease, source) {
      const mine = (tx: Statements, bytes: number): Promise<boolean> => addOutput(tx, lease, bytes)
      const isLive = await database.writeRows(async (tx) => {
        if (!(await mine(tx, 0))) return false
        await tx.updateTable('build').set({ output_bytes: 0 }).where('id', '=', lease.build).execute()
        await deletePieces(tx, lease.build, 'output')
        return true
      })
      return isLive && (await putPieces(parts, { id: lease.build, kind: 'output', mine }, source))
    },
    openOutput: (id) => openPieces(parts, id, 'output'),
  }
}

/** Adds to the size of a context whose upload is this one. The row stays locked until the piece is there. */
async function addContext(
  tx: Statements,
  { id, lease, bytes }: { readonly id: string; readonly lease: string; readonly bytes: number },
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('build')
    .set((is) => ({ context_bytes: is('context_bytes', '+', bytes) }))
    .where('id', '=', id)
    .where('state', '=', 'uploading')
    .where('lease', '=', lease)
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

async function addOutput(
  tx: Statements,
  { build, lease, attempt }: LeaseRef,
  bytes: number,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('build')
    .set((is) => ({ output_bytes: is('output_bytes', '+', bytes) }))
    .where('id', '=', build)
    .where('state', '=', 'running')
    .where('lease', '=', hashOf(lease))
    .where('attempt', '=', attempt)
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

/** @returns false as soon as `mine` says that the build is somebody else's. */
async function putPieces(
  { database }: BuildParts,
  {
    id,
    kind,
    mine,
  }: {
    readonly id: string
    readonly kind: Kind
    readonly mine: (tx: Statements, bytes: number) => Promise<boolean>
  },
  source: AsyncIterable<Uint8Array>,
): Promise<boolean> {
  let ordinal = 0
  for await (const bytes of pieces(source)) {
    const kept = await database.writeRows(async (tx) => {
      if (!(await mine(tx, bytes.length))) return false
      await tx.insertInto('build_blob').values({ build: id, kind, ordinal, bytes }).execute()
      return true
    })
    if (!kept) return false
    ordinal += 1
  }
  return true
}

/** A stream cut anew, into pieces of {@link CHUNK_BYTES} and a last one. */
async function* pieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = []
  let size = 0
  for await (const chunk of source) {
    let rest = chunk
    while (size + rest.length >= CHUNK_BYTES) {
      const head = rest.subarray(0, CHUNK_BYTES - size)
      yield Buffer.concat([...held, head])
      rest = rest.subarray(head.length)
      held = []
      size = 0
    }
    // A copy: whoever gave the chunk may write to it again.
    if (rest.length > 0) held.push(new Uint8Array(rest))
    size += rest.length
  }
  if (size > 0) yield Buffer.concat(held)
}

async function* openPieces({ database }: BuildParts, id: string, kind: Kind): AsyncGenerator<Uint8Array> {
  for (let ordinal = 0; ; ordinal += 1) {
    const row = await database.read((tx) =>
      tx
        .selectFrom('build_blob')
        .select('bytes')
        .where('build', '=', id)
        .where('kind', '=', kind)
        .where('ordinal', '=', ordinal)
        .executeTakeFirst(),
    )
    if (row === undefined) return
    yield new Uint8Array(row.bytes)
  }
}

async function deletePieces(tx: Statements, id: string, kind: Kind): Promise<void> {
  await tx.deleteFrom('build_blob').where('build', '=', id).where('kind', '=', kind).execute()
}

const notUploading = (): Fault =>
  new Fault('STORE_CONFLICT', 'The build waits for no context, or another upload took over.', {
    hint: 'A context is sent once, right after the build was submitted.',
  })
