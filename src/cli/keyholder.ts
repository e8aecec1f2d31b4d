/**
 * `traceless keyholder`: the process of a fleet that holds the identity.
 *
 * @packageDocumentation
 */

import { Option } from 'commander'
import { Fault } from '../errors.js'
import type { AddCommand } from './command.js'
import type { Io } from './io.js'
import { addTlsOptions, listenPlace, readTls, type TlsFlags } from './listen-place.js'

interface KeyholderFlags extends TlsFlags {
  readonly listen: string
  readonly untilEof?: boolean
}

/** Adds the command. */
export const addKeyholder: AddCommand = (parent, app) => {
  const command = parent
    .command('keyholder')
    .summary('open values for the builds of a fleet')
    .description(
      'Holds the identity for workers, which have none: whoever holds the live lease of a build is given the values of that\nbuild, sealed to a key of that lease.',
    )
    .option('--listen <place>', 'unix:/PATH or HOST:PORT', '127.0.0.1:8788')
    .addOption(new Option('--until-eof', 'end when standard input ends').hideHelp())
    .action(async (flags: KeyholderFlags) => {
      const { io } = app
      const place = listenPlace(flags.listen)
      const tls = await readTls(flags)
      if ('host' in place && tls === undefined && !LOOPBACK.has(place.host)) {
        throw new Fault('REQUEST_INVALID', 'A keyholder that other machines reach needs a certificate.', {
          hint: 'Give --tls-cert and --tls-key: without them somebody in between could have values sealed to a key of his own.',
        })
      }
      const [{ keyholderHandler }, { listen }, store] = await Promise.all([
        import('../keyholder/handler.js'),
        import('../server/listen.js'),
        app.store(),
      ])
      // Finds out now whether the identity opens the store, and not at the first build.
      await store.reader.keys()
      const handler = keyholderHandler({
        secrets: store.reader,
        earlier: (scope, names) => store.keeping.earlier(scope, names),
        openGiven: store.openGiven,
        leased: (lease) => store.builds.leased(lease),
        onAnswer: ({ build, refused, values }) => {
          if (refused !== null) io.err(`refused: build ${quoted(build)} (${refused})`)
          else if (values > 0) io.err(`opened: ${String(values)} values for build ${quoted(build)}`)
        },
      })
      await using listening = await listen(handler, place, { tls })
      io.out(`The keyholder of store ${store.id} listens at ${listening.address}`)
      await ended(io, flags.untilEof === true)
    })
  addTlsOptions(command)
}

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost'])

/** What was asked for may be any text. */
const quoted = (build: string | null): string =>
  build !== null && /^[0-9a-f]{1,64}$/.test(build) ? build : 'unknown'

/** Resolves when the program is asked to end, or whoever started it is gone. */
async function ended({ signal, stdin }: Io, untilEof: boolean): Promise<void> {
  const asked = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (signal.aborted) resolve()
  })
  const eof = async (): Promise<void> => {
    for await (const _chunk of stdin);
  }
  await (untilEof ? Promise.race([asked, eof().catch(() => undefined)]) : asked)
}
