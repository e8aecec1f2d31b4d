/**
 * The value of one `--mount` flag, read and written as BuildKit's frontend does
 * (https://github.com/moby/buildkit/blob/master/frontend/dockerfile/instructions/commands_runmount.go):
 * fields of a CSV line, keys in any case, the last of two equal keys wins.
 *
 * @packageDocumentation
 */

import { posix } from 'node:path'

/** Where BuildKit puts a secret that names no target. */
const DEFAULT_FOLDER = '/run/secrets/'

/** A mount of type `secret`. */
export interface SecretMount {
  readonly id: string
  /** Path inside the step; `undefined` where the value is only given as an environment variable. */
  readonly target: string | undefined
  /**
   * Whether a step must not run without the value: so unless the mount says `required=false`. BuildKit's own default is the
   * other one, with which a step that lacks its secret does something else than was meant, and nobody is told.
   */
  readonly required: boolean
  readonly env: string | undefined
  readonly mode: string | undefined
  readonly uid: string | undefined
  readonly gid: string | undefined
}

/** A mount of type `ssh`: the socket of an agent. */
export interface SshMount {
  readonly id: string
  /** Path of the socket; `undefined` where BuildKit chooses it. */
  readonly target: string | undefined
  readonly required: boolean
  readonly mode: string | undefined
  readonly uid: string | undefined
  readonly gid: string | undefined
}

/** What a `--mount` value turned out to be. */
export type MountFlag =
  | { readonly type: 'secret'; readonly mount: SecretMount }
  | { readonly type: 'ssh'; readonly mount: SshMount }
  | {
      readonly type: 'other'
      readonly kind: string
      readonly from: string | undefined
      /** All options by their lower-case names. */
      readonly options: ReadonlyMap<string, string>
    }
  | { readonly type: 'invalid'; readonly message: string }

const ALIASES: Readonly<Record<string, string>> = {
  src: 'id',
  source: 'id',
  dst: 'target',
  destination: 'target',
}
const KEYS = new Set(['id', 'target', 'required', 'env', 'mode', 'uid', 'gid'])

/** Reads the text behind `--mount=`. */
export function readMount(value: string): MountFlag {
  const fields = readCsv(value)
  if (fields === null) return { type: 'invalid', message: 'The options of the mount are not a valid list.' }
  const options = new Map(fields.map((field) => keyValue(field)))
  const kind = (options.get('type') ?? 'bind').toLowerCase()
  if (kind !== 'secret' && kind !== 'ssh') {
    return { type: 'other', kind, from: options.get('from'), options }
  }
  options.delete('type')
  const known = new Map<string, string>()
  for (const [key, text] of options) {
    const name = ALIASES[key] ?? key
    if (!KEYS.has(name))
      return { type: 'invalid', message: `A mount of type ${kind} has an option that is not known.` }
    known.set(name, text)
  }
  return kind === 'ssh' ? sshMount(known) : secretMount(known)
}

/** The id that BuildKit takes where none is written. */
export const DEFAULT_AGENT = 'default'

function sshMount(options: ReadonlyMap<string, string>): MountFlag {
  const id = options.get('id') ?? DEFAULT_AGENT
  const target = options.get('target')
  if (options.has('env')) return { type: 'invalid', message: 'A mount of type ssh has no "env".' }
  if (`${id}${target ?? ''}`.includes('$')) return dollar('ssh')
  // Without an agent such a step fails later, and less clearly: only one that says so does without.
  const required = options.get('required') ?? 'true'
  if (!isSwitch(required)) return notSwitch('ssh')
  return {
    type: 'ssh',
    mount: {
      id: id === '' ? DEFAULT_AGENT : id,
      target,
      required: isOn(required),
      mode: options.get('mode'),
      uid: options.get('uid'),
      gid: options.get('gid'),
    },
  }
}

const isSwitch = (text: string): boolean => /^(?:true|false|1|0)$/i.test(text)

const isOn = (text: string): boolean => /^(?:true|1)$/i.test(text)

const dollar = (kind: string): MountFlag => ({
  type: 'invalid',
  message: `A mount of type ${kind} has a "$" in its id or target, and not every engine expands it.`,
})

const notSwitch = (kind: string): MountFlag => ({
  type: 'invalid',
  message: `The option "required" of a mount of type ${kind} is true or false.`,
})

function secretMount(options: ReadonlyMap<string, string>): MountFlag {
  const explicitTarget = options.get('target')
  const id = options.get('id') ?? (explicitTarget === undefined ? '' : posix.basename(explicitTarget))
  if (id === '') return { type: 'invalid', message: 'A secret mount needs an id or a target.' }
  if (`${id}${explicitTarget ?? ''}`.includes('$')) return dollar('secret')
  const required = options.get('required') ?? 'true'
  if (!isSwitch(required)) return notSwitch('secret')
  const env = options.get('env')
  return {
    type: 'secret',
    mount: {
      id,
      target: explicitTarget ?? (env === undefined ? `${DEFAULT_FOLDER}${posix.basename(id)}` : undefined),
      required: isOn(required),
      env,
      mode: options.get('mode'),
      uid: options.get('uid'),
      gid: options.get('gid'),
    },
  }
}

/** Writes a flag from fields, each `key=value`. */
export const writeFlag = (fields: readonly string[]): string =>
  `--mount=${fields
    .map(csvField)
    .join(',')
    .replace(/[\s"'\\]/g, String.raw`\$&`)}`

/** Writes the whole flag, with every option that was left to a default made explicit. */
export const writeMount = (mount: SecretMount): string => writeFields('secret', mount)

/** The same for an agent's socket. Where BuildKit chooses the path, the steps find it in `SSH_AUTH_SOCK`. */
export const writeSshMount = (mount: SshMount): string => writeFields('ssh', { ...mount, env: undefined })

function writeFields(type: 'secret' | 'ssh', mount: SecretMount): string {
  const fields = [`type=${type}`, `id=${mount.id}`]
  for (const key of ['target', 'env', 'mode', 'uid', 'gid'] as const) {
    const value = mount[key]
    if (value !== undefined) fields.push(`${key}=${value}`)
  }
  fields.push(`required=${String(mount.required)}`)
  return writeFlag(fields)
}

function keyValue(field: string): [key: string, value: string] {
  const at = field.indexOf('=')
  // A bare word is a switch: `required`, `readonly`.
  return at === -1 ? [field.toLowerCase(), 'true'] : [field.slice(0, at).toLowerCase(), field.slice(at + 1)]
}

/** One line of RFC 4180; `null` where a quote is not closed or stands inside a bare field. */
function readCsv(line: string): readonly string[] | null {
  const fields: string[] = []
  let at = 0
  for (;;) {
    if (line[at] === '"') {
      const quoted = /^"((?:[^"]|"")*)"(?=,|$)/.exec(line.slice(at))
      if (quoted === null) return null
      fields.push((quoted[1] ?? '').replaceAll('""', '"'))
      at += quoted[0].length
    } else {
      const bare = /^[^,]*/.exec(line.slice(at))?.[0] ?? ''
      if (bare.includes('"')) return null
      fields.push(bare)
      at += bare.length
    }
    if (at >= line.length) return fields
    at += 1
  }
}

const csvField = (field: string): string =>
  /[",\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field
