/**
 * `NAME=VALUE`, `NAME=-`, `NAME=@FILE` and a bare `NAME`: how a person gives
 * values on a command line. An argument that is none of these may be a value
 * that was typed in the wrong place, so it is told by its position.
 *
 * @packageDocumentation
 */

import { resolve } from 'node:path'
import { Fault, faultOf, type Problem } from '../errors.js'
import { isSecretName, SecretValue, type SecretName } from '../secret.js'
import { valueFromFile, valueFromStdin, type Io } from './io.js'

/** The forms an argument has, for the help of commands. */
export const ASSIGNMENT_HELP = [
  'NAME=VALUE    the text; the history of your shell keeps it',
  'NAME=-        what stands on standard input, byte by byte',
  'NAME=@FILE    what is in the file, byte by byte; \\@ and \\- begin a text with @ or -',
  'NAME          asks for the value and does not show it',
].join('\n  ')

/** One value that was given. The caller disposes it. */
export interface Assignment {
  readonly name: SecretName
  readonly value: SecretValue
}

/** Where the value of an argument is. */
type Source =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'stdin' }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'prompt' }

interface Planned {
  readonly name: SecretName
  readonly source: Source
}

/**
 * Reads the values of all arguments, after all of them were found to be sound.
 *
 * @throws {@link Fault} `REQUEST_INVALID` with every problem, naming arguments by their position, from 1.
 */
export async function readAssignments(words: readonly string[], io: Io): Promise<readonly Assignment[]> {
  const planned = planAssignments(words, io)
  if (io.stdin.isTTY && planned.some(({ source }) => source.kind === 'text')) {
    io.err(
      'hint: the history of your shell holds that value now; with a bare NAME it is asked for and not shown.',
    )
  }
  const read: Assignment[] = []
  try {
    for (const { name, source } of planned) {
      read.push({ name, value: await valueOf(source, name, io) })
    }
  } catch (error) {
    wipe(read)
    throw error
  }
  return read
}

/**
 * Checks names that were typed.
 *
 * @throws {@link Fault} `REQUEST_INVALID` with every problem, naming arguments by their position, from 1.
 */
export function checkNames(words: readonly string[]): readonly SecretName[] {
  const problems = words.flatMap((word, index): Problem[] =>
    isSecretName(word) ? [] : [problemOf(index, 'is not the name of a secret.')],
  )
  if (problems.length > 0) throw faultOf(problems)
  return words.filter(isSecretName)
}

/** Overwrites the values. */
export function wipe(values: Iterable<{ readonly value: SecretValue }>): void {
  for (const { value } of values) value[Symbol.dispose]()
}

function planAssignments(words: readonly string[], io: Io): readonly Planned[] {
  const problems: Problem[] = []
  const planned: Planned[] = []
  for (const [index, word] of words.entries()) {
    const problem = (message: string, hint?: string): void => {
      problems.push(problemOf(index, message, hint))
    }
    const at = word.indexOf('=')
    const name = at === -1 ? word : word.slice(0, at)
    const source = at === -1 ? ({ kind: 'prompt' } as const) : sourceOf(word.slice(at + 1))
    if (!isSecretName(name)) {
      problem('does not begin with a valid name.', 'Write NAME=VALUE, NAME=-, NAME=@FILE or NAME.')
      continue
    }
    if (planned.some((other) => other.name === name)) problem('gives a name a second time.')
    if (source.kind === 'stdin' && planned.some((other) => other.source.kind === 'stdin')) {
      problem('reads standard input, which an argument before it reads already.')
    }
    if (source.kind === 'prompt' && !io.stdin.isTTY) {
      problem('has no value, and there is no terminal to ask at.', 'Write NAME=- or NAME=@FILE.')
    }
    planned.push({ name, source })
  }
  if (problems.length > 0) throw faultOf(problems)
  return planned
}

const problemOf = (index: number, message: string, hint?: string): Problem => ({
  code: 'REQUEST_INVALID',
  message: `Argument ${index + 1} ${message}`,
  hint,
})

function sourceOf(text: string): Source {
  if (text === '-') return { kind: 'stdin' }
  if (text.startsWith('@')) return { kind: 'file', path: text.slice(1) }
  const escaped = text.startsWith('\\@') || text === '\\-'
  return { kind: 'text', text: escaped ? text.slice(1) : text }
}

async function valueOf(source: Source, name: SecretName, io: Io): Promise<SecretValue> {
  switch (source.kind) {
    case 'text':
      return SecretValue.fromText(source.text)
    case 'stdin':
      return withBreakNoted(await valueFromStdin(io), name, io)
    case 'file':
      return withBreakNoted(await valueFromFile(resolve(io.cwd, source.path)), name, io)
    case 'prompt':
      return await askFor(name, io)
  }
}

async function askFor(name: SecretName, io: Io): Promise<SecretValue> {
  const value = await io.askHidden(`Value of ${name}`)
  if (value.size > 0) return value
  throw new Fault('CANCELLED', 'No value was given, so nothing was changed.', {
    hint: 'For an empty value write NAME=.',
  })
}

/** `echo` ends what it prints with a line break, and few who write `echo token | …` mean it to be a part of the token. */
function withBreakNoted(value: SecretValue, name: SecretName, io: Io): SecretValue {
  if (value.use((bytes) => bytes.at(-1) === 0x0a && bytes.indexOf(0x0a) === bytes.length - 1)) {
    io.err(`note: the value of ${name} ends with a line break, which is a part of it.`)
  }
  return value
}
