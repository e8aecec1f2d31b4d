/** S10: the identity, where it comes from and who may read its file. */

import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.js'
import { SecretValue } from '../../src/secret.js'
import { homeAt, homeOf, readKeyFile, writeFileWhole } from '../../src/store/home.js'
import {
  createIdentityFile,
  loadIdentity,
  parseIdentity,
  parsePublicKey,
  publicKeyText,
  splitCommand,
} from '../../src/store/identity.js'
import { readPins, readWriterKeys, writePins, writeWriterKeys } from '../../src/store/pins.js'
import { createIdentity } from '../../src/store/rotation.js'
import { faultFrom, temporaryFolder } from '../support/store.js'

const PRIVATE = `traceless-identity-1.${Buffer.alloc(32, 5).toString('base64url')}`
const STORE = '0123456789abcdef0123456789abcdef'
const MARK = 'fedcba9876543210fedcba9876543210'

const parse = (text: string): ReturnType<typeof parseIdentity> => parseIdentity(SecretValue.fromText(text))

describe('S10: the text of an identity', () => {
  it('reads keys and pinned stores between comments', () => {
    const identity = parse(`# a comment\n\n${PRIVATE}\r\ntraceless-store-1.${STORE}.${MARK}\n`)
    expect(identity.keys).toHaveLength(1)
    expect([...identity.stores]).toEqual([[STORE, MARK]])
  })

  it('reads it when blanks join the lines', () => {
    expect(parse(`${PRIVATE} traceless-store-1.${STORE}.${MARK}`).stores.size).toBe(1)
  })

  it.for([
    '',
    '# only a comment',
    `traceless-store-1.${STORE}.${MARK}`,
    PRIVATE.slice(0, -1),
    `${PRIVATE}A`,
    `${PRIVATE}=`,
    PRIVATE.replace('identity-1', 'identity-2'),
    `${PRIVATE}\nhunter2`,
    `traceless-store-1.${STORE}.short ${PRIVATE}`,
  ])('refuses %j without repeating it', (text) => {
    const fault = (() => {
      try {
        parse(text)
      } catch (error) {
        return error
      }
      return null
    })()
    expect(fault).toMatchObject({ code: 'IDENTITY_INVALID' })
    expect(JSON.stringify(fault)).not.toContain('hunter2')
    expect(JSON.stringify(fault)).not.toContain(PRIVATE.slice(22, 40))
  })

  it('wipes its keys', () => {
    const identity = parse(PRIVATE)
    identity[Symbol.dispose]()
    expect(identity.keys[0]?.privateKey.use((bytes) => bytes.every((byte) => byte === 0))).toBe(true)
  })

  it('writes public keys as text and reads them back', () => {
    const key = Uint8Array.from({ length: 32 }, (_, at) => at)
    expect(Buffer.compare(parsePublicKey(publicKeyText(key)), key)).toBe(0)
    for (const text of ['', 'traceless-public-1.', `traceless-public-1.${'A'.repeat(42)}`, PRIVATE]) {
      expect(() => parsePublicKey(text)).toThrow(Fault)
    }
  })
})

