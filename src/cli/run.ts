/**
 * `traceless run`: a command in a container with live secrets. Options have
 * the names of `docker run`'s, but for `-e`, which is the environment of the
 * store here as everywhere.
 *
 * @packageDocumentation
 */

import { readFile } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { Fault } from '../errors.js'
import type { RunRequest } from '../runner/request.js'
import type { SecretFile } from '../runner/secret-file.js'
import { environmentOption, groupOption, repeatable, type AddCommand } from './command.js'
import type { Io } from './io.js'

interface RunFlags {
  readonly env?: string
  readonly group?: readonly string[]
  readonly only?: readonly string[]
  readonly secretFile?: readonly string[]
  readonly config?: string
  readonly inspectable?: boolean
  readonly detach?: boolean
  readonly interactive?: boolean
  readonly tty?: boolean
  readonly rm: boolean
  readonly name?: string
  readonly entrypoint?: string
  readonly user?: string
  readonly workdir?: string
  readonly volume?: readonly string[]
  readonly network?: string
  readonly publish?: readonly string[]
  readonly var?: readonly string[]
  readonly logDriver?: string
  readonly init?: boolean
}

/** The file that is read where there is one. */
const CONFIG = 'traceless.toml'

/** Adds the command. */
export const addRun: AddCommand = (parent, app) => {
  const command = parent
    .command('run')
    .summary('run a container with secrets that nobody can inspect')
    .description(
      'Runs an image with the live secrets of an environment as environment variables, and masks their values in what it\nprints. They go to the container through its standard input: "docker inspect", the engine\'s disk and its logs have\nnone. Ends with the status of the command; 125, 126 and 127 are failures of our own, as with "docker run".',
    )
    .argument('<image>', 'image to run; fetched when the engine does not hold it')
    .argument('[command...]', 'command and arguments; write "--" before them')
    .addOption(environmentOption())
    .addOption(groupOption())
    .option('--only <name>', 'use this secret and no others (repeatable)', repeatable)
    .option(
      '--secret-file <name:path[:mode]>',
      'put a secret into a file in memory instead of a variable (repeatable)',
      repeatable,
    )
    .option('--config <file>', `file with [[files]] (default: ${CONFIG}, where there is one)`)
    .option('--inspectable', 'put the values where "docker inspect" shows them; needs no shell in the image')
    .option('-d, --detach', 'leave the container running and print its id')
    .option('-i, --interactive', 'hand standard input on')
    .option('-t, --tty', 'give the container a terminal')
    .option('--no-rm', 'keep the container when it has ended')
    .option('--name <name>', 'name of the container')
    .option('--entrypoint <program>', "program to run instead of the image's entrypoint")
    .option('-u, --user <user[:group]>', 'user to run as')
    .option('-w, --workdir <path>', 'working directory')
    .option('-v, --volume <host:container>', 'folder or volume to mount (repeatable)', repeatable)
    .option('--network <name>', 'network to join')
    .option('-p, --publish <host:container>', 'port to publish (repeatable)', repeatable)
    .option('--var <name=value>', 'another variable; never for a secret (repeatable)', repeatable)
    .option(
      '--log-driver <driver>',
      'where the engine keeps the output, which it gets with the values in it (default: "none")',
    )
    .option('--init', 'run a small init process in front of the command')
    .passThroughOptions()
    .action(async (image: string, words: readonly string[], flags: RunFlags) => {
      const { io } = app
      const request = await requestOf(image, words, { flags, io })
      const [{ runContainer }, { dockerCredentials }, { reader: secrets, usage }] = await Promise.all([
        import('../runner/run.js'),
        import('../docker/credentials.js'),
        app.store(),
      ])
      const result = await runContainer(
        request,
        { secrets, usage, engine: () => app.engine(), credentials: dockerCredentials(io.env) },
        { console: io.console(), signal: io.signal },
      )
      if (request.detach) io.out(result.container)
      app.status = result.status
    })
  app.standIns.add(command)
}

async function requestOf(
  image: string,
  command: readonly string[],
  { flags, io }: { readonly flags: RunFlags; readonly io: Io },
): Promise<RunRequest> {
  const [{ secretFile }, { publishedPort }] = await Promise.all([
    import('../runner/secret-file.js'),
    import('../runner/request.js'),
  ])
  return {
    image,
    // Commander ends our options at the image, and hands on the "--" that is meant to.
    command: command[0] === '--' ? command.slice(1) : command,
    environment: flags.env,
    groups: flags.group,
    only: flags.only,
    files: [...(await filesOf(flags.config, io)), ...(flags.secretFile ?? []).map(secretFile)],
    inspectable: flags.inspectable ?? false,
    detach: flags.detach ?? false,
    interactive: flags.interactive ?? false,
    terminal: flags.tty ?? false,
    remove: flags.rm,
    name: flags.name,
    entrypoint: flags.entrypoint,
    user: flags.user,
    workdir: flags.workdir,
    volumes: (flags.volume ?? []).map((volume) => absolute(volume, io.cwd)),
    network: flags.network,
    ports: (flags.publish ?? []).map((text) => {
      const port = publishedPort(text)
      if (port !== null) return port
      throw new Fault('REQUEST_INVALID', '--publish takes [[ADDRESS:]HOST_PORT:]CONTAINER_PORT[/tcp|/udp].')
    }),
    variables: flags.var ?? [],
    logDriver: flags.logDriver,
    init: flags.init ?? false,
  }
}

/** A relative folder of the host counts from the working directory; a bare name is a volume of the engine. */
const absolute = (volume: string, cwd: string): string => {
  const at = volume.indexOf(':')
  const from = volume.slice(0, Math.max(at, 0))
  return from.startsWith('.') ? `${resolve(cwd, from)}${volume.slice(at)}` : volume
}

async function filesOf(config: string | undefined, io: Io): Promise<readonly SecretFile[]> {
  const path = resolve(io.cwd, config ?? CONFIG)
  const { configuredFiles } = await import('../runner/secret-file.js')
  try {
    return configuredFiles(await readFile(path, 'utf8'), basename(path))
  } catch (error) {
    if (error instanceof Fault || !(error instanceof Error && 'code' in error)) throw error
    if (config === undefined && error.code === 'ENOENT') return []
    throw new Fault('REQUEST_INVALID', 'The file with the [[files]] cannot be read.', { cause: error })
  }
}
