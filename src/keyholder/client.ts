/**
 * The worker's side: a {@link SecretReader} for one lease. Its private key is
 * made for that lease, lives in memory, and is wiped with it.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import type { SecretValue } from '../secret.js'
import { createKeyPair, open, type KeyPair } from '../store/seal.js'
import type { HeldSecret, Keeping, ReaderKeys, ReadScope, SecretReader } from '../store/store.js'
import {
  EARLIER_PATH,
  leasePlace,
  NAMES_PATH,
  OPEN_PATH,
  readAnswer,
  readEarlier,
  readNames,
  writeQuestion,
  type EarlierAnswer,
  type OpenAnswer,
  type Sealed,
  type ShownLease,
} from './protocol.js'

/**
 * Sends a question and gives the answer's JSON.
 *
 * @throws {@link Fault} `SERVER_UNREACHABLE`, or the fault that the keyholder answers with.
 */
export type AskKeyholder = (path: string, body: string, signal: AbortSignal) => Promise<unknown>

/** What one lease opens. Dispose it when the build has ended. */
export interface LeaseSecrets extends Disposable {
  readonly reader: SecretReader
  /** Opens earlier versions, for a build that was asked to keep steps; for any other the keyholder refuses. */
  readonly earlier: Keeping['earlier']
  /** Values given at hand with the build, by the name the request gives them. The caller disposes them. */
  given(): Promise<ReadonlyMap<string, SecretValue>>
}

/** Makes the reader of a lease. Nothing is asked before the first use, but for what the store is called. */
export async function leaseSecrets(
  ask: AskKeyholder,
  lease: ShownLease,
  signal: AbortSignal,
): Promise<LeaseSecrets> {
  const { storeId, names } = readNames(await ask(NAMES_PATH, JSON.stringify(lease), signal))
  const pair = await createKeyPair()
  const owned: Disposable[] = [pair.privateKey]
  const question = (wanted: ReadonlySet<string> | 'all'): string =>
    writeQuestion({
      ...lease,
      publicKey: pair.publicKey,
      names: wanted === 'all' ? 'all' : names.filter((name) => wanted.has(name)),
    })
  const asked = async (wanted: ReadonlySet<string> | 'all'): Promise<OpenAnswer> => {
    const answer = readAnswer(await ask(OPEN_PATH, question(wanted), signal))
    if (answer.storeId !== storeId) throw notForUs()
    return answer
  }
  const opened = async (what: Sealed, box: Uint8Array): Promise<SecretValue> =>
    await openBox(pair, { storeId, lease, what, box })
  const heldIn = async (
    { environment, secrets }: EarlierAnswer,
    scope: ReadScope,
  ): Promise<readonly HeldSecret[]> => {
    if (environment !== scope.environment) throw notForUs()
    return await eachOpened(secrets, async ({ box, ...secret }): Promise<HeldSecret> => {
      const value = await opened({ kind: 'secret', ...secret }, box)
      return { ...secret, environment, value }
    })
  }
  let keys: Promise<ReaderKeys> | undefined
  const openKeys = async ({ keys: boxes }: OpenAnswer): Promise<ReaderKeys> => {
    const made = {
      mount: await opened({ kind: 'key', name: 'mount' }, boxes.mount),
      verdict: await opened({ kind: 'key', name: 'verdict' }, boxes.verdict),
    }
    owned.push(made.mount, made.verdict)
    return made
  }
  return {
    reader: {
      storeId,
      keys: () => (keys ??= asked(new Set()).then(openKeys)),
      names: async () => Promise.resolve(names),
      async read(scope, wanted) {
        const missing = wanted === 'all' ? [] : [...wanted].filter((name) => !names.includes(name))
        if (missing.length > 0) {
          throw new Fault(
            'SECRET_UNKNOWN',
            `There is no secret ${missing.join(', ')} in ${scope.environment}.`,
          )
        }
        const answer = await asked(wanted)
        await (keys ??= openKeys(answer))
        return await heldIn(answer, scope)
      },
    },
    async earlier(scope, wanted) {
      const answer = readEarlier(await ask(EARLIER_PATH, question(wanted), signal))
      if (answer.storeId !== storeId) throw notForUs()
      return await heldIn(answer, scope)
    },
    async given() {
      const { given } = await asked(new Set())
      const values = await eachOpened(given, async ({ name, box }) => ({
        name,
        value: await opened({ kind: 'given', name }, box),
      }))
      return new Map(values.map(({ name, value }) => [name, value]))
    },
    [Symbol.dispose]() {
      for (const value of owned) value[Symbol.dispose]()
    },
  }
}

/** Opens one after another; when one fails, what was opened is wiped. */
async function eachOpened<T, R extends { readonly value: SecretValue }>(
  sealed: readonly T[],
  openOne: (one: T) => Promise<R>,
): Promise<readonly R[]> {
  const done: R[] = []
  try {
    for (const one of sealed) done.push(await openOne(one))
    return done
  } catch (error) {
    for (const { value } of done) value[Symbol.dispose]()
    throw error
  }
}

async function openBox(
  pair: KeyPair,
  {
    storeId,
    lease,
    what,
    box,
  }: {
    readonly storeId: string
    readonly lease: ShownLease
    readonly what: Sealed
    readonly box: Uint8Array
  },
): Promise<SecretValue> {
  const value = await open(pair, leasePlace(storeId, lease, what), box)
  if (value === null) throw notForUs()
  return value
}

const notForUs = (): Fault =>
  new Fault(
    'SERVER_UNREACHABLE',
    'What answers as the keyholder gave something that is not for this lease.',
    {
      hint: 'Find out who can answer at the address of the keyholder.',
    },
  )
