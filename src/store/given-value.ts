/**
 * Values given at hand with a build that another machine carries out: sealed
 * by the one who gives them, opened by the keyholder alone.
 *
 * @packageDocumentation
 */

import type { Place } from './seal.js'

/** No group of a store can have this name, so a box made here opens as no stored secret, and none of those opens here. */
const GROUP = ' at hand'

/** Which value of which build. */
export interface GivenValue {
  /** Id of the store. */
  readonly store: string
  readonly environment: string
  /** The key under which the build is submitted (`Idempotency-Key`): a box is of no use with another build. */
  readonly submission: string
  /** The name the request gives it. */
  readonly name: string
}

/** Where the box of a value given at hand belongs. */
export const givenValuePlace = ({ store, environment, submission, name }: GivenValue): Place => ({
  store,
  environment,
  group: GROUP,
  name,
  version: submission,
})
