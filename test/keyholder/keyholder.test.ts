import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.js'
import { askAt } from '../../src/keyholder/ask.js'
import { leaseSecrets, type AskKeyholder } from '../../src/keyholder/client.js'
import { keyholderHandler, type KeyholderAnswer } from '../../src/keyholder/handler.js'
import { EARLIER_PATH, NAMES_PATH, OPEN_PATH, type ShownLease } from '../../src/keyholder/protocol.js'
import { SecretValue } from '../../src/secret.js'
import type { LeasedBuild } from '../../src/store/builds.js'
import { givenValuePlace } from '../../src/store/given-value.js'
import type { Store } from '../../src/store/open.js'
import { seal } from '../../src/store/seal.js'
import { openSqlite } from '../../src/store/sqlite.js'
import { parsePublicKey } from '../../src/store/identity.js'
import { changes, names, testStore, textOf } from '../support/store.js'

const LEASE: ShownLease = { build: 'b1', lease: '00112233445566778899aabbccddeeff', attempt: 1 }
const VALUES = { TOKEN: 'token-of-main-1234', OTHER: 'other-of-main-1234', RUNNING: 'for-running-things' }

interface Fleet {
  readonly store: Store
  readonly answers: KeyholderAnswer[]
  /** Each answer's text, as it went over the wire. */
  readonly wire: string[]
  readonly ask: AskKeyholder
}

/** A store with secrets in two environments, and a keyholder that knows one lease. */
async function withFleet(
  leased: (lease: ShownLease, store: Store) => Promise<LeasedBuild | null>,
  work: (fleet: Fleet) => Promise<void>,
): Promise<void> {
  await using home = await testStore({ openTables: (folder) => openSqlite(`${folder}/store.db`) })
  const store = await home.open()
  await store.admin.set({ environment: 'main' }, [
    ...changes({ TOKEN: VALUES.TOKEN, OTHER: VALUES.OTHER }),
    ...changes({ RUNNING: VALUES.RUNNING }, { exposure: 'runtime-only' }),
  ])
  await store.admin.set({ environment: 'elsewhere' }, changes({ FOREIGN: 'foreign-value-1234' }))
  const answers: KeyholderAnswer[] = []
  const wire: string[] = []
  const handle = keyholderHandler({
    secrets: store.reader,
    earlier: (of, wanted) => store.keeping.earlier(of, wanted),
    openGiven: store.openGiven,
    leased: (lease) => leased(lease, store),
    onAnswer: (answer) => answers.push(answer),
  })
  const ask: AskKeyholder = async (path, body) => {
    const response = await handle(new Request(`http://keyholder${path}`, { method: 'POST', body }))
    const answer = await response.text()
    wire.push(answer)
    const json = JSON.parse(answer) as { error?: { code: 'FORBIDDEN'; message: string } }
    if (json.error !== undefined) throw new Fault(json.error.code, json.error.message)
    return json
  }
  await work({ store, answers, wire, ask })
}

const PLAIN: LeasedBuild = {
  environment: 'main',
  groups: [],
  guard: 'environment',
  keeps: false,
  submission: '',
  values: [],
  worker: 'w',
}
const onlyTheLease = async (lease: ShownLease): Promise<LeasedBuild | null> =>
  Promise.resolve(
    lease.build === LEASE.build && lease.lease === LEASE.lease && lease.attempt === LEASE.attempt
      ? PLAIN
      : null,
  )
const never = new AbortController().signal
const scope = { environment: 'main', purpose: 'build' } as const

