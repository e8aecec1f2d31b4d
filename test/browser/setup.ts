/**
 * Before the browser tests: the dashboard as it is now, not as it was built last.
 *
 * @packageDocumentation
 */

import { resolve } from 'node:path'
import { execa } from 'execa'

export default async function setup(): Promise<void> {
  const root = resolve(import.meta.dirname, '../..')
  await execa(resolve(root, 'node_modules/.bin/tsx'), ['scripts/dashboard.ts'], {
    cwd: root,
    stderr: 'inherit',
  })
}
