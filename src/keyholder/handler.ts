/**
 * The keyholder: the one process of a fleet that holds the identity. It opens
 * values for whoever holds the live lease of a build, those of that build
 * alone, and seals them again to the key of that lease.
 *
 * @packageDocumentation
 */

import { Fault, FAULTS } from '../errors.js'
import type { SecretName, SecretValue } from '../secret.js'
import type { LeasedBuild } from '../store/builds.js'
import type { OpenGiven } from '../store/given-value.js'
import { seal } from '../store/seal.js'
import type { HeldSecret, Keeping, ReadScope, SecretReader } from '../store/store.js'
import {
  EARLIER_PATH,
  leasePlace,
  MAX_QUESTION_BYTES,
  NAMES_PATH,
  OPEN_PATH,
  readLease,
  readQuestion,
  writeAnswer,
  writeEarlier,
  type OpenAnswer,
  type OpenQuestion,
  type Sealed,
  type SealedSecret,
  type ShownLease,
} from './protocol.js'

/** What the keyholder works with. */
export interface KeyholderParts {
  readonly secrets: SecretReader
  /** Opens the versions that secrets had before. */
  readonly earlier: Keeping['earlier']
  /** `null` for a lease that is not, or no longer, the live one of a running build. */
  readonly leased: (lease: ShownLease) => Promise<LeasedBuild | null>
  /** Opens values that were sealed to the store's recipients, with the identity. */
  readonly openGiven: OpenGiven
  /** Told of each answer and each refusal. */
  readonly onAnswer?: (answer: KeyholderAnswer) => void
}

/** What became of one question. */
export interface KeyholderAnswer {
  readonly build: string | null
  /** `null` when it was answered. */
  readonly refused: string | null
  /** Values that were sealed. */
  readonly values: number
}

/** Makes the handler of the keyholder's requests. Whatever it refuses it refuses alike: who asks learns nothing of why. */
export function keyholderHandler(parts: KeyholderParts): (request: Request) => Promise<Response> {
  return async (request) => {
    let build: string | null = null
    try {
      const body = await bodyOf(request)
      const shown = readLease(body)
      build = shown.build
      const leased = await parts.leased(shown)
      if (leased === null) throw refused()
      const answered = await answer(parts, { path: pathOf(request), shown, leased, body })
      parts.onAnswer?.({ build, refused: null, values: answered.values })
      return jsonResponse(200, answered.text)
    } catch (error) {
      const fault =
        error instanceof Fault ? error : new Fault('INTERNAL', 'The keyholder failed.', { cause: error })
      parts.onAnswer?.({ build, refused: fault.code, values: 0 })
      return jsonResponse(FAULTS[fault.code].status, JSON.stringify({ error: fault }))
    }
  }
}

async function answer(
  parts: KeyholderParts,
  question: {
    readonly path: string
    readonly shown: ShownLease
    readonly leased: LeasedBuild
    readonly body: unknown
  },
): Promise<{ readonly text: string; readonly values: number }> {
  const { path, leased, body } = question
  const { environment, groups } = leased
  const scope: ReadScope = { environment, groups, purpose: 'build' }
  switch (path) {
    case NAMES_PATH:
      return {
        text: JSON.stringify({ storeId: parts.secrets.storeId, names: await parts.secrets.names(scope) }),
        values: 0,
      }
    case OPEN_PATH: {
      const asked = readQuestion(body)
      if (asked.names === 'all' && leased.guard === 'plan') throw refused()
      const sealed = await sealedFor(parts, { asked, leased, scope })
      return { text: writeAnswer(sealed), values: sealed.secrets.length + sealed.given.length }
    }
    case EARLIER_PATH: {
      const asked = readQuestion(body)
      if (asked.names === 'all' || !leased.keeps) throw refused()
      // What is not for builds now is none of a build's affair, whatever it was before.
      const known = new Set(await parts.secrets.names(scope))
      const held = await parts.earlier(scope, new Set(asked.names.filter((name) => known.has(name))))
      const secrets = await sealedSecrets(held, sealer(parts.secrets, asked))
      return {
        text: writeEarlier({ storeId: parts.secrets.storeId, environment, secrets }),
        values: secrets.length,
      }
    }
    default:
      throw new Fault('REQUEST_INVALID', 'The keyholder has no such address.')
  }
}

async function sealedFor(
  { secrets: reader, openGiven }: KeyholderParts,
  {
    asked,
    leased,
    scope,
  }: { readonly asked: OpenQuestion; readonly leased: LeasedBuild; readonly scope: ReadScope },
): Promise<OpenAnswer> {
  const { storeId: store } = reader
  const sealTo = sealer(reader, asked)
  const names: ReadonlySet<SecretName> | 'all' = asked.names === 'all' ? 'all' : new Set(asked.names)
  const secrets = await sealedSecrets(await reader.read(scope, names), sealTo)
  const given = []
  for (const { name, boxes } of leased.values) {
    const { environment, submission } = leased
    using value = await openGiven({ store, environment, submission, name }, boxes)
    given.push({ name, box: await sealTo(value, { kind: 'given', name }) })
  }
  // The store keeps these until it is closed: they are not ours to wipe.
  const keys = await reader.keys()
  return {
    storeId: store,
    environment: scope.environment,
    secrets,
    given,
    keys: {
      mount: await sealTo(keys.mount, { kind: 'key', name: 'mount' }),
      verdict: await sealTo(keys.verdict, { kind: 'key', name: 'verdict' }),
    },
  }
}

type SealTo = (value: SecretValue, what: Sealed) => Promise<Uint8Array>

/** Seals to the key of a question, for its lease. */
const sealer =
  ({ storeId }: Pick<SecretReader, 'storeId'>, asked: OpenQuestion): SealTo =>
  (value, what) =>
    seal(asked.publicKey, leasePlace(storeId, asked, what), value)

/** Seals values one by one, and wipes them all. */
async function sealedSecrets(held: readonly HeldSecret[], sealTo: SealTo): Promise<readonly SealedSecret[]> {
  try {
    const secrets: SealedSecret[] = []
    for (const { name, group, version, exposure, guarded, value } of held) {
      const box = await sealTo(value, { kind: 'secret', group, name, version })
      secrets.push({ name, group, version, exposure, guarded, box })
    }
    return secrets
  } finally {
    for (const { value } of held) value[Symbol.dispose]()
  }
}

async function bodyOf(request: Request): Promise<unknown> {
  if (request.method !== 'POST') throw new Fault('REQUEST_INVALID', 'The keyholder is asked by POST.')
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > MAX_QUESTION_BYTES) throw new Fault('REQUEST_INVALID', 'The question is too large.')
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new Fault('REQUEST_INVALID', 'The question is no JSON.')
  }
}

const pathOf = (request: Request): string => new URL(request.url).pathname

const jsonResponse = (status: number, text: string): Response =>
  new Response(text, {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
  })

const refused = (): Fault =>
  new Fault('FORBIDDEN', 'The keyholder opens values for the live lease of a build only.')
