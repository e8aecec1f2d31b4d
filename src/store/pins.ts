/**
 * What a home holds fast of a store, so that nobody who can write to the
 * database can make it seal to another key or believe another root key.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import { SecretValue } from '../secret.js'
import { readKeyFile, readSmallFile, writeFileWhole, type Home } from './home.js'
import { KEY_BYTES, type WriterKeys } from './keys.js'

/** What is pinned of one store. */
export interface Pins {
  /** Mark of the root key. */
  readonly root: string
  /** Key ids of those that values may be sealed to. */
  readonly recipients: readonly string[]
}

const HEX = /^[0-9a-f]{32}$/

/**
 * Reads the pins of a store; `null` where this home has none.
 *
 * @throws {@link Fault} `IDENTITY_INVALID` for a file that is not one of ours.
 */
export async function readPins(home: Home, storeId: string): Promise<Pins | null> {
  const path = home.pins(storeId)
  const bytes = await readSmallFile(path)
  if (bytes === null) return null
  const pins = parsePins(bytes.toString('utf8'))
  if (pins === null) {
    throw new Fault('IDENTITY_INVALID', `${path} is not a file of pins.`, {
      hint: 'Restore it, or delete it and run "traceless identity trust" after comparing the public key.',
    })
  }
  return pins
}

/** Writes the pins of a store. */
export async function writePins(home: Home, storeId: string, { root, recipients }: Pins): Promise<void> {
  const text = JSON.stringify({ version: 1, root, recipients }, null, 2)
  await writeFileWhole(home.pins(storeId), Buffer.from(`${text}\n`), { replace: true })
}

/**
 * Reads the writer's keys of a store; `null` where this home has none.
 *
 * @throws {@link Fault} `IDENTITY_INVALID` when others may read the file or it is not one of ours.
 */
export async function readWriterKeys(home: Home, storeId: string): Promise<WriterKeys | null> {
  const path = home.writer(storeId)
  using file = await readKeyFile(path)
  if (file === null) return null
  return file.use((bytes) => {
    if (bytes.length !== HEAD.length + 2 * KEY_BYTES || !HEAD.equals(bytes.subarray(0, HEAD.length))) {
      throw new Fault('IDENTITY_INVALID', `${path} is not a file of writer keys.`, {
        hint: 'Delete it where the identity is at hand: it is made anew.',
      })
    }
    const digest = new SecretValue(bytes.subarray(HEAD.length, HEAD.length + KEY_BYTES))
    const record = new SecretValue(bytes.subarray(HEAD.length + KEY_BYTES))
    return {
      digest,
      record,
      [Symbol.dispose]() {
        digest[Symbol.dispose]()
        record[Symbol.dispose]()
      },
    }
  })
}

/** Writes the writer's keys of a store. */
export async function writeWriterKeys(home: Home, storeId: string, keys: WriterKeys): Promise<void> {
  const bytes = keys.digest.use((digest) =>
    keys.record.use((record) => Buffer.concat([HEAD, digest, record])),
  )
  try {
    await writeFileWhole(home.writer(storeId), bytes, { replace: true })
  } finally {
    bytes.fill(0)
  }
}

const HEAD = Buffer.from('traceless-writer-1\n')

function parsePins(text: string): Pins | null {
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
  if (typeof data !== 'object' || data === null || !('root' in data) || !('recipients' in data)) return null
  const { root, recipients } = data
  if (!isMark(root) || !Array.isArray(recipients) || recipients.length === 0 || !recipients.every(isMark))
    return null
  return { root, recipients }
}

const isMark = (value: unknown): value is string => typeof value === 'string' && HEX.test(value)
