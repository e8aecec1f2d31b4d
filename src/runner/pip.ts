/**
 * A local pip with private requirements: the credentials are lifted out of the
 * list and wait in memory for those who ask, git by its credential helper and
 * pip by `NETRC`. Neither the disk nor an argument nor a variable holds a
 * value.
 *
 * Both read them from `/proc/PID/fd/N` of this process, because a descriptor
 * that is merely inherited does not reach the processes that pip starts for
 * build isolation: Python closes all but the first three.
 *
 * @packageDocumentation
 */

import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, posix, relative } from 'node:path'
import { Fault, faultOf, type Problem } from '../errors.js'
import { runProgram } from '../process.js'
import { SecretValue } from '../secret.js'
import { DEFAULT_ENVIRONMENT } from '../store/store.js'
import {
  deliver,
  MADE_LIST,
  parseRequirements,
  planDelivery,
  unknownNames,
  type DeliveryMount,
  type DeliveryPlan,
  type RequirementList,
} from '../substitute/index.js'
import { runChild, type ChildSpec } from './child.js'
import { inherited } from './exec.js'
import { listMirror } from './list-mirror.js'
import { memoryFiles, memoryFolder } from './memory-file.js'
import { pipArguments, type PipArguments } from './pip-arguments.js'
import { findProgram } from './program.js'
import { readValues, unmaskedNotice, type RunControls, type RunnerParts, type ValueScope } from './values.js'