describe('S10: the file of an identity', () => {
  it('is made once, for its owner alone, in folders for its owner alone', async () => {
    await using folder = await temporaryFolder()
    const home = homeAt(join(folder.path, 'a', 'b'))
    expect(await Promise.all([1, 2, 3].map(() => createIdentityFile(home)))).toEqual(
      expect.arrayContaining([true, false, false]),
    )
    expect((await stat(home.identity)).mode & 0o777).toBe(0o600)
    expect((await stat(home.folder)).mode & 0o777).toBe(0o700)
    expect(await readdir(home.folder)).toEqual(['identity'])
    await faultFrom(createIdentity(home), 'STORE_CONFLICT')
  })

  it.for([0o640, 0o604, 0o660, 0o644, 0o610, 0o601, 0o622])('is refused with the mode %o', async (mode) => {
    await using folder = await temporaryFolder()
    const home = homeAt(folder.path)
    await createIdentityFile(home)
    await chmod(home.identity, mode)
    const fault = await faultFrom(loadIdentity(home, {}), 'IDENTITY_INVALID')
    expect(fault.hint).toContain('chmod 600')
    await faultFrom(
      loadIdentity(homeAt(join(folder.path, 'x')), { TRACELESS_IDENTITY: home.identity }),
      'IDENTITY_INVALID',
    )
  })

  it('is refused when it is a link, a folder, or larger than any identity', async () => {
    await using folder = await temporaryFolder()
    const home = homeAt(folder.path)
    await createIdentityFile(home)
    await symlink(home.identity, join(folder.path, 'link'))
    await faultFrom(readKeyFile(join(folder.path, 'link')), 'STORE_UNAVAILABLE')
    await mkdir(join(folder.path, 'folder'), { mode: 0o700 })
    await faultFrom(readKeyFile(join(folder.path, 'folder')), 'IDENTITY_INVALID')
    await writeFile(join(folder.path, 'large'), Buffer.alloc(64 * 1024 + 1), { mode: 0o600 })
    await faultFrom(readKeyFile(join(folder.path, 'large')), 'IDENTITY_INVALID')
  })

  it('leaves nothing behind when it cannot be written', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'taken')
    await mkdir(path)
    await faultFrom(writeFileWhole(path, Buffer.from('x'), { replace: true }), 'STORE_UNAVAILABLE')
    expect(await writeFileWhole(path, Buffer.from('x'), { replace: false })).toBe(false)
    expect(await readdir(folder.path)).toEqual(['taken'])
  })
})

describe('S10: where an identity comes from', () => {
  it('comes from the variable, as text or as a path', async () => {
    await using folder = await temporaryFolder()
    const home = homeAt(join(folder.path, 'empty'))
    using direct = await loadIdentity(home, { TRACELESS_IDENTITY: PRIVATE })
    const path = join(folder.path, 'identity')
    await writeFile(path, PRIVATE, { mode: 0o600 })
    using fromFile = await loadIdentity(home, { TRACELESS_IDENTITY: path })
    expect(direct?.keys[0]?.id).toBe(fromFile?.keys[0]?.id)
    const fault = await faultFrom(loadIdentity(home, { TRACELESS_IDENTITY: 'hunter2' }), 'IDENTITY_INVALID')
    expect(JSON.stringify(fault)).not.toContain('hunter2')
    expect(await loadIdentity(home, { TRACELESS_IDENTITY: ' ' })).toBeNull()
  })

  it('comes from a command before anything else', async () => {
    await using folder = await temporaryFolder()
    const script = join(folder.path, 'give it')
    await writeFile(script, `#!/bin/sh\nprintf '%s\\n' "$1"\n`, { mode: 0o700 })
    using identity = await loadIdentity(homeAt(folder.path), {
      TRACELESS_IDENTITY: 'nowhere',
      TRACELESS_IDENTITY_COMMAND: `'${script}' ${PRIVATE}`,
    })
    expect(identity?.keys).toHaveLength(1)
  })

  it.for<[command: string, words: string]>([
    ['/no/such/program x', 'cannot be started'],
    ['sh -c "echo hunter2; exit 3"', 'ended with status 3'],
    ['sh -c "kill -9 $$"', 'was ended by a signal'],
    ['echo hunter2', 'not one that Traceless wrote'],
    ['true', 'not one that Traceless wrote'],
    ['echo "hunter2', 'quote that does not end'],
  ])('says why %j gives none, and nothing it printed', async ([command, words]) => {
    await using folder = await temporaryFolder()
    const fault = await faultFrom(
      loadIdentity(homeAt(folder.path), { TRACELESS_IDENTITY_COMMAND: command }),
      'IDENTITY_INVALID',
    )
    expect(fault.message).toContain(words)
    expect(JSON.stringify(fault)).not.toContain('hunter2')
  })

  it.for<[line: string, words: string[]]>([
    ['a b', ['a', 'b']],
    ['  a\t b \n', ['a', 'b']],
    [`a 'b c' "d e"`, ['a', 'b c', 'd e']],
    [`a"b"'c'd`, ['abcd']],
    [`a '' ""`, ['a', '', '']],
    [String.raw`a\ b \"c \\`, ['a b', '"c', '\\']],
    [String.raw`'a\b' "a\b\"c\\"`, [String.raw`a\b`, String.raw`a\b"c` + '\\']],
    ['$HOME *.x `id` | y; z', ['$HOME', '*.x', '`id`', '|', 'y;', 'z']],
  ])('splits %j without a shell', ([line, words]) => {
    expect(splitCommand(line)).toEqual(words)
  })

  it.for(['', '   ', `'a`, `a "b`, 'a\\'])('does not split %j', (line) => {
    expect(() => splitCommand(line)).toThrow(Fault)
  })

  it('gets any words back that are written between single quotes', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ unit: 'binary' }).filter((word) => !word.includes("'")),
          { minLength: 1, maxLength: 4 },
        ),
        (words) => {
          expect(splitCommand(words.map((word) => `'${word}'`).join(' '))).toEqual(words)
        },
      ),
    )
  })

  it.for<[variables: Record<string, string>, folder: RegExp]>([
    [{ TRACELESS_HOME: '/x' }, /^\/x$/],
    [{ TRACELESS_HOME: '/x', XDG_DATA_HOME: '/y' }, /^\/x$/],
    [{ XDG_DATA_HOME: '/y' }, /^\/y\/traceless$/],
    [{ XDG_DATA_HOME: 'relative' }, /\.local\/share\/traceless$/],
    [{}, /\.local\/share\/traceless$/],
  ])('finds the home of %j', ([variables, folder]) => {
    expect(homeOf(variables).folder).toMatch(folder)
  })
})

