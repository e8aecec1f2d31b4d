/**
 * `traceless identity`: who can read what the store keeps.
 *
 * @packageDocumentation
 */

import type { RecipientEntry } from '../store/rotation.js'
import { jsonOption, type AddCommand } from './command.js'
import { countText } from './print.js'
import { printJson, printList, type Column } from './table.js'

interface Flags {
  readonly json?: boolean
}

/** Adds the commands. */
export const addIdentity: AddCommand = (parent, app) => {
  const identity = parent
    .command('identity')
    .summary('manage who can read the secrets')
    .description(
      'Manages who can read the secrets. Each value is sealed to the public keys of the store; an identity is the private\nkey of one. Whoever has none can set and list secrets, but not read them.',
    )
  for (const add of [addCreate, addRotate, addExportPublic, addList, addRecipient, addRemove, addTrust]) {
    add(identity, app)
  }
}

const addCreate: AddCommand = (parent, app) => {
  parent
    .command('create')
    .summary('make an identity for a machine that is to join a store')
    .description(
      'Makes an identity file in a home that has none and prints its public key, which "traceless identity add" takes\nwhere the store can be read. A new store makes its identity by itself.',
    )
    .addOption(jsonOption())
    .action(async (flags: Flags) => {
      const [{ homeOf }, { createIdentity }] = await Promise.all([
        import('../store/home.js'),
        import('../store/rotation.js'),
      ])
      const home = homeOf(app.io.env)
      const publicKey = await createIdentity(home)
      if (flags.json === true) printJson(app.io, { publicKey, file: home.identity })
      else {
        app.io.out(publicKey)
        app.io.err(`note: ${home.identity} is the private key. Keep a copy where only you can read it.`)
      }
    })
}

const addRotate: AddCommand = (parent, app) => {
  parent
    .command('rotate')
    .summary('exchange the identity for a new one')
    .description(
      'Makes a new identity, seals every value to it and takes the store from the old one. If it is interrupted, run it\nagain. Who had the old one may know the values: change those as well.',
    )
    .addOption(jsonOption())
    .action(async (flags: Flags) => {
      const store = await app.store()
      const report = await store.identity.rotate()
      if (flags.json === true) printJson(app.io, report)
      else {
        app.io.out(
          `Rotated the identity to ${report.fingerprint}; ${countText(report.resealed, 'value')} sealed anew.`,
        )
      }
    })
}

const addExportPublic: AddCommand = (parent, app) => {
  parent
    .command('export-public')
    .summary('print the public key of the identity')
    .description('Prints the public key of the identity. It may be known to anyone.')
    .addOption(jsonOption())
    .action(async (flags: Flags) => {
      const publicKey = await readPublicKey()
      if (flags.json === true) printJson(app.io, { publicKey })
      else app.io.out(publicKey)
    })

  /** No store is opened: a machine that is to join one has none yet. */
  async function readPublicKey(): Promise<string> {
    const [{ homeOf }, { loadIdentity, publicKeyText }, { Fault }] = await Promise.all([
      import('../store/home.js'),
      import('../store/identity.js'),
      import('../errors.js'),
    ])
    using identity = await loadIdentity(homeOf(app.io.env), app.io.env)
    const key = identity?.keys[0]
    if (key !== undefined) return publicKeyText(key.publicKey)
    throw new Fault('IDENTITY_INVALID', 'There is no identity here.', {
      hint: 'Make one with "traceless identity create".',
    })
  }
}

const COLUMNS: readonly Column<RecipientEntry>[] = [
  { title: 'Fingerprint', cell: ({ fingerprint }) => fingerprint },
  { title: 'Status', cell: ({ ready }) => (ready ? 'Ready' : 'Sealing') },
  { title: 'Pinned', cell: ({ pinned }) => (pinned ? 'yes' : 'no') },
  { title: 'Public Key', cell: ({ publicKey }) => publicKey },
]

const addList: AddCommand = (parent, app) => {
  parent
    .command('list')
    .alias('ls')
    .summary('list the public keys that values are sealed to')
    .description(
      'Lists the public keys that values are sealed to. A key that is not pinned was not confirmed here.',
    )
    .addOption(jsonOption())
    .action(async (flags: Flags) => {
      const store = await app.store()
      const rows = await store.identity.recipients()
      await printList(app.io, rows, { columns: COLUMNS, json: flags.json, empty: 'There is none.' })
    })
}

const addRecipient: AddCommand = (parent, app) => {
  parent
    .command('add')
    .summary('seal everything to one more public key')
    .description('Seals every value, and those to come, to one more public key. Its owner can read them all.')
    .argument('<public-key>', 'as "identity export-public" prints it')
    .addOption(jsonOption())
    .action(async (publicKey: string, flags: Flags) => {
      const store = await app.store()
      const report = await store.identity.addRecipient(publicKey)
      if (flags.json === true) printJson(app.io, report)
      else app.io.out(`Added ${report.fingerprint}; ${countText(report.resealed, 'value')} sealed to it.`)
    })
}

const addRemove: AddCommand = (parent, app) => {
  parent
    .command('remove')
    .summary('take the store from a public key')
    .description(
      'Takes the store from a public key. What its owner has read they still know: change those values as well.',
    )
    .argument('<fingerprint>', 'as "identity list" shows it')
    .addOption(jsonOption())
    .action(async (fingerprint: string, flags: Flags) => {
      const store = await app.store()
      const there = (await store.identity.recipients()).some((entry) => entry.fingerprint === fingerprint)
      await store.identity.removeRecipient(fingerprint)
      if (flags.json === true) printJson(app.io, { removed: there })
      else if (there) app.io.out(`Removed ${fingerprint}.`)
      else app.io.err('note: the store is not sealed to a key of that fingerprint.')
    })
}

const addTrust: AddCommand = (parent, app) => {
  parent
    .command('trust')
    .summary('pin the public keys of the store anew')
    .description(
      'Pins the public keys of the store anew, after you compared their fingerprints with those of the people behind them.',
    )
    .argument('<fingerprint...>', 'every one that "identity list" shows, and no other')
    .addOption(jsonOption())
    .action(async (fingerprints: string[], flags: Flags) => {
      const store = await app.store()
      await store.identity.trust(fingerprints)
      if (flags.json === true) printJson(app.io, { trusted: fingerprints })
      else app.io.out(`Pinned ${countText(fingerprints.length, 'key')}.`)
    })
}
