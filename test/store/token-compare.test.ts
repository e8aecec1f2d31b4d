/**
 * How a presented token is compared. Time itself is not measured, because a
 * busy machine tells more than a comparison does; what is held is the way:
 * hashed first, looked up by a part of the hash, the rest compared in constant
 * time, and the same for every text.
 */

import { createHash, timingSafeEqual } from 'node:crypto'
import { join } from 'node:path'
import type { KyselyPlugin } from 'kysely'
import { beforeEach, expect, it, vi } from 'vitest'
import { SecretValue } from '../../src/secret.js'
import { findCaller } from '../../src/server/caller.js'
import type { Database } from '../../src/store/database.js'
import { migrate } from '../../src/store/migrations.js'
import { openSqlite } from '../../src/store/sqlite.js'
import { tokenStore, type Tokens } from '../../src/store/tokens.js'
import { temporaryFolder, testClock, textOf } from '../support/store.js'

vi.mock('node:crypto', async (original) => {
  const real = await original<typeof import('node:crypto')>()
  return { ...real, timingSafeEqual: vi.fn(real.timingSafeEqual) }
})
const compared = vi.mocked(timingSafeEqual)
beforeEach(() => {
  compared.mockClear()
})

/** The tokens of a store, what the database was asked while they were looked for, and a token of each kind. */
async function withTokens(
  work: (parts: {
    readonly tokens: Tokens
    readonly database: Database
    readonly asked: string[]
    readonly good: string
    readonly bad: Readonly<Record<string, string>>
  }) => Promise<void>,
): Promise<void> {
  await using folder = await temporaryFolder()
  const database = await openSqlite(join(folder.path, 'store.db'))
  await migrate(database)
  const clock = testClock()
  const asked: string[] = []
  const recorder: KyselyPlugin = {
    transformQuery({ node }) {
      asked.push(JSON.stringify(node))
      return node
    },
    transformResult: async ({ result }) => Promise.resolve(result),
  }
  const recorded: Database = {
    ...database,
    read: (ask) => database.read((tx) => ask(tx.withPlugin(recorder))),
  }
  const tokens = tokenStore({ database: recorded, now: () => clock.now() })
  const make = async (expiresAt: Date | null = null) => {
    const { token, text } = await tokens.create({
      name: 'a',
      scopes: ['admin'],
      createdBy: 'test',
      expiresAt,
    })
    return { id: token.id, text: textOf(text) }
  }
  const [good, revoked] = [await make(), await make()]
  const expired = await make(new Date(clock.now().getTime() + 1))
  await tokens.revoke(revoked.id)
  clock.pass(2)
  const other = (text: string, at: number): string =>
    `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`
  const bad = {
    unknown: `tls_${'u'.repeat(43)}`,
    'wrong at its beginning': other(good.text, 4),
    'wrong at its end': other(good.text, good.text.length - 2),
    'without its prefix': good.text.slice(4),
    'too short': good.text.slice(0, -1),
    empty: '',
    expired: expired.text,
    revoked: revoked.text,
  }
  await work({ tokens, database, asked, good: good.text, bad })
  await database.close()
}

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest()

it('V1: each text is hashed, and the database is asked one and the same thing of it, which is a part of the hash', async () => {
  await withTokens(async ({ tokens, asked, good, bad }) => {
    const questions = new Set<string>()
    for (const text of [good, ...Object.values(bad)]) {
      asked.length = 0
      const found = await tokens.find(SecretValue.fromText(text))
      expect(found !== null).toBe(text === good)
      expect(asked).toHaveLength(1)
      const mark = digestOf(text).toString('hex', 0, 8)
      const question = asked[0] ?? ''
      expect(question).toContain(`"${mark}"`)
      questions.add(question.replaceAll(mark, '<mark>'))
    }
    expect(questions.size).toBe(1)
    for (const text of [good, ...Object.values(bad)].filter((each) => each !== ''))
      expect([...questions].join()).not.toContain(text)
  })
})

it('V1: what has the same mark is told apart by the whole hash, in constant time', async () => {
  await withTokens(async ({ tokens, database, good, bad }) => {
    const text = bad['unknown'] ?? ''
    const hash = digestOf(text)
    // Somebody with the mark of that text and another hash, which differs in its last byte only.
    const near = Buffer.from(hash)
    near.writeUInt8(near.readUInt8(31) ^ 1, 31)
    await database.write(async (tx) => {
      await tx
        .updateTable('token')
        .set({ mark: hash.toString('hex', 0, 8), hash: near })
        .where('mark', '=', digestOf(good).toString('hex', 0, 8))
        .execute()
    })
    expect(await tokens.find(SecretValue.fromText(text))).toBeNull()
    expect(compared).toHaveBeenCalledTimes(1)
    expect(compared.mock.calls[0]?.map((bytes) => Buffer.from(bytes as Uint8Array))).toEqual([near, hash])
  })
})

it('V1: a token that is expired or revoked is compared as a good one is', async () => {
  await withTokens(async ({ tokens, good, bad }) => {
    for (const text of [good, bad['expired'] ?? '', bad['revoked'] ?? '']) {
      compared.mockClear()
      await tokens.find(SecretValue.fromText(text))
      expect(compared.mock.calls.map(([a, b]) => [a.byteLength, b.byteLength])).toEqual([[32, 32]])
      expect(compared.mock.results).toMatchObject([{ value: true }])
    }
  })
})

it('V1: a request is refused alike whatever is wrong with its token, and only after it was looked for', async () => {
  await withTokens(async ({ tokens, bad }) => {
    const answers = new Set<string>()
    for (const [why, text] of [...Object.entries(bad), ['no token at all', 'not a token!']] as const) {
      let looked = 0
      const counting: Pick<Tokens, 'find'> = {
        find(value) {
          looked += 1
          return tokens.find(value)
        },
      }
      for (const headers of [{ authorization: `Bearer ${text}` }, { authorization: `bearer ${text}` }]) {
        const request = new Request('http://server.test/v1/builds', { headers })
        const refused = await findCaller(counting, request).then(
          () => 'let in',
          (error: unknown) => JSON.stringify(error),
        )
        answers.add(refused)
      }
      expect(looked, why).toBe(2)
    }
    expect([...answers]).toEqual([expect.stringContaining('UNAUTHORIZED')])
  })
})
