/**
 * Values as files of a container: `--secret-file NAME:/path[:mode]` and the
 * `[[files]]` of `traceless.toml`, which has the words of Fly's
 * (https://fly.io/docs/reference/configuration/#the-files-section).
 *
 * @packageDocumentation
 */

import { posix } from 'node:path'
import { Fault, faultOf, type Problem } from '../errors.js'
import { isSecretName, secretName, SecretValue, type SecretName, type SecretSet } from '../secret.js'
import { nearest } from '../suggest.js'
import { isTomlTable, readToml, type TomlTable } from '../toml.js'

/** A file that a container gets. */
export interface SecretFile {
  readonly name: SecretName
  /** Absolute path in the container. */
  readonly path: string
  /** Permission bits. */
  readonly mode: number
  /** Whether the value is base64, and the file what it stands for. */
  readonly base64: boolean
}

/** Permissions of a file for which none are given: its owner may read it. */
export const DEFAULT_MODE = 0o400

const MODE = /^0?[0-7]{3}$/

/**
 * Reads one `--secret-file`.
 *
 * @throws {@link Fault} `REQUEST_INVALID`; the text is not repeated.
 */
export function secretFile(text: string): SecretFile {
  const at = text.indexOf(':')
  const last = text.lastIndexOf(':')
  const hasMode = last > at && MODE.test(text.slice(last + 1))
  const path = text.slice(at + 1, hasMode ? last : undefined)
  if (at <= 0 || !isFilePath(path)) {
    throw new Fault('REQUEST_INVALID', 'A secret file is not given as it should be.', {
      hint: 'Write --secret-file NAME:/path/of/the/file or NAME:/path:0440.',
    })
  }
  const mode = hasMode ? Number.parseInt(text.slice(last + 1), 8) : DEFAULT_MODE
  return { name: secretName(text.slice(0, at)), path, mode, base64: false }
}

const KEYS = ['guest_path', 'secret_name', 'base64', 'mode'] as const

/**
 * Reads the `[[files]]` of a `traceless.toml`.
 *
 * @param file - its name, for messages.
 * @throws {@link Fault} `REQUEST_INVALID` with everything that is wrong with it.
 */
export function configuredFiles(text: string, file: string): readonly SecretFile[] {
  const document = readToml(text)
  if (document.table === null) {
    const { line, column } = document
    throw faultOf([{ code: 'REQUEST_INVALID', message: 'The file is not valid TOML.', file, line, column }])
  }
  const problems: Problem[] = []
  const complain = (message: string, hint?: string): void =>
    void problems.push({ code: 'REQUEST_INVALID', message, hint, file })
  for (const key of Object.keys(document.table)) {
    if (key !== 'files') complain('The file has a table that is not known.', suggestion(key, ['files']))
  }
  const tables: unknown = document.table['files'] ?? []
  if (!Array.isArray(tables) || !tables.every(isTomlTable)) {
    complain('"files" is not a list of tables.', 'Write [[files]] above each.')
  }
  const files = Array.isArray(tables) ? tables.filter(isTomlTable) : []
  const read = files.flatMap((table, index) => {
    const nth = `[[files]] number ${index + 1}`
    return configuredFile(table, (message, hint) => complain(`${nth}: ${message}`, hint))
  })
  if (problems.length > 0) throw faultOf(problems)
  return read
}

function configuredFile(
  table: TomlTable,
  complain: (message: string, hint?: string) => void,
): readonly SecretFile[] {
  for (const key of Object.keys(table)) {
    if (!KEYS.some((known) => known === key)) complain('a key is not known.', suggestion(key, KEYS))
  }
  const { guest_path: path, secret_name: name, base64 = false, mode = '0400' } = table
  if (typeof path !== 'string' || !isFilePath(path))
    complain('guest_path is not the absolute path of a file.')
  if (typeof name !== 'string' || !isSecretName(name)) complain('secret_name is not the name of a secret.')
  if (typeof base64 !== 'boolean') complain('base64 is neither true nor false.')
  // A number is refused, because 0o440 and 288 are the same one, and 440 is another.
  if (typeof mode !== 'string' || !MODE.test(mode)) complain('mode is not text such as "0440".')
  if (typeof path !== 'string' || typeof name !== 'string' || typeof base64 !== 'boolean') return []
  if (typeof mode !== 'string' || !isSecretName(name)) return []
  return [{ name, path, mode: Number.parseInt(mode, 8), base64 }]
}

