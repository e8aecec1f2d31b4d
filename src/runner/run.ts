/**
 * A command in a container with live values, from request to exit status.
 *
 * @packageDocumentation
 */

import type { Attachment, Container, ContainerSpec } from '../docker/containers.js'
import type { Engine, FindCredentials, ImageFacts } from '../docker/engine.js'
import { Fault, faultOf } from '../errors.js'
import type { NeedleSet } from '../leak/needles.js'
import { findInText } from '../leak/input.js'
import type { SecretSet } from '../secret.js'
import type { Console } from './console.js'
import { ContainerOutput, handOver, notTaken } from './handover.js'
import { follow } from './follow.js'
import { requestProblems, shownTexts, type RunRequest } from './request.js'
import { fileContents } from './secret-file.js'
import { MEMORY_FOLDER, memoryPath, SHELL, shimFor, shimInput, type Shim, type ShimFile } from './shim.js'
import { readValues, unmaskedNotice, within, without, type RunControls, type RunnerParts } from './values.js'
import { requireVariables, variablesOf } from './variables.js'

/** What a run in a container is given to work with. */
export interface RunParts extends RunnerParts {
  engine(): Promise<Pick<Engine, 'containers' | 'inspect' | 'pull'>>
  /** For images that the engine has to fetch. */
  readonly credentials: FindCredentials
}

/** How a run ended. */
export interface RunResult {
  /** The command's exit status; 0 where it goes on without us. */
  readonly status: number
  /** Id of the container. */
  readonly container: string
  readonly detached: boolean
}

/**
 * Runs a command in a container.
 *
 * The values are read once, before the start, and the use is recorded; a container that runs keeps them. Unless
 * `inspectable` is asked for, they go through the container's standard input to a shell that exports them and becomes the
 * command: its configuration, and with it `docker inspect` and the engine's disk, has none. What the command prints is
 * redacted, and the engine keeps none of it unless `logDriver` says so. Programs that the engine starts beside the
 * command, health checks and `docker exec`, do not have the values.
 *
 * @throws {@link Fault} `REQUEST_INVALID`, `SECRET_UNKNOWN`; `SECRET_IN_INPUT` for a value that stands in the request where
 * the engine would show it; `BASE_UNSUITABLE` for an image that cannot be had or has no shell; `COMMAND_NOT_FOUND`,
 * `COMMAND_NOT_EXECUTABLE`, `RUN_FAILED`, `ENGINE_UNREACHABLE`, and what the store throws.
 */
export async function runContainer(
  request: RunRequest,
  parts: RunParts,
  { console, signal }: RunControls,
): Promise<RunResult> {
  const problems = requestProblems(request, console.terminal !== undefined)
  if (problems.length > 0) throw faultOf(problems)
  const engine = await parts.engine()
  const image = await imageOf(request.image, { engine, parts, console, signal })
  const names = new Set(request.files.map(({ name }) => name))
  using read = await readValues(parts.secrets, request, names)
  const variables = without(read.values, names)
  requireVariables({
    values: variables,
    way: request.inspectable ? 'text' : 'bytes',
    instead: (name) => `Give it as a file: --secret-file ${name}:/path/of/the/file.`,
  })
  using files = fileContents(request.files, within(read.values, names))
  using needles = read.needles(files.decoded)
  const notice = unmaskedNotice(needles)
  if (notice !== undefined) console.notice(notice)
  if (!request.inspectable) requireHidden(request, needles)
  const { spec, shim } = containerFor(request, image, variables)
  signal.throwIfAborted()
  const container = await engine.containers.create(spec)
  try {
    const given = {
      variables: request.inspectable ? new Map() : variables,
      files: request.files.map(({ mode }, index) => {
        const content = files.contents[index]
        if (content === undefined) throw new TypeError('a file has no content')
        return { mode, content }
      }),
    }
    await prepare(container, { request, spec, shim })
    using attachment = await container.attach()
    using watch = await container.watch()
    await parts.usage.record(read.usage('run', image.id))
    await container.start()
    // Before the command begins, which will ask how large the terminal is.
    if (request.terminal && console.terminal !== undefined) await container.resize(console.terminal.size())
    const output = new ContainerOutput(attachment.output)
    if (shim !== undefined) {
      await handValues({ attachment, output, signal }, { shim, ...given, terminal: request.terminal })
    }
    if (!request.interactive) attachment.stdin.end()
    if (request.detach) return { status: 0, container: container.id, detached: true }
    const ending = await follow({ container, attachment, output, watch }, { request, console, needles })
    return { ...ending, container: container.id }
  } catch (error) {
    await removeQuietly(container)
    throw error
  }
}

async function imageOf(
  reference: string,
  {
    engine,
    parts,
    console,
    signal,
  }: {
    readonly engine: Pick<Engine, 'inspect' | 'pull'>
    readonly parts: RunParts
    readonly console: Console
    readonly signal: AbortSignal
  },
): Promise<ImageFacts> {
  const there = await engine.inspect(reference, signal)
  if (there !== null) return there
  console.notice(`note: the engine does not hold ${reference}; fetching it.`)
  await engine.pull(reference, { credentials: parts.credentials, signal })
  const fetched = await engine.inspect(reference, signal)
  if (fetched === null) throw new Fault('BASE_UNSUITABLE', 'The image was fetched and is not there.')
  return fetched
}

