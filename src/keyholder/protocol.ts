/**
 * What a worker and the keyholder say to each other: JSON over HTTP, bytes as
 * base64. A worker shows the lease it holds and a public key made for it, and
 * gets that build's values sealed to that key.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import { isSecretName, type SecretName } from '../secret.js'
import { X25519_BYTES, type Place } from '../store/seal.js'
import type { Exposure } from '../store/store.js'

/** The lease of a build, as the worker that holds it shows it. */
export interface ShownLease {
  readonly build: string
  /** Random text that only the worker and the keyholder know. */
  readonly lease: string
  /** Counts from 1. */
  readonly attempt: number
}

/** Asks which names there are. */
export const NAMES_PATH = '/v1/names'

/** Asks for values. */
export const OPEN_PATH = '/v1/open'

/** Asks for values that secrets had before, with the question of {@link OPEN_PATH}. */
export const EARLIER_PATH = '/v1/earlier'

/** Largest question, in bytes: 500 names of the longest kind. */
export const MAX_QUESTION_BYTES = 128 * 1024

/** What `POST /v1/open` takes. */
export interface OpenQuestion extends ShownLease {
  /** X25519, 32 bytes, made for this build and kept in the worker's memory. */
  readonly publicKey: Uint8Array
  readonly names: readonly SecretName[] | 'all'
}

/** What `POST /v1/open` answers. Boxes open with the key of the question, each in the place of {@link leasePlace}. */
export interface OpenAnswer {
  readonly storeId: string
  readonly environment: string
  readonly secrets: readonly SealedSecret[]
  /** Values given at hand with the build. */
  readonly given: readonly { readonly name: string; readonly box: Uint8Array }[]
  readonly keys: { readonly mount: Uint8Array; readonly verdict: Uint8Array }
}

/** A stored secret, sealed for one lease. */
export interface SealedSecret {
  readonly name: SecretName
  readonly group: string | null
  readonly version: string
  readonly exposure: Exposure
  readonly guarded: boolean
  readonly box: Uint8Array
}

/** What `POST /v1/earlier` answers: every version that is kept of the secrets that were asked for, but for the live one. */
export type EarlierAnswer = Pick<OpenAnswer, 'storeId' | 'environment' | 'secrets'>

/** What `POST /v1/names` answers. */
export interface NamesAnswer {
  readonly storeId: string
  readonly names: readonly SecretName[]
}

/** What a box of an answer holds. */
export type Sealed =
  | {
      readonly kind: 'secret'
      readonly group: string | null
      readonly name: string
      readonly version: string
    }
  | { readonly kind: 'given'; readonly name: string }
  | { readonly kind: 'key'; readonly name: 'mount' | 'verdict' }

/**
 * Where a box of an answer belongs. No environment of a store has a name with blanks, so that no box of an answer opens as one
 * of a store, and none of a store as one of an answer.
 */
export function leasePlace(store: string, { build, lease, attempt }: ShownLease, sealed: Sealed): Place {
  return {
    store,
    environment: `lease ${build} ${lease} ${String(attempt)}`,
    group: sealed.kind === 'secret' ? `secret ${sealed.group ?? ''}` : sealed.kind,
    name: sealed.name,
    version: sealed.kind === 'secret' ? sealed.version : '',
  }
}

/** An answer as JSON. */
export function writeAnswer(answer: OpenAnswer): string {
  const { storeId, environment, secrets, given, keys } = answer
  return JSON.stringify({
    storeId,
    environment,
    secrets: secrets.map(writeSecret),
    given: given.map(({ name, box }) => ({ name, box: toText(box) })),
    keys: { mount: toText(keys.mount), verdict: toText(keys.verdict) },
  })
}

/** An answer with earlier versions as JSON. */
export const writeEarlier = ({ secrets, ...answer }: EarlierAnswer): string =>
  JSON.stringify({ ...answer, secrets: secrets.map(writeSecret) })

const writeSecret = ({ box, ...secret }: SealedSecret): object => ({ ...secret, box: toText(box) })

