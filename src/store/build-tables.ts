/**
 * The tables of a server: builds and what they tell, tokens, workers. A step of
 * `migrations.ts`, kept apart because it is long.
 *
 * @packageDocumentation
 */

import { sql, type ColumnDefinitionBuilder } from 'kysely'
import type { Statements } from './database.js'
import type { Types } from './migrations.js'

const notNull = (column: ColumnDefinitionBuilder): ColumnDefinitionBuilder => column.notNull()
const zero = (column: ColumnDefinitionBuilder): ColumnDefinitionBuilder => column.notNull().defaultTo(0)

/** Makes the tables of a server. */
export async function serverTables(tx: Statements, types: Types): Promise<void> {
  await buildTable(tx, types)
  await buildParts(tx, types)
  await tokenTable(tx, types)
  await workerTable(tx, types)
}

async function buildTable({ schema }: Statements, { text }: Types): Promise<void> {
  await schema
    .createTable('build')
    .addColumn('id', text, (column) => column.primaryKey().notNull())
    .addColumn('environment', text, notNull)
    .addColumn('state', text, notNull)
    .addColumn('request_json', text, notNull)
    .addColumn('output_json', text, notNull)
    .addColumn('submitted_at', text, notNull)
    .addColumn('submitted_by', text, notNull)
    .addColumn('idempotency_key', text, notNull)
    .addColumn('request_digest', text, notNull)
    .addColumn('started_at', text)
    .addColumn('ended_at', text)
    .addColumn('attempt', 'integer', zero)
    .addColumn('lease', text)
    .addColumn('lease_until', text)
    .addColumn('worker', text)
    .addColumn('cancel_requested', 'integer', zero)
    .addColumn('naming', 'integer', zero)
    .addColumn('failure_json', text)
    .addColumn('report_json', text)
    .addColumn('verdict', text)
    .addColumn('delivery_json', text)
    .addColumn('image', text)
    .addColumn('events', 'integer', zero)
    .addColumn('event_bytes', 'bigint', zero)
    .addColumn('context_bytes', 'bigint', zero)
    .addColumn('output_bytes', 'bigint', zero)
    .addColumn('webhook_due', text)
    .addUniqueConstraint('build_submitted_once', ['submitted_by', 'idempotency_key'])
    .execute()
  await schema
    .createIndex('build_by_age')
    .on('build')
    .columns(['environment', 'submitted_at desc', 'id desc'])
    .execute()
  await schema
    .createIndex('build_by_age_anywhere')
    .on('build')
    .columns(['submitted_at desc', 'id desc'])
    .execute()
  await schema
    .createIndex('build_open')
    .on('build')
    .columns(['state', 'submitted_at'])
    .where(sql.ref('ended_at'), 'is', null)
    .execute()
  await schema
    .createIndex('build_ended')
    .on('build')
    .column('ended_at')
    .where(sql.ref('ended_at'), 'is not', null)
    .execute()
  await schema
    .createIndex('build_to_tell')
    .on('build')
    .column('webhook_due')
    .where(sql.ref('webhook_due'), 'is not', null)
    .execute()
}

async function buildParts({ schema }: Statements, { text, bytes }: Types): Promise<void> {
  await schema
    .createTable('build_event')
    .addColumn('build', text, notNull)
    .addColumn('seq', 'integer', notNull)
    .addColumn('at', text, notNull)
    .addColumn('event_json', text, notNull)
    .addPrimaryKeyConstraint('build_event_key', ['build', 'seq'])
    .execute()
  await schema
    .createTable('build_blob')
    .addColumn('build', text, notNull)
    .addColumn('kind', text, notNull)
    .addColumn('ordinal', 'integer', notNull)
    .addColumn('bytes', bytes, notNull)
    .addPrimaryKeyConstraint('build_blob_key', ['build', 'kind', 'ordinal'])
    .execute()
  await schema
    .createTable('build_value')
    .addColumn('build', text, notNull)
    .addColumn('name', text, notNull)
    .addColumn('key_id', text, notNull)
    .addColumn('box', bytes, notNull)
    .addPrimaryKeyConstraint('build_value_key', ['build', 'name', 'key_id'])
    .execute()
}

async function tokenTable({ schema }: Statements, { text, bytes }: Types): Promise<void> {
  await schema
    .createTable('token')
    .addColumn('id', text, (column) => column.primaryKey().notNull())
    .addColumn('name', text, notNull)
    .addColumn('mark', text, notNull)
    .addColumn('hash', bytes, notNull)
    .addColumn('scopes_json', text, notNull)
    .addColumn('environments_json', text)
    .addColumn('created_at', text, notNull)
    .addColumn('created_by', text, notNull)
    .addColumn('expires_at', text)
    .addColumn('last_used_at', text)
    .addColumn('revoked_at', text)
    .execute()
  await schema.createIndex('token_by_mark').on('token').column('mark').execute()
}

async function workerTable({ schema }: Statements, { text }: Types): Promise<void> {
  await schema
    .createTable('worker')
    .addColumn('id', text, (column) => column.primaryKey().notNull())
    .addColumn('name', text, notNull)
    .addColumn('host', text, notNull)
    .addColumn('engine_json', text, notNull)
    .addColumn('started_at', text, notNull)
    .addColumn('seen_at', text, notNull)
    .addColumn('draining', 'integer', zero)
    .addColumn('builds_json', text, notNull)
    .execute()
}