/** The container to make: with the script in front of its command, unless the engine may see the values. */
function containerFor(
  request: RunRequest,
  image: ImageFacts,
  variables: SecretSet,
): { readonly spec: ContainerSpec; readonly shim: Shim | undefined } {
  const own = request.entrypoint === undefined
  const entrypoint = own ? image.entrypoint : [request.entrypoint]
  const words = request.command.length > 0 || !own ? request.command : image.command
  const [first, ...rest] = [...entrypoint, ...words]
  if (first === undefined) {
    throw new Fault('RUN_FAILED', 'The image has no command of its own.', { hint: 'Give one behind "--".' })
  }
  const shim =
    request.inspectable && request.files.length === 0
      ? undefined
      : shimFor({ command: [first, ...rest], variables: [...image.env, ...request.variables] })
  const readsStdin = request.interactive || shim !== undefined
  const spec: ContainerSpec = {
    image: image.id,
    entrypoint: shim?.entrypoint ?? [first],
    command: shim?.command ?? rest,
    env: [...request.variables, ...(request.inspectable ? pairsOf(variables) : [])],
    user: request.user,
    workdir: request.workdir,
    name: request.name,
    terminal: request.terminal,
    stdin: !readsStdin ? 'none' : request.detach && request.interactive ? 'open' : 'once',
    volumes: request.volumes,
    tmpfs: new Map(request.files.length === 0 ? [] : [[MEMORY_FOLDER, MEMORY_OPTIONS]]),
    network: request.network ?? 'default',
    ports: request.ports,
    logDriver: request.logDriver ?? 'none',
    init: request.init,
    autoRemove: request.remove,
  }
  return { spec, shim }
}

/** Options of the memory files' folder: whoever runs in the container may make files in it, and remove no one else's. */
const MEMORY_OPTIONS = 'rw,noexec,nosuid,nodev,mode=1777'

const pairsOf = (variables: SecretSet): readonly string[] =>
  Object.entries(variablesOf(variables)).map(([name, value]) => `${name}=${value}`)

/**
 * Refuses a request that holds a value: the engine keeps what a container was made from.
 *
 * @throws {@link Fault} `SECRET_IN_INPUT`, naming the secrets.
 */
function requireHidden(request: RunRequest, needles: NeedleSet): void {
  const found = shownTexts(request).flatMap((text) => findInText(Buffer.from(text, 'utf8'), needles))
  const names = [...new Set(found.map(({ secret }) => secret))]
  if (names.length === 0) return
  throw faultOf(
    names.map((name) => ({
      code: 'SECRET_IN_INPUT',
      message: `The value of ${name} stands in the command or an option, where the engine would show it.`,
      hint: `Let a shell in the container use the variable: sh -c '… "$${name}"'.`,
    })),
  )
}

/** What a container needs before its start, and whether it can do what is asked. */
async function prepare(
  container: Container,
  {
    request,
    spec,
    shim,
  }: { readonly request: RunRequest; readonly spec: ContainerSpec; readonly shim: Shim | undefined },
): Promise<void> {
  if (shim !== undefined && (await container.kindOf(SHELL)) === null) {
    throw new Fault('BASE_UNSUITABLE', `The image has no ${SHELL} that could take the values over.`, {
      hint: 'Put them where the engine shows them with --inspectable; files need a shell.',
    })
  }
  if (request.files.length > 0) {
    await container.link(new Map(request.files.map(({ path }, index) => [path, memoryPath(index)])))
  }
  const [program] = spec.entrypoint
  if (shim === undefined && program?.startsWith('/') === true && (await container.kindOf(program)) === null) {
    throw new Fault('COMMAND_NOT_FOUND', 'The command was not found in the image.')
  }
}

/** @throws {@link Fault} `RUN_FAILED` when they do not arrive, `CANCELLED` when the signal is aborted. */
async function handValues(
  {
    attachment,
    output,
    signal,
  }: { readonly attachment: Attachment; readonly output: ContainerOutput; readonly signal: AbortSignal },
  {
    shim,
    variables,
    files,
    terminal,
  }: {
    readonly shim: Shim
    readonly variables: SecretSet
    readonly files: readonly ShimFile[]
    readonly terminal: boolean
  },
): Promise<void> {
  const letGo = (): void => attachment[Symbol.dispose]()
  signal.throwIfAborted()
  signal.addEventListener('abort', letGo)
  const input = shimInput(variables, files)
  try {
    if (await handOver(attachment, output, { mark: shim.mark, input })) return
    signal.throwIfAborted()
    throw notTaken(terminal)
  } finally {
    input.fill(0)
    signal.removeEventListener('abort', letGo)
  }
}

/** Removes a container after a failure, which is what there is to tell. */
async function removeQuietly(container: Container): Promise<void> {
  try {
    await container.remove()
  } catch (error) {
    if (!(error instanceof Fault)) throw error
  }
}