/** A question as JSON. */
export const writeQuestion = ({ publicKey, ...question }: OpenQuestion): string =>
  JSON.stringify({ ...question, publicKey: toText(publicKey) })

/** @throws {@link Fault} `REQUEST_INVALID` for anything that is no lease. */
export function readLease(body: unknown): ShownLease {
  const { build, lease, attempt } = fieldsOf(body)
  if (!isText(build) || !isText(lease) || typeof attempt !== 'number' || !Number.isSafeInteger(attempt)) {
    throw invalid()
  }
  return { build, lease, attempt }
}

/** @throws {@link Fault} `REQUEST_INVALID` for anything that is no question. */
export function readQuestion(body: unknown): OpenQuestion {
  const { publicKey, names } = fieldsOf(body)
  const key = fromText(publicKey)
  const wanted: unknown[] | null = Array.isArray(names) ? names : null
  if (key.length !== X25519_BYTES || (names !== 'all' && wanted === null)) throw invalid()
  return {
    ...readLease(body),
    publicKey: key,
    names: wanted === null ? 'all' : wanted.map(readName),
  }
}

/** @throws {@link Fault} `SERVER_UNREACHABLE` for anything that is no answer. */
export function readAnswer(body: unknown): OpenAnswer {
  try {
    const { storeId, environment, secrets, given, keys } = fieldsOf(body)
    const { mount, verdict } = fieldsOf(keys)
    if (!isText(storeId) || !isText(environment) || !Array.isArray(secrets) || !Array.isArray(given))
      throw invalid()
    return {
      storeId,
      environment,
      secrets: secrets.map(readSecret),
      given: given.map((entry: unknown) => {
        const { name, box } = fieldsOf(entry)
        if (!isText(name)) throw invalid()
        return { name, box: fromText(box) }
      }),
      keys: { mount: fromText(mount), verdict: fromText(verdict) },
    }
  } catch (error) {
    throw strange(error)
  }
}

/** @throws {@link Fault} `SERVER_UNREACHABLE` for anything that is no answer. */
export function readEarlier(body: unknown): EarlierAnswer {
  try {
    const { storeId, environment, secrets } = fieldsOf(body)
    if (!isText(storeId) || !isText(environment) || !Array.isArray(secrets)) throw invalid()
    return { storeId, environment, secrets: secrets.map(readSecret) }
  } catch (error) {
    throw strange(error)
  }
}

/** @throws {@link Fault} `SERVER_UNREACHABLE` for anything that is no answer. */
export function readNames(body: unknown): NamesAnswer {
  try {
    const { storeId, names } = fieldsOf(body)
    if (!isText(storeId) || !Array.isArray(names)) throw invalid()
    return { storeId, names: names.map(readName) }
  } catch (error) {
    throw strange(error)
  }
}

function readSecret(entry: unknown): SealedSecret {
  const { name, group, version, exposure, guarded, box } = fieldsOf(entry)
  if ((group !== null && !isText(group)) || !isText(version) || !isExposure(exposure)) throw invalid()
  return { name: readName(name), group, version, exposure, guarded: guarded !== false, box: fromText(box) }
}

function readName(name: unknown): SecretName {
  if (typeof name !== 'string' || !isSecretName(name)) throw invalid()
  return name
}

const isExposure = (value: unknown): value is Exposure =>
  value === 'everywhere' || value === 'build-only' || value === 'runtime-only'

const isText = (value: unknown): value is string => typeof value === 'string'

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw invalid()
  return value as Readonly<Record<string, unknown>>
}

const toText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

function fromText(text: unknown): Uint8Array {
  const bytes = isText(text) ? Buffer.from(text, 'base64') : null
  if (bytes === null || bytes.toString('base64') !== text) throw invalid()
  return new Uint8Array(bytes)
}

const invalid = (): Fault => new Fault('REQUEST_INVALID', 'The question to the keyholder is not one.')

function strange(error: unknown): unknown {
  return error instanceof Fault
    ? new Fault('SERVER_UNREACHABLE', 'What answers as the keyholder is none, or one of another version.')
    : error
}
