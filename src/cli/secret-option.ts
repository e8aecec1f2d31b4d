/**
 * `--secret` of the build command: `id=ID` with `name=`, `env=`, `src=`, `-`,
 * `requirements=` or `credentials-of=`. What Docker's own client accepts is
 * accepted (`type=`, `source=`), but `id=ID` alone is the stored secret of that
 * name and never a variable of this process.
 *
 * @packageDocumentation
 */

import { resolve } from 'node:path'
import type { SecretSource } from '../builder/request.js'
import { Fault, faultOf, type Problem } from '../errors.js'
import { SecretValue } from '../secret.js'
import { valueFromFile, valueFromStdin, type Io } from './io.js'

const USAGE =
  'Write --secret id=ID[,name=NAME|,env=VARIABLE|,src=FILE|,src=-|,requirements=FILE|,credentials-of=FILE].'

const KEYS = new Set(['id', 'name', 'env', 'src', 'source', 'type', 'requirements', 'credentials-of'])

/** What `--secret` options come to. Dispose it: values given at hand are in it. */
export interface SecretOptions extends Disposable {
  readonly sources: Readonly<Record<string, SecretSource>>
  /** Whether standard input was read. */
  readonly usesStdin: boolean
}

/**
 * Reads all `--secret` options and the values that are given at hand.
 *
 * @throws {@link Fault} `REQUEST_INVALID` with everything that is wrong with them. Options are told by their number: what
 * stands in one may be a value.
 */
export async function readSecretOptions(specs: readonly string[], io: Io): Promise<SecretOptions> {
  const sources = new Map<string, SecretSource>()
  const problems: Problem[] = []
  let stdinTaken = false
  const read = async (spec: string, invalid: Invalid): Promise<void> => {
    const fields = fieldsOf(spec, invalid)
    const id = fields.get('id')
    if (id === undefined || id === '') throw invalid('has no id.')
    if (sources.has(id)) throw invalid('has the same id as one before it.')
    const usesStdin = fields.get('src') === '-'
    if (usesStdin && stdinTaken) throw invalid('wants standard input, which one before it reads.')
    stdinTaken ||= usesStdin
    sources.set(id, await sourceOf(id, fields, { io, invalid }))
  }
  const wipe = (): void => {
    for (const source of sources.values()) if (source instanceof SecretValue) source[Symbol.dispose]()
  }
  for (const [index, spec] of specs.entries()) {
    const which = specs.length === 1 ? '--secret' : `--secret number ${String(index + 1)}`
    try {
      await read(spec, (predicate) => new Fault('REQUEST_INVALID', `${which} ${predicate}`, { hint: USAGE }))
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'REQUEST_INVALID') {
        wipe()
        throw error
      }
      problems.push({ code: error.code, message: error.message, hint: error.hint })
    }
  }
  if (problems.length > 0) {
    wipe()
    throw faultOf(problems)
  }
  return { sources: Object.fromEntries(sources), usesStdin: stdinTaken, [Symbol.dispose]: wipe }
}

/** Makes a fault for one option. `predicate` says what is wrong, as the rest of a sentence about it. */
type Invalid = (predicate: string) => Fault

function fieldsOf(spec: string, invalid: Invalid): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (const field of spec.split(',')) {
    const at = field.indexOf('=')
    const key = field === '-' ? 'src' : field.slice(0, Math.max(at, 0)).toLowerCase()
    if (!KEYS.has(key)) throw invalid('has an option that is not known.')
    const name = key === 'source' ? 'src' : key
    if (fields.has(name)) throw invalid('has the same option twice.')
    fields.set(name, field === '-' ? '-' : field.slice(at + 1))
  }
  return fields
}

interface Reading {
  readonly io: Io
  readonly invalid: Invalid
}

async function sourceOf(
  id: string,
  fields: ReadonlyMap<string, string>,
  reading: Reading,
): Promise<SecretSource> {
  const { io, invalid } = reading
  const type = fields.get('type')
  if (type !== undefined && type !== 'env' && type !== 'file')
    throw invalid('has a type that is neither env nor file.')
  const given = ['name', 'env', 'src', 'requirements', 'credentials-of'].filter((key) => fields.has(key))
  if (given.length > 1) throw invalid('says in more than one way where its value is.')
  const [key] = given
  if (key === undefined) {
    if (type === 'env') return fromVariable(id, reading)
    if (type === 'file') throw invalid('is of type file and has no src=FILE.')
    return { name: id }
  }
  const text = fields.get(key) ?? ''
  switch (key) {
    case 'name':
      return { name: text }
    case 'env':
      return fromVariable(text, reading)
    case 'src':
      if (type === 'env') return fromVariable(text, reading)
      return text === '-' ? valueFromStdin(io) : fromFile(resolve(io.cwd, text), reading)
    case 'requirements':
      return { requirements: resolve(io.cwd, text) }
    default:
      return { credentialsOf: resolve(io.cwd, text) }
  }
}

/** The path is not repeated: it may be a value that was typed in its place. */
async function fromFile(path: string, { invalid }: Reading): Promise<SecretValue> {
  try {
    return await valueFromFile(path)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    throw invalid('names a file that cannot be read or is larger than 500 KiB.')
  }
}

function fromVariable(name: string, { io, invalid }: Reading): SecretValue {
  const value = io.env[name]
  if (value === undefined) throw invalid('names an environment variable that is not set.')
  return SecretValue.fromText(value)
}
