/**
 * pip's arguments, taken apart as far as credentials can stand in them: what
 * names a requirement list, and what has a placeholder, becomes lines of one
 * list that is read as any other.
 *
 * @packageDocumentation
 */

import { relative, resolve } from 'node:path'
import { faultOf, type Problem } from '../errors.js'

/** Options with a value that may stand in a list (`SUPPORTED_OPTIONS` in `req_file.py` of pip), by their spellings. */
const LIST_OPTIONS: ReadonlyMap<string, 'file' | 'text'> = new Map([
  ['-r', 'file'],
  ['--requirement', 'file'],
  ['-c', 'file'],
  ['--constraint', 'file'],
  ['-i', 'text'],
  ['--index-url', 'text'],
  ['--pypi-url', 'text'],
  ['--extra-index-url', 'text'],
  ['-f', 'text'],
  ['--find-links', 'text'],
  ['-e', 'text'],
  ['--editable', 'text'],
])

/** Arguments taken apart. */
export interface PipArguments {
  /** Lines of a list whose paths count from `/`. Empty where pip can have its arguments as they are. */
  readonly lines: readonly string[]
  /** The arguments that are left, `null` once where the list belongs. */
  readonly rest: readonly (string | null)[]
}

/**
 * Takes arguments apart.
 *
 * @param cwd - what paths count from.
 * @throws {@link Fault} `REQUEST_INVALID` for a placeholder where a list could have none. The argument is not repeated.
 */
export function pipArguments(args: readonly string[], cwd: string): PipArguments {
  const lines: string[] = []
  const rest: (string | null)[] = []
  const problems: Problem[] = []
  const take = (line: string): void => {
    if (lines.length === 0) rest.push(null)
    lines.push(line)
  }
  let onlyOperands = false
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] ?? ''
    const option = onlyOperands ? undefined : optionOf(arg, args[at + 1])
    if (option !== undefined) {
      const { name, value, words } = option
      at += words - 1
      if (LIST_OPTIONS.get(name) === 'file' && !/^[a-z]+:\/\//i.test(value)) {
        take(`${name} ${quoted(relative('/', resolve(cwd, value)))}`)
      } else if (hasPlaceholder(value)) take(`${name} ${quoted(value)}`)
      else rest.push(...args.slice(at - words + 1, at + 1))
      continue
    }
    if (arg === '--') onlyOperands = true
    if (!hasPlaceholder(arg)) rest.push(arg)
    else if (onlyOperands || !arg.startsWith('-')) take(arg)
    else {
      problems.push({
        code: 'REQUEST_INVALID',
        message: `A placeholder stands in argument number ${at + 1}, which is not one that can have any.`,
        hint: 'Write it as user name or password of a URL: of a requirement, an index or --find-links.',
      })
    }
  }
  if (problems.length > 0) throw faultOf(problems)
  return { lines, rest }
}

interface FoundOption {
  readonly name: string
  readonly value: string
  /** How many arguments it takes up. */
  readonly words: 1 | 2
}

/** An option of a list in one of the spellings of Python's optparse: `-rFILE`, `-r FILE`, `--long=VALUE`, `--long VALUE`. */
function optionOf(arg: string, next: string | undefined): FoundOption | undefined {
  const at = arg.startsWith('--') ? arg.indexOf('=') : arg.length > 2 ? 2 : -1
  const name = at === -1 ? arg : arg.slice(0, at)
  if (!LIST_OPTIONS.has(name)) return undefined
  if (at !== -1) return { name, value: arg.slice(arg.startsWith('--') ? at + 1 : at), words: 1 }
  return next === undefined ? undefined : { name, value: next, words: 2 }
}

/** The beginning of a placeholder, in either form. */
const hasPlaceholder = (text: string): boolean => /\$[{<]/.test(text)

/** One word for Python's shlex, which splits the options of a list. */
const quoted = (text: string): string =>
  /^[A-Za-z0-9_./:@%+=,~-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`