function suggestion(word: string, known: readonly string[]): string {
  const meant = nearest(word, known)
  return meant === undefined ? `Known: ${known.join(', ')}.` : `Did you mean ${meant}?`
}

/** Folders whose content the engine or the kernel makes; no link could be put there. */
const SYSTEM = ['/proc', '/sys', '/dev']

const isFilePath = (path: string): boolean =>
  posix.isAbsolute(path) && path !== '/' && posix.normalize(path) === path && !path.endsWith('/')

/**
 * What is wrong with files taken together.
 *
 * @param volumes - mount points of what belongs to the host: a file there would leave a link behind on the host.
 */
export function fileProblems(files: readonly SecretFile[], volumes: readonly string[]): readonly Problem[] {
  const seen = new Set<string>()
  return files.flatMap(({ name, path }): readonly Problem[] => {
    const complain = (message: string): Problem => ({ code: 'REQUEST_INVALID', message })
    if (seen.has(path)) return [complain(`The file of ${name} has the path of another one.`)]
    seen.add(path)
    if (SYSTEM.some((folder) => isWithin(path, folder))) {
      return [complain(`The file of ${name} would stand in a folder of the system.`)]
    }
    if (volumes.some((folder) => isWithin(path, folder))) {
      return [complain(`The file of ${name} would stand in a volume.`)]
    }
    return []
  })
}

const isWithin = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`)

/** What goes into the files, by index. Dispose them: decoded values are wiped. */
export interface FileContents extends Disposable {
  readonly contents: readonly SecretValue[]
  /** Values that were decoded, by the name of their secret: as secret as what they were decoded from. */
  readonly decoded: SecretSet
}

/**
 * Decodes what is base64.
 *
 * @throws {@link Fault} `REQUEST_INVALID` naming every value that is not what it should be.
 */
export function fileContents(files: readonly SecretFile[], values: SecretSet): FileContents {
  const decoded = new Map<SecretName, SecretValue>()
  const problems: Problem[] = []
  for (const { name } of files.filter(({ base64 }) => base64)) {
    const value = values.get(name)?.use(decodedBase64)
    if (value !== null && value !== undefined) decoded.set(name, value)
    else problems.push({ code: 'REQUEST_INVALID', message: `The value of ${name} is not base64.` })
  }
  const wipe = (): void => {
    for (const value of decoded.values()) value[Symbol.dispose]()
  }
  if (problems.length > 0) {
    wipe()
    throw faultOf(problems)
  }
  const contents = files.map(({ name, base64 }) => {
    const value = base64 ? decoded.get(name) : values.get(name)
    if (value === undefined) throw new TypeError('a file has no value')
    return value
  })
  return { contents, decoded, [Symbol.dispose]: wipe }
}

/** Base64 or base64url, with or without padding, in one line or several; `null` for anything else. */
function decodedBase64(bytes: Uint8Array): SecretValue | null {
  const text = Buffer.from(bytes)
    .toString('latin1')
    .replaceAll(/[\r\n\t ]/g, '')
  const body = text.replace(/={1,2}$/, '')
  if (!/^(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)$/.test(body) || body.length % 4 === 1) return null
  if (body.length !== text.length && text.length % 4 !== 0) return null
  const buffer = Buffer.from(body, 'base64')
  const value = new SecretValue(buffer)
  buffer.fill(0)
  return value
}
