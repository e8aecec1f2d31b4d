/**
 * `traceless redact`: a filter that masks values in whatever passes through
 * it, such as the log of another program.
 *
 * @packageDocumentation
 */

import type { Command } from 'commander'
import { Fault } from '../errors.js'
import { environmentOption, groupOption, type AddCommand } from './command.js'
import { heldValues, type HeldFlags } from './held-values.js'
import type { Io } from './io.js'
import { wipe } from './secret-arguments.js'

interface RedactFlags extends HeldFlags {
  readonly names?: boolean
}

/** Adds the command. */
export const addRedact: AddCommand = (parent, app) => {
  parent
    .command('redact')
    .summary('mask secrets in what passes through')
    .description(
      'Copies standard input to standard output and masks the secrets of an environment or a file in it, in every usual\nencoding. What holds no beginning of one passes at once.',
    )
    .addOption(environmentOption())
    .addOption(groupOption())
    .option('--dotenv <file>', 'mask the values in a dotenv file')
    .option('--names', 'tell in each mark which secret it was')
    .action(async (flags: RedactFlags, command: Command) => {
      const { io } = app
      if (flags.dotenv === '-') {
        throw new Fault('REQUEST_INVALID', 'Standard input is what is masked; the secrets need a file.')
      }
      const { values } = await heldValues(flags, command, app)
      const [{ needlesFor }, { redact }] = await Promise.all([
        import('../leak/needles.js'),
        import('../leak/redact-stream.js'),
      ])
      using needles = needlesFor(values)
      wipe(values)
      const short = needles.unmasked.filter(({ form }) => form === undefined).map(({ name }) => name)
      if (short.length > 0) io.err(`note: too short to be masked: ${short.join(', ')}`)
      const mark = flags.names === true ? 'named' : 'plain'
      for await (const bytes of redact(untilCancelled(io), needles, { mark })) await io.outBytes(bytes)
      io.signal.throwIfAborted()
    })
}

/** Ends when the program is asked to, so that what is held back is still shown. */
async function* untilCancelled({ stdin, signal }: Io): AsyncGenerator<Uint8Array> {
  try {
    yield* stdin
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
