/**
 * Which values can be environment variables, and why the others cannot.
 *
 * @packageDocumentation
 */

import { isUtf8 } from 'node:buffer'
import { faultOf, type Problem } from '../errors.js'
import type { SecretName, SecretSet, SecretValue } from '../secret.js'

/**
 * Longest variable, in bytes with its name, the equals sign and the end mark: `MAX_ARG_STRLEN`, 32 pages of 4 KiB, in
 * https://github.com/torvalds/linux/blob/master/include/uapi/linux/binfmts.h
 */
export const MAX_VARIABLE_BYTES = 32 * 4096

/**
 * Most that the variables may take together, in bytes: the kernel gives arguments and variables a quarter of the stack's
 * limit, usually 2 MiB (execve(2), "Limits on size of arguments and environment"), and an eighth of that is left to
 * what is not ours.
 */
export const MAX_VARIABLES_BYTES = (2 << 20) - (256 << 10)

/** What a variable costs beside its text: a pointer. */
const POINTER_BYTES = 8

/**
 * How variables travel. `text`: through an interface of strings (a local process, an engine's API), which only UTF-8
 * survives. `bytes`: through a shell in the container, which keeps every byte and has variables of its own.
 */
export type VariableWay = 'text' | 'bytes'

/**
 * Names that a shell gives a meaning or refuses to set: bash's
 * (https://www.gnu.org/software/bash/manual/html_node/Bash-Variables.html), and `OPTIND`, `PPID` and `LINENO` of POSIX.
 */
const SHELL_NAMES =
  /^(?:_|UID|EUID|PPID|GROUPS|OPTIND|LINENO|RANDOM|SRANDOM|SECONDS|EPOCHSECONDS|EPOCHREALTIME|SHELLOPTS|BASHOPTS|BASHPID|BASH_.*|DIRSTACK|FUNCNAME|HISTCMD|COMP_.*|_TRACELESS_.*)$/

/** The values that become variables, and how. */
export interface VariableRequest {
  readonly values: SecretSet
  readonly way: VariableWay
  /** What a person may do about a value that cannot be a variable, given its name. */
  readonly instead: (name: SecretName) => string
}

/**
 * Lets values pass that can all be environment variables.
 *
 * @throws {@link Fault} `REQUEST_INVALID` with a problem for each value that cannot.
 */
export function requireVariables({ values, way, instead }: VariableRequest): void {
  const problems = [...values].flatMap(([name, value]): readonly Problem[] => {
    const why = whyNot(name, value, way)
    if (why === undefined) return []
    return [
      {
        code: 'REQUEST_INVALID',
        message: `${name} cannot be an environment variable: ${why}.`,
        hint: instead(name),
      },
    ]
  })
  if (problems.length > 0) throw faultOf(problems)
  const total = [...values].reduce((sum, [name, value]) => sum + bytesOf(name, value) + POINTER_BYTES, 0)
  const [largest] = [...values].sort(([, a], [, b]) => b.size - a.size)
  if (total <= MAX_VARIABLES_BYTES || largest === undefined) return
  throw faultOf([
    {
      code: 'REQUEST_INVALID',
      message: 'The values together are more than a process can take as environment variables.',
      hint: instead(largest[0]),
    },
  ])
}

/** Variables for an interface of strings. The values must have passed {@link requireVariables} as `text`. */
export function variablesOf(values: SecretSet): Record<string, string> {
  return Object.fromEntries(
    [...values].map(([name, value]) => [name, value.use((bytes) => Buffer.from(bytes).toString('utf8'))]),
  )
}

function whyNot(name: SecretName, value: SecretValue, way: VariableWay): string | undefined {
  if (value.use((bytes) => bytes.includes(0))) return 'its value has a NUL byte'
  if (bytesOf(name, value) > MAX_VARIABLE_BYTES) return 'its value is larger than 128 KiB'
  switch (way) {
    case 'text':
      return value.use(isUtf8) ? undefined : 'its value is not UTF-8'
    case 'bytes':
      return SHELL_NAMES.test(name) ? 'its name means something else to the shell of the image' : undefined
  }
}

const bytesOf = (name: SecretName, value: SecretValue): number => name.length + 1 + value.size + 1
