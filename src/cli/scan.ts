/**
 * `traceless scan`: searches an image, an archive or a folder for secrets.
 *
 * @packageDocumentation
 */

import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { ScanRequest, ScanSubject } from '../builder/scan-image.js'
import { Fault } from '../errors.js'
import type { App } from './app.js'
import {
  allowRule,
  environmentOption,
  groupOption,
  jsonOption,
  repeatable,
  type AddCommand,
} from './command.js'
import { heldValues, type HeldFlags, type HeldValues } from './held-values.js'
import type { Io } from './io.js'
import { showReading } from './progress.js'
import { printReport } from './report-text.js'
import { VERSION } from './version.js'
import { wipe } from './secret-arguments.js'

interface ScanFlags extends HeldFlags {
  readonly allowUnguarded?: readonly string[]
  readonly allow?: readonly string[]
  readonly sarif?: boolean
  readonly json?: boolean
}

/** Adds the command. */
export const addScan: AddCommand = (parent, app) => {
  parent
    .command('scan')
    .summary('search an image for secrets')
    .description(
      'Searches every layer, deleted files and configuration of an image, a saved archive, an OCI layout or a tar for\nthe secrets of an environment or a file. Exit status 5 when one is found or something could not be read.',
    )
    .argument('<image>', 'image of the engine, archive, folder, or "-" for an archive on standard input')
    .addOption(environmentOption())
    .addOption(groupOption())
    .option('--dotenv <file>', 'search for the values in a dotenv file')
    .option('--secrets-stdin', 'search for the values in dotenv text on standard input')
    .option(
      '--allow-unguarded <name>',
      'accept a value that is too short to be searched for (repeatable)',
      repeatable,
    )
    .option(
      '--allow <name=path>',
      'accept a secret in a file, or below a folder that ends in "/" (repeatable)',
      repeatable,
    )
    .option('--sarif', 'print the report as SARIF 2.1.0')
    .addOption(jsonOption())
    .action(async (target: string, flags: ScanFlags, command: Command) => {
      const { io } = app
      if (flags.secretsStdin === true && target === '-') {
        throw new Fault('REQUEST_INVALID', 'Standard input can carry the archive or the secrets, not both.')
      }
      const held = await heldValues(flags, command, app)
      try {
        const [{ refusal }, { sarifOf }, { scanImage }, { needlesFor }] = await Promise.all([
          import('../builder/refusal.js'),
          import('../builder/sarif.js'),
          import('../builder/scan-image.js'),
          import('../leak/needles.js'),
        ])
        using needles = needlesFor(held.values)
        const verdicts = await keptVerdicts(held)
        const report = await reading(io, flags, (onProgress) =>
          scanImage(subjectOf(target, app), {
            needles,
            unguarded: held.unguarded,
            allowUnguarded: flags.allowUnguarded ?? [],
            allow: (flags.allow ?? []).map(allowRule),
            ...(verdicts === undefined ? {} : { verdicts }),
            signal: io.signal,
            ...(onProgress === undefined ? {} : { onProgress }),
          }),
        )
        if (flags.sarif === true) io.out(JSON.stringify(sarifOf(report, VERSION), null, 2))
        else if (flags.json === true) io.out(JSON.stringify(report, null, 2))
        else printReport(report, io)
        const refused = refusal(report, true)
        if (refused !== undefined) throw scanRefusal(refused)
      } finally {
        wipe(held.values)
      }
    })
}

/** Shows how far the work has come, unless a program reads the result. */
async function reading<T>(
  io: Io,
  { json, sarif }: ScanFlags,
  work: (onProgress: ScanRequest['onProgress']) => Promise<T>,
): Promise<T> {
  if (json === true || sarif === true) return await work(undefined)
  using progress = showReading(io)
  return await work((bytes, of) => progress.show(bytes, of))
}

/** A scan removes nothing and names nothing, so it says less than a build. */
const scanRefusal = (fault: Fault): Fault =>
  fault.code === 'LEAK_FOUND'
    ? new Fault('LEAK_FOUND', 'A secret was found.')
    : new Fault('NOT_PROVEN', 'Not all of it could be searched.', { hint: fault.hint })

/** Where a store is at hand, a layer is searched once for each value, those of a file that is given beside it included. */
async function keptVerdicts({ store, values }: HeldValues): Promise<ScanRequest['verdicts']> {
  if (store === undefined) return undefined
  const { verdict: key } = await store.reader.keys()
  return { store: store.verdicts, key, values }
}

/** A path that exists is a path; anything else can only be an image. */
function subjectOf(target: string, app: App): ScanSubject {
  const { io } = app
  if (target === '-') return { kind: 'stream', name: 'standard input', bytes: io.stdin }
  const path = resolve(io.cwd, target)
  return existsSync(path)
    ? { kind: 'path', path }
    : { kind: 'image', reference: target, engine: () => app.engine() }
}
