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
import { Fault } from '../errors.js'
import { SecretValue } from '../secret.js'
import { valueFromFile, valueFromStdin, type Io } from './io.js'

const USAGE =
  'Write --secret id=ID[,name=NAME|,env=VARIABLE|,src=FILE|,src=-|,requirements=FILE|,credentials-of=FILE].'

const KEYS = new Set(['id', 'name', 'env', 'src', 'source', 'type', 'requirements', 'credentials-of'])

/** Reads all `--secret` options and the values that are given at hand. */
export async function readSecretOptions(
  specs: readonly string[],
  io: Io,
): Promise<Record<string, SecretSource>> {
  const sources: Record<string, SecretSource> = {}
  let stdinTaken = false
  for (const spec of specs) {
    const fields = fieldsOf(spec)
    const id = fields.get('id')
    if (id === undefined || id === '') throw invalid('A --secret has no id.')
    if (Object.hasOwn(sources, id)) throw invalid('Two --secret options have the same id.')
    const usesStdin = fields.get('src') === '-'
    if (usesStdin && stdinTaken) throw invalid('Only one --secret can read standard input.')
    stdinTaken ||= usesStdin
    sources[id] = await sourceOf(id, fields, io)
  }
  return sources
}

function fieldsOf(spec: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (const field of spec.split(',')) {
    const at = field.indexOf('=')
    const key = field === '-' ? 'src' : field.slice(0, Math.max(at, 0)).toLowerCase()
    if (!KEYS.has(key)) throw invalid('A --secret has an option that is not known.')
    const name = key === 'source' ? 'src' : key
    if (fields.has(name)) throw invalid('A --secret has the same option twice.')
    fields.set(name, field === '-' ? '-' : field.slice(at + 1))
  }
  return fields
}

async function sourceOf(id: string, fields: ReadonlyMap<string, string>, io: Io): Promise<SecretSource> {
  const type = fields.get('type')
  if (type !== undefined && type !== 'env' && type !== 'file')
    throw invalid('The type of a --secret is env or file.')
  const given = ['name', 'env', 'src', 'requirements', 'credentials-of'].filter((key) => fields.has(key))
  if (given.length > 1) throw invalid('A --secret says in more than one way where its value is.')
  const [key] = given
  if (key === undefined) {
    if (type === 'env') return fromVariable(id, io)
    if (type === 'file') throw invalid('A --secret of type file needs src=FILE.')
    return { name: id }
  }
  const text = fields.get(key) ?? ''
  switch (key) {
    case 'name':
      return { name: text }
    case 'env':
      return fromVariable(text, io)
    case 'src':
      if (type === 'env') return fromVariable(text, io)
      return text === '-' ? valueFromStdin(io) : valueFromFile(resolve(io.cwd, text))
    case 'requirements':
      return { requirements: resolve(io.cwd, text) }
    default:
      return { credentialsOf: resolve(io.cwd, text) }
  }
}

function fromVariable(name: string, io: Io): SecretValue {
  const value = io.env[name]
  if (value === undefined) throw invalid('A --secret names an environment variable that is not set.')
  return SecretValue.fromText(value)
}

const invalid = (message: string): Fault => new Fault('REQUEST_INVALID', message, { hint: USAGE })