describe('S10: what a home keeps of a store', () => {
  it('keeps pins and writer keys', async () => {
    await using folder = await temporaryFolder()
    const home = homeAt(folder.path)
    expect([await readPins(home, STORE), await readWriterKeys(home, STORE)]).toEqual([null, null])
    await writePins(home, STORE, { root: MARK, recipients: [STORE] })
    expect(await readPins(home, STORE)).toEqual({ root: MARK, recipients: [STORE] })
    const [digest, record] = [new SecretValue(Buffer.alloc(32, 1)), new SecretValue(Buffer.alloc(32, 2))]
    await writeWriterKeys(home, STORE, { digest, record, [Symbol.dispose]: () => undefined })
    using read = await readWriterKeys(home, STORE)
    expect(read?.digest.use((bytes) => bytes[0])).toBe(1)
    expect(read?.record.use((bytes) => bytes[31])).toBe(2)
    await chmod(home.writer(STORE), 0o640)
    await faultFrom(readWriterKeys(home, STORE), 'IDENTITY_INVALID')
  })

  it.for([
    '',
    'x',
    '[]',
    '{}',
    'null',
    `{"root":"${MARK}"}`,
    `{"root":"${MARK}","recipients":[]}`,
    `{"root":"x","recipients":["${MARK}"]}`,
    `{"root":"${MARK}","recipients":[1]}`,
  ])('refuses %j as pins', async (text) => {
    await using folder = await temporaryFolder()
    const home = homeAt(folder.path)
    await writePins(home, STORE, { root: MARK, recipients: [STORE] })
    await writeFile(home.pins(STORE), text)
    await faultFrom(readPins(home, STORE), 'IDENTITY_INVALID')
  })

  it('refuses writer keys that are cut or of another version', async () => {
    await using folder = await temporaryFolder()
    const home = homeAt(folder.path)
    const key = new SecretValue(Buffer.alloc(32, 1))
    await writeWriterKeys(home, STORE, { digest: key, record: key, [Symbol.dispose]: () => undefined })
    const whole = await readFile(home.writer(STORE))
    const other = Buffer.from(whole)
    other[17] = 0x32
    for (const bytes of [whole.subarray(1), whole.subarray(0, -1), other]) {
      await rm(home.writer(STORE))
      await writeFile(home.writer(STORE), bytes, { mode: 0o600 })
      await faultFrom(readWriterKeys(home, STORE), 'IDENTITY_INVALID')
    }
  })
})
