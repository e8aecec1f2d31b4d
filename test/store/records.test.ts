/** S10: what the codes of records cover, field by field. */

import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.js'
import { SecretValue } from '../../src/secret.js'
import { recordSeal } from '../../src/store/records.js'
import type { SealedTable, SecretTable, VersionTable } from '../../src/store/schema.js'

const KEY = new SecretValue(Buffer.alloc(32, 9))
const records = recordSeal('store', KEY)

const SECRET = {
  environment: 'main',
  group_name: 'g',
  name: 'A',
  live: 'v1',
  updated_at: 't1',
  staged: 'set',
  staged_version: 'v2',
  staged_base: 'v1',
  staged_at: 't2',
  staged_by: 'me',
} as const satisfies Partial<SecretTable>
const VERSION = {
  id: 'v1',
  environment: 'main',
  group_name: 'g',
  name: 'A',
  ordinal: 1,
  exposure: 'everywhere',
  guarded: 1,
  digest: 'd',
  created_at: 't1',
  created_by: 'me',
} as const satisfies Omit<VersionTable, 'code'>
const BOX = { version: 'v1', key_id: 'k', box: Buffer.from('box') } satisfies Omit<SealedTable, 'code'>

/** Each row with one field exchanged. */
const exchanged = <T extends object>(row: T): [field: string, row: T][] =>
  Object.keys(row).map((field) => [
    field,
    { ...row, [field]: field === 'box' ? Buffer.from('bot') : 'exchanged' },
  ])

describe('S10: codes of records', () => {
  it.for(exchanged(VERSION))('a version with another %s is not what was stored', ([, row]) => {
    const code = records.versionCode(VERSION)
    expect(records.isVersionRight({ ...VERSION, code }, SECRET)).toBe(true)
    expect(records.isVersionRight({ ...row, code }, row)).toBe(false)
    expect(() => records.checkVersion({ ...row, code }, SECRET)).toThrow(Fault)
  })

  it.for(['environment', 'group_name', 'name'] as const)(
    'a right version of another %s is none of this secret',
    (field) => {
      const other = { ...VERSION, [field]: 'other' }
      const row = { ...other, code: records.versionCode(other) }
      expect(records.isVersionRight(row, other)).toBe(true)
      expect(records.isVersionRight(row, SECRET)).toBe(false)
    },
  )

  it.for(exchanged(BOX))('a box with another %s is not what was stored', ([, row]) => {
    const code = records.boxCode(BOX)
    expect(records.isBoxRight({ ...BOX, code })).toBe(true)
    expect(records.isBoxRight({ ...row, code })).toBe(false)
    expect(() => records.checkBox({ ...row, code }, SECRET)).toThrow(Fault)
  })

  it.for(exchanged(SECRET).filter(([field]) => !field.startsWith('staged')))(
    'a live mark with another %s',
    ([, row]) => {
      const live_code = records.liveCode(SECRET)
      expect(() => records.checkLive({ ...SECRET, live_code })).not.toThrow()
      expect(() => records.checkLive({ ...row, live_code })).toThrow(Fault)
    },
  )

  it.for(exchanged(SECRET).filter(([field]) => field !== 'live' && field !== 'updated_at'))(
    'a staged change with another %s',
    ([, row]) => {
      const staged_code = records.stagedCode(SECRET)
      expect(records.isStagedRight({ ...SECRET, staged_code })).toBe(true)
      expect(records.isStagedRight({ ...row, staged_code })).toBe(false)
      expect(records.isStagedRight({ ...SECRET, staged_code: null })).toBe(false)
    },
  )

  it('a code of one kind is none of another, of another store, or under another key', () => {
    const bytes = [
      records.liveCode(SECRET),
      records.stagedCode(SECRET),
      records.versionCode(VERSION),
      records.boxCode(BOX),
    ]
    const others = [recordSeal('other', KEY), recordSeal('store', new SecretValue(Buffer.alloc(32, 8)))]
    const all = [...bytes, ...others.map((other) => other.versionCode(VERSION))].map((code) =>
      Buffer.from(code).toString('hex'),
    )
    expect(new Set(all).size).toBe(all.length)
  })
})
