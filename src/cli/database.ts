/**
 * `traceless database`: what whoever owns the PostgreSQL of a server does there.
 *
 * @packageDocumentation
 */

import type { AddCommand } from './command.js'

/** Adds the commands. */
export const addDatabase: AddCommand = (parent, app) => {
  const database = parent
    .command('database')
    .summary('prepare the PostgreSQL of a server')
    .description('Helps whoever owns the database of a server.')
  database
    .command('grant-worker')
    .summary('print the SQL that lets a role be a worker')
    .description(
      'Prints statements for psql: they let a role carry out builds, and look at no secret, no ciphertext and no token.',
    )
    .argument('<role>', 'the database user of the workers')
    .action(async (role: string) => {
      const [{ workerGrants }, { QUEUE_SCHEMA }] = await Promise.all([
        import('../store/worker-role.js'),
        import('../queue/postgres-queue.js'),
      ])
      app.io.out(workerGrants(role, QUEUE_SCHEMA).join('\n'))
    })
}
