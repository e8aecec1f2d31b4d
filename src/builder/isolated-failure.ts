/**
 * Why an isolated install ended, in our words. The programs of its steps say a
 * code and at most a name; nothing else of what they print is repeated.
 *
 * @packageDocumentation
 */

import { Fault, type FaultCode } from '../errors.js'

/** The line by which a step's program says why it ended. A name may be a package's own word, cut to harmless characters. */
const SAID = /^traceless-isolated: ([a-z-]+)(?: ([A-Za-z0-9._?-]{1,128}))?\r?$/gm

type Words = readonly [code: FaultCode, message: (name: string) => string, hint: string]

const WITHOUT = 'or leave --isolate out.'

const REASONS: Readonly<Record<string, Words>> = {
  'no-wheel': [
    'REQUIREMENTS_INVALID',
    (name) =>
      `The indexes have no wheel of ${name}, only sources, whose code would have to run to read them.`,
    `Publish a wheel, name the Git repository, ${WITHOUT}`,
  ],
  'not-found': [
    'BUILD_FAILED',
    (name) => `The indexes have no wheel of ${name}.`,
    'pip says so too when an index refuses its credentials: check that the secret is right.',
  ],
  'wants-sources': [
    'REQUIREMENTS_INVALID',
    () => 'A wheel of an index needs sources, whose code would have to run to read them.',
    `Name the Git repository in the list, ${WITHOUT}`,
  ],
  pip: ['BUILD_FAILED', () => 'pip could not download the wheels.', 'The output says why.'],
  git: [
    'BUILD_FAILED',
    () => 'A repository could not be fetched.',
    'Check that the address and the secret are right.',
  ],
  revision: [
    'REQUIREMENTS_INVALID',
    () => 'A revision is not in its repository.',
    'Check what stands behind the "@".',
  ],
  submodule: [
    'BUILD_FAILED',
    () => 'A submodule could not be fetched.',
    'Its address may need a credential that the list does not have.',
  ],
  lfs: [
    'BASE_UNSUITABLE',
    () => 'A repository keeps large files with Git LFS, which the base image lacks.',
    'Add it with --apt git-lfs.',
  ],
  'lfs-pull': [
    'BUILD_FAILED',
    () => 'The large files of a repository could not be fetched.',
    'Its LFS server may need a credential that the list does not have.',
  ],
  subdirectory: [
    'REQUIREMENTS_INVALID',
    () => 'A subdirectory is not in its repository.',
    'Check what stands behind "subdirectory=".',
  ],
  address: [
    'REQUIREMENTS_INVALID',
    () => 'A package names another one by an address that an isolated install does not fetch from.',
    `Name it in the list, ${WITHOUT}`,
  ],
  'build-requirement': [
    'REQUIREMENTS_INVALID',
    () => 'A project names what builds it by an address, or in words that are not valid.',
    `Name it by version in its pyproject.toml, ${WITHOUT}`,
  ],
  toml: [
    'BASE_UNSUITABLE',
    () => 'The base image has nothing that reads pyproject.toml.',
    'Use one with pip 21.2 or newer.',
  ],
  build: ['BUILD_FAILED', (name) => `The wheel of ${name} could not be built.`, 'The output says why.'],
  wheel: [
    'BUILD_FAILED',
    () => 'A build left something else than one wheel.',
    'Its code may have tried to put something in its place.',
  ],
  conflict: [
    'REQUIREMENTS_INVALID',
    (name) => `Two commits of ${name} are asked for.`,
    'Name one of them in the list and in the packages that need it.',
  ],
  'too-deep': [
    'REQUIREMENTS_INVALID',
    () => 'Repositories name each other more than three deep.',
    `Name the innermost ones in the list, ${WITHOUT}`,
  ],
}

/** The fault for what the steps said last, `undefined` where they said nothing of the kind. */
export function isolatedFailure(output: string, cause: unknown): Fault | undefined {
  const said = [...output.matchAll(SAID)].at(-1)
  const words = said === undefined ? undefined : REASONS[said[1] ?? '']
  if (said === undefined || words === undefined) return undefined
  const [code, message, hint] = words
  return new Fault(code, message(said[2] ?? 'a package'), { hint, cause })
}
