/**
 * Opens a store: the database, the home that goes with it, and the roles.
 *
 * The first use of an empty home makes an identity, the first use of an empty
 * database makes a store. After that, a process that only sets and lists works
 * with the public keys and the writer's keys, and no private key is loaded.
 *
 * @packageDocumentation
 */

import { randomBytes } from 'node:crypto'
import { hostname, userInfo } from 'node:os'
import { Fault } from '../errors.js'
import type { SecretAdmin } from './admin.js'
import { buildRecords } from './build-records.js'
import type { BuildRecords } from './builds.js'
import { clockOf } from './clock.js'
import type { Database } from './database.js'
import { readEarlier } from './earlier-versions.js'
import { codeOf, given, homeAt, homeOf, type Home, type Variables } from './home.js'
import { givenOpener, type OpenGiven } from './given-value.js'
import { createIdentityFile, identitySource, loadIdentity, saveIdentity } from './identity.js'
import { createRootKey, deriveKeys, rootMark, type WriterKeys } from './keys.js'
import { madeRecords, type MadeRecords } from './made-records.js'
import { migrate } from './migrations.js'
import { openKeys, type Opened } from './opening.js'
import { readPins, readWriterKeys, writePins, writeWriterKeys, type Pins } from './pins.js'
import { openPostgres } from './postgres.js'
import { checkPinned, findRecipients, sealRoot, type Recipient } from './recipients.js'
import { recordSeal } from './records.js'
import { identityAdmin, type IdentityAdmin } from './rotation.js'
import { retiredMountStore, type RetiredMountStore } from './retired.js'
import { CHANGES_PER_HOUR } from './setting.js'
import { lockFile, openSqlite } from './sqlite.js'
import { secretAdmin } from './store-admin.js'
import { secretReader } from './store-reader.js'
import { stepMemory } from './steps.js'
import type { Keeping, SecretReader, UsageRecorder } from './store.js'
import { tokenStore, type Tokens } from './tokens.js'
import { turnsOf } from './turns.js'
import { usageRecorder, verdictStore, type VerdictStore } from './usage.js'
import { workerRecords, type WorkerRecords } from './workers.js'

/** Where a store is and who uses it. */
export interface StoreOptions {
  /** The home's folder. Default: see {@link homeOf}. */
  readonly home?: string | undefined
  /** The environment variables that count: `TRACELESS_HOME`, `TRACELESS_DATABASE`, `TRACELESS_IDENTITY` and others. */
  readonly env: Variables
  /** `postgres://…`. Default: `TRACELESS_DATABASE`, else the embedded database of the home. */
  readonly database?: string | undefined
  /** Who acts, as the record shows it. Default: `user@host`. */
  readonly actor?: string | undefined
  /** The clock. */
  readonly now?: (() => Date) | undefined
  /** How often one name may be set in an hour. Default: {@link CHANGES_PER_HOUR}. */
  readonly changesPerHour?: number | undefined
  /**
   * Never looks for an identity: the store must be there, and the home must hold its writer keys. For a process that
   * must not be able to read, such as a server.
   */
  readonly withoutIdentity?: boolean | undefined
}

/** An open store. */
export interface Store extends AsyncDisposable {
  readonly id: string
  readonly home: Home
  /** Sets and lists. */
  readonly admin: SecretAdmin
  /** The same, recorded as somebody else's work. */
  adminAs(actor: string): SecretAdmin
  /** Opens values. Looks for the identity at its first use. */
  readonly reader: SecretReader
  /** Opens values that came sealed with a build. Looks for the identity at its first use. */
  readonly openGiven: OpenGiven
  readonly usage: UsageRecorder
  readonly verdicts: VerdictStore
  /** Ids of mounts that no build may use again. */
  readonly retired: RetiredMountStore
  /** Which version steps were made with, and the versions that are kept. */
  readonly keeping: Keeping
  /** Which records of build caches builds of this store made. */
  readonly made: MadeRecords
  /** Who can open the store. */
  readonly identity: IdentityAdmin
  /** The public keys that values are sealed to. @throws {@link Fault} `IDENTITY_INVALID` where they are not those pinned here. */
  recipients(): Promise<readonly Recipient[]>
  /** Builds of a server. */
  readonly builds: BuildRecords
  readonly tokens: Tokens
  readonly workers: WorkerRecords
  /** Closes the database and wipes the keys. */
  close(): Promise<void>
}

