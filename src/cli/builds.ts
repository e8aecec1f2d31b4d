/**
 * `traceless builds`: the builds that a server keeps.
 *
 * @packageDocumentation
 */

import { resolve } from 'node:path'
import { Option } from 'commander'
import { Fault } from '../errors.js'
import type { BuildState, RemoteBuild, RemoteBuilds } from '../remote/builds.js'
import type { App } from './app.js'
import { jsonOption, type AddCommand } from './command.js'
import type { Io } from './io.js'
import { wholeFile } from './output-option.js'
import { durationText } from './print.js'
import { showProgress, type ProgressMode } from './progress.js'
import { printReport } from './report-text.js'
import { listedEnvironmentOption, maxOption, type PageFlags } from './store-options.js'
import { printJson, printList, shortTime, shortVersion, type Column } from './table.js'
import { VERSION } from './version.js'

interface Flags {
  readonly json?: boolean
}

/** Builds that a list shows when no number is asked for. */
const LISTED = 50

/** Builds among which one is looked for by the beginning of its id. */
const LOOKED_THROUGH = 200

const STATES: readonly BuildState[] = [
  'uploading',
  'waiting',
  'running',
  'succeeded',
  'refused',
  'failed',
  'cancelled',
]

/** Adds the commands. */
export const addBuilds: AddCommand = (parent, app) => {
  const builds = parent
    .command('builds')
    .summary('look after the builds of a server')
    .description(
      'Looks after the builds that a server keeps. A build is named by its id, or the first 8 digits of it.',
    )
  for (const add of [addList, addShow, addLogs, addReport, addOutput, addCancel]) add(builds, app)
}

const COLUMNS: readonly Column<RemoteBuild>[] = [
  { title: 'Id', cell: ({ id }) => id, short: ({ id }) => shortVersion(id) },
  { title: 'Env', cell: ({ environment }) => environment },
  { title: 'State', cell: ({ state }) => state },
  { title: 'Verdict', cell: ({ verdict }) => verdict },
  { title: 'Tags', cell: ({ tags }) => tags.join(' ') },
  { title: 'Submitted At', cell: ({ submittedAt }) => submittedAt },
  { title: 'Submitted By', cell: ({ submittedBy }) => submittedBy },
  { title: 'Took', cell: tookText },
]

function tookText({ startedAt, endedAt }: RemoteBuild): string | null {
  return startedAt === null || endedAt === null ? null : durationText(endedAt.getTime() - startedAt.getTime())
}

const addList: AddCommand = (parent, app) => {
  parent
    .command('list')
    .alias('ls')
    .summary('list builds, newest first')
    .description('Lists the builds of all environments, or of one, newest first. Times are in UTC.')
    .addOption(listedEnvironmentOption())
    .addOption(new Option('--state <state>', 'only builds that stand like this').choices(STATES))
    .addOption(maxOption())
    .addOption(jsonOption())
    .action(async (flags: Flags & PageFlags & { readonly env?: string; readonly state?: BuildState }) => {
      const builds = await app.builds()
      const rows = await builds.list({
        environment: flags.env,
        state: flags.state,
        max: flags.max ?? LISTED,
      })
      await printList(app.io, rows, {
        columns: COLUMNS,
        json: flags.json,
        empty: 'There are no such builds.',
      })
    })
}

const addShow: AddCommand = (parent, app) => {
  parent
    .command('show')
    .summary('show how a build stands')
    .description('Shows what was asked for, how the build stands and how it ended. Times are in UTC.')
    .argument('<id>', 'the build')
    .addOption(jsonOption())
    .action(async (id: string, flags: Flags) => {
      const build = await findBuild(app, id)
      if (flags.json === true) printJson(app.io, build)
      else for (const line of buildLines(build)) app.io.out(line)
    })
}

function buildLines(build: RemoteBuild): readonly string[] {
  const { outcome } = build
  const rows: readonly (readonly [string, string | Date | null | undefined])[] = [
    ['id', build.id],
    ['environment', build.environment],
    ['state', build.state],
    ['verdict', build.verdict],
    ['tags', build.tags.join(' ')],
    ['output', build.output],
    ['image', build.image],
    ['submitted', build.submittedAt],
    ['by', build.submittedBy],
    ['started', build.startedAt],
    ['ended', build.endedAt],
    ['took', tookText(build)],
    ['worker', build.worker],
    ['attempt', build.attempt > 1 ? String(build.attempt) : null],
    ['error', outcome === null ? null : `${outcome.code}: ${outcome.message}`],
    ['hint', outcome?.hint],
  ]
  return rows.flatMap(([title, cell]) =>
    cell === null || cell === undefined || cell === ''
      ? []
      : [`${`${title}:`.padEnd(13)}${cell instanceof Date ? shortTime(cell) : cell}`],
  )
}