/** A pip to run. */
export interface PipRequest extends Pick<ValueScope, 'environment' | 'groups'> {
  /** pip's own arguments, such as `install -r requirements.txt`. */
  readonly args: readonly string[]
  /** Python whose pip is meant. Default: the `pip` of the `PATH`. */
  readonly python?: string | undefined
  /** Variables of the process. */
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

/** First Git that takes settings from `GIT_CONFIG_COUNT`: https://github.com/git/git/blob/master/Documentation/RelNotes/2.31.0.txt */
const OLDEST_GIT = [2, 31] as const

/** How long a program may take to tell its version, in milliseconds. */
const VERSION_MS = 30_000

/** Largest netrc of the user's own that is taken along, in bytes. */
const MAX_NETRC_BYTES = 1 << 20

/**
 * Runs pip, with the credentials of its requirement lists and arguments at hand and its output redacted.
 *
 * @returns pip's exit status; 128 and the number of the signal where one ended it.
 * @throws {@link Fault} with everything that is wrong with the lists; `SECRET_UNKNOWN`; `COMMAND_NOT_FOUND` without a pip;
 * `RUN_FAILED` for a Git or a system that cannot do this; and what the store throws.
 */
export async function runPip(
  request: PipRequest,
  parts: RunnerParts,
  { console, signal }: RunControls,
): Promise<number> {
  const own = inherited(request.variables)
  const pip: ChildSpec['command'] = request.python === undefined ? ['pip'] : [request.python, '-m', 'pip']
  const start = { variables: own, cwd: request.cwd }
  const file = await findProgram(pip[0], start)
  const args = pipArguments(request.args, request.cwd)
  const { list, plan } = await understood(request, args, parts)
  using read = await readValues(parts.secrets, { ...request, only: [...list.names] }, new Set())
  using needles = read.needles()
  const notice = unmaskedNotice(needles)
  if (notice !== undefined) console.notice(notice)
  if (list.logins.some(({ client }) => client === 'git')) await requireGit(start)
  signal.throwIfAborted()
  if (plan.names.size === 0 && [...list.files.values()].every(({ escapes }) => escapes.length === 0)) {
    const command: ChildSpec['command'] = [...pip, ...request.args]
    return await runChild({ command, ...start }, { needles, console })
  }
  const delivery = deliver(plan, list, read.values, {
    pythonVersion: await pythonVersion([file, ...pip.slice(1)]),
  })
  const mounts = new Map(delivery.mounts.map((mount) => [mount, mount.value]))
  try {
    using merged = await withOwnNetrc(mounts, request.variables)
    using inMemory = memoryFiles(merged.values, await memoryFolder(request.variables))
    await using mirror = await listMirror(delivery.files)
    await parts.usage.record(read.usage('pip'))
    const words = args.rest.flatMap((word) =>
      word === null ? ['-r', join(mirror.folder, delivery.root)] : [word],
    )
    const variables = { ...own, ...settings(inMemory.paths, own) }
    return await runChild({ command: [...pip, ...words], variables, cwd: request.cwd }, { needles, console })
  } finally {
    for (const value of mounts.values()) value[Symbol.dispose]()
  }
}

/** @throws {@link Fault} with everything that is wrong with the lists and the arguments. */
async function understood(
  { environment = DEFAULT_ENVIRONMENT, groups = [], cwd }: PipRequest,
  { lines }: PipArguments,
  { secrets }: RunnerParts,
): Promise<{ readonly list: RequirementList; readonly plan: DeliveryPlan }> {
  const list = await parseRequirements({ lines }, readFromRoot)
  const plan = planDelivery(list, 'lifted')
  const known = list.names.size === 0 ? [] : await secrets.names({ environment, groups, purpose: 'run' })
  const unliftable = plan.problems.map((problem) => ({
    ...problem,
    hint: 'Here a value can only be the user name or password of a URL of http or https. "traceless build" has other ways.',
  }))
  const problems = [...list.problems, ...unknownNames(list, known), ...unliftable]
  if (problems.length > 0) throw faultOf(problems.map((problem) => asSeenFrom(cwd, problem)))
  return { list, plan }
}

/** Lists are named from `/`, people know them from where they are. */
function asSeenFrom(cwd: string, { file, ...problem }: Problem): Problem {
  if (file === undefined) return problem
  // The list that the arguments became is nobody's file, and its lines are nobody's lines.
  if (file === 'requirements' || file === MADE_LIST) return { ...problem, line: undefined, column: undefined }
  return { ...problem, file: relative(cwd, posix.join('/', file)) }
}

async function readFromRoot(path: string): Promise<Uint8Array | null> {
  return await readIfThere(posix.join('/', path))
}

async function readIfThere(path: string): Promise<Uint8Array | null> {
  try {
    return await readFile(path)
  } catch (error) {
    // What is no file, or may not be read, is told as what is not there.
    if (error instanceof Error && 'code' in error) return null
    throw error
  }
}

async function requireGit(start: Pick<ChildSpec, 'variables' | 'cwd'>): Promise<void> {
  const version = await versionOf([await findProgram('git', start), '--version'], /(\d+)\.(\d+)/)
  const [, major = '0', minor = '0'] = version ?? []
  const isOld =
    Number(major) < OLDEST_GIT[0] || (Number(major) === OLDEST_GIT[0] && Number(minor) < OLDEST_GIT[1])
  if (!isOld) return
  throw new Fault('RUN_FAILED', 'Git is too old to be told of credentials without a file or an argument.', {
    hint: `Install Git ${OLDEST_GIT.join('.')} or newer.`,
  })
}

/** The Python that runs pip: `pip 23.0.1 from /usr/lib/python3/dist-packages/pip (python 3.11)`. */
async function pythonVersion(pip: readonly string[]): Promise<string | undefined> {
  return (await versionOf([...pip, '--version'], /\(python (\d+\.\d+)/))?.[1]
}

async function versionOf(
  [file = '', ...args]: readonly string[],
  pattern: RegExp,
): Promise<RegExpExecArray | null> {
  const ended = await runProgram(file, args, new Uint8Array(), { timeoutMs: VERSION_MS })
  return ended.kind === 'done' ? pattern.exec(Buffer.from(ended.stdout).toString('utf8')) : null
}

interface Merged extends Disposable {
  readonly values: ReadonlyMap<DeliveryMount, SecretValue>
}

/**
 * Puts the user's own netrc in front of ours: naming another one by `NETRC` would otherwise hide it. Of two entries for
 * one host Python's netrc takes the last.
 */
async function withOwnNetrc(
  mounts: ReadonlyMap<DeliveryMount, SecretValue>,
  variables: PipRequest['variables'],
): Promise<Merged> {
  const ours = [...mounts].find(([{ kind }]) => kind === 'netrc')
  const theirs = ours === undefined ? null : await ownNetrc(variables)
  if (ours === undefined || theirs === null) return { values: mounts, [Symbol.dispose]: () => undefined }
  const [mount, value] = ours
  // A blank line ends a macro, if their last entry is one.
  const bytes = value.use((entries) => Buffer.concat([theirs, Buffer.from('\n\n'), entries]))
  const merged = new SecretValue(bytes)
  bytes.fill(0)
  theirs.fill(0)
  return {
    values: new Map([...mounts, [mount, merged]]),
    [Symbol.dispose]: () => merged[Symbol.dispose](),
  }
}

/** Where requests looks: https://requests.readthedocs.io/en/latest/user/authentication/#netrc-authentication */
async function ownNetrc(variables: PipRequest['variables']): Promise<Uint8Array | null> {
  const home = variables['HOME'] ?? homedir()
  const named = variables['NETRC']
  const paths = named === undefined ? [join(home, '.netrc'), join(home, '_netrc')] : [named]
  for (const path of paths) {
    const bytes = await readIfThere(path)
    if (bytes !== null) return bytes.length > MAX_NETRC_BYTES ? null : bytes
  }
  return null
}

/** Variables that make git and pip read the credentials, and ask nobody for others. */
function settings(
  paths: ReadonlyMap<DeliveryMount, string>,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  const variables: Record<string, string> = { PIP_NO_INPUT: '1', GIT_TERMINAL_PROMPT: '0' }
  const first = Number.parseInt(own['GIT_CONFIG_COUNT'] ?? '0', 10) || 0
  let count = first
  const configure = (key: string, value: string): void => {
    variables[`GIT_CONFIG_KEY_${count}`] = key
    variables[`GIT_CONFIG_VALUE_${count}`] = value
    count += 1
  }
  for (const [mount, path] of paths) {
    if (mount.kind === 'netrc') variables['NETRC'] = path
    if (mount.kind !== 'git-credential') continue
    const key = `credential.${mount.scope}.helper`
    // An empty one forgets the user's own helpers: after a success git would have them store the credential.
    configure(key, '')
    configure(key, `!f() { test "$1" = get && cat ${path}; }; f`)
  }
  if (count > first) variables['GIT_CONFIG_COUNT'] = String(count)
  return variables
}