describe('the keyholder', () => {
  it('V4: opens the values of a live lease for its worker, with the keys, and nothing goes over the wire in the clear', async () => {
    await withFleet(onlyTheLease, async ({ store, ask, wire, answers }) => {
      using secrets = await leaseSecrets(ask, LEASE, never)
      expect(await secrets.reader.names(scope)).toEqual(names('OTHER', 'TOKEN'))
      const held = await secrets.reader.read(scope, 'all')
      expect(held.map(({ name, value }) => [name, textOf(value)])).toEqual([
        ['OTHER', VALUES.OTHER],
        ['TOKEN', VALUES.TOKEN],
      ])
      const local = await store.reader.read(scope, new Set(names('TOKEN')))
      const [mine] = await secrets.reader.read(scope, new Set(names('TOKEN')))
      expect({ ...mine, value: null }).toEqual({ ...local[0], value: null })
      const [remote, own] = [await secrets.reader.keys(), await store.reader.keys()]
      expect(textOf(remote.mount)).toBe(textOf(own.mount))
      expect(textOf(remote.verdict)).toBe(textOf(own.verdict))
      expect(secrets.reader.storeId).toBe(store.id)
      expect(answers.every(({ refused }) => refused === null)).toBe(true)
      for (const answer of wire) {
        for (const value of Object.values(VALUES)) {
          expect(answer).not.toContain(value)
          expect(answer).not.toContain(Buffer.from(value).toString('base64').slice(0, 12))
        }
      }
    })
  })

  it.for<[string, Partial<ShownLease>]>([
    ['another build', { build: 'b2' }],
    ['another lease', { lease: '00112233445566778899aabbccddeef0' }],
    ['an attempt before', { attempt: 0 }],
    ['an attempt after', { attempt: 2 }],
  ])('V4: gives nothing for %s', async ([, other]) => {
    await withFleet(onlyTheLease, async ({ ask, answers }) => {
      await expect(leaseSecrets(ask, { ...LEASE, ...other }, never)).rejects.toMatchObject({
        code: 'FORBIDDEN',
      })
      expect(answers).toEqual([{ build: other.build ?? 'b1', refused: 'FORBIDDEN', values: 0 }])
    })
  })

  it('V4: gives nothing any more when the lease has ended', async () => {
    let live = true
    await withFleet(
      async () => Promise.resolve(live ? PLAIN : null),
      async ({ ask }) => {
        using secrets = await leaseSecrets(ask, LEASE, never)
        await secrets.reader.read(scope, 'all')
        live = false
        await expect(secrets.reader.read(scope, 'all')).rejects.toMatchObject({ code: 'FORBIDDEN' })
      },
    )
  })

  it('V4: gives no other name, environment or exposure', async () => {
    await withFleet(onlyTheLease, async ({ ask }) => {
      using secrets = await leaseSecrets(ask, LEASE, never)
      const key = Buffer.alloc(32, 9).toString('base64')
      for (const name of ['FOREIGN', 'RUNNING', 'NONE']) {
        await expect(secrets.reader.read(scope, new Set(names(name)))).rejects.toMatchObject({
          code: 'SECRET_UNKNOWN',
        })
        await expect(
          ask(OPEN_PATH, JSON.stringify({ ...LEASE, publicKey: key, names: [name] }), never),
        ).rejects.toMatchObject({ code: 'SECRET_UNKNOWN' })
      }
      const asked = JSON.stringify({ ...LEASE, publicKey: key, names: 'all', environment: 'elsewhere' })
      expect(await ask(OPEN_PATH, asked, never)).toMatchObject({ environment: 'main' })
      await expect(secrets.reader.read({ ...scope, environment: 'elsewhere' }, 'all')).rejects.toMatchObject({
        code: 'SERVER_UNREACHABLE',
      })
    })
  })

  it('V4: gives not all where the build is guarded by its plan only', async () => {
    await withFleet(
      async () => Promise.resolve({ ...PLAIN, guard: 'plan' }),
      async ({ ask }) => {
        using secrets = await leaseSecrets(ask, LEASE, never)
        await expect(secrets.reader.read(scope, 'all')).rejects.toMatchObject({ code: 'FORBIDDEN' })
        expect(await secrets.reader.read(scope, new Set(names('TOKEN')))).toHaveLength(1)
      },
    )
  })

  it('V4, B5: opens earlier versions for a build that keeps steps, of the names it asks for', async () => {
    await withFleet(
      async () => Promise.resolve({ ...PLAIN, keeps: true }),
      async ({ store, ask, wire }) => {
        await store.admin.set({ environment: 'main' }, changes({ TOKEN: 'token-of-main-5678' }))
        await store.admin.set({ environment: 'main' }, [
          ...changes({ OTHER: 'other-of-main-5678' }),
          ...changes({ RUNNING: 'another-for-running' }, { exposure: 'runtime-only' }),
        ])
        await store.admin.set({ environment: 'elsewhere' }, changes({ FOREIGN: 'foreign-value-5678' }))
        using secrets = await leaseSecrets(ask, LEASE, never)
        const held = await secrets.earlier(scope, new Set(names('TOKEN')))
        expect(held.map(({ name, value }) => [name, textOf(value)])).toEqual([['TOKEN', VALUES.TOKEN]])
        const own = await store.keeping.earlier(scope, new Set(names('TOKEN')))
        expect(held.map(({ version }) => version)).toEqual(own.map(({ version }) => version))
        expect(wire.join()).not.toContain(VALUES.TOKEN)
        const publicKey = Buffer.alloc(32, 9).toString('base64')
        const others = JSON.stringify({ ...LEASE, publicKey, names: ['RUNNING', 'FOREIGN'] })
        expect(await ask(EARLIER_PATH, others, never)).toMatchObject({ environment: 'main', secrets: [] })
        await expect(
          ask(EARLIER_PATH, JSON.stringify({ ...LEASE, publicKey, names: 'all' }), never),
        ).rejects.toMatchObject({ code: 'FORBIDDEN' })
        await expect(
          secrets.earlier({ ...scope, environment: 'elsewhere' }, new Set(names('TOKEN'))),
        ).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' })
      },
    )
  })

  it('V4, B5: opens no earlier version for a build that keeps none, and an old box opens for no new version', async () => {
    await withFleet(onlyTheLease, async ({ store, ask }) => {
      await store.admin.set({ environment: 'main' }, changes({ TOKEN: 'token-of-main-5678' }))
      using secrets = await leaseSecrets(ask, LEASE, never)
      await expect(secrets.earlier(scope, new Set(names('TOKEN')))).rejects.toMatchObject({
        code: 'FORBIDDEN',
      })
    })
    await withFleet(
      async () => Promise.resolve({ ...PLAIN, keeps: true }),
      async ({ store, ask }) => {
        await store.admin.set({ environment: 'main' }, changes({ TOKEN: 'token-of-main-5678' }))
        const mixed: AskKeyholder = async (path, body, signal) => {
          const answer = (await ask(path, body, signal)) as { secrets?: { version: string }[] }
          for (const secret of answer.secrets ?? []) secret.version = 'f'.repeat(32)
          return answer
        }
        using secrets = await leaseSecrets(mixed, LEASE, never)
        await expect(secrets.earlier(scope, new Set(names('TOKEN')))).rejects.toMatchObject({
          code: 'SERVER_UNREACHABLE',
        })
      },
    )
  })

  it('V4: opens values given at hand for the build they came with', async () => {
    const given = new SecretValue(Buffer.from('given at hand 1234'))
    const leasedWith = async (store: Store, submission: string): Promise<LeasedBuild> => {
      const recipients = await store.identity.recipients()
      const place = givenValuePlace({
        store: store.id,
        environment: 'main',
        submission: 'first',
        name: 'id-1',
      })
      const boxes = await Promise.all(
        recipients.map(async ({ fingerprint, publicKey }) => ({
          keyId: fingerprint,
          box: await seal(parsePublicKey(publicKey), place, given),
        })),
      )
      return { ...PLAIN, submission, values: [{ name: 'id-1', boxes }] }
    }
    await withFleet(
      (_lease, store) => leasedWith(store, 'first'),
      async ({ ask, wire }) => {
        using secrets = await leaseSecrets(ask, LEASE, never)
        const values = await secrets.given()
        expect([...values].map(([name, value]) => [name, textOf(value)])).toEqual([
          ['id-1', 'given at hand 1234'],
        ])
        expect(wire.join()).not.toContain('given at hand')
      },
    )
    await withFleet(
      (_lease, store) => leasedWith(store, 'second'),
      async ({ ask }) => {
        using secrets = await leaseSecrets(ask, LEASE, never)
        await expect(secrets.given()).rejects.toMatchObject({ code: 'IDENTITY_INVALID' })
      },
    )
  })

  it('V4: an answer for one lease opens for no other', async () => {
    const kept = new Map<string, unknown>()
    await withFleet(
      async () => Promise.resolve(PLAIN),
      async ({ ask }) => {
        const recording: AskKeyholder = async (path, body, signal) => {
          const answer = await ask(path, body, signal)
          kept.set(path, answer)
          return answer
        }
        using first = await leaseSecrets(recording, LEASE, never)
        await first.reader.read(scope, 'all')
        using second = await leaseSecrets(
          async (path) => Promise.resolve(kept.get(path)),
          { ...LEASE, attempt: 2 },
          never,
        )
        await expect(second.reader.read(scope, 'all')).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' })
      },
    )
  })

  it.for<[what: string, path: string, body: string]>([
    ['no JSON', OPEN_PATH, '{'],
    ['no object', OPEN_PATH, '7'],
    ['no lease', OPEN_PATH, '{"build":"b1"}'],
    ['a lease of another type', NAMES_PATH, '{"build":"b1","lease":7,"attempt":1}'],
    ['no key', OPEN_PATH, JSON.stringify({ ...LEASE, names: 'all' })],
    ['a short key', OPEN_PATH, JSON.stringify({ ...LEASE, publicKey: 'AAAA', names: 'all' })],
    ['no names', OPEN_PATH, JSON.stringify({ ...LEASE, publicKey: Buffer.alloc(32, 1).toString('base64') })],
    [
      'a name that is none',
      OPEN_PATH,
      JSON.stringify({ ...LEASE, publicKey: Buffer.alloc(32, 1).toString('base64'), names: ['a b'] }),
    ],
    ['another address', '/v1/other', JSON.stringify(LEASE)],
    ['too much', OPEN_PATH, JSON.stringify({ ...LEASE, more: 'x'.repeat(200_000) })],
  ])('refuses a question with %s', async ([, path, body]) => {
    await withFleet(onlyTheLease, async ({ ask }) => {
      await expect(ask(path, body, never)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
    })
  })

  it('seals to no key that is none', async () => {
    await withFleet(onlyTheLease, async ({ ask }) => {
      const publicKey = Buffer.alloc(32).toString('base64')
      await expect(
        ask(OPEN_PATH, JSON.stringify({ ...LEASE, publicKey, names: ['TOKEN'] }), never),
      ).rejects.toBeInstanceOf(Fault)
    })
  })
})

describe('the way to the keyholder', () => {
  it.for(['http://10.0.0.1:1', 'ftp://x', 'unix:relative', 'nonsense', 'http://user@example.com'])(
    'refuses %s',
    (address) => {
      expect(() => askAt(address)).toThrow(expect.objectContaining({ code: 'REQUEST_INVALID' }) as Error)
    },
  )

  it('tells the fault that is answered, and that nobody answers', async () => {
    await withServer(
      (_request, respond) => respond(403, '{"error":{"code":"FORBIDDEN","message":"No."}}'),
      async (address) => {
        await expect(askAt(address)(OPEN_PATH, '{}', never)).rejects.toMatchObject({
          code: 'FORBIDDEN',
          message: 'No.',
        })
      },
    )
    await withServer(
      (_request, respond) => respond(200, 'no JSON'),
      async (address) => {
        await expect(leaseSecrets(askAt(address), LEASE, never)).rejects.toMatchObject({
          code: 'SERVER_UNREACHABLE',
        })
      },
    )
    await expect(askAt('unix:/nowhere/keyholder.sock')(OPEN_PATH, '{}', never)).rejects.toMatchObject({
      code: 'SERVER_UNREACHABLE',
    })
  })

  it('ends with the signal', async () => {
    await withServer(
      () => undefined,
      async (address) => {
        const stop = new AbortController()
        const asked = askAt(address)(OPEN_PATH, '{}', stop.signal)
        stop.abort(new Fault('CANCELLED', 'Enough.'))
        await expect(asked).rejects.toMatchObject({ code: 'CANCELLED' })
      },
    )
  })
})

async function withServer(
  answer: (request: string, respond: (status: number, body: string) => void) => void,
  work: (address: string) => Promise<void>,
): Promise<void> {
  const server: Server = createServer((request, response) => {
    answer(request.url ?? '', (status, body) => response.writeHead(status).end(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await work(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}`)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}
