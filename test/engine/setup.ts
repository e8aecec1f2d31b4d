/**
 * Before the engine tests: an engine and the base images, or a failed run. It
 * never skips, because a run that has read nothing must not look like one that
 * has found nothing.
 *
 * @packageDocumentation
 */

import { join, resolve } from 'node:path'
import { execa } from 'execa'

const SCRIPTS = resolve(import.meta.dirname, '../../scripts')

export default async function setup(): Promise<void> {
  const { stdout } = await execa(join(SCRIPTS, 'engine.sh'), { stderr: 'inherit' })
  const host = /^DOCKER_HOST=(\S+)$/.exec(stdout)?.[1]
  if (host === undefined) throw new Error('scripts/engine.sh did not say where the engine is')
  // The test files run in processes that inherit this environment.
  process.env['DOCKER_HOST'] = host
  await execa(join(SCRIPTS, 'base-image.sh'), { stdout: 'ignore', stderr: 'inherit' })
}
