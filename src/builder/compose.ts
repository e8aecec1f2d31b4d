/**
 * The `build` of a service in a Compose file, with its secrets, as a request of
 * ours. What it asks for and is not known here is a problem: a build that
 * silently did something else would be worse than none.
 *
 * https://github.com/compose-spec/compose-spec/blob/main/build.md and
 * https://github.com/compose-spec/compose-spec/blob/main/09-secrets.md
 *
 * @packageDocumentation
 */

import { dirname, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import { faultOf, type Problem } from '../errors.js'
import { nearest } from '../suggest.js'
import { isAddress } from './request.js'

/** Where a secret of a Compose file comes from. Nothing is read yet. */
export type ComposeSecret =
  /** A variable of the process that builds. */
  | { readonly kind: 'variable'; readonly name: string }
  /** A file, by its absolute path. */
  | { readonly kind: 'file'; readonly path: string }
  /** `external`: a stored secret. */
  | { readonly kind: 'stored'; readonly name: string }

/** A service's build. */
export interface ComposeBuild {
  readonly service: string
  /** Absolute, or an address that is not a folder. */
  readonly context: string
  readonly dockerfile: { readonly path: string } | { readonly text: string }
  readonly target: string | undefined
  readonly args: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  readonly extraHosts: readonly string[]
  readonly network: 'default' | 'host' | 'none' | undefined
  readonly platform: string | undefined
  readonly noCache: boolean
  readonly pull: boolean
  readonly buildContexts: Readonly<Record<string, string>>
  /** By the id that a mount names. */
  readonly secrets: Readonly<Record<string, ComposeSecret>>
  /** As `--ssh` has them: `ID`, or `ID=PATH`. */
  readonly ssh: readonly string[]
  /** `image` of the service, then `build.tags`. */
  readonly tags: readonly string[]
}

/** Where a Compose file is, and what its `${VARIABLE}`s mean. */
export interface ComposeSurroundings {
  /** Absolute path. */
  readonly path: string
  /** Default: the only service that has a build. */
  readonly service: string | undefined
  readonly variables: Readonly<Record<string, string | undefined>>
}

const BUILD_KEYS = [
  'context',
  'dockerfile',
  'dockerfile_inline',
  'target',
  'args',
  'labels',
  'extra_hosts',
  'network',
  'platforms',
  'no_cache',
  'pull',
  'additional_contexts',
  'secrets',
  'ssh',
  'tags',
] as const

/**
 * Reads the build of one service.
 *
 * @param text - the file. Variables in it are filled as Compose fills them; one that is not set is a problem.
 * @throws {@link Fault} `REQUEST_INVALID` with everything that is wrong.
 */
export function readCompose(text: string, surroundings: ComposeSurroundings): ComposeBuild {
  return new Reader(text, surroundings).read()
}

type Table = Readonly<Record<string, unknown>>

const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

class Reader {
  readonly #text: string
  readonly #around: ComposeSurroundings
  readonly #problems: Problem[] = []

  constructor(text: string, surroundings: ComposeSurroundings) {
    this.#text = text
    this.#around = surroundings
  }

  read(): ComposeBuild {
    const root = this.#document()
    const services = isTable(root['services']) ? root['services'] : {}
    const [name, service] = this.#service(services)
    const build = isTable(service['build']) ? service['build'] : { context: service['build'] }
    for (const key of Object.keys(build)) {
      if (!key.startsWith('x-') && !BUILD_KEYS.some((known) => known === key))
        this.#invalid(`The build of ${name} has "${plain(key)}", which is not known here.`)
    }
    const folder = dirname(this.#around.path)
    const context = this.#string(build['context'] ?? '.', 'context')
    const at = isAddress(context) ? context : resolve(folder, context)
    const inline = build['dockerfile_inline']
    const result: ComposeBuild = {
      service: name,
      context: at,
      dockerfile:
        inline === undefined
          ? { path: resolve(at, this.#string(build['dockerfile'] ?? 'Dockerfile', 'dockerfile')) }
          : { text: this.#string(inline, 'dockerfile_inline') },
      target: build['target'] === undefined ? undefined : this.#string(build['target'], 'target'),
      args: this.#pairs(build['args'], 'args', this.#around.variables),
      labels: this.#pairs(build['labels'], 'labels'),
      extraHosts: this.#hosts(build['extra_hosts']),
      network: this.#network(build['network']),
      platform: this.#platform(build['platforms']),
      noCache: build['no_cache'] === true,
      pull: build['pull'] === true,
      buildContexts: this.#pairs(build['additional_contexts'], 'additional_contexts'),
      secrets: this.#secrets(build['secrets'], isTable(root['secrets']) ? root['secrets'] : {}, folder),
      ssh: this.#list(build['ssh'], 'ssh'),
      tags: [
        ...(service['image'] === undefined ? [] : [this.#string(service['image'], 'image')]),
        ...this.#list(build['tags'], 'tags'),
      ],
    }
    if (this.#problems.length > 0) throw faultOf(this.#problems)
    return result
  }

  #document(): Table {
    const document = parseDocument(this.#text, { prettyErrors: false, merge: true })
    const [error] = document.errors
    if (error !== undefined) {
      const line = this.#text.slice(0, error.pos[0]).split('\n').length
      this.#problems.push({
        code: 'REQUEST_INVALID',
        message: 'The Compose file is not YAML.',
        file: this.#around.path,
        line,
      })
      throw faultOf(this.#problems)
    }
    const root: unknown = document.toJS({ maxAliasCount: 100 })
    return isTable(root) ? root : {}
  }

  #service(services: Table): readonly [string, Table] {
    const built = Object.entries(services).flatMap(([name, service]) =>
      isTable(service) && service['build'] !== undefined ? [[name, service] as const] : [],
    )
    const { service: wanted } = this.#around
    const found =
      wanted === undefined && built.length === 1 ? built[0] : built.find(([name]) => name === wanted)
    if (found !== undefined) return found
    const names = built.map(([name]) => name)
    const meant = wanted === undefined ? undefined : nearest(wanted, names)
    this.#invalid(
      wanted === undefined
        ? 'The Compose file has no service with a build, or several.'
        : 'The Compose file has no service of that name with a build.',
      meant === undefined
        ? `Name one of them: ${names.map(plain).join(', ')}.`
        : `Did you mean ${plain(meant)}?`,
    )
    throw faultOf(this.#problems)
  }

  /** The short form is the name of a secret; the long one has a `source`, and a `target` that is the id of the mount. */
  #secrets(value: unknown, known: Table, folder: string): Record<string, ComposeSecret> {
    const secrets: Record<string, ComposeSecret> = {}
    for (const entry of this.#array(value, 'secrets')) {
      const long = isTable(entry) ? entry : { source: entry }
      for (const key of Object.keys(long)) {
        if (['uid', 'gid', 'mode'].includes(key))
          this.#invalid(`A build secret has "${key}", which belongs to the mount in the Dockerfile.`)
        else if (key !== 'source' && key !== 'target')
          this.#invalid(`A build secret has "${plain(key)}", which is not known here.`)
      }
      const source = this.#string(long['source'], 'source of a build secret')
      const id =
        long['target'] === undefined ? source : this.#string(long['target'], 'target of a build secret')
      const secret = this.#secret(source, known, folder)
      if (Object.hasOwn(secrets, id)) this.#invalid('Two build secrets have the same target.')
      if (secret !== undefined) secrets[id] = secret
    }
    return secrets
  }

  #secret(name: string, known: Table, folder: string): ComposeSecret | undefined {
    const entry = known[name]
    if (!isTable(entry)) {
      const meant = nearest(name, Object.keys(known))
      this.#invalid(
        `There is no secret ${plain(name)} at the top level of the Compose file.`,
        meant === undefined ? undefined : `Did you mean ${plain(meant)}?`,
      )
      return undefined
    }
    if (entry['external'] === true) {
      return {
        kind: 'stored',
        name: entry['name'] === undefined ? name : this.#string(entry['name'], 'name of a secret'),
      }
    }
    if (entry['environment'] !== undefined)
      return { kind: 'variable', name: this.#string(entry['environment'], 'environment of a secret') }
    if (entry['file'] !== undefined)
      return { kind: 'file', path: resolve(folder, this.#string(entry['file'], 'file of a secret')) }
    this.#invalid(`The secret ${plain(name)} says neither "environment" nor "file" nor "external: true".`)
    return undefined
  }

  #network(value: unknown): ComposeBuild['network'] {
    if (value === undefined || value === 'default' || value === 'host' || value === 'none') return value
    this.#invalid('The network of a build is default, host or none.')
    return undefined
  }

  #platform(value: unknown): string | undefined {
    const platforms = this.#list(value, 'platforms')
    if (platforms.length > 1) this.#invalid('A build is for one platform.')
    return platforms[0]
  }

  /** A list of `name:address`, or a table of them. */
  #hosts(value: unknown): readonly string[] {
    if (!isTable(value)) return this.#list(value, 'extra_hosts')
    return Object.entries(value).map(([name, address]) => `${name}:${this.#string(address, 'extra_hosts')}`)
  }

  /** A table, or a list of `NAME=VALUE`. A name alone is the variable of that name, where those are given. */
  #pairs(
    value: unknown,
    what: string,
    variables: ComposeSurroundings['variables'] = {},
  ): Record<string, string> {
    const entries: readonly (readonly [string, unknown])[] = isTable(value)
      ? Object.entries(value)
      : this.#array(value, what).map((entry) => {
          const text = this.#string(entry, what)
          const at = text.indexOf('=')
          return at === -1 ? [text, null] : [text.slice(0, at), text.slice(at + 1)]
        })
    const pairs: Record<string, string> = {}
    for (const [name, given] of entries) {
      const text = given === null ? variables[name] : this.#string(given, what)
      if (text === undefined) this.#invalid(`An entry of "${what}" has no value.`)
      else pairs[name] = text
    }
    return pairs
  }

  #list(value: unknown, what: string): readonly string[] {
    return this.#array(value, what).map((entry) => this.#string(entry, what))
  }

  #array(value: unknown, what: string): readonly unknown[] {
    if (value === undefined || value === null) return []
    if (Array.isArray(value)) return value
    this.#invalid(`"${what}" of a build is not a list.`)
    return []
  }

  #string(value: unknown, what: string): string {
    if (typeof value === 'string') return this.#filled(value)
    if (typeof value === 'number' || typeof value === 'boolean') return String(value)
    this.#invalid(`"${what}" of a build is not text.`)
    return ''
  }

  /** https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md, without nesting. */
  #filled(text: string): string {
    return text.replace(
      /\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-?+])([^}]*))?\}|)/g,
      (
        _match,
        dollar: string | undefined,
        bare: string | undefined,
        braced: string | undefined,
        sign: string | undefined,
        word: string | undefined,
      ) => {
        if (dollar !== undefined) return '$'
        const name = bare ?? braced
        if (name === undefined) {
          this.#invalid('A "$" in the Compose file begins no variable; write "$$" for the character itself.')
          return ''
        }
        const value = this.#around.variables[name]
        const isThere =
          sign?.startsWith(':') === true ? value !== undefined && value !== '' : value !== undefined
        if (sign?.endsWith('+') === true) return isThere ? (word ?? '') : ''
        if (isThere) return value ?? ''
        if (sign?.endsWith('-') === true) return word ?? ''
        this.#invalid(`The Compose file names the variable ${name}, which is not set.`)
        return ''
      },
    )
  }

  #invalid(message: string, hint?: string): void {
    this.#problems.push({ code: 'REQUEST_INVALID', message, hint, file: this.#around.path })
  }
}

/** A name of the file, cut to harmless characters: a value may stand where a name should. */
const plain = (name: string): string => (/^[A-Za-z0-9_.-]{1,64}$/.test(name) ? name : '…')
