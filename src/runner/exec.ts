/**
 * A local process with values in its environment, and nowhere else.
 *
 * @packageDocumentation
 */

import { secretName } from '../secret.js'
import { runChild, type ChildSpec } from './child.js'
import { memoryFiles, memoryFolder } from './memory-file.js'
import {
  readValues,
  unmaskedNotice,
  within,
  without,
  type RunControls,
  type RunnerParts,
  type ValueScope,
} from './values.js'
import { requireVariables, variablesOf } from './variables.js'

/** A local process to run. */
export interface ExecRequest extends ValueScope {
  readonly command: ChildSpec['command']
  /** Variables of the process beside the values; a value wins over a variable of its name. */
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Names of secrets whose variable holds a path instead, from which the value can be read. */
  readonly files?: readonly string[]
}

/** What opens the store. A program that gets some values must not get the means to read them all. */
const KEYS_TO_THE_STORE = new Set([
  'TRACELESS_IDENTITY',
  'TRACELESS_IDENTITY_COMMAND',
  'TRACELESS_DATABASE',
  'TRACELESS_TOKEN',
])

/**
 * Runs a command with values in its environment and its output redacted.
 *
 * The values are read once, at the start; the use is recorded before it. The variables that open the store itself
 * (`TRACELESS_IDENTITY`, `TRACELESS_IDENTITY_COMMAND`, `TRACELESS_DATABASE`, `TRACELESS_TOKEN`) are not handed on.
 *
 * @returns the command's exit status; 128 and the number of the signal where one ended it.
 * @throws {@link Fault} `COMMAND_NOT_FOUND`, `COMMAND_NOT_EXECUTABLE`, `SECRET_UNKNOWN`, `REQUEST_INVALID` for values that
 * cannot be environment variables, and what the store throws.
 */
export async function execCommand(
  request: ExecRequest,
  parts: RunnerParts,
  { console, signal }: RunControls,
): Promise<number> {
  const files = new Set((request.files ?? []).map(secretName))
  using read = await readValues(parts.secrets, request, files)
  const values = without(read.values, files)
  requireVariables({
    values,
    way: 'text',
    instead: (name) => `Give its path instead: --secret-file ${name}. The value can be read from there.`,
  })
  using needles = read.needles()
  const folder = files.size === 0 ? '' : await memoryFolder(request.variables)
  using inMemory = memoryFiles(within(read.values, files), folder)
  const notice = unmaskedNotice(needles)
  if (notice !== undefined) console.notice(notice)
  signal.throwIfAborted()
  await parts.usage.record(read.usage('exec'))
  const variables = {
    ...inherited(request.variables),
    ...variablesOf(values),
    ...Object.fromEntries(inMemory.paths),
  }
  return await runChild({ command: request.command, cwd: request.cwd, variables }, { needles, console })
}

/** Our own variables, but for those that open the store. */
export function inherited(variables: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables).flatMap(([name, value]) =>
      value === undefined || KEYS_TO_THE_STORE.has(name) ? [] : [[name, value]],
    ),
  )
}
