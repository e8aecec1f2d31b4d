/**
 * Private packages of every kind that pip installs, for tests that install all of them at once.
 *
 * @packageDocumentation
 */

import type { Fixtures } from '../../fixtures/fixtures.js'
import { sdist, wheel } from '../../fixtures/packages/distribution.js'
import { plainProject } from '../../fixtures/packages/project.js'

/** What opens them. */
export interface PrivateLogins {
  /** Token that is the user's name, for `/git/acme`. */
  readonly asUser: string
  /** Token that is the password of `robot`, for `/git/other`. */
  readonly asPassword: string
  /** Password of `reader`, for the index `private`. */
  readonly printable: string
}

/**
 * Makes `acme/widget` and `other/gadget`, which requires `other/dependency`, as repositories, and publishes `from-source`, a
 * source distribution that requires the wheel `from-wheel`.
 */
export async function publishPrivately(
  fixtures: Fixtures,
  { asUser, asPassword, printable }: PrivateLogins,
): Promise<void> {
  fixtures.protect('/git/acme', { username: asUser, password: '' })
  fixtures.protect('/git/other', { username: 'robot', password: asPassword })
  fixtures.protect('/index/private', { username: 'reader', password: printable })
  await fixtures.repository('acme/widget', plainProject({ name: 'widget' }))
  await fixtures.repository('other/dependency', plainProject({ name: 'dependency' }))
  await fixtures.repository(
    'other/gadget',
    plainProject({
      name: 'gadget',
      requires: [`dependency @ git+${fixtures.origin}/git/other/dependency.git`],
    }),
  )
  const built = { name: 'from-source', requires: ['from-wheel'], buildRequires: ['setuptools', 'wheel'] }
  fixtures.publish('private', wheel({ name: 'from-wheel' }), await sdist(built, plainProject(built)))
}