const addLogs: AddCommand = (parent, app) => {
  parent
    .command('logs')
    .summary('show what a build says, until it ends')
    .description('Shows everything a build said and says until it has ended, with all secrets replaced.')
    .argument('<id>', 'the build')
    .addOption(
      new Option('--progress <mode>', 'how it is shown')
        .choices(['auto', 'plain', 'tty', 'json'])
        .default('auto'),
    )
    .action(async (id: string, flags: { readonly progress: ProgressMode }) => {
      const { io } = app
      const builds = await app.builds()
      const { id: whole } = await findBuild(app, id)
      const show = showProgress(onStandardOutput(io), flags.progress)
      const watched = builds.watch(whole, { signal: io.signal })
      for (;;) {
        const next = await watched.next()
        if (next.done === true) {
          io.err(`${shortVersion(whole)} has ended: ${next.value.state}`)
          return
        }
        show(next.value)
      }
    })
}

/** What a build said is the result of this command, so it goes where results go. */
const onStandardOutput = (io: Io): Io => ({
  ...io,
  err: io.out,
  errBytes: (bytes) => void io.outBytes(bytes),
  errIsTerminal: io.outIsTerminal,
})

const addReport: AddCommand = (parent, app) => {
  parent
    .command('report')
    .summary('show the leak check of a build')
    .description('Shows what was searched in the image of a build, and what was found.')
    .argument('<id>', 'the build')
    .option('--sarif', 'print the report as SARIF 2.1.0')
    .addOption(jsonOption())
    .action(async (id: string, flags: Flags & { readonly sarif?: boolean }) => {
      const { io } = app
      const builds = await app.builds()
      const report = await builds.report((await findBuild(app, id)).id)
      if (flags.sarif === true) {
        const { sarifOf } = await import('../builder/sarif.js')
        printJson(io, sarifOf(report, VERSION))
      } else if (flags.json === true) printJson(io, report)
      else printReport(report, io)
    })
}

const addOutput: AddCommand = (parent, app) => {
  parent
    .command('output')
    .summary('fetch the image of a build')
    .description('Fetches the image of a build as an OCI archive, which engines and registries take.')
    .argument('<id>', 'the build')
    .requiredOption('-o, --output <file>', 'where it goes, "-" for standard output')
    .action(async (id: string, flags: { readonly output: string }) => {
      const builds = await app.builds()
      const bytes = await builds.output((await findBuild(app, id)).id, app.io.signal)
      if (flags.output !== '-') await wholeFile(resolve(app.io.cwd, flags.output))(bytes)
      else for await (const chunk of bytes) await app.io.outBytes(chunk)
    })
}

const addCancel: AddCommand = (parent, app) => {
  parent
    .command('cancel')
    .summary('end a build')
    .description('Asks for the end of a build. One that has ended stays as it is.')
    .argument('<id>', 'the build')
    .addOption(jsonOption())
    .action(async (id: string, flags: Flags) => {
      const builds = await app.builds()
      const build = await builds.cancel((await findBuild(app, id)).id)
      if (flags.json === true) printJson(app.io, build)
      else if (ENDS.has(build.state)) app.io.out(`${shortVersion(build.id)} has ended: ${build.state}`)
      else app.io.out(`${shortVersion(build.id)} is asked to end.`)
    })
}

const ENDS: ReadonlySet<BuildState> = new Set(['succeeded', 'refused', 'failed', 'cancelled'])

/** The build of that id, or the one whose id begins like it. @throws {@link Fault} `REQUEST_INVALID` */
async function findBuild(app: App, id: string): Promise<RemoteBuild> {
  const builds: RemoteBuilds = await app.builds()
  if (/^[0-9a-f]{32}$/.test(id)) return await builds.show(id)
  const found = /^[0-9a-f]{8,31}$/.test(id)
    ? (await builds.list({ max: LOOKED_THROUGH })).filter((build) => build.id.startsWith(id))
    : []
  const [build, ...others] = found
  if (build !== undefined && others.length === 0) return build
  throw new Fault('REQUEST_INVALID', 'There is no build of that id, or there are several.', {
    hint: 'See "traceless builds list --json".',
  })
}