/**
 * Opens a store, made where there is none.
 *
 * @throws {@link Fault} `STORE_UNAVAILABLE`, `STORE_INVALID`, `IDENTITY_INVALID`; `REQUEST_INVALID` for a database URL
 * that is none.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { env: variables, now = () => new Date(), actor = currentActor(), withoutIdentity = false } = options
  const home = options.home === undefined ? homeOf(variables) : homeAt(options.home)
  const url = options.database ?? given(variables, 'TRACELESS_DATABASE')
  const database = url === null ? await openSqlite(home.database) : await openPostgres(url)
  try {
    await migrate(database)
    const storeId =
      (await findStore(database)) ??
      (withoutIdentity ? noIdentity() : await createStore({ database, home, variables, actor, now }))
    const place = { database, storeId, home, variables }
    const open = withoutIdentity ? noIdentity : (): Promise<Opened> => openKeys(place)
    const writerKeys = await writerKeysOf(place, open)
    const keys = keeper(open)
    const reading = { database, storeId, opened: keys.opened, reopened: keys.reopened, actor, now }
    const clock = clockOf(database, options.now)
    const builds = buildRecords({ database, clock })
    const close = async (): Promise<void> => {
      builds[Symbol.dispose]()
      writerKeys[Symbol.dispose]()
      await keys.close()
      await database.close()
    }
    const adminAs = (who: string): SecretAdmin =>
      secretAdmin({
        database,
        records: recordSeal(storeId, writerKeys.record),
        digestKey: writerKeys.digest,
        pins: () => requirePins(home, storeId),
        actor: who,
        now,
        changesPerHour: options.changesPerHour ?? CHANGES_PER_HOUR,
      })
    return {
      id: storeId,
      home,
      admin: adminAs(actor),
      adminAs,
      reader: secretReader(reading),
      openGiven: givenOpener(keys.opened),
      usage: usageRecorder({ database, now }),
      verdicts: verdictStore({ database, now }),
      retired: retiredMountStore({ database, now }),
      keeping: {
        steps: stepMemory({ database, now }),
        turns: turnsOf(database),
        earlier: (scope, names) => readEarlier(reading, scope, names),
      },
      made: madeRecords({ database, now }),
      identity: identityAdmin({ ...place, actor, now }),
      async recipients() {
        const found = await database.read(findRecipients)
        checkPinned(found, await requirePins(home, storeId))
        return found
      },
      builds,
      tokens: tokenStore({ database, now }),
      workers: workerRecords({ database, clock }),
      close,
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await database.close()
    throw error
  }
}

function noIdentity(): never {
  throw new Fault(
    'IDENTITY_INVALID',
    'This home cannot write to the store, and no identity is looked for here.',
    {
      hint: 'Start the keyholder once with this home, or copy the folder "stores" from a home that uses the store.',
    },
  )
}

async function findStore(database: Database): Promise<string | null> {
  const row = await database.read((tx) => tx.selectFrom('store').select('id').executeTakeFirst())
  return row?.id ?? null
}

/** Makes the store in an empty database. Of several processes that come at once, one makes it. */
async function createStore({
  database,
  home,
  variables,
  actor,
  now,
}: {
  database: Database
  home: Home
  variables: Variables
  actor: string
  now: () => Date
}): Promise<string> {
  using _alone = await lockFile(home.lock)
  if (identitySource(variables) === 'file') await createIdentityFile(home)
  using identity = await loadIdentity(home, variables)
  const key = identity?.keys[0]
  if (identity === null || key === undefined) throw new TypeError('an identity was made and is gone')
  using root = createRootKey()
  const storeId = randomBytes(16).toString('hex')
  const box = await sealRoot(storeId, key.publicKey, root)
  const made = await database.write(async (tx) => {
    const found = await tx.selectFrom('store').select('id').executeTakeFirst()
    if (found !== undefined) return found.id
    const created_at = now().toISOString()
    await tx.insertInto('store').values({ singleton: 1, id: storeId, created_at }).execute()
    await tx
      .insertInto('recipient')
      .values({
        key_id: key.id,
        public_key: key.publicKey,
        state: 'active',
        root: box,
        created_at,
        created_by: actor,
      })
      .execute()
    return storeId
  })
  if (made !== storeId) return made
  using keys = deriveKeys(root)
  const mark = rootMark(root)
  await writePins(home, storeId, { root: mark, recipients: [key.id] })
  await writeWriterKeys(home, storeId, keys)
  if (identitySource(variables) === 'file') {
    const stores = new Map([...identity.stores, [storeId, mark]])
    await saveIdentity(home.identity, { keys: identity.keys, stores }, { replace: true })
  }
  return storeId
}

/** The writer's keys and pins of this home; a home that has the identity makes what it lacks. */
async function writerKeysOf(
  place: Parameters<typeof openKeys>[0],
  open: () => Promise<Opened>,
): Promise<WriterKeys> {
  const { home, storeId, database } = place
  const found = await readWriterKeys(home, storeId)
  const pins = await readPins(home, storeId)
  if (found !== null && pins !== null) return found
  found?.[Symbol.dispose]()
  using _alone = await lockFile(home.lock)
  using opened = await open()
  if (pins === null) {
    const recipients = (await database.read(findRecipients)).map(({ keyId }) => keyId)
    await writePins(home, storeId, { root: rootMark(opened.root), recipients })
  }
  await writeWriterKeys(home, storeId, opened.keys)
  const made = await readWriterKeys(home, storeId)
  if (made === null) throw new TypeError('the keys were written and are gone')
  return made
}

async function requirePins(home: Home, storeId: string): Promise<Pins> {
  const pins = await readPins(home, storeId)
  if (pins !== null) return pins
  throw new Fault('IDENTITY_INVALID', 'The pins of the store are gone from the home.', {
    hint: 'Open the store once more where the identity is at hand.',
  })
}

/** Keeps what was opened until the store is closed or it is opened anew. */
function keeper(open: () => Promise<Opened>): {
  opened: () => Promise<Opened>
  reopened: () => Promise<Opened>
  close: () => Promise<void>
} {
  let kept: Promise<Opened> | null = null
  const close = async (): Promise<void> => {
    const before = kept
    kept = null
    const [keys] = await Promise.allSettled([before])
    if (keys.status === 'fulfilled') keys.value?.[Symbol.dispose]()
  }
  const opened = async (): Promise<Opened> => {
    const mine = (kept ??= open())
    try {
      return await mine
    } catch (error) {
      // The next call may find an identity that is not there now.
      if (kept === mine) kept = null
      throw error
    }
  }
  return {
    opened,
    close,
    async reopened() {
      await close()
      return await opened()
    },
  }
}

/** `user@host` of this process; the number of a user who has no name. */
function currentActor(): string {
  return `${userName()}@${hostname()}`
}

function userName(): string {
  try {
    return userInfo().username
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}
