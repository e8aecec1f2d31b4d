/**
 * A program that uses a store until it is killed, for tests that kill it. It
 * prints a line for what the store has acknowledged, and nothing before that.
 *
 * Arguments: what to do, the home, the database's URL or an empty text, and
 * where to start counting.
 */

import { writeSync } from 'node:fs'
import { Fault } from '../../src/errors.js'
import { secretName, SecretValue } from '../../src/secret.js'
import type { SecretChange } from '../../src/store/admin.js'
import { openStore, type Store } from '../../src/store/open.js'

const [task = '', home = '', database = '', start = '0'] = process.argv.slice(2)

/** Bytes of a short value. */
const SHORT_BYTES = 42

const say = (line: string): void => void writeSync(1, `${line}\n`)

const pair = (text: string): SecretChange[] =>
  ['LEFT', 'RIGHT'].map((name) => ({ name: secretName(name), value: SecretValue.fromText(text) }))

const TASKS: Readonly<Record<string, (store: Store) => Promise<void>>> = {
  /** Sets two secrets at once, for ever. */
  async set(store) {
    for (let at = Number(start) + 1; ; at += 1) {
      await store.admin.set({ environment: 'set' }, pair(String(at)))
      say(String(at))
    }
  },

  /** Stages two secrets and deploys them, for ever. */
  async deploy(store) {
    for (let at = Number(start) + 1; ; at += 1) {
      await store.admin.set({ environment: 'deploy' }, pair(String(at)), { stage: true })
      await store.admin.deploy('deploy')
      say(String(at))
    }
  },

  /** Exchanges the identity, for ever. */
  async rotate(store) {
    for (let at = Number(start) + 1; ; at += 1) {
      await store.identity.rotate()
      say(String(at))
    }
  },

  /** Opens the store and reads. */
  async read(store) {
    const held = await store.reader.read({ environment: 'set', purpose: 'run' }, 'all')
    say(`read ${held.length}`)
  },

  /** Sets what comes by standard input, forgets it, and stays. */
  async keep(store) {
    const chunks: Buffer[] = []
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
    const whole = Buffer.concat(chunks)
    // Several, short and long: they are kept in different parts of the memory, and one trace could be overwritten by luck.
    const values = Array.from({ length: 40 }, (_, at) => ({
      name: secretName(`KEPT${at}`),
      value: new SecretValue(at % 2 === 0 ? whole.subarray(0, SHORT_BYTES) : whole),
    }))
    for (const chunk of [whole, ...chunks]) chunk.fill(0)
    await store.admin.set({ environment: 'main' }, values)
    for (const { value } of values) value[Symbol.dispose]()
    await store.admin.list()
    say('set')
    await new Promise((resolve) => setTimeout(resolve, 60_000))
  },
}

try {
  const store = await openStore({
    home,
    env: {},
    changesPerHour: 1_000_000,
    ...(database === '' ? {} : { database }),
  })
  await TASKS[task]?.(store)
} catch (error) {
  if (!(error instanceof Fault)) throw error
  say(`fault ${error.code} ${error.message}`)
}
