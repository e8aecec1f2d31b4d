/**
 * What the database user of a worker may do: carry out builds and record what
 * it learnt, and look at no secret, no ciphertext and no token.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import { POSTGRES_SCHEMA } from './postgres.js'

const ROLE = /^[a-z_][a-z0-9_]{0,62}$/

/** Columns of a build that a worker writes. What was asked for, and by whom, is not among them. */
const BUILD_COLUMNS = [
  'state',
  'lease',
  'lease_until',
  'worker',
  'attempt',
  'naming',
  'started_at',
  'ended_at',
  'failure_json',
  'report_json',
  'verdict',
  'delivery_json',
  'image',
  'events',
  'event_bytes',
  'output_bytes',
  'webhook_due',
]

const RIGHTS: readonly (readonly [rights: string, tables: string])[] = [
  ['select', 'store_format, store, build'],
  [`update (${BUILD_COLUMNS.join(', ')})`, 'build'],
  ['select, insert', 'build_event, usage, usage_secret, retired_mount'],
  ['select, insert, delete', 'build_blob'],
  ['select, insert, update, delete', 'worker, verdict, made_step, made_record, turn'],
  // To delete the values of a build it must tell which build, and sees nothing else of them.
  ['select (build), delete', 'build_value'],
]

/**
 * The statements that let a role work, for whoever owns the database.
 *
 * @param role - lower-case letters, digits and `_`.
 * @param queue - schema of the queue's tables.
 * @throws {@link Fault} `REQUEST_INVALID`
 */
export function workerGrants(role: string, queue: string): readonly string[] {
  if (!ROLE.test(role)) {
    throw new Fault('REQUEST_INVALID', 'That is no name for a role.', {
      hint: 'It has lower-case letters, digits and "_".',
    })
  }
  const tables = (list: string): string =>
    list
      .split(', ')
      .map((table) => `${POSTGRES_SCHEMA}.${table}`)
      .join(', ')
  return [
    `grant usage on schema ${POSTGRES_SCHEMA}, ${queue} to ${role};`,
    ...RIGHTS.map(([rights, list]) => `grant ${rights} on ${tables(list)} to ${role};`),
    `grant select, insert, update, delete on all tables in schema ${queue} to ${role};`,
    `grant execute on all functions in schema ${queue} to ${role};`,
  ]
}
