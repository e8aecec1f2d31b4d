/**
 * Values given at hand with a build that another machine carries out: sealed
 * by the one who gives them, opened by the keyholder alone.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import type { SecretValue } from '../secret.js'
import type { Opened } from './opening.js'
import { open, type Place } from './seal.js'

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

/** A value given at hand, sealed to one recipient. */
export interface GivenBox {
  readonly keyId: string
  readonly box: Uint8Array
}

/** Opens values given at hand. The caller disposes them. */
export type OpenGiven = (value: GivenValue, boxes: readonly GivenBox[]) => Promise<SecretValue>

/**
 * Makes the opener of a store.
 *
 * @param opened - the identity, looked for at the first use.
 */
export const givenOpener =
  (opened: () => Promise<Pick<Opened, 'identity'>>): OpenGiven =>
  async (given, boxes) => {
    const { identity } = await opened()
    for (const key of identity.keys) {
      const sealed = boxes.find(({ keyId }) => keyId === key.id)
      const value = sealed === undefined ? null : await open(key, givenValuePlace(given), sealed.box)
      if (value !== null) return value
    }
    throw new Fault(
      'IDENTITY_INVALID',
      `The value of ${given.name} is not sealed to this identity for this build.`,
      {
        hint: 'Submit the build once more: the identity may have been rotated since.',
      },
    )
  }
