/**
 * Every failure a person can meet, in one table: the code is the contract, the
 * words may improve. The CLI takes its exit status from here and the HTTP
 * server its status; the README's table is compared with this one by a test.
 *
 * Floor 0: imports nothing of ours.
 *
 * @packageDocumentation
 */

import { inspect } from 'node:util'

/** What each code means to a shell (`exit`) and to an HTTP client (`status`). */
export const FAULTS = {
  INTERNAL: { exit: 1, status: 500 },
  REQUEST_INVALID: { exit: 2, status: 400 },
  REQUIREMENTS_INVALID: { exit: 2, status: 400 },
  DOCKERFILE_INVALID: { exit: 2, status: 400 },
  BASE_UNSUITABLE: { exit: 2, status: 422 },
  SECRET_IN_INPUT: { exit: 2, status: 422 },
  SECRET_UNKNOWN: { exit: 3, status: 404 },
  BUILD_FAILED: { exit: 4, status: 422 },
  LEAK_FOUND: { exit: 5, status: 409 },
  NOT_PROVEN: { exit: 5, status: 409 },
  ENGINE_UNREACHABLE: { exit: 6, status: 503 },
  ENGINE_UNSUPPORTED: { exit: 6, status: 501 },
  STORE_INVALID: { exit: 7, status: 500 },
  STORE_CONFLICT: { exit: 7, status: 409 },
  STORE_UNAVAILABLE: { exit: 7, status: 503 },
  RATE_LIMITED: { exit: 7, status: 429 },
  IDENTITY_INVALID: { exit: 7, status: 500 },
  SERVER_UNREACHABLE: { exit: 8, status: 502 },
  UNAUTHORIZED: { exit: 8, status: 401 },
  FORBIDDEN: { exit: 8, status: 403 },
  NOT_FOUND: { exit: 8, status: 404 },
  PUSH_FAILED: { exit: 9, status: 502 },
  TIMED_OUT: { exit: 124, status: 504 },
  RUN_FAILED: { exit: 125, status: 500 },
  COMMAND_NOT_EXECUTABLE: { exit: 126, status: 500 },
  COMMAND_NOT_FOUND: { exit: 127, status: 500 },
  CANCELLED: { exit: 130, status: 499 },
} as const satisfies Record<string, { exit: number; status: number }>

/** A key of {@link FAULTS}. */
export type FaultCode = keyof typeof FAULTS

/** Facts about a failure that are safe to print. There is no room for a {@link SecretValue} here, by type. */
export type FaultDetail = Readonly<Record<string, string | number | readonly string[]>>

/** One thing wrong with an input. Lines and columns count from 1; a column counts UTF-16 units. */
export interface Problem {
  readonly code: FaultCode
  /** What is wrong, in one sentence that repeats nothing which may be a value. */
  readonly message: string
  readonly hint?: string | undefined
  readonly file?: string | undefined
  readonly line?: number | undefined
  readonly column?: number | undefined
}

/**
 * A failure with a stable code, one sentence on what happened and, where we
 * know it, one sentence on what to do next.
 *
 * `cause` is for a debugger only: it can hold another program's output, so it
 * is neither serialised nor inspected.
 */
export class Fault extends Error {
  override readonly name = 'Fault'
  readonly code: FaultCode
  readonly hint: string | undefined
  readonly detail: FaultDetail
  /** All problems of the input, in the order in which they stand in it. Empty where there is just the message. */
  readonly problems: readonly Problem[]

  constructor(
    code: FaultCode,
    message: string,
    more: {
      hint?: string | undefined
      detail?: FaultDetail
      problems?: readonly Problem[]
      cause?: unknown
    } = {},
  ) {
    super(message)
    // Not enumerable: a logger that copies an error's own fields must not meet another program's words.
    if ('cause' in more) Object.defineProperty(this, 'cause', { value: more.cause, enumerable: false })
    this.code = code
    this.hint = more.hint
    this.detail = more.detail ?? {}
    this.problems = more.problems ?? []
  }

  toJSON(): Record<string, unknown> {
    return {
      code: this.code,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(Object.keys(this.detail).length === 0 ? {} : { detail: this.detail }),
      ...(this.problems.length === 0 ? {} : { problems: this.problems }),
    }
  }

  [inspect.custom](): string {
    const lines = [`Fault ${this.code}: ${this.message}`]
    for (const problem of this.problems) lines.push(`  ${problemText(problem)}`)
    if (this.hint !== undefined) lines.push(`  hint: ${this.hint}`)
    return lines.join('\n')
  }
}

/** `file:line:column: message (hint)`, leaving out what a problem does not have. */
export function problemText({ file, line, column, message, hint }: Problem): string {
  const place = [file, line, column].filter((part) => part !== undefined).join(':')
  return `${place === '' ? '' : `${place}: `}${message}${hint === undefined ? '' : ` (${hint})`}`
}

/**
 * Makes one fault of all problems of a request. Unknown secrets alone keep
 * their own code and exit status, so that a caller can tell "set the secret
 * and try again" from "mend the request".
 */
export function faultOf(problems: readonly Problem[]): Fault {
  const [first] = problems
  if (first === undefined) throw new TypeError('a fault needs at least one problem')
  const code = problems.every((problem) => problem.code === first.code) ? first.code : 'REQUEST_INVALID'
  if (problems.length === 1) {
    return new Fault(code, problemText({ ...first, hint: undefined }), { hint: first.hint, problems })
  }
  return new Fault(code, `${String(problems.length)} problems were found.`, { problems })
}
